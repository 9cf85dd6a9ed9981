/* Several workers and one spool on a simulated disk, and what is known of every item put there. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_STORE_WORLD_H
#define UNIT_STORE_WORLD_H

#include "store_fixture.h"

#include "store/spool_int.h"
#include "store/store_int.h"
#include "support/sim_disk.h"

enum {
    N_WORKERS = 3,
    N_COOKIES = 6,
    MAX_ITEMS = 20000,
    MAX_LENT = 16,
    MAX_MAIL = 64,
    MAX_BYTES = 3 << 20, /* of a worker */
    UNDURABLE_BYTES = 256 * 1024,
    FILE_BYTES = 512 * 1024,
};

/* What became of an item, by the number in its payload. */
struct item {
    uint32_t n_forwarded;
    uint64_t credit_bytes;
    int64_t received_ms;
    bool is_durable; /* its slice came home so */
    bool is_unsaved; /* the disk was broken or full at the end */
    bool is_ended;   /* a backend took it, or it was dropped, set aside or never a record */
    bool is_settled;
    uint32_t next; /* put after it with the same cookie; 0: none */
};

/* What one cookie put and was not told of yet, oldest first. */
struct queue {
    uint32_t first, last;
};

struct worker {
    struct world *world;
    uint32_t index;
    struct budget budget;
    struct block_cache blocks;
    struct metrics *metrics;
    struct store *store;
    struct queue cookies[N_COOKIES + 1];
    struct store_batch *lent[MAX_LENT];
    uint32_t n_lent;
    struct parcel *to_spool[MAX_MAIL], *to_worker[MAX_MAIL];
    uint32_t n_to_spool, n_to_worker;
    bool is_owed_cold;
};

struct world {
    uint64_t random;
    uint64_t now_us;
    struct store_settings settings;
    struct spool_settings spool_settings, aside_settings;
    struct sim_disk *disk;
    struct spool *spool, *aside;
    struct budget_pool pool;
    struct budget others; /* the rest of the process */
    struct worker workers[N_WORKERS];
    struct spool_read_list reads;
    struct item items[MAX_ITEMS];
    uint32_t n_items; /* from 1 on */
    uint64_t n_restored;
    bool has_trouble, may_repeat; /* repeat: after a start from a disk that had failed */
    /* Of the stores and spools that are gone. */
    uint64_t n_dropped_before, n_aside_before;
    bool has_unknown; /* methods that no backend knows: on a broken disk nobody waits for them */
    bool has_end;     /* store_free is under way: nobody is told */
};

static inline int64_t
world_now_ms(const struct world *w)
{
    return 1700000000000 + (int64_t)(w->now_us / 1000);
}

static inline uint32_t
world_pick(struct world *w, uint32_t n)
{
    return (uint32_t)(sim_random(&w->random) >> 16) % n;
}

static inline void
world_pass(struct world *w, uint64_t us)
{
    w->now_us += us;
    clock_set(w->now_us, world_now_ms(w));
}

/* Payloads: the number, then bytes that follow from it. */

static inline uint8_t
world_byte_of(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7);
}

static inline uint32_t
world_number_of(const uint8_t *payload, uint32_t n)
{
    uint32_t number;
    assert_true(n >= sizeof(number));
    memcpy(&number, payload, sizeof(number));
    for (uint32_t i = sizeof(number); i < n; i += 97)
        assert_int_equal(payload[i], world_byte_of(number, i));
    return number;
}

/* The callbacks. */

static inline void
world_on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    struct worker *worker = ctx;
    struct world *w = worker->world;
    assert_false(w->has_end);
    struct queue *queue = &worker->cookies[(uintptr_t)cookie];
    for (uint32_t i = 0; i < n_records; i++) {
        assert_true(queue->first > 0);
        struct item *item = &w->items[queue->first];
        assert_false(item->is_settled);
        item->is_settled = true;
        assert_true(credit_bytes >= item->credit_bytes);
        credit_bytes -= item->credit_bytes;
        queue->first = item->next;
        bool is_old = item->received_ms < world_now_ms(w) - w->settings.max_age_s * INT64_C(1000);
        if (w->settings.ack == STORE_ACK_FORWARDED)
            assert_true(item->is_ended || is_old);
        if (w->settings.ack == STORE_ACK_BUFFERED && w->settings.mode == STORE_DURABLE)
            assert_true(item->is_durable || item->is_ended || is_old ||
                        (item->is_unsaved && w->has_unknown));
    }
    assert_int_equal(credit_bytes, 0);
}

static inline void
world_on_nothing(void *ctx)
{
    (void)ctx;
}

static inline void
world_on_parcel(void *ctx, struct parcel *parcel)
{
    struct worker *worker = ctx;
    assert_true(worker->n_to_spool < MAX_MAIL);
    worker->to_spool[worker->n_to_spool++] = parcel;
}

/* The spool's side, as its thread does it. */

static inline struct parcel *
world_parcel_to(struct worker *worker)
{
    if (worker->n_to_worker == 0)
        worker->to_worker[worker->n_to_worker++] = parcel_new();
    return worker->to_worker[worker->n_to_worker - 1];
}

static inline void
world_read_mail(struct world *w, struct worker *worker)
{
    struct parcel *parcel = worker->to_spool[0];
    worker->n_to_spool--;
    memmove(worker->to_spool, worker->to_spool + 1, worker->n_to_spool * sizeof(parcel));
    for (uint32_t i = 0; i < parcel->n_runs; i++) {
        spool_end_run(w->spool, &parcel->runs[i]);
        for (uint32_t k = 0; k < N_WORKERS; k++)
            w->workers[k].is_owed_cold |= parcel->runs[i].end == RUN_COLD && k != worker->index;
    }
    parcel->n_runs = 0;
    struct slice *slice;
    while ((slice = STAILQ_FIRST(&parcel->slices))) {
        STAILQ_REMOVE_HEAD(&parcel->slices, link);
        assert_int_equal(slice->worker, worker->index);
        spool_append(slice->is_aside ? w->aside : w->spool, slice);
    }
    STAILQ_CONCAT(&w->reads, &parcel->reads);
    parcel_free(&parcel);
}

/* Before the worker has it: what it is told of next must be true by then. */
static inline void
world_note_end(struct world *w, const struct slice *slice)
{
    const uint8_t *p = slice->data;
    for (uint32_t i = 0; i < slice->n_records; i++) {
        const struct spool_record_head *head = (const void *)p;
        struct bytes payload = spool_record_payload(p);
        struct item *item = &w->items[world_number_of(payload.p, (uint32_t)payload.n)];
        item->is_durable |= slice->end == SLICE_DURABLE && !slice->is_aside;
        item->is_unsaved |= slice->end == SLICE_UNSAVED;
        item->is_ended |= slice->end == SLICE_DROPPED || slice->is_aside;
        p += spool_record_bytes(head->key_bytes, head->payload_bytes);
    }
}

static inline void
world_route(struct world *w, struct slice_list *ended)
{
    struct slice *slice;
    while ((slice = STAILQ_FIRST(ended))) {
        STAILQ_REMOVE_HEAD(ended, link);
        struct parcel_run run = {slice->first, slice->n_records, RUN_COLD};
        if (slice->is_aside && slice->end == SLICE_DURABLE)
            spool_end_run(w->aside, &run);
        world_note_end(w, slice);
        STAILQ_INSERT_TAIL(&world_parcel_to(&w->workers[slice->worker])->slices, slice, link);
    }
}

static inline void
world_spool_turn(struct world *w, bool is_end)
{
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    (void)spool_step(w->spool, w->now_us, world_now_ms(w), &ended);
    (void)spool_step(w->aside, w->now_us, world_now_ms(w), &ended);
    if (is_end)
        spool_give_back(w->spool, &ended);
    if (is_end || spool_state(w->aside) != SPOOL_OK)
        spool_give_back(w->aside, &ended);
    world_route(w, &ended);
    struct spool_read *read;
    while ((read = STAILQ_FIRST(&w->reads))) {
        STAILQ_REMOVE_HEAD(&w->reads, link);
        spool_fill_read(w->spool, read);
        STAILQ_INSERT_TAIL(&world_parcel_to(&w->workers[read->worker])->reads, read, link);
    }
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        struct worker *worker = &w->workers[i];
        if (worker->is_owed_cold && !is_end)
            world_parcel_to(worker)->has_cold = true;
        worker->is_owed_cold = false;
    }
}

/* The worker's side. */

static inline void
world_take_parcels(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->n_to_worker; i++)
        store_on_parcel(worker->store, worker->to_worker[i]);
    worker->n_to_worker = 0;
}

/* The books. */

static inline uint64_t
world_sum(const struct metrics *metrics, enum metric metric)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < metric_row(metric)->n; i++)
        n += metric_get(metrics, metric, i);
    return n;
}

static inline uint64_t
world_spool_dropped(const struct spool *spool)
{
    uint64_t n = 0;
    for (int signal = 0; signal < SIGNAL_COUNT; signal++)
        for (int reason = 0; reason < DROP_COUNT; reason++)
            n += spool_counts(spool)->n_dropped[signal][reason];
    return n;
}

/* On disk only, told or on the way there or back. */
static inline uint64_t
world_in_transit(const struct parcel *parcel)
{
    uint64_t n = 0;
    const struct spool_read *read;
    for (uint32_t i = 0; i < parcel->n_runs; i++)
        n += parcel->runs[i].end != RUN_DONE ? parcel->runs[i].n : 0;
    STAILQ_FOREACH(read, &parcel->reads, link) n += read->n_records;
    return n;
}

static inline uint64_t
world_n_on_disk(const struct world *w)
{
    uint64_t n = spool_n_cold(w->spool);
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        const struct worker *worker = &w->workers[i];
        for (uint32_t k = 0; k < worker->n_to_spool; k++)
            n += world_in_transit(worker->to_spool[k]);
        for (uint32_t k = 0; k < worker->n_to_worker; k++)
            n += world_in_transit(worker->to_worker[k]);
        if (worker->store != NULL && worker->store->parcel != NULL)
            n += world_in_transit(worker->store->parcel);
    }
    return n;
}

static inline void
world_check_worker(const struct worker *worker)
{
    const struct store *store = worker->store;
    const struct world *w = worker->world;
    uint64_t n_largest = 512 * 1024;
    assert_true(store->undurable_bytes <= w->settings.undurable_bytes + 8 * n_largest);
    assert_true(store->memory_bytes <= MAX_BYTES + (2u << 20));
    assert_true(store->n_volatile <= store_n_held(store));
    assert_int_equal(world_sum(worker->metrics, METRIC_ITEMS_INFLIGHT), store->n_inflight);
}

static inline void
world_check_books(const struct world *w)
{
    uint64_t n_accepted = w->n_restored, n_ended = 0, n_queued = w->n_restored, n_held = 0;
    uint64_t n_dropped = world_spool_dropped(w->spool);
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        const struct worker *worker = &w->workers[i];
        n_accepted += world_sum(worker->metrics, METRIC_ITEMS_ACCEPTED);
        n_ended += world_sum(worker->metrics, METRIC_ITEMS_FORWARDED) +
                   world_sum(worker->metrics, METRIC_ITEMS_DROPPED) +
                   world_sum(worker->metrics, METRIC_ITEMS_QUARANTINED) +
                   world_sum(worker->metrics, METRIC_ITEMS_INFLIGHT);
        n_queued += world_sum(worker->metrics, METRIC_ITEMS_QUEUED);
        if (worker->store == NULL)
            continue;
        world_check_worker(worker);
        n_held += store_n_held(worker->store) - world_sum(worker->metrics, METRIC_ITEMS_INFLIGHT);
    }
    n_queued -= n_dropped;
    assert_int_equal(n_accepted, n_ended + n_dropped + n_queued);
    assert_int_equal(n_queued, n_held + world_n_on_disk(w));
}

/* Life. */

static inline struct spool *
world_open_spool(struct world *w, const struct spool_settings *settings)
{
    struct text why = TEXT_EMPTY;
    struct spool *spool;
    assert_int_equal(spool_open(settings, sim_disk_face(w->disk), world_now_ms(w), &why, &spool),
                     ERR_OK);
    text_fini(&why);
    return spool;
}

static inline void
world_start(struct world *w)
{
    w->has_end = false;
    w->spool = world_open_spool(w, &w->spool_settings);
    w->aside = world_open_spool(w, &w->aside_settings);
    w->n_restored = spool_counts(w->spool)->n_recovered;
    w->settings.seed = spool_seed_of(w->spool);
    w->settings.aside_seed = spool_seed_of(w->aside);
    budget_pool_init(&w->pool, 64u << 20);
    budget_init(&w->others, &w->pool);
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        struct worker *worker = &w->workers[i];
        *worker = (struct worker){.world = w, .index = i};
        struct store_callbacks callbacks = {.ctx = worker,
                                            .on_settled = world_on_settled,
                                            .on_room = world_on_nothing,
                                            .on_due = world_on_nothing,
                                            .on_parcel = world_on_parcel};
        budget_init(&worker->budget, &w->pool);
        block_cache_init(&worker->blocks, &worker->budget, 4);
        worker->metrics = metrics_new();
        w->settings.worker = i;
        worker->store = store_new(&w->settings, &callbacks, &worker->blocks, worker->metrics);
    }
}

/* Everybody moves once. */
static inline void
world_turn_all(struct world *w, bool is_end)
{
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        struct worker *worker = &w->workers[i];
        while (worker->n_to_spool > 0)
            world_read_mail(w, worker);
    }
    world_spool_turn(w, is_end);
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        world_take_parcels(&w->workers[i]);
        store_turn(w->workers[i].store);
    }
    world_pass(w, 10000);
}

static inline void
world_free_worker(struct world *w, struct worker *worker)
{
    store_free(&worker->store);
    while (worker->n_to_spool > 0)
        world_read_mail(w, worker);
    assert_int_equal(worker->n_to_worker, 0);
    assert_int_equal(worker->blocks.n_live, 0);
    assert_int_equal(worker->budget.used_bytes, 0);
    block_cache_fini(&worker->blocks);
    budget_fini(&worker->budget);
}

#endif
