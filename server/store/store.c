/* The store in memory: takes records in, tells what became of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/mem.h"
#include "store/store_int.h"

enum { SWEEP_US = 1000000 };

struct store *
store_new(const struct store_settings *settings, const struct store_callbacks *callbacks,
          struct block_cache *blocks, struct metrics *metrics)
{
    struct store *store = mem_new(struct store);
    store->magic = STORE_MAGIC;
    store->settings = *settings;
    check(settings->batch_items > 0);
    store->callbacks = *callbacks;
    store->blocks = blocks;
    store->metrics = metrics;
    store->quarantine.max_bytes = settings->quarantine_bytes;
    store->swept_us = clock_mono_us();
    batch_init_all(store);
    TAILQ_INIT(&store->quarantine.entries);
    lane_init_all(store);
    metric_set(metrics, METRIC_BUFFER_CAPACITY, TIER_MEMORY, settings->max_bytes);
    metric_set(metrics, METRIC_QUARANTINE_CAPACITY, 0, settings->quarantine_bytes);
    return store;
}

void
store_free(struct store **store)
{
    if (*store == NULL)
        return;
    /* Lent batches come back first: forward is freed before. */
    check((*store)->n_inflight == 0);
    lane_fini_all(*store);
    batch_fini_all(*store);
    quarantine_fini(*store);
    record_trim(*store);
    check((*store)->memory_bytes == 0);
    metric_set((*store)->metrics, METRIC_BUFFER_BYTES, TIER_MEMORY, 0);
    settle_fini(&(*store)->settle);
    (*store)->magic = 0;
    mem_free(*store);
    *store = NULL;
}

static size_t
payload_bytes(const struct store_record *record)
{
    size_t n = 0;
    for (uint32_t i = 0; i < record->n_parts; i++)
        n += record->parts[i].n;
    return n;
}

static void
count_accepted(struct store *store, enum signal signal, size_t n)
{
    metric_add(store->metrics, METRIC_ITEMS_ACCEPTED, signal, 1);
    metric_add(store->metrics, METRIC_RECEIVED_BYTES, signal, n);
}

static void
put_aside(struct store *store, const struct store_record *record, size_t n)
{
    enum signal signal = method_row(record->method)->signal;
    count_accepted(store, signal, n);
    if (quarantine_add(store, record, n))
        metric_add(store->metrics, METRIC_ITEMS_QUARANTINED, signal, 1);
    else
        metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + DROP_REJECTED, 1);
    settle_add(&store->settle, record->cookie, record->credit_bytes);
}

/* ERR_WAIT: there is no lane for a new key; ERR_BUDGET: no memory. */
static enum err
put_queued(struct store *store, const struct store_record *record, size_t n)
{
    struct store_lane *lane = lane_of(store, record->method, record->key);
    if (lane == NULL) {
        store->lacks_lanes = true;
        return ERR_WAIT;
    }
    if (lane_reserve(store, lane) != ERR_OK)
        goto no_memory;
    struct store_item item = record_copy(store, record, n);
    if (item.block == NULL)
        goto no_memory;
    count_accepted(store, lane->signal, n);
    metric_add(store->metrics, METRIC_ITEMS_QUEUED, lane->signal, 1);
    store->n_queued++;
    lane_push(store, lane, &item);
    settle_add(&store->settle, record->cookie, record->credit_bytes);
    return ERR_OK;
no_memory:
    /* A lane made for this record alone goes again. */
    if (lane->state == LANE_IDLE)
        lane_settle_state(store, lane);
    return ERR_BUDGET;
}

/* What when_full says; ERR_WAIT where there is nothing to drop. */
static enum err
put_when_full(struct store *store, const struct store_record *record, size_t n)
{
    if (!record_is_full(store))
        return ERR_WAIT;
    if (store->settings.when_full == STORE_DROP_NEWEST) {
        enum signal signal = method_row(record->method)->signal;
        count_accepted(store, signal, n);
        metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + DROP_BUFFER_FULL, 1);
        settle_add(&store->settle, record->cookie, record->credit_bytes);
        return ERR_OK;
    }
    if (store->settings.when_full == STORE_DROP_OLDEST)
        while (lane_drop_oldest(store))
            if (put_queued(store, record, n) == ERR_OK)
                return ERR_OK;
    return ERR_WAIT;
}

enum err
store_put(struct store *store, const struct store_record *record)
{
    CHECK_OBJ(store, STORE_MAGIC);
    size_t n = payload_bytes(record);
    if (record->flags & STORE_SET_ASIDE) {
        put_aside(store, record, n);
        return ERR_OK;
    }
    enum err err = put_queued(store, record, n);
    if (err != ERR_BUDGET)
        return err;
    err = put_when_full(store, record, n);
    if (err == ERR_WAIT)
        store->is_short = true;
    return err;
}

void
store_put_nothing(struct store *store, enum method method, enum drop_reason reason, void *cookie,
                  uint64_t credit_bytes)
{
    const struct method_row *row = method_row(method);
    enum signal signal = row != NULL ? row->signal : SIGNAL_OTHER;
    metric_add(store->metrics, METRIC_ITEMS_ACCEPTED, signal, 1);
    metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + reason, 1);
    settle_add(&store->settle, cookie, credit_bytes);
}

/* Memory and lanes are there again an eighth below the limit, so that a full buffer does not tell
 * its waiters for every record. */
static bool
has_lanes_again(const struct store *store)
{
    return map_count(store->keyed) <= STORE_MAX_KEYED_LANES - STORE_MAX_KEYED_LANES / 8;
}

static bool
has_memory_again(const struct store *store)
{
    return record_has_room(store, store->settings.max_bytes / 8 > BLOCK_BYTES
                                      ? store->settings.max_bytes / 8
                                      : BLOCK_BYTES);
}

bool
store_is_short(const struct store *store)
{
    return store->is_short;
}

uint64_t
store_n_held(const struct store *store)
{
    return store->n_queued + store->n_inflight;
}

void
store_turn(struct store *store)
{
    CHECK_OBJ(store, STORE_MAGIC);
    settle_tell(store);
    if (clock_mono_us() - store->swept_us >= SWEEP_US) {
        store->swept_us = clock_mono_us();
        lane_sweep(store);
    }
    if (store_n_held(store) == 0)
        record_trim(store);
    bool was_short = store->is_short, lacked_lanes = store->lacks_lanes;
    store->is_short = was_short && !has_memory_again(store);
    store->lacks_lanes = lacked_lanes && !has_lanes_again(store);
    if (store->is_short != was_short || store->lacks_lanes != lacked_lanes) {
        store->callbacks.on_room(store->callbacks.ctx);
        settle_tell(store);
    }
    if (store->is_due_untold) {
        store->is_due_untold = false;
        store->callbacks.on_due(store->callbacks.ctx);
    }
    if (metric_get(store->metrics, METRIC_BUFFER_BYTES, TIER_MEMORY) != store->memory_bytes)
        metric_set(store->metrics, METRIC_BUFFER_BYTES, TIER_MEMORY, store->memory_bytes);
}
