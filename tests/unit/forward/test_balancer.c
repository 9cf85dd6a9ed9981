/* Who gets the next call when backends are ill or slow; the clock is set by hand. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Connections are real, calls are not: the test says how each one went. */
#include "forward/forward_fixture.h"
#include "forward/forward_int.h"

enum { SET_BACKENDS = 4, SET_CALLS = 256 };

struct set {
    struct loop *loop;
    struct metrics *metrics;
    struct forward_shared *shared;
    struct balancer *balancer;
    struct standin *standins[SET_BACKENDS];
    struct backend *backends[SET_BACKENDS]; /* in order of the addresses */
    uint32_t n;
    uint64_t now_us;
};

static void
on_change(void *ctx)
{
    (void)ctx;
}

static void
pass(struct set *set, uint64_t us)
{
    set->now_us += us;
    clock_set(set->now_us, (int64_t)(set->now_us / 1000));
}

static void
set_init(struct set *set, uint32_t n, uint32_t max_inflight, uint32_t n_workers)
{
    static uint64_t now_us = UINT64_C(1) << 42;
    *set = (struct set){.n = n, .loop = loop_new(), .metrics = metrics_new(), .now_us = now_us};
    now_us += UINT64_C(1) << 36; /* never backwards */
    pass(set, 0);
    log_set_level(LOG_ERROR);
    const char *addresses[SET_BACKENDS];
    for (uint32_t i = 0; i < n; i++) {
        set->standins[i] = standin_new(set->loop);
        addresses[i] = set->standins[i]->address;
    }
    struct forward_settings settings = world_settings();
    settings.addresses = addresses;
    settings.n_addresses = n;
    settings.max_inflight = max_inflight;
    settings.n_workers = n_workers;
    set->shared = forward_shared_of(&settings);
    struct balancer_settings balancer = {.loop = set->loop,
                                         .shared = set->shared,
                                         .metrics = set->metrics,
                                         .ctx = set,
                                         .on_change = on_change};
    set->balancer = balancer_new(&balancer);
    for (int i = 0; i < 2000 && balancer_n_up(set->balancer) < n; i++)
        loop_run_once(set->loop, 10);
    assert_int_equal(balancer_n_up(set->balancer), n);
    for (uint32_t found = 0; found < n;) {
        struct backend *backend = balancer_pick(set->balancer, METHOD_SEGMENT_COLLECT, 0);
        assert_in_range(backend->id, 1, n);
        found += set->backends[backend->id - 1] == NULL;
        set->backends[backend->id - 1] = backend;
    }
}

static void
set_fini(struct set *set)
{
    balancer_free(&set->balancer);
    for (uint32_t i = 0; i < set->n; i++)
        standin_free(&set->standins[i]);
    loop_run_once(set->loop, 0);
    forward_shared_free(&set->shared);
    loop_free(&set->loop);
    metrics_free(&set->metrics);
}

static const struct backend_load BATCH = {.n_bytes = 100000, .weight = BACKEND_BATCH_WEIGHT};

/* A call that began then ends now. */
static void
answer(struct set *set, struct backend *backend, uint64_t started_us, int status)
{
    struct backend_result result = {
        .method = METHOD_SEGMENT_COLLECT,
        .wire = METHOD_SEGMENT_COLLECT,
        .outcome = status == GRPC_OK
                       ? OUTCOME_OK
                       : (status == GRPC_RESOURCE_EXHAUSTED ? OUTCOME_EXHAUSTED : OUTCOME_HOLD),
        .status = status,
        .is_overload = status == GRPC_UNAVAILABLE || status == GRPC_RESOURCE_EXHAUSTED ||
                       status == GRPC_DEADLINE_EXCEEDED,
        .load = BATCH,
        .started_us = started_us,
        .now_us = set->now_us,
    };
    backend_on_done(backend, &result);
    if (result.outcome != OUTCOME_OK)
        balancer_judge(set->balancer, backend);
}

static void
call(struct set *set, struct backend *backend, uint64_t took_us, int status)
{
    uint64_t started_us = set->now_us;
    backend_on_start(backend, &BATCH);
    pass(set, took_us);
    answer(set, backend, started_us, status);
}

static void
break_calls(struct set *set, uint32_t i, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++)
        call(set, set->backends[i], 1000, GRPC_PERMISSION_DENIED);
}

/* Bit i: backend i was picked. */
static uint32_t
picked(struct set *set)
{
    uint32_t bits = 0;
    for (int i = 0; i < 400; i++) {
        struct backend *backend = balancer_pick(set->balancer, METHOD_SEGMENT_COLLECT, 0);
        assert_non_null(backend);
        bits |= 1u << (backend->id - 1);
    }
    return bits;
}

static void
ejected_backend_gets_nothing_even_when_the_others_are_full(void **state)
{
    (void)state;
    struct set set;
    set_init(&set, 2, 8, 1);
    assert_int_equal(picked(&set), 3);
    break_calls(&set, 0, 5);
    assert_false(balancer_is_panicking(set.balancer));
    assert_int_equal(picked(&set), 2);
    backend_on_start(set.backends[1], &BATCH);
    backend_on_start(set.backends[1], &BATCH);
    assert_false(balancer_has_room(set.balancer));
    assert_null(balancer_pick(set.balancer, METHOD_SEGMENT_COLLECT, 0));
    /* Only the ejected one knows the method: better than nobody. */
    set.backends[1]->unknown_until_us[METHOD_JVM_METRICS] = UINT64_MAX;
    assert_ptr_equal(balancer_pick(set.balancer, METHOD_JVM_METRICS, 0), set.backends[0]);
    /* Who is full knows it all the same. */
    assert_true(balancer_knows(set.balancer, METHOD_SEGMENT_COLLECT));
    assert_true(balancer_knows(set.balancer, METHOD_JVM_METRICS));
    set.backends[0]->unknown_until_us[METHOD_JVM_METRICS] = UINT64_MAX;
    assert_false(balancer_knows(set.balancer, METHOD_JVM_METRICS));
    answer(&set, set.backends[1], set.now_us, GRPC_OK);
    answer(&set, set.backends[1], set.now_us, GRPC_OK);
    pass(&set, 29000000);
    assert_int_equal(picked(&set), 2);
    pass(&set, 1000000);
    assert_int_equal(picked(&set), 3);
    set_fini(&set);
}

static void
failing_nearly_always_ejects_as_well(void **state)
{
    (void)state;
    struct set set;
    set_init(&set, 2, 8, 1);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(picked(&set), 3);
        call(&set, set.backends[0], 1000, GRPC_OK);
        break_calls(&set, 0, 4);
    }
    /* 80 % of 50: not yet. */
    assert_int_equal(picked(&set), 3);
    set.backends[0]->outlier.n_in_a_row = 0;
    for (uint32_t i = 0; i < 17; i++) {
        set.backends[0]->outlier.n_in_a_row = 0;
        break_calls(&set, 0, 1);
    }
    /* 57 of 67 are 85.07 %. */
    assert_int_equal(picked(&set), 2);
    set_fini(&set);
}

static void
panic_keeps_all_in_use_when_more_than_half_are_ill(void **state)
{
    (void)state;
    struct set set;
    set_init(&set, 4, 8, 1);
    break_calls(&set, 0, 5);
    break_calls(&set, 2, 5);
    assert_false(balancer_is_panicking(set.balancer));
    assert_int_equal(picked(&set), 0x0A);
    break_calls(&set, 1, 5);
    assert_true(balancer_is_panicking(set.balancer));
    assert_int_equal(picked(&set), 0x0F);
    /* One that works again ends its own ejection, and the panic. */
    pass(&set, 1000000);
    call(&set, set.backends[0], 1000, GRPC_OK);
    assert_false(balancer_is_panicking(set.balancer));
    assert_int_equal(picked(&set), 0x09);
    set_fini(&set);
}

static void
last_backend_that_is_left_is_always_in_use(void **state)
{
    (void)state;
    struct set set;
    set_init(&set, 1, 8, 1);
    break_calls(&set, 0, 50);
    assert_true(balancer_is_panicking(set.balancer));
    assert_true(balancer_has_room(set.balancer));
    assert_int_equal(picked(&set), 1);
    set_fini(&set);
    /* Of two one is ejected, the other not connected. */
    set_init(&set, 2, 8, 1);
    break_calls(&set, 0, 5);
    assert_false(balancer_is_panicking(set.balancer));
    standin_die(set.standins[1]);
    for (int i = 0; i < 2000 && balancer_n_up(set.balancer) == 2; i++)
        loop_run_once(set.loop, 10);
    assert_true(balancer_is_panicking(set.balancer));
    assert_int_equal(picked(&set), 1);
    set_fini(&set);
}

/* One round: the limit's calls at once, all answered after took_us. */
static void
round_of(struct set *set, uint64_t took_us, int status)
{
    struct backend *backend = set->backends[0];
    uint32_t n = (uint32_t)backend->limit;
    uint64_t started_us = set->now_us;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(backend_has_room(backend));
        backend_on_start(backend, &BATCH);
    }
    assert_false(backend_has_room(backend));
    pass(set, took_us);
    for (uint32_t i = 0; i < n; i++)
        answer(set, backend, started_us, status);
}

static void
in_flight_follows_the_answer_time(void **state)
{
    (void)state;
    struct set set;
    set_init(&set, 1, 40, 4);
    const struct backend *backend = set.backends[0];
    assert_int_equal(backend->limit, 2);
    for (uint32_t i = 3; i <= 10; i++) {
        round_of(&set, 900000, GRPC_OK);
        assert_int_equal(backend->limit, i);
    }
    /* The process's 40 among four workers. */
    round_of(&set, 900000, GRPC_OK);
    assert_int_equal(backend->limit, 10);
    assert_int_equal(balancer_max_batches(set.balancer), 10);
    /* Between one and two seconds: neither. */
    round_of(&set, 1500000, GRPC_OK);
    assert_int_equal(backend->limit, 10);
    /* A whole round of slow answers takes a tenth, once. */
    round_of(&set, 2100000, GRPC_OK);
    assert_int_equal(backend->limit, 9);
    static const int statuses[] = {GRPC_UNAVAILABLE, GRPC_RESOURCE_EXHAUSTED,
                                   GRPC_DEADLINE_EXCEEDED};
    double before = backend->limit;
    for (uint32_t i = 0; i < 3; i++) {
        round_of(&set, 100000, statuses[i]);
        assert_true(backend->limit == before / 2 || (before < 2 && backend->limit == 1));
        before = backend->limit;
        pass(&set, 1000);
    }
    /* Other failures say nothing about load; one batch is always allowed. */
    round_of(&set, 100000, GRPC_PERMISSION_DENIED);
    assert_true(backend->limit == before);
    round_of(&set, 100000, GRPC_UNAVAILABLE);
    round_of(&set, 100000, GRPC_UNAVAILABLE);
    assert_int_equal(backend->limit, 1);
    round_of(&set, 100000, GRPC_OK);
    assert_int_equal(backend->limit, 2);
    set_fini(&set);
}

static void
unused_limit_does_not_grow(void **state)
{
    (void)state;
    struct set set;
    set_init(&set, 1, 40, 1);
    for (int i = 0; i < 100; i++)
        call(&set, set.backends[0], 1000, GRPC_OK);
    assert_int_equal(set.backends[0]->limit, 2);
    set_fini(&set);
}

struct flight {
    struct backend *backend;
    uint64_t started_us;
};

static void
slow_backend_gets_its_smaller_share_beside_a_fast_one(void **state)
{
    (void)state;
    static const uint64_t took_us[] = {100000, 3000000};
    struct set set;
    struct flight flights[SET_CALLS];
    uint32_t n = 0, n_done[2] = {0};
    set_init(&set, 2, 32, 1);
    for (int tick = 0; tick < 6000; tick++, pass(&set, 10000)) {
        for (uint32_t i = 0; i < n;) {
            struct flight *flight = &flights[i];
            uint32_t which = flight->backend == set.backends[1];
            if (set.now_us - flight->started_us < took_us[which]) {
                i++;
                continue;
            }
            answer(&set, flight->backend, flight->started_us, GRPC_OK);
            n_done[which]++;
            *flight = flights[--n];
        }
        struct backend *backend;
        while ((backend = balancer_pick(set.balancer, METHOD_SEGMENT_COLLECT, 0)) != NULL) {
            assert_in_range(n, 0, SET_CALLS - 1);
            backend_on_start(backend, &BATCH);
            flights[n++] = (struct flight){backend, set.now_us};
        }
    }
    /* The fast one is trusted with everything and full, the slow one with one batch at a time. */
    assert_int_equal(set.backends[0]->limit, 32);
    assert_true(set.backends[1]->limit < 2);
    assert_in_range(n_done[0], 15000, 19300);
    assert_in_range(n_done[1], 15, 40);
    while (n > 0)
        backend_on_cancel(flights[--n].backend, &BATCH);
    set_fini(&set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ejected_backend_gets_nothing_even_when_the_others_are_full),
        cmocka_unit_test(failing_nearly_always_ejects_as_well),
        cmocka_unit_test(panic_keeps_all_in_use_when_more_than_half_are_ill),
        cmocka_unit_test(last_backend_that_is_left_is_always_in_use),
        cmocka_unit_test(in_flight_follows_the_answer_time),
        cmocka_unit_test(unused_limit_does_not_grow),
        cmocka_unit_test(slow_backend_gets_its_smaller_share_beside_a_fast_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
