/* The peers of each service's Exit spans, and which of them looks torn from two others. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rule tear-suspect (integrity.md 1.4): a peer seen once within the window that is the text of one
 * well-known peer with the length of another, and that shows it: bytes behind its port, or cut
 * within its host name. A string is torn by writing its pointer and its length apart, which of all
 * agents only Go's can, and both come from one process: so only peers of identified Go agents come
 * in, and only those of one service are compared. Silent where in doubt. Bounded: 4,096 peers of
 * 128 bytes, 16 suspects, 16 comparisons a second. */
#ifndef INTEGRITY_PEER_TABLE_H
#define INTEGRITY_PEER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    PEER_TABLE_MAX = 4096,
    PEER_TABLE_WAYS = 4,
    PEER_TEXT_BYTES = 104,  /* longer ones are lists, and left out */
    PEER_ESTABLISHED = 100, /* sightings */
    PEER_SUSPECTS = 16,
    PEER_SCANS_PER_S = 16,
};

struct peer_table;

/* Memory is taken with the first peer. */
struct peer_table *peer_table_new(void);
void peer_table_free(struct peer_table **);
/* Forgets all and gives the memory back. */
void peer_table_clear(struct peer_table *);
/* One sighting by one instance of the service. */
void peer_table_see(struct peer_table *, uint64_t service_hash, uint64_t instance_hash,
                    struct bytes peer, uint32_t second, uint32_t window_s);
/* True, once for each, when a suspect was not seen again within the window: its instance. Call
 * until false. */
bool peer_table_take_torn(struct peer_table *, uint32_t second, uint32_t window_s,
                          uint64_t *instance_hash);
uint64_t peer_table_n_bytes(const struct peer_table *);

#endif
