/* What one worker knows of an instance by the hash of its names: its language, its sighting. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 0 (the language an instance reports is the first of the two witnesses of an
 * agent) and 2.1. One table per worker: one look-up per segment finds both. Where an entry is gone
 * the agent stays unknown and strong rules are hints. */
#ifndef INTEGRITY_INSTANCE_TABLE_H
#define INTEGRITY_INSTANCE_TABLE_H

#include "base/bytes.h"
#include "integrity/agent_shape.h"

enum {
    INSTANCE_TABLE_WAYS = 4,
    INSTANCE_TABLE_MIN = 8192, /* entries */
    INSTANCE_TABLE_MAX = 65536,
};

struct instance_entry {
    uint64_t hash;     /* sighting_hash; 0: free */
    uint32_t used;     /* the table's clock when it was asked for last */
    uint32_t batch;    /* the hand-over in which it has a sighting; 0: none */
    uint16_t sighting; /* its index there */
    uint8_t language;  /* enum agent_language */
    bool is_hearsay;   /* never met here: another worker told of it */
};
_Static_assert(sizeof(struct instance_entry) <= 24, "65,536 of them in 1.5 MiB");

struct instance_table;

/* Memory is taken with the first entry. */
struct instance_table *instance_table_new(void);
void instance_table_free(struct instance_table **);
/* The largest power of two of entries within max_bytes, but at least MIN and at most MAX. Another
 * size forgets all. */
void instance_table_set_size(struct instance_table *, uint64_t max_bytes);
/* NULL: not seen, or gone. Entries stay where they are until the next put or hear. */
struct instance_entry *instance_table_find(struct instance_table *, uint64_t hash);
/* As find; takes the place of the one of its set of four that was not asked for longest. */
struct instance_entry *instance_table_put(struct instance_table *, uint64_t hash);
/* The language by another worker's word. Never takes the place of an instance met here. */
void instance_table_hear(struct instance_table *, uint64_t hash, enum agent_language);
uint64_t instance_table_n_bytes(const struct instance_table *);

#endif
