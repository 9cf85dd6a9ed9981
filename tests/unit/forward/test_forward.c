/* From the store to stand-in backends: nothing lost, the ledger balanced, whatever they do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forward_fixture.h"

static uint64_t
requests(const struct world *world, int status)
{
    uint64_t n = 0;
    for (uint32_t slot = 0; slot < METRIC_BACKENDS; slot++)
        n += metric_get(world->metrics, METRIC_BACKEND_REQUESTS,
                        slot * METRIC_CODES + (uint32_t)status);
    return n;
}

static void
segments_go_out_in_sync_and_once(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world_put(&world, METHOD_SEGMENT_COLLECT, 250);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[0]->n_sync, 3);
    assert_int_equal(world.backends[0]->n_collect, 0);
    assert_int_equal(requests(&world, GRPC_OK), 3);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 250);
    assert_int_equal(forward_n_up(world.forward), 1);
    assert_true(forward_is_idle(world.forward));
    WORLD_UNTIL(&world, world.budget.used_bytes == 0);
    char name[64];
    assert_true(forward_shared_name(world.shared, 0, name, sizeof(name)));
    assert_string_equal(name, world.backends[0]->address);
    world_fini(&world);
}

static void
collect_is_a_stream_of_messages(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.is_in_sync = false;
    world_init(&world, &settings, 1);
    world_put(&world, METHOD_SEGMENT_COLLECT, 100);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[0]->n_collect, 1);
    assert_int_equal(world.backends[0]->n_calls, 1);
    world_fini(&world);
}

static void
unary_methods_take_a_call_each(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world_put(&world, METHOD_KEEP_ALIVE, 10);
    world_put(&world, METHOD_EVENT_COLLECT, 10);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[0]->n_calls, 11);
    world_fini(&world);
}

static void
unavailable_and_exhausted_are_tried_again_whole(void **state)
{
    (void)state;
    static const int statuses[] = {GRPC_UNAVAILABLE, GRPC_RESOURCE_EXHAUSTED,
                                   GRPC_DEADLINE_EXCEEDED, GRPC_PERMISSION_DENIED};
    for (uint32_t i = 0; i < 4; i++) {
        struct world world;
        struct forward_settings settings = world_settings();
        world_init(&world, &settings, 1);
        world.backends[0]->status = statuses[i];
        world.backends[0]->n_fail = 8;
        world_put(&world, METHOD_SEGMENT_COLLECT, 50);
        WORLD_UNTIL_EMPTY(&world);
        assert_int_equal(world_assert_stored(&world, 0), 1);
        assert_int_equal(world.backends[0]->n_calls, 9);
        assert_int_equal(requests(&world, statuses[i]), 8);
        assert_int_equal(world_sum(&world, METRIC_BACKEND_RETRIES), 8);
        assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
        world_fini(&world);
    }
}

static void
missing_in_sync_falls_back_to_collect(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.retry_max_us = settings.retry_initial_us = 60000000;
    world_init(&world, &settings, 1);
    world.backends[0]->knows_sync = false;
    for (int i = 0; i < 5; i++) {
        world_put(&world, METHOD_SEGMENT_COLLECT, 100);
        WORLD_UNTIL_EMPTY(&world);
    }
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[0]->n_unimplemented, 1);
    assert_int_equal(world.backends[0]->n_collect, 5);
    world_fini(&world);
}

static void
neither_known_means_not_ready_yet(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    struct standin *backend = world.backends[0];
    backend->knows_sync = backend->knows_collect = false;
    world_put(&world, METHOD_SEGMENT_COLLECT, 500);
    world_put(&world, METHOD_KEEP_ALIVE, 5);
    WORLD_UNTIL(&world, backend->n_unimplemented >= 8);
    /* Nobody else waits for it, and it does not flood the backend. */
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 5);
    assert_int_equal(store_n_held(world.store), 500);
    backend->knows_sync = true;
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    world_fini(&world);
}

static void
cut_in_the_middle_is_sent_again(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->cuts_next = true;
    world_put(&world, METHOD_SEGMENT_COLLECT, 300);
    WORLD_UNTIL_EMPTY(&world);
    (void)world_assert_stored(&world, 0);
    assert_true(world_sum(&world, METRIC_BACKEND_RETRIES) >= 1);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 300);
    world_fini(&world);
}

static void
silence_ends_at_the_deadline_and_goes_elsewhere(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.ack_timeout_us = 100000;
    world_init(&world, &settings, 2);
    world.backends[0]->is_silent = true;
    world_put(&world, METHOD_SEGMENT_COLLECT, 800);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[0]->n_ok, 0);
    assert_true(requests(&world, GRPC_DEADLINE_EXCEEDED) >= 1);
    world_fini(&world);
}

static void
dead_backend_costs_nothing_while_the_other_lives(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 2);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 2);
    world_put(&world, METHOD_SEGMENT_COLLECT, 400);
    world_turn(&world);
    standin_die(world.backends[0]);
    world_put(&world, METHOD_SEGMENT_COLLECT, 400);
    WORLD_UNTIL_EMPTY(&world);
    (void)world_assert_stored(&world, 0);
    assert_int_equal(forward_n_up(world.forward), 1);
    /* Both gone: held; one back: all arrives. */
    standin_die(world.backends[1]);
    world_put(&world, METHOD_SEGMENT_COLLECT, 400);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 0);
    assert_true(store_n_held(world.store) > 0);
    standin_rise(world.backends[0]);
    WORLD_UNTIL_EMPTY(&world);
    (void)world_assert_stored(&world, 0);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 1200);
    world_fini(&world);
}

static void
failing_backend_is_avoided(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.retry_initial_us = settings.retry_max_us = 60000000;
    world_init(&world, &settings, 2);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 2);
    world.backends[0]->status = GRPC_UNAVAILABLE;
    /* With a minute between tries only the resending elsewhere can empty the store in time. */
    for (int i = 0; i < 20; i++) {
        world_put(&world, METHOD_SEGMENT_COLLECT, 100);
        WORLD_UNTIL_EMPTY(&world);
    }
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[1]->n_ok, 20);
    /* Ejected after five in a row. */
    assert_in_range(world.backends[0]->n_calls, 1, 5);
    world_fini(&world);
}

static void
resends_beyond_the_budget_wait_and_nothing_is_dropped(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.retry_budget = 3;
    settings.max_inflight = 2;
    settings.retry_initial_us = settings.retry_max_us = 1000;
    world_init(&world, &settings, 1);
    world.backends[0]->status = GRPC_UNAVAILABLE;
    uint64_t started_us = clock_fresh_us();
    world_put(&world, METHOD_SEGMENT_COLLECT, 100);
    /* The first call, three tokens, then one a second. */
    WORLD_UNTIL(&world, world.backends[0]->n_calls == 5);
    assert_true(clock_fresh_us() - started_us > 900000);
    assert_int_equal(store_n_held(world.store), 100);
    world.backends[0]->status = 0;
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(world.backends[0]->n_calls, 6);
    world_fini(&world);
}

static void
two_backends_share_the_work(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 2);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 2);
    world_put(&world, METHOD_SEGMENT_COLLECT, 5000);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_true(world.backends[0]->n_ok >= 10);
    assert_true(world.backends[1]->n_ok >= 10);
    world_fini(&world);
}

static void
one_poisonous_record_is_set_aside_alone(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->refuses_poison = true;
    world_put(&world, METHOD_SEGMENT_COLLECT, 37);
    world_put_bytes(&world, METHOD_SEGMENT_COLLECT, BYTES("Poison"));
    world_put(&world, METHOD_SEGMENT_COLLECT, 262);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 1), 1);
    assert_int_equal(world.backends[0]->stored[37], 0);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 299);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 1);
    assert_true(world.backends[0]->n_calls < 40);
    world_fini(&world);
}

static void
poison_in_every_batch_holds_up_nobody_for_ever(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->refuses_poison = true;
    for (int i = 0; i < 12; i++) {
        world_put(&world, METHOD_SEGMENT_COLLECT, 40);
        world_put_bytes(&world, METHOD_SEGMENT_COLLECT, BYTES("Poison"));
        world_put(&world, METHOD_SEGMENT_COLLECT, 59);
    }
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 12), 1);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 12);
    world_fini(&world);
}

static void
poisonous_unary_message_is_set_aside_while_others_pass(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->refuses_poison = true;
    world_put_bytes(&world, METHOD_JVM_METRICS, BYTES("Poison"));
    /* Alone it proves nothing: it is tried again and again. */
    WORLD_UNTIL(&world, world.backends[0]->n_calls >= 6);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
    world_put(&world, METHOD_JVM_METRICS, 3);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 1), 1);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 1);
    world_fini(&world);
}

static void
ill_backend_puts_nothing_into_quarantine(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->status = GRPC_INTERNAL;
    world_put(&world, METHOD_SEGMENT_COLLECT, 300);
    WORLD_UNTIL(&world, world.backends[0]->n_calls >= 100);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
    assert_int_equal(store_n_held(world.store), 300);
    world_assert_balance(&world);
    world.backends[0]->status = 0;
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    world_fini(&world);
}

static uint8_t large[2 << 20];

static void
large_record_is_held_while_the_backend_is_overloaded(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->status = GRPC_RESOURCE_EXHAUSTED;
    world_put_bytes(&world, METHOD_SERVICE_MESH, bytes_of(large, sizeof(large)));
    WORLD_UNTIL(&world, world.backends[0]->n_calls >= 6);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
    world.backends[0]->status = 0;
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    world_fini(&world);
}

static void
large_record_over_the_backends_limit_is_set_aside(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->max_bytes = 1u << 20;
    world_put_bytes(&world, METHOD_SERVICE_MESH, bytes_of(large, sizeof(large)));
    WORLD_UNTIL(&world, world.backends[0]->n_calls >= 2);
    world_put(&world, METHOD_SERVICE_MESH, 5);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 1), 1);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 1);
    world_fini(&world);
}

/* Calls under way at a backend that never answers. */
static uint32_t
calls_trusted(enum method method, uint32_t n_records)
{
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->is_silent = true;
    world_put(&world, method, n_records);
    WORLD_UNTIL(&world, world.backends[0]->n_calls > 0);
    for (int i = 0; i < 20; i++)
        world_turn(&world);
    uint32_t n = world.backends[0]->n_calls;
    assert_int_equal(world_sum(&world, METRIC_BACKEND_INFLIGHT), n);
    world_fini(&world);
    return n;
}

static void
small_messages_weigh_less_than_batches(void **state)
{
    (void)state;
    /* A new backend is trusted with two batches, or sixteen times as many small messages. */
    assert_int_equal(calls_trusted(METHOD_SEGMENT_COLLECT, 1000), 2);
    assert_int_equal(calls_trusted(METHOD_JVM_METRICS, 100), 32);
}

static void
trust_grows_by_a_batch_a_round_up_to_the_limit(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.max_inflight = 8;
    settings.n_workers = 2;
    world_init(&world, &settings, 1);
    struct standin *backend = world.backends[0];
    backend->is_holding = true;
    world_put(&world, METHOD_SEGMENT_COLLECT, 5000);
    static const uint32_t rounds[] = {2, 3, 4, 4, 4};
    for (uint32_t i = 0; i < 5; i++) {
        WORLD_UNTIL(&world, backend->n_held == rounds[i]);
        for (int j = 0; j < 5; j++)
            world_turn(&world);
        assert_int_equal(backend->n_held, rounds[i]);
        standin_answer_held(backend);
    }
    /* A deadline halves it. */
    WORLD_UNTIL(&world, backend->n_held == 4);
    backend->status = GRPC_DEADLINE_EXCEEDED;
    standin_answer_held(backend);
    backend->status = 0;
    WORLD_UNTIL(&world, backend->n_held == 2);
    for (int j = 0; j < 5; j++)
        world_turn(&world);
    assert_int_equal(backend->n_held, 2);
    standin_answer_held(backend);
    backend->is_holding = false;
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    world_fini(&world);
}

static void
what_is_under_way_comes_back_at_the_end(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->is_silent = true;
    world_put(&world, METHOD_SEGMENT_COLLECT, 1000);
    WORLD_UNTIL(&world, world.backends[0]->n_calls >= 2);
    assert_false(forward_is_idle(world.forward));
    forward_free(&world.forward);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_INFLIGHT), 0);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUEUED), 1000);
    world_fini(&world);
    /* world_fini counted them dropped: shutdown. */
}

static void
what_is_in_no_call_goes_back_when_wanted(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.retry_initial_us = settings.retry_max_us = 60000000;
    world_init(&world, &settings, 1);
    struct standin *backend = world.backends[0];
    backend->status = GRPC_UNAVAILABLE;
    world_put(&world, METHOD_SEGMENT_COLLECT, 100);
    WORLD_UNTIL(&world, backend->n_calls >= 1 && !forward_has_calls(world.forward));
    backend->status = GRPC_OK;
    backend->is_silent = true;
    world_put(&world, METHOD_KEEP_ALIVE, 1);
    WORLD_UNTIL(&world, forward_has_calls(world.forward));
    assert_int_equal(world_sum(&world, METRIC_ITEMS_INFLIGHT), 101);
    forward_rest(world.forward);
    forward_give_back(world.forward);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_INFLIGHT), 1); /* the call goes on */
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUEUED), 100);
    assert_true(forward_has_calls(world.forward));
    forward_give_back(world.forward);
    world_assert_balance(&world);
    world_fini(&world);
}

/* Else it would count as held for as long as the backend is as old as it is. */
static void
batch_of_a_method_nobody_knows_goes_back(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.retry_initial_us = settings.retry_max_us = 60000000;
    world_init(&world, &settings, 1);
    struct standin *backend = world.backends[0];
    backend->knows_sync = backend->knows_collect = false;
    world_put(&world, METHOD_SEGMENT_COLLECT, 300);
    WORLD_UNTIL(&world, backend->n_unimplemented >= 2 && forward_is_idle(world.forward));
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUEUED), 300);
    world_put(&world, METHOD_KEEP_ALIVE, 5);
    WORLD_UNTIL(&world, world_sum(&world, METRIC_ITEMS_FORWARDED) == 5);
    assert_true(forward_is_idle(world.forward));
    world_fini(&world);
}

static void
flush_waits_for_no_delay(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init_delay(&world, &settings, 1, 3600000);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 1);
    world_put(&world, METHOD_SEGMENT_COLLECT, 7);
    world_turn(&world);
    world_turn(&world);
    assert_int_equal(world.backends[0]->n_calls, 0);
    forward_flush(world.forward);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    world_fini(&world);
}

static void
discard_takes_everything(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    settings.is_discard = true;
    world_init(&world, &settings, 0);
    world_put(&world, METHOD_SEGMENT_COLLECT, 1234);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 1234);
    world_fini(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_go_out_in_sync_and_once),
        cmocka_unit_test(collect_is_a_stream_of_messages),
        cmocka_unit_test(unary_methods_take_a_call_each),
        cmocka_unit_test(unavailable_and_exhausted_are_tried_again_whole),
        cmocka_unit_test(missing_in_sync_falls_back_to_collect),
        cmocka_unit_test(neither_known_means_not_ready_yet),
        cmocka_unit_test(cut_in_the_middle_is_sent_again),
        cmocka_unit_test(silence_ends_at_the_deadline_and_goes_elsewhere),
        cmocka_unit_test(dead_backend_costs_nothing_while_the_other_lives),
        cmocka_unit_test(failing_backend_is_avoided),
        cmocka_unit_test(resends_beyond_the_budget_wait_and_nothing_is_dropped),
        cmocka_unit_test(two_backends_share_the_work),
        cmocka_unit_test(one_poisonous_record_is_set_aside_alone),
        cmocka_unit_test(poison_in_every_batch_holds_up_nobody_for_ever),
        cmocka_unit_test(poisonous_unary_message_is_set_aside_while_others_pass),
        cmocka_unit_test(ill_backend_puts_nothing_into_quarantine),
        cmocka_unit_test(large_record_is_held_while_the_backend_is_overloaded),
        cmocka_unit_test(large_record_over_the_backends_limit_is_set_aside),
        cmocka_unit_test(small_messages_weigh_less_than_batches),
        cmocka_unit_test(trust_grows_by_a_batch_a_round_up_to_the_limit),
        cmocka_unit_test(what_is_under_way_comes_back_at_the_end),
        cmocka_unit_test(what_is_in_no_call_goes_back_when_wanted),
        cmocka_unit_test(batch_of_a_method_nobody_knows_goes_back),
        cmocka_unit_test(flush_waits_for_no_delay),
        cmocka_unit_test(discard_takes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
