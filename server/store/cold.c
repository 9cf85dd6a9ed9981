/* Records that are on disk only: which methods have some, when they are left there, when read back.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* A method is behind while records of it may be cold. What becomes durable of such a method is left
 * on disk too, so that the oldest goes first, until a read that wanted the method came back empty.
 * A method that no backend knows is not wanted: its records stay on disk and hold up nobody. */
#include "base/clock.h"
#include "base/mem.h"
#include "store/store_int.h"

enum {
    READ_BYTES = 1024 * 1024,
    LOW_BYTES = 1024 * 1024, /* queued of one method: more is asked for below it */
    RELEASE_US = 100 * 1000,
};

static const method_set ALL_METHODS = ~(method_set)0;

static method_set
bit(enum method method)
{
    return (method_set)1 << method;
}

void
cold_init(struct store *store)
{
    store->behind = store->settings.mode == STORE_MEMORY ? 0 : ALL_METHODS;
}

/* A quarter of the memory's share must stay free for what is on its way to the disk. */
static uint64_t
hot_bytes(const struct store *store)
{
    return store->settings.max_bytes / 4 * 3;
}

/* What waits for the disk is not to be let go of. When the disk is full it leaves only after
 * records were read back and sent, so it must not stand in the way of reads. */
static uint64_t
settled_bytes(const struct store *store)
{
    uint64_t waiting = store->undurable_bytes + store->unused_bytes;
    return store->memory_bytes > waiting ? store->memory_bytes - waiting : 0;
}

/* Somebody waits for memory, not for the disk. */
static bool
is_waited_for(const struct store *store)
{
    return store->is_short && !handover_is_behind(store);
}

static bool
is_memory_short(const struct store *store)
{
    return settled_bytes(store) > STORE_FLOOR_BYTES &&
           (store->memory_bytes > hot_bytes(store) ||
            budget_level(store->blocks->budget) >= BUDGET_RELEASE);
}

/* One method may have a quarter of the memory at most: the others go on. */
static bool
has_share(const struct store *store, enum method method)
{
    uint64_t share = store->settings.max_bytes / 4;
    return store->method_bytes[method] < (share > LOW_BYTES ? share : LOW_BYTES);
}

static bool
is_unknown(const struct store *store, enum method method)
{
    return store->unknown_until_us[method] > clock_mono_us();
}

/* Nobody is waited for either: on a broken disk what stands behind it would wait with it. */
void
cold_on_unknown(struct store *store, struct store_lane *lane, uint64_t until_us)
{
    store->unknown_until_us[lane->method] = until_us;
    if (!TAILQ_EMPTY(&store->groups))
        lane_let_wait_end(store, lane);
    if (handover_may_spill(store) && !store->is_winding_up)
        (void)spill_lane(store, lane, UINT64_MAX);
    lane_release(store, lane);
}

bool
cold_is_crowded(const struct store *store, enum method method)
{
    return is_unknown(store, method) || !has_share(store, method);
}

void
cold_release(struct store *store, enum method method, uint64_t sequence)
{
    bool is_unwanted = is_unknown(store, method);
    handover_run(store, sequence, is_unwanted ? RUN_UNWANTED : RUN_COLD);
    store->behind |= bit(method);
    store->behind_anew |= bit(method);
    store->n_queued--;
}

void
cold_on_more(struct store *store)
{
    store->behind = store->behind_anew = ALL_METHODS;
}

static bool
stays_in_memory(const struct store *store, enum method method)
{
    return (store->behind & bit(method)) == 0 && !is_unknown(store, method) &&
           !is_memory_short(store) && has_share(store, method) && !store->is_winding_up &&
           !(store->has_outage && is_waited_for(store));
}

/* A number that a newer version wrote. */
static bool
is_foreign(const struct spool_record_head *head)
{
    return head->method == METHOD_NONE || head->method >= METHOD_COUNT ||
           method_row(head->method) == NULL;
}

static void
enter(struct store *store, struct block *block, uint8_t *p)
{
    const struct spool_record_head *head = (const void *)p;
    const struct method_row *row = method_row(head->method);
    struct bytes key = row->lane == LANE_SERVICE ? spool_record_key(p) : BYTES_NONE;
    struct store_lane *lane = lane_of_always(store, row->method, key);
    struct store_item item = {
        .block = block,
        .payload = p + SPOOL_RECORD_HEAD_BYTES + head->key_bytes,
        .n = head->payload_bytes,
        .received_ms = head->received_ms,
        .sequence = head->sequence,
    };
    lane_reserve_always(store, lane);
    block_ref(block);
    lane_push(store, lane, &item);
}

void
cold_enter(struct store *store, struct block *block, uint8_t *data, uint32_t n_records,
           bool from_disk)
{
    uint8_t *p = data;
    for (uint32_t i = 0; i < n_records; i++) {
        const struct spool_record_head *head = (const void *)p;
        size_t n = spool_record_bytes(head->key_bytes, head->payload_bytes);
        if (head->flags & SPOOL_FLAG_SKIP) {
            p += n;
            continue;
        }
        if (from_disk)
            store->n_queued++;
        if (is_foreign(head)) {
            handover_run(store, head->sequence, RUN_UNWANTED);
            store->n_queued--;
        } else if (from_disk || stays_in_memory(store, head->method)) {
            enter(store, block, p);
        } else {
            cold_release(store, head->method, head->sequence);
        }
        p += n;
    }
}

/* Reading. */

struct home_read {
    struct spool_read face; /* first */
    struct block *block;
};

/* Above it only methods are asked for of which nothing is here, so that what is read is not let go
 * again at once. */
static bool
is_half_full(const struct store *store)
{
    if (budget_level(store->blocks->budget) >= BUDGET_RELEASE)
        return settled_bytes(store) > STORE_FLOOR_BYTES / 2;
    return settled_bytes(store) > STORE_FLOOR_BYTES &&
           store->memory_bytes > store->settings.max_bytes / 2;
}

/* Not asked for: what no backend knows, and what is queued here already. */
static method_set
unwanted(const struct store *store, uint64_t low_bytes)
{
    method_set set = ALL_METHODS;
    for (unsigned i = 1; i < METHOD_COUNT; i++)
        if (method_row(i) != NULL && !is_unknown(store, i) && store->method_bytes[i] < low_bytes)
            set &= ~bit(i);
    return set;
}

bool
cold_is_wanted(const struct store *store)
{
    return store->is_reading || (store->behind & ~unwanted(store, UINT64_MAX)) != 0;
}

static void
ask(struct store *store, method_set unwanted_now)
{
    uint32_t n = store->read_bytes > 0 ? store->read_bytes : READ_BYTES;
    struct block *block = block_new(store->blocks, n);
    if (block == NULL)
        return; /* the next turn tries again */
    struct home_read *read = mem_new(struct home_read);
    store->memory_bytes += block->charged;
    read->block = block;
    read->face.data = block->data;
    read->face.size = n;
    read->face.unwanted = unwanted_now;
    read->face.resume = store->read_resume;
    read->face.worker = store->settings.worker;
    read->face.home = read;
    STAILQ_INSERT_TAIL(&handover_parcel(store)->reads, &read->face, link);
    store->is_reading = true;
    store->n_out++;
    if (store->read_resume == 0) {
        store->read_unwanted = 0;
        store->behind_anew = 0;
    }
    store->read_unwanted |= unwanted_now;
}

void
cold_on_read(struct store *store, struct spool_read *face)
{
    struct home_read *read = face->home;
    store->is_reading = false;
    store->n_out--;
    store->read_bytes = face->n_needed;
    store->read_resume = face->is_unfinished ? face->resume : 0;
    if (face->n_records > 0)
        cold_enter(store, read->block, face->data, face->n_records, true);
    else if (face->n_needed == 0 && !face->is_unfinished)
        store->behind &= store->read_unwanted | store->behind_anew;
    record_unref(store, read->block);
    mem_free(read);
}

/* What is on disk leaves memory, and where only need sends records there, the rest follows it. With
 * no backend there is nobody who might take it first. */
static bool
release(struct store *store)
{
    bool is_waited = is_waited_for(store);
    uint64_t now_us = clock_mono_us();
    if (!is_waited && !is_memory_short(store))
        return false;
    if (!(is_waited && store->has_outage) && now_us - store->released_us < RELEASE_US)
        return false;
    store->released_us = now_us;
    lane_release_all(store);
    if (is_waited && handover_may_spill(store))
        spill_on_need(store);
    return true;
}

/* Nothing is read back into memory that somebody waits for, unless the disk is full of what waits
 * here: that leaves only after reads. */
static bool
may_read(const struct store *store)
{
    if (store->is_reading || store->behind == 0 || store->is_winding_up || is_memory_short(store))
        return false;
    return !is_waited_for(store) || store_n_held(store) == store->n_volatile;
}

void
cold_turn(struct store *store)
{
    /* After a release those who wait come first. */
    if (store->settings.mode == STORE_MEMORY || release(store) || !may_read(store))
        return;
    method_set set = unwanted(store, is_half_full(store) ? 1 : LOW_BYTES);
    if ((store->behind & ~set) != 0)
        ask(store, set);
}
