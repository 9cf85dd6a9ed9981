/* Where a record's bytes lie: the one copy into a block, and its end. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Layout in a block: STORE_HEADROOM bytes, payload, padding to 8; one reference on the block per
 * record. The budget's level is looked at only when new memory is asked for. */
#include <string.h>

#include "store/store_int.h"

static size_t
aligned(size_t n)
{
    return (n + 7u) & ~(size_t)7u;
}

bool
record_has_room(const struct store *store, uint64_t n)
{
    if (budget_level(store->blocks->budget) >= BUDGET_HOLD)
        return false;
    /* A record larger than the buffer goes alone: else it would wait for ever. */
    return store->memory_bytes + n <= store->settings.max_bytes ||
           store->n_queued + store->n_inflight == 0;
}

bool
record_is_full(const struct store *store)
{
    return store->memory_bytes + BLOCK_BYTES > store->settings.max_bytes;
}

static void
unref_block(struct store *store, struct block *block)
{
    if (block->refs == 1)
        store->memory_bytes -= block->charged;
    block_unref(store->blocks, block);
}

static struct block *
fresh_block(struct store *store, size_t n)
{
    if (!record_has_room(store, n > BLOCK_BYTES ? n : BLOCK_BYTES))
        return NULL;
    struct block *block = block_new(store->blocks, n);
    if (block != NULL)
        store->memory_bytes += block->charged;
    return block;
}

/* The block that has n bytes left, with used 8-byte aligned; NULL when memory is refused. */
static struct block *
block_for(struct store *store, enum method method, size_t n)
{
    struct block **open =
        &store->open[method == METHOD_SEGMENT_COLLECT ? OPEN_SEGMENTS : OPEN_OTHERS];
    if (*open != NULL && (*open)->refs == 1)
        (*open)->used = 0;
    if (*open != NULL && (*open)->size - (*open)->used >= n)
        return *open;
    struct block *block = fresh_block(store, n);
    if (block == NULL || n > BLOCK_BYTES)
        return block;
    if (*open != NULL)
        unref_block(store, *open);
    *open = block;
    return block;
}

struct store_item
record_copy(struct store *store, const struct store_record *record, size_t n)
{
    struct store_item item = {.n = (uint32_t)n, .received_ms = record->received_ms};
    size_t whole = aligned(STORE_HEADROOM + n);
    struct block *block = block_for(store, record->method, whole);
    if (block == NULL)
        return item;
    item.block = block;
    item.payload = block->data + block->used + STORE_HEADROOM;
    uint8_t *out = item.payload;
    for (uint32_t i = 0; i < record->n_parts; i++) {
        if (record->parts[i].n > 0)
            memcpy(out, record->parts[i].p, record->parts[i].n);
        out += record->parts[i].n;
    }
    block->used += (uint32_t)whole;
    /* A block of its own size is nobody's open block: the record takes the appender's reference. */
    if (whole <= BLOCK_BYTES)
        block_ref(block);
    return item;
}

void
record_release(struct store *store, const struct store_item *items, uint32_t n)
{
    uint32_t i = 0;
    while (i < n) {
        struct block *block = items[i].block;
        uint32_t run = 1;
        while (i + run < n && items[i + run].block == block)
            run++;
        check(block->refs >= run);
        block->refs -= run - 1;
        unref_block(store, block);
        i += run;
    }
}

void
record_trim(struct store *store)
{
    for (int i = 0; i < N_OPEN; i++) {
        if (store->open[i] == NULL || store->open[i]->refs > 1)
            continue;
        unref_block(store, store->open[i]);
        store->open[i] = NULL;
    }
}

void
record_drop_queued(struct store *store, struct store_lane *lane, const struct store_item *item,
                   enum drop_reason reason)
{
    record_release(store, item, 1);
    store->n_queued--;
    metric_sub(store->metrics, METRIC_ITEMS_QUEUED, lane->signal, 1);
    metric_add(store->metrics, METRIC_ITEMS_DROPPED, lane->signal * DROP_COUNT + reason, 1);
}
