/* Several workers and one spool on a simulated disk, in random order: nothing is lost or sent
 * twice, and the books balance after every step. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_world.h"

/* One thread: a search for races has little to find here. */
#ifdef __SANITIZE_THREAD__
enum { ROUNDS = 150 };
#else
enum { ROUNDS = 1500 };
#endif

static struct item *
new_item(struct world *w, struct worker *worker, uintptr_t cookie, uint64_t credit_bytes)
{
    struct item *item = &w->items[w->n_items];
    *item = (struct item){.credit_bytes = credit_bytes, .received_ms = world_now_ms(w)};
    if (cookie == 0)
        return item;
    struct queue *queue = &worker->cookies[cookie];
    if (queue->first > 0)
        w->items[queue->last].next = w->n_items;
    else
        queue->first = w->n_items;
    queue->last = w->n_items;
    return item;
}

static uint32_t
random_size(struct world *w)
{
    uint32_t kind = world_pick(w, 100);
    if (kind < 80)
        return 4 + world_pick(w, 600);
    return kind < 98 ? 4 + world_pick(w, 20000) : 4 + world_pick(w, 500000);
}

static void
put_one(struct world *w, struct worker *worker)
{
    static const enum method methods[] = {METHOD_SEGMENT_COLLECT, METHOD_SEGMENT_COLLECT,
                                          METHOD_JVM_METRICS,     METHOD_LOG_COLLECT,
                                          METHOD_METER_COLLECT,   METHOD_KEEP_ALIVE};
    static const char *const keys[] = {"a", "bb", "ccccccccc"};
    static uint8_t buffer[512 * 1024];
    uint32_t number = w->n_items + 1, n = random_size(w);
    memcpy(buffer, &number, sizeof(number));
    for (uint32_t i = sizeof(number); i < n; i++)
        buffer[i] = world_byte_of(number, i);
    struct bytes parts[2] = {bytes_of(buffer, n / 2), bytes_of(buffer + n / 2, n - n / 2)};
    uintptr_t cookie = world_pick(w, N_COOKIES + 1);
    struct store_record record = {
        .method = methods[world_pick(w, 6)],
        .reason = RULE_COUNT,
        .parts = parts,
        .n_parts = 2,
        .received_ms = world_now_ms(w),
        .cookie = (void *)cookie,
        .credit_bytes = n + 5,
    };
    if (world_pick(w, 40) == 0)
        record.flags = STORE_SET_ASIDE;
    else if (record.method == METHOD_LOG_COLLECT)
        record.key = bytes_str(keys[world_pick(w, 3)]);
    if (store_put(worker->store, &record) != ERR_OK) {
        assert_true(store_is_short(worker->store));
        return;
    }
    w->n_items++;
    struct item *item = new_item(w, worker, cookie, n + 5);
    item->is_ended = w->settings.ack == STORE_ACK_FORWARDED && record.flags != 0;
}

static void
put(struct world *w, struct worker *worker)
{
    if (w->n_items + 20 > MAX_ITEMS)
        return;
    for (uint32_t n = world_pick(w, 20); n > 0; n--)
        put_one(w, worker);
    if (world_pick(w, 4) > 0)
        return;
    uintptr_t cookie = 1 + world_pick(w, N_COOKIES);
    w->n_items++;
    new_item(w, worker, cookie, 17)->is_ended = true;
    store_put_nothing(worker->store, METHOD_LOG_COLLECT, DROP_EMPTY, (void *)cookie, 17);
}

static void
take(struct world *w, struct worker *worker, bool flush)
{
    uint64_t next_us;
    struct store_lane *lane;
    while (worker->n_lent < MAX_LENT &&
           (lane = store_due(worker->store, w->now_us, flush, &next_us)) != NULL) {
        if (!flush && world_pick(w, 30) == 0) {
            bool is_unknown = w->has_unknown && world_pick(w, 2) == 0;
            store_hold(worker->store, lane, w->now_us + world_pick(w, 300000), is_unknown);
            continue;
        }
        struct store_batch *batch = store_take(worker->store, lane);
        if (batch != NULL)
            worker->lent[worker->n_lent++] = batch;
    }
}

static void
mark(struct world *w, const struct store_batch *batch, bool is_forwarded)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct store_item *item = &batch->items[i];
        struct item *known = &w->items[world_number_of(item->payload, item->n)];
        known->n_forwarded += is_forwarded;
        assert_true(known->n_forwarded <= 1 || w->may_repeat);
        known->is_ended = true;
    }
}

static void
end_batch(struct world *w, struct worker *worker, uint32_t at, uint32_t how)
{
    struct store_batch *batch = worker->lent[at];
    worker->lent[at] = worker->lent[--worker->n_lent];
    for (uint32_t i = 0; i < batch->n; i++) /* the sender's framing */
        memset(batch->items[i].payload - STORE_HEADROOM, 0xee, STORE_HEADROOM);
    if (how == 1) {
        store_nack(worker->store, &batch);
    } else if (how == 2) {
        mark(w, batch, false);
        store_drop(worker->store, &batch, DROP_REJECTED);
    } else if (how == 3) {
        mark(w, batch, false);
        store_set_aside(worker->store, &batch);
    } else {
        mark(w, batch, true);
        store_ack(worker->store, &batch);
    }
}

static void
work(struct world *w, struct worker *worker)
{
    uint32_t kind = world_pick(w, 100);
    if (kind < 35) {
        put(w, worker);
    } else if (kind < 50) {
        take(w, worker, false);
    } else if (kind < 75 && worker->n_lent > 0) {
        uint32_t how = world_pick(w, 30);
        end_batch(w, worker, world_pick(w, worker->n_lent), how);
    } else if (kind < 80 && worker->n_lent > 0 && worker->n_lent < MAX_LENT) {
        uint32_t at = world_pick(w, worker->n_lent);
        if (worker->lent[at]->n > 1)
            store_split(worker->store, worker->lent[at], &worker->lent[worker->n_lent++]);
        else if (!store_expire(worker->store, &worker->lent[at]))
            worker->lent[at] = worker->lent[--worker->n_lent];
    } else if (kind < 90) {
        world_take_parcels(worker);
    } else {
        store_turn(worker->store);
    }
}

static void
give_back(struct world *w, struct worker *worker)
{
    while (worker->n_lent > 0)
        end_batch(w, worker, 0, 1);
}

/* A clean end: what is on disk stays there. */
static void
stop(struct world *w)
{
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        struct worker *worker = &w->workers[i];
        give_back(w, worker);
        store_wind_up(worker->store);
    }
    uint32_t n_out = 1;
    for (int i = 0; n_out > 0; i++) {
        assert_true(i < 1000);
        world_turn_all(w, true);
        n_out = 0;
        for (uint32_t k = 0; k < N_WORKERS; k++)
            n_out += store_n_out(w->workers[k].store);
    }
    world_check_books(w);
    w->has_end = true;
    for (uint32_t i = 0; i < N_WORKERS; i++)
        world_free_worker(w, &w->workers[i]);
    world_check_books(w);
    w->n_dropped_before += world_spool_dropped(w->spool);
    for (uint32_t i = 0; i < N_WORKERS; i++) {
        struct metrics *metrics = w->workers[i].metrics;
        w->n_dropped_before += world_sum(metrics, METRIC_ITEMS_DROPPED);
        w->n_aside_before += world_sum(metrics, METRIC_ITEMS_QUARANTINED);
        metrics_free(&w->workers[i].metrics);
    }
    spool_close(&w->spool);
    spool_close(&w->aside);
    budget_give(&w->others, w->others.used_bytes);
    budget_fini(&w->others);
    w->may_repeat = w->has_trouble;
}

static bool
is_anybody_waiting(const struct world *w)
{
    for (uint32_t k = 0; k < N_WORKERS; k++)
        for (uint32_t c = 1; c <= N_COOKIES; c++)
            if (w->workers[k].cookies[c].first != 0)
                return true;
    return false;
}

/* The disk is well: everything goes out. */
static void
drain(struct world *w)
{
    sim_disk_heal(w->disk);
    for (int i = 0;; i++) {
        assert_true(i < 20000);
        uint64_t n = world_n_on_disk(w);
        for (uint32_t k = 0; k < N_WORKERS; k++) {
            struct worker *worker = &w->workers[k];
            take(w, worker, true);
            while (worker->n_lent > 0)
                end_batch(w, worker, worker->n_lent - 1, 0);
            n += store_n_held(worker->store) + store_n_out(worker->store);
        }
        world_turn_all(w, false);
        world_check_books(w);
        if (n == 0)
            break;
    }
    assert_false(is_anybody_waiting(w));
    for (uint32_t k = 0; k < N_WORKERS; k++)
        assert_int_equal(w->workers[k].store->undurable_bytes + w->workers[k].store->unused_bytes,
                         0);
}

/* The disk breaks and gets well again while no backend is there: everybody is answered all the
 * same. */
static void
heal_without_backend(struct world *w)
{
    for (uint32_t k = 0; k < N_WORKERS; k++)
        store_set_outage(w->workers[k].store, true);
    sim_disk_fail(w->disk, sim_disk_calls(w->disk), UINT32_MAX, ERR_IO, false);
    for (uint32_t i = 0; i < 60; i++) {
        put(w, &w->workers[world_pick(w, N_WORKERS)]);
        world_turn_all(w, false);
        take(w, &w->workers[world_pick(w, N_WORKERS)], true);
        world_check_books(w);
    }
    assert_true(is_anybody_waiting(w) || w->settings.mode == STORE_SPILL);
    sim_disk_heal(w->disk);
    for (int i = 0; is_anybody_waiting(w); i++) {
        assert_true(i < 5000);
        for (uint32_t k = 0; k < N_WORKERS; k++)
            if (store_wants_batches(w->workers[k].store))
                give_back(w, &w->workers[k]);
        world_turn_all(w, false);
        world_check_books(w);
    }
    for (uint32_t k = 0; k < N_WORKERS; k++)
        store_set_outage(w->workers[k].store, false);
}

static void
trouble(struct world *w)
{
    static const enum err errs[] = {ERR_IO, ERR_NO_SPACE};
    uint32_t kind = world_pick(w, 400);
    if (kind < 4)
        sim_disk_fail(w->disk, sim_disk_calls(w->disk) + world_pick(w, 20), 1 + world_pick(w, 30),
                      errs[world_pick(w, 2)], world_pick(w, 2) == 0);
    else if (kind < 8)
        sim_disk_heal(w->disk);
    else if (kind < 14)
        store_set_outage(w->workers[world_pick(w, N_WORKERS)].store, world_pick(w, 2) == 0);
}

static void
step(struct world *w)
{
    for (uint32_t i = 0; i < 4; i++) {
        work(w, &w->workers[world_pick(w, N_WORKERS)]);
        world_check_books(w);
    }
    struct worker *sender = &w->workers[world_pick(w, N_WORKERS)];
    if (sender->n_to_spool > 0)
        world_read_mail(w, sender);
    while (sender->n_to_spool > MAX_MAIL / 2)
        world_read_mail(w, sender);
    world_check_books(w);
    if (world_pick(w, 2) == 0)
        world_spool_turn(w, false);
    world_check_books(w);
    world_pass(w, world_pick(w, 3000));
    if (world_pick(w, 100) == 0) { /* others need memory, or need it no more */
        budget_give(&w->others, w->others.used_bytes);
        budget_take_always(&w->others, (uint64_t)world_pick(w, 50) << 20);
    }
    if (w->has_trouble)
        trouble(w);
}

/* What did not come out was counted. */
static void
check_items(const struct world *w)
{
    uint64_t n_missing = 0;
    for (uint32_t i = 1; i <= w->n_items; i++)
        n_missing += w->items[i].n_forwarded == 0;
    if (w->has_trouble) /* a disk that fails may answer twice for one record */
        assert_true(n_missing <= w->n_dropped_before + w->n_aside_before);
    else
        assert_int_equal(n_missing, w->n_dropped_before + w->n_aside_before);
}

static void
run(uint64_t seed, enum store_mode mode, enum store_ack ack, enum spool_when_full when_full,
    bool has_trouble)
{
    struct world *w = mem_new(struct world);
    w->random = seed;
    w->has_trouble = has_trouble;
    w->has_unknown = !has_trouble || seed % 4 == 0;
    w->now_us = 1000000;
    w->disk = sim_disk_new();
    STAILQ_INIT(&w->reads);
    w->settings = fix_settings();
    w->settings.mode = mode;
    w->settings.ack = ack;
    w->settings.max_bytes = MAX_BYTES;
    w->settings.undurable_bytes = UNDURABLE_BYTES;
    w->settings.batch_items = 40;
    w->settings.batch_bytes = 60000;
    w->settings.batch_delay_ms = 20;
    /* Where nothing expires there is room for everything. */
    bool is_roomy = has_trouble && seed % 2 == 1;
    w->settings.max_age_s = has_trouble && !is_roomy ? 1 : 86400;
    w->spool_settings = (struct spool_settings){.path = "/spool",
                                                .max_bytes = is_roomy ? 512u << 20 : 16u << 20,
                                                .file_bytes = FILE_BYTES,
                                                .when_full = when_full,
                                                .max_age_ms = has_trouble && !is_roomy ? 1000 : 0};
    w->aside_settings = w->spool_settings;
    w->aside_settings.path = "/aside";
    world_pass(w, 0);
    world_start(w);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        step(w);
        if (world_pick(w, 500) > 0)
            continue;
        sim_disk_heal(w->disk);
        stop(w);
        world_start(w);
    }
    if (is_roomy)
        heal_without_backend(w);
    drain(w);
    stop(w);
    check_items(w);
    assert_true(w->n_items > 500);
    sim_disk_free(&w->disk);
    mem_free(w);
}

static void
durable_on_a_sound_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        run(seed, STORE_DURABLE, STORE_ACK_BUFFERED, SPOOL_BACKPRESSURE, false);
}

static void
spill_on_a_sound_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 14; seed++)
        run(seed, STORE_SPILL, STORE_ACK_BUFFERED, SPOOL_BACKPRESSURE, false);
}

static void
forwarded_on_a_sound_disk(void **state)
{
    (void)state;
    run(21, STORE_DURABLE, STORE_ACK_FORWARDED, SPOOL_BACKPRESSURE, false);
    run(22, STORE_SPILL, STORE_ACK_FORWARDED, SPOOL_BACKPRESSURE, false);
}

static void
durable_on_a_failing_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 31; seed <= 36; seed++)
        run(seed, STORE_DURABLE, STORE_ACK_BUFFERED, (enum spool_when_full)(seed % 3), true);
}

static void
spill_on_a_failing_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 41; seed <= 44; seed++)
        run(seed, STORE_SPILL, seed % 2 == 0 ? STORE_ACK_BUFFERED : STORE_ACK_RECEIVED,
            (enum spool_when_full)(seed % 3), true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durable_on_a_sound_disk),   cmocka_unit_test(spill_on_a_sound_disk),
        cmocka_unit_test(forwarded_on_a_sound_disk), cmocka_unit_test(durable_on_a_failing_disk),
        cmocka_unit_test(spill_on_a_failing_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
