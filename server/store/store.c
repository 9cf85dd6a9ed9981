/* The store's face: takes records in, tells what became of them. */
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
    store->redact = redact_new(settings->redact_tags, settings->n_redact_tags);
    store->swept_us = clock_mono_us();
    batch_init_all(store);
    TAILQ_INIT(&store->quarantine.entries);
    lane_init_all(store);
    handover_init(store);
    waiter_init_all(store);
    cold_init(store);
    metric_set(metrics, METRIC_BUFFER_CAPACITY, TIER_MEMORY, settings->max_bytes);
    if (settings->mode == STORE_MEMORY)
        metric_set(metrics, METRIC_QUARANTINE_CAPACITY, 0, settings->quarantine_bytes);
    return store;
}

static void
send_parcel(struct store *store)
{
    struct parcel *parcel = store->parcel;
    if (parcel == NULL || parcel_is_empty(parcel))
        return;
    store->parcel = NULL;
    store->callbacks.on_parcel(store->callbacks.ctx, parcel);
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
    waiter_fini_all(*store);
    record_trim(*store);
    check((*store)->memory_bytes == 0 && (*store)->n_queued == 0 && (*store)->n_volatile == 0);
    handover_end_all(*store);
    send_parcel(*store);
    handover_fini(*store);
    metric_set((*store)->metrics, METRIC_BUFFER_BYTES, TIER_MEMORY, 0);
    settle_fini(&(*store)->settle);
    redact_free(&(*store)->redact);
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

/* An item that has no record: settled with what was put before it. */
static void
settle_nothing(struct store *store, bool is_copy, void *cookie, uint64_t credit_bytes)
{
    struct waiter *waiter = NULL;
    if (store->settings.ack == STORE_ACK_FORWARDED)
        waiter = is_copy ? waiter_of_copy(store, cookie, credit_bytes)
                         : waiter_of(store, cookie, credit_bytes);
    else
        settle_add(handover_settle(store), cookie, credit_bytes);
    if (waiter != NULL)
        waiter_end(store, waiter);
}

static void
put_aside(struct store *store, const struct store_record *record, size_t n)
{
    count_accepted(store, method_row(record->method)->signal, n);
    if (handover_put_aside(store, record, n, true) != ERR_OK)
        settle_nothing(store, false, record->cookie, record->credit_bytes);
}

/* Room for one more item: mostly there is. */
static enum err
make_room(struct store *store, struct store_lane *lane)
{
    if (__builtin_expect(lane_has_room(lane), 1))
        return ERR_OK;
    return lane_reserve(store, lane);
}

/* ERR_WAIT: there is no lane for a new key; ERR_BUDGET: no memory. */
static enum err
put_queued(struct store *store, const struct store_record *record, size_t n)
{
    struct store_lane *lane = record->key.n == 0 ? &store->plain[record->method]
                                                 : lane_of(store, record->method, record->key);
    if (lane == NULL) {
        store->lacks_lanes = true;
        return ERR_WAIT;
    }
    if (make_room(store, lane) != ERR_OK)
        goto no_memory;
    struct store_item item = record_copy(store, record, n);
    if (item.block == NULL)
        goto no_memory;
    count_accepted(store, lane->signal, n);
    metric_add(store->metrics, METRIC_ITEMS_QUEUED, lane->signal, 1);
    store->n_queued++;
    store->n_volatile++;
    if (store->settings.ack == STORE_ACK_FORWARDED)
        item.waiter = waiter_of(store, record->cookie, record->credit_bytes);
    else
        settle_add(&store->settle, record->cookie, record->credit_bytes);
    if (record->method == METHOD_SEGMENT_COLLECT)
        waiter_keep_order(store, item.waiter);
    lane_push(store, lane, &item);
    return ERR_OK;
no_memory:
    /* A lane made for this record alone goes again. */
    if (lane->state == LANE_IDLE)
        lane_settle_state(store, lane);
    return ERR_BUDGET;
}

static enum err
put_once(struct store *store, const struct store_record *record, size_t n, bool is_through_disk)
{
    if (!is_through_disk)
        return put_queued(store, record, n);
    enum err err = handover_put(store, record, n, false);
    if (err == ERR_OK)
        count_accepted(store, method_row(record->method)->signal, n);
    return err;
}

/* What when_full says; ERR_WAIT where there is nothing to drop. */
static enum err
put_when_full(struct store *store, const struct store_record *record, size_t n,
              bool is_through_disk)
{
    if (!record_is_full(store))
        return ERR_WAIT;
    if (store->settings.when_full == STORE_DROP_NEWEST) {
        enum signal signal = method_row(record->method)->signal;
        count_accepted(store, signal, n);
        metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + DROP_BUFFER_FULL, 1);
        settle_nothing(store, false, record->cookie, record->credit_bytes);
        return ERR_OK;
    }
    if (store->settings.when_full == STORE_DROP_OLDEST)
        while (lane_drop_oldest(store))
            if (put_once(store, record, n, is_through_disk) == ERR_OK)
                return ERR_OK;
    return ERR_WAIT;
}

static void
note_short(struct store *store, const struct store_record *record, size_t n)
{
    uint64_t whole = spool_record_bytes((uint32_t)record->key.n, n);
    store->is_short = true;
    if (whole > store->short_of_bytes)
        store->short_of_bytes = whole;
}

/* Whether the disk is full is the spool's matter: a slice that finds no room waits there, and so do
 * we once enough of them are out. A broken one is like none: memory is all there is. */
static enum err
put_through_disk(struct store *store, const struct store_record *record, size_t n)
{
    if (!lane_may_open(store, record->method, record->key)) {
        store->lacks_lanes = true;
        return ERR_WAIT;
    }
    enum err err = put_once(store, record, n, true);
    if (err == ERR_BUDGET && store->is_broken)
        err = put_when_full(store, record, n, true);
    if (err == ERR_OK)
        return ERR_OK;
    note_short(store, record, n);
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
    if (handover_is_due(store, record->method))
        return put_through_disk(store, record, n);
    enum err err = put_queued(store, record, n);
    if (err != ERR_BUDGET)
        return err;
    err = put_when_full(store, record, n, false);
    if (err == ERR_WAIT)
        note_short(store, record, n);
    return err;
}

enum err
store_restore(struct store *store, const struct store_record *record, uint32_t as)
{
    CHECK_OBJ(store, STORE_MAGIC);
    check(store->settings.mode != STORE_MEMORY);
    if (!lane_may_open(store, record->method, record->key) ||
        handover_restore(store, record, payload_bytes(record), as) != ERR_OK)
        return ERR_WAIT;
    return ERR_OK;
}

void
store_put_nothing(struct store *store, enum method method, enum drop_reason reason, void *cookie,
                  uint64_t credit_bytes)
{
    const struct method_row *row = method_row(method);
    enum signal signal = row != NULL ? row->signal : SIGNAL_OTHER;
    metric_add(store->metrics, METRIC_ITEMS_ACCEPTED, signal, 1);
    metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + reason, 1);
    settle_nothing(store, reason == DROP_COPY, cookie, credit_bytes);
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
    if (handover_is_behind(store))
        return false;
    if (store->settings.mode != STORE_MEMORY &&
        store->memory_bytes + store->short_of_bytes <= STORE_FLOOR_BYTES / 2)
        return true;
    uint64_t n = store->settings.max_bytes / 8;
    n = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    n = n > store->short_of_bytes ? n : store->short_of_bytes;
    return record_has_room(store, n);
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

uint64_t
store_n_volatile(const struct store *store)
{
    return store->n_volatile;
}

bool
store_is_empty(const struct store *store)
{
    return store_n_held(store) == 0 && !cold_is_wanted(store);
}

uint32_t
store_n_out(const struct store *store)
{
    return store->n_out;
}

bool
store_wants_batches(const struct store *store)
{
    if (store->n_inflight == 0 || store->settings.mode == STORE_MEMORY ||
        store->settings.ack == STORE_ACK_FORWARDED)
        return false;
    if (store->is_winding_up)
        return store->n_volatile > 0;
    return store->has_outage && (store->is_short || handover_waits_for_records(store));
}

void
store_set_outage(struct store *store, bool no_backend)
{
    store->has_outage = no_backend;
}

void
store_on_parcel(struct store *store, struct parcel *parcel)
{
    CHECK_OBJ(store, STORE_MAGIC);
    struct slice *slice;
    while ((slice = STAILQ_FIRST(&parcel->slices)) != NULL) {
        STAILQ_REMOVE_HEAD(&parcel->slices, link);
        handover_on_slice(store, slice);
    }
    struct spool_read *read;
    while ((read = STAILQ_FIRST(&parcel->reads)) != NULL) {
        STAILQ_REMOVE_HEAD(&parcel->reads, link);
        cold_on_read(store, read);
    }
    if (parcel->has_cold)
        cold_on_more(store);
    parcel_free(&parcel);
}

uint64_t
store_next_us(const struct store *store)
{
    return store->group != NULL ? store->group->first_us + STORE_HAND_OVER_US : UINT64_MAX;
}

struct oldest {
    int64_t ms[SIGNAL_COUNT];
};

static void
note_oldest(struct store *store, struct store_lane *lane, void *ctx)
{
    struct oldest *oldest = ctx;
    const struct store_item *front = lane_front(lane);
    const struct batch *batch = TAILQ_FIRST(&lane->returned);
    int64_t *ms = &oldest->ms[lane->signal];
    (void)store;
    if (front != NULL && (*ms == 0 || front->received_ms < *ms))
        *ms = front->received_ms;
    if (batch != NULL && (*ms == 0 || batch->face.oldest_ms < *ms))
        *ms = batch->face.oldest_ms;
}

/* Of what waits here; what is in a call is about as old as its neighbours in the lane. */
static void
tell_oldest(struct store *store)
{
    struct oldest oldest = {{0}};
    lane_each(store, note_oldest, &oldest);
    for (uint32_t signal = 0; signal < SIGNAL_COUNT; signal++)
        if (metric_get(store->metrics, METRIC_BUFFER_OLDEST, signal) != (uint64_t)oldest.ms[signal])
            metric_set(store->metrics, METRIC_BUFFER_OLDEST, signal, (uint64_t)oldest.ms[signal]);
}

static void
settle_all(struct store *store)
{
    handover_tell(store);
    waiter_tell(store);
    settle_tell(store, &store->settle);
}

static void
tell_room(struct store *store)
{
    bool was_short = store->is_short, lacked_lanes = store->lacks_lanes;
    store->is_short = was_short && !has_memory_again(store);
    store->lacks_lanes = lacked_lanes && !has_lanes_again(store);
    if (!store->is_short)
        store->short_of_bytes = 0;
    if (store->is_short == was_short && store->lacks_lanes == lacked_lanes)
        return;
    store->callbacks.on_room(store->callbacks.ctx);
    settle_all(store);
}

void
store_turn(struct store *store)
{
    CHECK_OBJ(store, STORE_MAGIC);
    settle_all(store);
    if (clock_mono_us() - store->swept_us >= SWEEP_US) {
        store->swept_us = clock_mono_us();
        lane_sweep(store);
        tell_oldest(store);
    }
    if (store_n_held(store) == 0)
        record_trim(store);
    tell_room(store);
    cold_turn(store);
    spill_turn(store);
    handover_turn(store, store->is_winding_up);
    /* What needed no disk, but stood behind something that did; and what was put meanwhile. */
    settle_all(store);
    send_parcel(store);
    if (store->is_due_untold) {
        store->is_due_untold = false;
        store->callbacks.on_due(store->callbacks.ctx);
    }
    if (metric_get(store->metrics, METRIC_BUFFER_BYTES, TIER_MEMORY) != store->memory_bytes)
        metric_set(store->metrics, METRIC_BUFFER_BYTES, TIER_MEMORY, store->memory_bytes);
}

void
store_wind_up(struct store *store)
{
    store->is_winding_up = true;
    store->has_to_spill = true;
    store_turn(store);
}
