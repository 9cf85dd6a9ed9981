/* Block cache. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/block.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

void
block_cache_init(struct block_cache *cache, struct budget *budget, uint32_t n_keep)
{
    *cache = (struct block_cache){.budget = budget, .n_keep = n_keep};
}

static void
destroy(struct block *block)
{
    mem_free(block->data);
    mem_free(block);
}

void
block_cache_fini(struct block_cache *cache)
{
    check(cache->n_live == 0);
    while (cache->free_blocks != NULL) {
        struct block *block = cache->free_blocks;
        cache->free_blocks = block->next;
        destroy(block);
    }
    cache->n_free = 0;
}

static struct block *
fresh_block(size_t size)
{
    struct block *block = malloc(sizeof(*block));
    uint8_t *data = block != NULL ? malloc(size) : NULL;
    if (data == NULL) {
        mem_free(block);
        return NULL;
    }
    block->size = (uint32_t)size;
    block->data = data;
    return block;
}

struct block *
block_new(struct block_cache *cache, size_t min_bytes)
{
    size_t size = min_bytes > BLOCK_BYTES ? min_bytes : BLOCK_BYTES;
    if (size > UINT32_MAX || !budget_take(cache->budget, size))
        return NULL;
    struct block *block = NULL;
    if (size == BLOCK_BYTES && cache->free_blocks != NULL) {
        block = cache->free_blocks;
        cache->free_blocks = block->next;
        cache->n_free--;
    } else {
        block = fresh_block(size);
    }
    if (block == NULL) {
        budget_give(cache->budget, size);
        return NULL;
    }
    block->next = NULL;
    block->refs = 1;
    block->used = 0;
    block->charged = (uint32_t)size;
    cache->n_live++;
    return block;
}

void
block_ref(struct block *block)
{
    check(block->refs > 0);
    block->refs++;
}

void
block_unref(struct block_cache *cache, struct block *block)
{
    check(block->refs > 0);
    if (--block->refs > 0)
        return;
    cache->n_live--;
    budget_give(cache->budget, block->charged);
    if (block->size == BLOCK_BYTES && cache->n_free < cache->n_keep) {
        block->next = cache->free_blocks;
        cache->free_blocks = block;
        cache->n_free++;
    } else {
        destroy(block);
    }
}
