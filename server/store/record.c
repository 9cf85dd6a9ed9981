/* Where a record's bytes lie: the one copy into a block, and its end. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Layout in a block: STORE_HEADROOM bytes, payload, padding to 8; one reference on the block per
 * record. The budget's level is looked at only when new memory is asked for. */
#include <string.h>

#include "store/store_int.h"

enum { CACHE_LINE = 64, NEAR_BYTES = 4096 };

static size_t
aligned(size_t n)
{
    return (n + 7u) & ~(size_t)7u;
}

void
record_copy_parts(uint8_t *out, const struct store_record *record)
{
    for (uint32_t i = 0; i < record->n_parts; i++) {
        if (record->parts[i].n > 0)
            memcpy(out, record->parts[i].p, record->parts[i].n);
        out += record->parts[i].n;
    }
}

bool
record_has_room(const struct store *store, uint64_t n)
{
    bool is_empty = store->n_queued + store->n_inflight == 0;
    if (store->settings.mode != STORE_MEMORY &&
        (is_empty || store->memory_bytes + n <= STORE_FLOOR_BYTES))
        return true;
    if (budget_level(store->blocks->budget) >= BUDGET_HOLD)
        return false;
    /* A record larger than the buffer goes alone: else it would wait for ever. */
    return is_empty || store->memory_bytes + n <= store->settings.max_bytes;
}

bool
record_is_full(const struct store *store)
{
    return store->memory_bytes + BLOCK_BYTES > store->settings.max_bytes;
}

void
record_unref(struct store *store, struct block *block)
{
    if (block->refs == 1)
        store->memory_bytes -= block->charged;
    block_unref(store->blocks, block);
}

static struct block *
fresh_block(struct store *store, size_t n, bool must)
{
    if (!must && !record_has_room(store, n > BLOCK_BYTES ? n : BLOCK_BYTES))
        return NULL;
    struct block *block = block_new(store->blocks, n);
    if (block != NULL)
        store->memory_bytes += block->charged;
    return block;
}

/* The block that has n bytes left, with used 8-byte aligned; NULL when memory is refused. */
static struct block *
block_for(struct store *store, enum open_block which, size_t n, bool must)
{
    struct block **open = &store->open[which];
    if (*open != NULL && (*open)->refs == 1)
        (*open)->used = 0;
    if (*open != NULL && (*open)->size - (*open)->used >= n)
        return *open;
    struct block *block = fresh_block(store, n, must);
    if (block == NULL || n > BLOCK_BYTES)
        return block;
    if (*open != NULL) {
        handover_close_block(store, which, (*open)->size - (*open)->used);
        record_unref(store, *open);
    }
    *open = block;
    return block;
}

/* Records of one lane are alike: where the next one will stand is brought near while it is still
 * being judged. A block written in turn with others has left the caches since it was last used. */
static void
bring_near(const struct block *block, size_t n)
{
    size_t room = block->size - block->used;
    const uint8_t *p = block->data + block->used;
    if (n > NEAR_BYTES)
        n = NEAR_BYTES;
    if (n > room)
        n = room;
    for (size_t at = 0; at < n; at += CACHE_LINE)
        __builtin_prefetch(p + at, 1);
}

struct place
record_place(struct store *store, enum open_block which, size_t n, bool must)
{
    struct place place = {.block = block_for(store, which, n, must), .is_own = n > BLOCK_BYTES};
    if (place.block == NULL)
        return place;
    place.p = place.block->data + place.block->used;
    place.block->used += (uint32_t)n;
    bring_near(place.block, n);
    return place;
}

struct store_item
record_copy(struct store *store, const struct store_record *record, size_t n)
{
    struct store_item item = {
        .n = (uint32_t)n, .received_ms = record->received_ms, .sequence = STORE_NO_SEQUENCE};
    enum open_block which = record->method == METHOD_SEGMENT_COLLECT ? OPEN_SEGMENTS : OPEN_OTHERS;
    handover_close(store, which);
    struct place place = record_place(store, which, aligned(STORE_HEADROOM + n), false);
    if (place.p == NULL)
        return item;
    item.block = place.block;
    item.payload = place.p + STORE_HEADROOM;
    record_copy_parts(item.payload, record);
    /* A block of its own size is nobody's open block: the record takes the appender's reference. */
    if (!place.is_own)
        block_ref(item.block);
    return item;
}

/* Blocks are given back in runs: neighbours share them. */
static void
release_blocks(struct store *store, const struct store_item *items, uint32_t n)
{
    uint32_t i = 0;
    while (i < n) {
        struct block *block = items[i].block;
        uint32_t run = 1;
        while (i + run < n && items[i + run].block == block)
            run++;
        check(block->refs >= run);
        block->refs -= run - 1;
        record_unref(store, block);
        i += run;
    }
}

void
record_release(struct store *store, const struct store_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (items[i].sequence != STORE_NO_SEQUENCE)
            handover_run(store, items[i].sequence, RUN_DONE);
        else
            store->n_volatile--;
        if (items[i].waiter != NULL)
            waiter_end(store, items[i].waiter);
    }
    release_blocks(store, items, n);
}

void
record_forget(struct store *store, const struct store_item *item)
{
    release_blocks(store, item, 1);
}

void
record_trim(struct store *store)
{
    for (int i = 0; i < N_OPEN; i++) {
        if (store->open[i] == NULL || store->open[i]->refs > 1)
            continue;
        record_unref(store, store->open[i]);
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
