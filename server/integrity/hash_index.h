/* A table from 64-bit hashes to pointers: open addressing, a cache line or two per question. */
/* SPDX-License-Identifier: Apache-2.0 */
/* For keys that are keyed hashes already (never 0): they are taken as they are. Values belong to
 * the caller. One thread. */
#ifndef INTEGRITY_HASH_INDEX_H
#define INTEGRITY_HASH_INDEX_H

#include <stdint.h>

struct hash_slot {
    uint64_t hash; /* 0: free */
    void *value;
};

/* All zeros at first. */
struct hash_index {
    struct hash_slot *slots;
    uint32_t n_slots; /* a power of two, or 0 */
    uint32_t n;
};

void hash_index_fini(struct hash_index *);
/* NULL when absent. */
void *hash_index_find(const struct hash_index *, uint64_t hash);
/* The hash is not there yet. */
void hash_index_add(struct hash_index *, uint64_t hash, void *value);
/* Nothing when it is not there. */
void hash_index_remove(struct hash_index *, uint64_t hash);
uint64_t hash_index_n_bytes(const struct hash_index *);

#endif
