/* Which language an instance says it is written in: the first of the two witnesses of an agent. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 0. One table per worker, of fixed size: the calls of an agent share a
 * connection, so what it says of itself and its segments meet in one worker; where they do not, the
 * agent stays unknown and strong rules are hints. Entries hold a keyed hash of the names. */
#ifndef INTEGRITY_INSTANCE_TABLE_H
#define INTEGRITY_INSTANCE_TABLE_H

#include "base/bytes.h"
#include "integrity/agent_shape.h"

/* Instances per worker; the one that was not asked for longest leaves its set of four. */
enum { INSTANCE_TABLE_SETS = 2048, INSTANCE_TABLE_WAYS = 4 };

struct instance_table;

/* Memory is taken when the first instance is learned. */
struct instance_table *instance_table_new(void);
void instance_table_free(struct instance_table **);
/* The last word counts. */
void instance_table_learn(struct instance_table *, struct bytes service, struct bytes instance,
                          enum agent_language);
/* LANGUAGE_NONE: not seen, or gone. */
enum agent_language instance_table_find(struct instance_table *, struct bytes service,
                                        struct bytes instance);

#endif
