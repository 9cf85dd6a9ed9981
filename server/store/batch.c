/* Batches: records of one lane, lent to forward until they end or come back. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A lent batch counts as in flight in the ledger. Item arrays are recycled. */
#include "base/clock.h"
#include "base/mem.h"
#include "store/store_int.h"

enum { KEEP_BATCHES = 8, KEEP_SINGLES = 64 };

static uint64_t
charge_bytes(const struct batch *batch)
{
    return batch->capacity > 1 ? batch->capacity * sizeof(struct store_item) : sizeof(*batch);
}

static bool
is_single(uint32_t capacity)
{
    return capacity == 1;
}

static struct batch *
fresh_batch(uint32_t capacity)
{
    struct batch *batch = mem_new(struct batch);
    batch->capacity = capacity;
    if (!is_single(capacity))
        batch->face.items = mem_alloc(capacity * sizeof(struct store_item));
    return batch;
}

/* What is reserved always completes: taking a batch frees memory in the end. */
static struct batch *
new_batch(struct store *store, struct store_lane *lane, uint32_t capacity)
{
    struct batch_pool *pool = &store->pools[is_single(capacity)];
    struct batch *batch = TAILQ_FIRST(&pool->batches);
    if (batch != NULL) {
        TAILQ_REMOVE(&pool->batches, batch, link);
        pool->n--;
    } else {
        batch = fresh_batch(capacity);
    }
    struct store_item *items = is_single(capacity) ? &batch->one : batch->face.items;
    batch->face = (struct store_batch){
        .method = lane->method, .key = lane->key, .items = items, .lane = lane};
    budget_take_always(store->blocks->budget, charge_bytes(batch));
    store->memory_bytes += charge_bytes(batch);
    return batch;
}

static void
destroy(struct batch *batch)
{
    if (!is_single(batch->capacity))
        mem_free(batch->face.items);
    mem_free(batch);
}

static void
free_batch(struct store *store, struct batch *batch)
{
    struct batch_pool *pool = &store->pools[is_single(batch->capacity)];
    budget_give(store->blocks->budget, charge_bytes(batch));
    store->memory_bytes -= charge_bytes(batch);
    if (pool->n < (is_single(batch->capacity) ? KEEP_SINGLES : KEEP_BATCHES)) {
        TAILQ_INSERT_HEAD(&pool->batches, batch, link);
        pool->n++;
    } else {
        destroy(batch);
    }
}

void
batch_init_all(struct store *store)
{
    for (int i = 0; i < 2; i++)
        TAILQ_INIT(&store->pools[i].batches);
}

void
batch_fini_all(struct store *store)
{
    for (int i = 0; i < 2; i++) {
        struct batch *batch;
        while ((batch = TAILQ_FIRST(&store->pools[i].batches)) != NULL) {
            TAILQ_REMOVE(&store->pools[i].batches, batch, link);
            destroy(batch);
        }
    }
}

static void
look_again(struct store_batch *face)
{
    face->n_bytes = 0;
    face->oldest_ms = INT64_MAX;
    for (uint32_t i = 0; i < face->n; i++) {
        face->n_bytes += face->items[i].n;
        if (face->items[i].received_ms < face->oldest_ms)
            face->oldest_ms = face->items[i].received_ms;
    }
}

static void
move_counts(struct store *store, const struct store_lane *lane, bool to_inflight, uint32_t n)
{
    uint64_t *from = to_inflight ? &store->n_queued : &store->n_inflight;
    uint64_t *to = to_inflight ? &store->n_inflight : &store->n_queued;
    *from -= n;
    *to += n;
    metric_sub(store->metrics, to_inflight ? METRIC_ITEMS_QUEUED : METRIC_ITEMS_INFLIGHT,
               lane->signal, n);
    metric_add(store->metrics, to_inflight ? METRIC_ITEMS_INFLIGHT : METRIC_ITEMS_QUEUED,
               lane->signal, n);
}

/* Items of a batch end as dropped. */
static void
count_dropped(struct store *store, const struct store_lane *lane, bool is_queued, uint32_t n,
              enum drop_reason reason)
{
    *(is_queued ? &store->n_queued : &store->n_inflight) -= n;
    metric_sub(store->metrics, is_queued ? METRIC_ITEMS_QUEUED : METRIC_ITEMS_INFLIGHT,
               lane->signal, n);
    metric_add(store->metrics, METRIC_ITEMS_DROPPED, lane->signal * DROP_COUNT + reason, n);
}

void
batch_expire(struct store *store, struct batch *batch, bool is_queued)
{
    struct store_batch *face = &batch->face;
    int64_t cutoff_ms = lane_cutoff_ms(face->lane);
    if (face->oldest_ms >= cutoff_ms)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < face->n; i++) {
        if (face->items[i].received_ms < cutoff_ms)
            record_release(store, &face->items[i], 1);
        else
            face->items[kept++] = face->items[i];
    }
    count_dropped(store, face->lane, is_queued, face->n - kept, DROP_EXPIRED);
    face->n = kept;
    look_again(face);
}

void
batch_drop_returned(struct store *store, struct store_lane *lane, struct batch *batch,
                    enum drop_reason reason)
{
    TAILQ_REMOVE(&lane->returned, batch, link);
    record_release(store, batch->face.items, batch->face.n);
    count_dropped(store, lane, true, batch->face.n, reason);
    free_batch(store, batch);
}

static void
end_returned(struct store *store, struct store_lane *lane, struct batch *batch)
{
    TAILQ_REMOVE(&lane->returned, batch, link);
    free_batch(store, batch);
}

bool
batch_spill_returned(struct store *store, struct store_lane *lane, struct batch *batch,
                     uint64_t most_bytes)
{
    struct store_batch *face = &batch->face;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < face->n; i++) {
        struct store_item item = face->items[i];
        if (item.sequence != STORE_NO_SEQUENCE || store->undurable_bytes >= most_bytes ||
            !handover_spill(store, lane, &item))
            face->items[kept++] = item;
        else
            record_release(store, &item, 1);
    }
    uint32_t n_spilled = face->n - kept;
    store->n_queued -= n_spilled;
    metric_sub(store->metrics, METRIC_ITEMS_QUEUED, lane->signal, n_spilled);
    face->n = kept;
    look_again(face);
    bool is_whole = true;
    for (uint32_t i = 0; i < kept; i++)
        is_whole &= face->items[i].sequence != STORE_NO_SEQUENCE;
    if (kept == 0)
        end_returned(store, lane, batch);
    return is_whole;
}

/* What is on disk stays there only. */
static void
release_durable(struct store *store, struct store_lane *lane, struct batch *batch)
{
    struct store_batch *face = &batch->face;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < face->n; i++) {
        if (face->items[i].sequence == STORE_NO_SEQUENCE) {
            face->items[kept++] = face->items[i];
            continue;
        }
        record_forget(store, &face->items[i]);
        cold_release(store, lane->method, face->items[i].sequence);
    }
    face->n = kept;
}

void
batch_release_returned(struct store *store, struct store_lane *lane, struct batch *batch)
{
    release_durable(store, lane, batch);
    look_again(&batch->face);
    if (batch->face.n == 0)
        end_returned(store, lane, batch);
}

void
batch_leave_returned(struct store *store, struct store_lane *lane, struct batch *batch)
{
    release_durable(store, lane, batch);
    batch_drop_returned(store, lane, batch, DROP_SHUTDOWN);
}

static struct batch *
take_returned(struct store *store, struct store_lane *lane)
{
    struct batch *batch;
    while ((batch = TAILQ_FIRST(&lane->returned)) != NULL) {
        batch_expire(store, batch, true);
        if (batch->face.n == 0) {
            batch_drop_returned(store, lane, batch, DROP_EXPIRED);
            continue;
        }
        TAILQ_REMOVE(&lane->returned, batch, link);
        return batch;
    }
    return NULL;
}

static void
fill(struct store *store, struct store_lane *lane, struct batch *batch)
{
    struct store_batch *face = &batch->face;
    int64_t cutoff_ms = lane_cutoff_ms(lane);
    face->oldest_ms = INT64_MAX;
    struct store_item *item;
    while (face->n < batch->capacity && (item = lane_front(lane)) != NULL) {
        if (item->received_ms < cutoff_ms) {
            struct store_item expired = *item;
            lane_pop(store, lane);
            record_drop_queued(store, lane, &expired, DROP_EXPIRED);
            continue;
        }
        if (face->n > 0 && face->n_bytes + item->n > store->settings.batch_bytes)
            break;
        face->items[face->n++] = *item;
        face->n_bytes += item->n;
        if (item->received_ms < face->oldest_ms)
            face->oldest_ms = item->received_ms;
        lane_pop(store, lane);
    }
}

struct store_batch *
store_take(struct store *store, struct store_lane *lane)
{
    check(lane->magic == LANE_MAGIC);
    struct batch *batch = take_returned(store, lane);
    if (batch == NULL && lane->n_queued > 0) {
        batch = new_batch(store, lane, lane->is_single ? 1 : store->settings.batch_items);
        fill(store, lane, batch);
        if (batch->face.n == 0) {
            free_batch(store, batch);
            batch = NULL;
        }
    }
    if (batch != NULL) {
        lane->n_batches++;
        move_counts(store, lane, true, batch->face.n);
    }
    lane_settle_state(store, lane);
    return batch != NULL ? &batch->face : NULL;
}

/* The batch left forward for good. */
static void
end_batch(struct store *store, struct store_batch **face)
{
    struct batch *batch = (struct batch *)*face;
    struct store_lane *lane = batch->face.lane;
    *face = NULL;
    record_release(store, batch->face.items, batch->face.n);
    free_batch(store, batch);
    check(lane->n_batches > 0);
    lane->n_batches--;
    lane_settle_state(store, lane);
}

void
store_ack(struct store *store, struct store_batch **face)
{
    const struct store_batch *batch = *face;
    uint32_t signal = batch->lane->signal;
    int64_t age_ms = clock_unix_ms() - batch->oldest_ms;
    store->n_inflight -= batch->n;
    metric_sub(store->metrics, METRIC_ITEMS_INFLIGHT, signal, batch->n);
    metric_add(store->metrics, METRIC_ITEMS_FORWARDED, signal, batch->n);
    metric_add(store->metrics, METRIC_FORWARDED_BYTES, signal, batch->n_bytes);
    metric_observe_us(store->metrics, METRIC_DELIVERY_DURATION, signal,
                      age_ms > 0 ? (uint64_t)age_ms * 1000 : 0);
    end_batch(store, face);
}

void
store_nack(struct store *store, struct store_batch **face)
{
    struct batch *batch = (struct batch *)*face;
    struct store_lane *lane = batch->face.lane;
    *face = NULL;
    batch->face.attempts++;
    batch->face.owner = NULL;
    for (uint32_t i = 0; i < batch->face.n; i++) {
        batch->face.items[i].attempts++;
        if (batch->face.items[i].sequence == STORE_NO_SEQUENCE)
            spill_on_nack(store);
    }
    move_counts(store, lane, false, batch->face.n);
    lane->n_batches--;
    TAILQ_INSERT_TAIL(&lane->returned, batch, link);
    lane_settle_state(store, lane);
}

void
store_drop(struct store *store, struct store_batch **face, enum drop_reason reason)
{
    count_dropped(store, (*face)->lane, false, (*face)->n, reason);
    end_batch(store, face);
}

bool
store_expire(struct store *store, struct store_batch **face)
{
    batch_expire(store, (struct batch *)*face, false);
    if ((*face)->n > 0)
        return true;
    end_batch(store, face);
    return false;
}

/* The copy is counted when it is durable, and only then the original is done. */
static void
set_item_aside(struct store *store, struct store_item *item, const struct store_record *record)
{
    enum err err = handover_put_aside(store, record, item->n, true);
    if (err != ERR_OK || item->sequence == STORE_NO_SEQUENCE)
        return;
    handover_also_done(store, item->sequence);
    item->sequence = STORE_NO_SEQUENCE;
    store->n_volatile++; /* record_release takes it for one in memory alone */
}

void
store_set_aside(struct store *store, struct store_batch **face)
{
    const struct store_batch *batch = *face;
    uint32_t signal = batch->lane->signal;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct bytes payload = bytes_of(batch->items[i].payload, batch->items[i].n);
        struct store_record record = {
            .method = batch->method,
            .flags = STORE_SET_ASIDE,
            .reason = RULE_COUNT,
            .parts = &payload,
            .n_parts = 1,
            .received_ms = batch->items[i].received_ms,
        };
        set_item_aside(store, &batch->items[i], &record);
    }
    store->n_inflight -= batch->n;
    metric_sub(store->metrics, METRIC_ITEMS_INFLIGHT, signal, batch->n);
    end_batch(store, face);
}

void
store_split(struct store *store, struct store_batch *first, struct store_batch **second)
{
    check(first->n >= 2);
    uint32_t n_first = (first->n + 1) / 2;
    struct batch *batch = new_batch(store, first->lane, store->settings.batch_items);
    batch->face.attempts = first->attempts;
    batch->face.n = first->n - n_first;
    memcpy(batch->face.items, first->items + n_first, batch->face.n * sizeof(struct store_item));
    first->n = n_first;
    look_again(first);
    look_again(&batch->face);
    first->lane->n_batches++;
    *second = &batch->face;
}
