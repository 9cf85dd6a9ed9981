/* Blocks of payload memory: records are appended, the block is freed with its last record. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A block belongs to one thread at a time. Reference count = records in it, plus one for whoever
 * is still appending. Every block is charged to the worker's budget. */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"

enum { BLOCK_BYTES = 256 * 1024 };

struct block {
    struct block *next; /* in the cache's free list */
    uint32_t refs;
    uint32_t size;
    uint32_t used;
    uint32_t charged;
    uint8_t *data;
};

/* A worker's blocks; the last one freed is the first reused, because it is warm in the cache. */
struct block_cache {
    struct budget *budget;
    struct block *free_blocks; /* of BLOCK_BYTES, at most n_keep */
    uint32_t n_free, n_keep;
    uint32_t n_live;
};

void block_cache_init(struct block_cache *, struct budget *, uint32_t n_keep);
/* No block may be live. */
void block_cache_fini(struct block_cache *);
/* A block with at least min_bytes of room and one reference (the appender's); NULL when the budget
 * refuses. */
struct block *block_new(struct block_cache *, size_t min_bytes);
void block_ref(struct block *);
/* Frees the block (or keeps it for reuse) with the last reference. */
void block_unref(struct block_cache *, struct block *);

#endif
