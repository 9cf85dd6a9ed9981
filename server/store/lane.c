/* Queues of records by method (logs: by service too), on lists by when they are due. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A lane's queue is a list of chunks of items, charged to the budget. Lanes without a key live in
 * the store; those with one are made and freed on the way, at most STORE_MAX_KEYED_LANES. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/store_int.h"

enum {
    SMALL_CHUNK = 14,
    FULL_CHUNK = 255,
    KEEP_CHUNKS = 16,
    KEY_BYTES = 512, /* of a lane's key that are kept as they are */
    MAX_NAME_BYTES = 1 + KEY_BYTES + HASH_WIDE_BYTES,
};

static uint64_t
chunk_bytes(uint32_t capacity)
{
    return sizeof(struct lane_chunk) + capacity * sizeof(struct store_item);
}

static void
init_lane(struct store *store, struct store_lane *lane, const struct method_row *row)
{
    uint32_t max_age_s = row->max_age_s > 0 ? row->max_age_s : store->settings.max_age_s;
    *lane = (struct store_lane){
        .magic = LANE_MAGIC,
        .method = row->method,
        .signal = row->signal,
        .is_single = row->stream == STREAM_UNARY || row->message == MESSAGE_OPAQUE,
        .max_age_ms = (int64_t)max_age_s * 1000,
    };
    TAILQ_INIT(&lane->returned);
}

void
lane_init_all(struct store *store)
{
    for (int i = 0; i < LANE_N_STATES; i++)
        TAILQ_INIT(&store->lanes[i]);
    store->held_until_us = UINT64_MAX;
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (method_row(i) != NULL)
            init_lane(store, &store->plain[i], method_row(i));
    store->keyed = map_new();
}

/* A lane's name in the map: the method's number, then the key. A key too long to be kept is cut and
 * the hash of all its bytes put behind it, 128 bits under a secret seed: two services never share a
 * lane, however much of their names they share. */
static struct bytes
name_of(uint8_t *out, enum method method, struct bytes key)
{
    size_t n = key.n < KEY_BYTES ? key.n : KEY_BYTES;
    out[0] = (uint8_t)method;
    memcpy(out + 1, key.p, n);
    if (n == key.n)
        return bytes_of(out, 1 + n);
    hash_bytes_wide(key, out + 1 + n);
    return bytes_of(out, 1 + n + HASH_WIDE_BYTES);
}

static struct store_lane *
find_lane(struct store *store, enum method method, struct bytes key, size_t max)
{
    check(method_row(method) != NULL);
    if (key.n == 0)
        return &store->plain[method];
    uint8_t buffer[MAX_NAME_BYTES];
    struct bytes name = name_of(buffer, method, key);
    struct store_lane *lane = map_find(store->keyed, name);
    if (lane != NULL)
        return lane;
    if (map_count(store->keyed) >= max)
        return NULL;
    lane = mem_new(struct store_lane);
    init_lane(store, lane, method_row(method));
    lane->has_key = true;
    lane->name = bytes_of(mem_string_n(name.p, name.n), name.n);
    lane->key = bytes_of(lane->name.p + 1, name.n - 1);
    (void)map_put(store->keyed, name, lane);
    return lane;
}

bool
lane_may_open(const struct store *store, enum method method, struct bytes key)
{
    if (key.n == 0 || map_count(store->keyed) < STORE_MAX_KEYED_LANES)
        return true;
    uint8_t buffer[MAX_NAME_BYTES];
    return map_find(store->keyed, name_of(buffer, method, key)) != NULL;
}

struct store_lane *
lane_of(struct store *store, enum method method, struct bytes key)
{
    return find_lane(store, method, key, STORE_MAX_KEYED_LANES);
}

/* What is durable or was read back is bounded by itself. */
struct store_lane *
lane_of_always(struct store *store, enum method method, struct bytes key)
{
    return find_lane(store, method, key, SIZE_MAX);
}

static void
free_lane(struct store *store, struct store_lane *lane)
{
    (void)map_remove(store->keyed, lane->name);
    mem_free((void *)(uintptr_t)lane->name.p);
    lane->magic = 0;
    mem_free(lane);
}

/* Chunks. */

static bool
take_chunk_bytes(struct store *store, uint64_t n, bool must)
{
    if (must)
        budget_take_always(store->blocks->budget, n);
    return must || (record_has_room(store, n) && budget_take(store->blocks->budget, n));
}

static struct lane_chunk *
new_chunk(struct store *store, uint32_t capacity, bool must)
{
    uint64_t n = chunk_bytes(capacity);
    if (!take_chunk_bytes(store, n, must))
        return NULL;
    struct lane_chunk *chunk = store->free_chunks;
    if (capacity == FULL_CHUNK && chunk != NULL) {
        store->free_chunks = chunk->next;
        store->n_free_chunks--;
    } else {
        chunk = mem_alloc(n);
    }
    store->memory_bytes += n;
    chunk->next = NULL;
    chunk->head = chunk->tail = 0;
    chunk->capacity = capacity;
    return chunk;
}

static void
free_chunk(struct store *store, struct lane_chunk *chunk)
{
    uint64_t n = chunk_bytes(chunk->capacity);
    store->memory_bytes -= n;
    budget_give(store->blocks->budget, n);
    if (chunk->capacity == FULL_CHUNK && store->n_free_chunks < KEEP_CHUNKS) {
        chunk->next = store->free_chunks;
        store->free_chunks = chunk;
        store->n_free_chunks++;
    } else {
        mem_free(chunk);
    }
}

static enum err
reserve(struct store *store, struct store_lane *lane, bool must)
{
    if (lane_has_room(lane))
        return ERR_OK;
    bool is_small = lane->has_key && lane->last == NULL;
    struct lane_chunk *chunk = new_chunk(store, is_small ? SMALL_CHUNK : FULL_CHUNK, must);
    if (chunk == NULL)
        return ERR_WAIT;
    if (lane->last != NULL)
        lane->last->next = chunk;
    else
        lane->first = chunk;
    lane->last = chunk;
    return ERR_OK;
}

enum err
lane_reserve(struct store *store, struct store_lane *lane)
{
    return reserve(store, lane, false);
}

void
lane_reserve_always(struct store *store, struct store_lane *lane)
{
    enum err err = reserve(store, lane, true);
    check(err == ERR_OK);
}

struct store_item *
lane_front(struct store_lane *lane)
{
    return lane->n_queued > 0 ? &lane->first->items[lane->first->head] : NULL;
}

void
lane_pop(struct store *store, struct store_lane *lane)
{
    struct lane_chunk *chunk = lane->first;
    lane->n_queued--;
    lane->n_alone -= chunk->items[chunk->head].sequence == STORE_NO_SEQUENCE;
    lane->n_queued_bytes -= chunk->items[chunk->head].n;
    store->method_bytes[lane->method] -= chunk->items[chunk->head].n + STORE_HEADROOM;
    chunk->head++;
    if (chunk->head < chunk->tail)
        return;
    lane->first = chunk->next;
    if (lane->first == NULL)
        lane->last = NULL;
    free_chunk(store, chunk);
}

/* States. */

static void
insert_waiting(struct store *store, struct store_lane *lane)
{
    struct lane_list *list = &store->lanes[LANE_WAITING];
    struct store_lane *before = TAILQ_LAST(list, lane_list);
    while (before != NULL && before->due_us > lane->due_us)
        before = TAILQ_PREV(before, lane_list, link);
    if (before != NULL)
        TAILQ_INSERT_AFTER(list, before, lane, link);
    else
        TAILQ_INSERT_HEAD(list, lane, link);
}

static void
set_state(struct store *store, struct store_lane *lane, enum lane_state state)
{
    if (lane->state != LANE_IDLE)
        TAILQ_REMOVE(&store->lanes[lane->state], lane, link);
    lane->state = state;
    if (state == LANE_IDLE)
        return;
    store->is_due_untold = true;
    if (state == LANE_WAITING)
        insert_waiting(store, lane);
    else
        TAILQ_INSERT_TAIL(&store->lanes[state], lane, link);
}

static bool
is_full(const struct store *store, const struct store_lane *lane)
{
    return lane->is_single || lane->n_queued >= store->settings.batch_items ||
           lane->n_queued_bytes >= store->settings.batch_bytes;
}

/* When the oldest record has waited batch.max_delay. */
static uint64_t
waiting_due_us(const struct store *store, struct store_lane *lane)
{
    const struct store_item *front = lane_front(lane);
    check(front != NULL);
    int64_t age_ms = clock_unix_ms() - front->received_ms;
    int64_t left_ms = (int64_t)store->settings.batch_delay_ms - (age_ms > 0 ? age_ms : 0);
    return clock_mono_us() + (left_ms > 0 ? (uint64_t)left_ms * 1000 : 0);
}

static bool
is_empty(const struct store_lane *lane)
{
    return lane->n_queued == 0 && TAILQ_EMPTY(&lane->returned);
}

/* Nothing is queued: its memory goes, and a lane with a key goes with its last lent batch. */
static void
rest(struct store *store, struct store_lane *lane)
{
    if (lane->last != NULL) {
        free_chunk(store, lane->last);
        lane->first = lane->last = NULL;
    }
    set_state(store, lane, LANE_IDLE);
    if (lane->has_key && lane->n_batches == 0)
        free_lane(store, lane);
}

void
lane_settle_state(struct store *store, struct store_lane *lane)
{
    if (lane->state == LANE_HELD)
        return;
    if (is_empty(lane)) {
        rest(store, lane);
        return;
    }
    enum lane_state state =
        !TAILQ_EMPTY(&lane->returned) || is_full(store, lane) ? LANE_READY : LANE_WAITING;
    if (state == LANE_WAITING)
        lane->due_us = waiting_due_us(store, lane);
    if (state != lane->state || state == LANE_WAITING)
        set_state(store, lane, state);
}

void
lane_push(struct store *store, struct store_lane *lane, const struct store_item *item)
{
    struct lane_chunk *chunk = lane->last;
    chunk->items[chunk->tail++] = *item;
    lane->n_queued++;
    lane->n_alone += item->sequence == STORE_NO_SEQUENCE;
    lane->n_queued_bytes += item->n;
    store->method_bytes[lane->method] += item->n + STORE_HEADROOM;
    if (lane->state == LANE_IDLE || (lane->state == LANE_WAITING && is_full(store, lane)))
        lane_settle_state(store, lane);
}

/* Over all lanes. */

void
lane_each(struct store *store, void (*fn)(struct store *, struct store_lane *, void *ctx),
          void *ctx)
{
    /* A lane changes its list only by being emptied (to none), so each is met once. */
    for (int state = LANE_WAITING; state < LANE_N_STATES; state++) {
        struct store_lane *lane, *next;
        for (lane = TAILQ_FIRST(&store->lanes[state]); lane != NULL; lane = next) {
            next = TAILQ_NEXT(lane, link);
            fn(store, lane, ctx);
        }
    }
}

int64_t
lane_cutoff_ms(const struct store_lane *lane)
{
    return lane->max_age_ms > 0 ? clock_unix_ms() - lane->max_age_ms : INT64_MIN;
}

static void
drop_front(struct store *store, struct store_lane *lane, enum drop_reason reason)
{
    struct store_item item = *lane_front(lane);
    lane_pop(store, lane);
    record_drop_queued(store, lane, &item, reason);
}

void
lane_leave_if_empty(struct store *store, struct store_lane *lane)
{
    if (is_empty(lane))
        lane_settle_state(store, lane);
}

static void
sweep_lane(struct store *store, struct store_lane *lane, void *ctx)
{
    (void)ctx;
    int64_t cutoff_ms = lane_cutoff_ms(lane);
    struct batch *batch, *next;
    for (batch = TAILQ_FIRST(&lane->returned); batch != NULL; batch = next) {
        next = TAILQ_NEXT(batch, link);
        batch_expire(store, batch, true);
        if (batch->face.n == 0)
            batch_drop_returned(store, lane, batch, DROP_EXPIRED);
    }
    while (lane->n_queued > 0 && lane_front(lane)->received_ms < cutoff_ms)
        drop_front(store, lane, DROP_EXPIRED);
    lane_leave_if_empty(store, lane);
}

void
lane_sweep(struct store *store)
{
    lane_each(store, sweep_lane, NULL);
}

struct oldest {
    int64_t received_ms;
    struct block *block;
};

static void
look_for_oldest(struct store *store, struct store_lane *lane, void *ctx)
{
    (void)store;
    struct oldest *oldest = ctx;
    struct batch *batch = TAILQ_FIRST(&lane->returned);
    const struct store_item *item = batch != NULL ? &batch->face.items[0] : lane_front(lane);
    if (item != NULL && (oldest->block == NULL || item->received_ms < oldest->received_ms))
        *oldest = (struct oldest){item->received_ms, item->block};
}

static void
drop_of_block(struct store *store, struct store_lane *lane, void *ctx)
{
    const struct oldest *oldest = ctx;
    struct batch *batch;
    while ((batch = TAILQ_FIRST(&lane->returned)) != NULL &&
           batch->face.items[0].block == oldest->block)
        batch_drop_returned(store, lane, batch, DROP_BUFFER_FULL);
    while (lane->n_queued > 0 && lane_front(lane)->block == oldest->block)
        drop_front(store, lane, DROP_BUFFER_FULL);
    lane_leave_if_empty(store, lane);
}

bool
lane_drop_oldest(struct store *store)
{
    struct oldest oldest = {0};
    lane_each(store, look_for_oldest, &oldest);
    if (oldest.block == NULL)
        return false;
    lane_each(store, drop_of_block, &oldest);
    return true;
}

/* The front leaves memory; on disk it stays. */
static void
leave_front(struct store *store, struct store_lane *lane)
{
    struct store_item item = *lane_front(lane);
    lane_pop(store, lane);
    record_forget(store, &item);
    cold_release(store, lane->method, item.sequence);
}

void
lane_release(struct store *store, struct store_lane *lane)
{
    struct batch *batch, *next;
    for (batch = TAILQ_FIRST(&lane->returned); batch != NULL; batch = next) {
        next = TAILQ_NEXT(batch, link);
        batch_release_returned(store, lane, batch);
    }
    /* Records of before and after a broken disk may take turns: up to the first that has none. */
    while (lane->n_queued > 0 && lane_front(lane)->sequence != STORE_NO_SEQUENCE)
        leave_front(store, lane);
    lane_leave_if_empty(store, lane);
}

static void
release_one(struct store *store, struct store_lane *lane, void *ctx)
{
    (void)ctx;
    lane_release(store, lane);
}

void
lane_release_all(struct store *store)
{
    lane_each(store, release_one, NULL);
}

void
lane_let_wait_end(struct store *store, struct store_lane *lane)
{
    struct batch *batch;
    TAILQ_FOREACH(batch, &lane->returned, link)
    {
        for (uint32_t i = 0; i < batch->face.n; i++)
            waiter_end_of_group(store, &batch->face.items[i]);
    }
    for (struct lane_chunk *chunk = lane->first; chunk != NULL; chunk = chunk->next)
        for (uint32_t i = chunk->head; i < chunk->tail; i++)
            waiter_end_of_group(store, &chunk->items[i]);
}

static void
drop_all(struct store *store, struct store_lane *lane, void *ctx)
{
    (void)ctx;
    struct batch *batch;
    while ((batch = TAILQ_FIRST(&lane->returned)) != NULL)
        batch_leave_returned(store, lane, batch);
    while (lane->n_queued > 0) {
        if (lane_front(lane)->sequence != STORE_NO_SEQUENCE)
            leave_front(store, lane);
        else
            drop_front(store, lane, DROP_SHUTDOWN);
    }
    if (lane->state == LANE_HELD)
        set_state(store, lane, LANE_IDLE);
    lane_settle_state(store, lane);
}

void
lane_fini_all(struct store *store)
{
    lane_each(store, drop_all, NULL);
    check(map_count(store->keyed) == 0);
    map_free(&store->keyed);
    struct lane_chunk *chunk;
    while ((chunk = store->free_chunks) != NULL) {
        store->free_chunks = chunk->next;
        mem_free(chunk);
    }
}

/* The face's part about lanes. */

static void
release_held(struct store *store, uint64_t now_us)
{
    if (store->held_until_us > now_us)
        return;
    store->held_until_us = UINT64_MAX;
    struct store_lane *lane, *next;
    for (lane = TAILQ_FIRST(&store->lanes[LANE_HELD]); lane != NULL; lane = next) {
        next = TAILQ_NEXT(lane, link);
        if (lane->due_us <= now_us) {
            set_state(store, lane, LANE_IDLE);
            lane_settle_state(store, lane);
        } else if (lane->due_us < store->held_until_us) {
            store->held_until_us = lane->due_us;
        }
    }
}

static uint64_t
next_due_us(const struct store *store)
{
    const struct store_lane *lane = TAILQ_FIRST(&store->lanes[LANE_WAITING]);
    uint64_t next_us = lane != NULL ? lane->due_us : UINT64_MAX;
    return next_us < store->held_until_us ? next_us : store->held_until_us;
}

struct store_lane *
store_due(struct store *store, uint64_t now_us, bool flush, uint64_t *next_us)
{
    release_held(store, now_us);
    struct store_lane *lane;
    while ((lane = TAILQ_FIRST(&store->lanes[LANE_WAITING])) != NULL &&
           (flush || lane->due_us <= now_us))
        set_state(store, lane, LANE_READY);
    lane = TAILQ_FIRST(&store->lanes[LANE_READY]);
    store->is_due_untold = false;
    if (lane == NULL) {
        *next_us = next_due_us(store);
        return NULL;
    }
    TAILQ_REMOVE(&store->lanes[LANE_READY], lane, link);
    TAILQ_INSERT_TAIL(&store->lanes[LANE_READY], lane, link);
    *next_us = now_us;
    return lane;
}

enum method
store_lane_method(const struct store_lane *lane)
{
    return lane->method;
}

void
store_hold(struct store *store, struct store_lane *lane, uint64_t until_us, bool is_unknown)
{
    check(lane->magic == LANE_MAGIC);
    lane->due_us = until_us;
    if (until_us < store->held_until_us)
        store->held_until_us = until_us;
    if (lane->state != LANE_HELD)
        set_state(store, lane, LANE_HELD);
    else
        store->is_due_untold = true;
    if (is_unknown)
        cold_on_unknown(store, lane, until_us);
}
