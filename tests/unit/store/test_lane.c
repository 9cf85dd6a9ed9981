/* When lanes are due, held, expired; batches given back, cut and set aside. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "store_fixture.h"

static void
half_a_batch_waits_for_its_delay(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    uint64_t next_us;
    assert_null(store_due(fix.store, fix.now_us, false, &next_us));
    assert_true(next_us == UINT64_MAX);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 499);
    assert_null(store_due(fix.store, fix.now_us, false, &next_us));
    assert_int_equal(next_us, fix.now_us + 200000);
    assert_non_null(store_due(fix.store, fix.now_us, true, &next_us));
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 501);
    for (int i = 0; i < 2; i++) {
        struct store_batch *batch = fix_take(&fix);
        assert_int_equal(batch->n, 500);
        store_ack(fix.store, &batch);
    }
    assert_null(fix_take(&fix));
    fix_fini(&fix);
}

static void
batch_ends_at_its_bytes(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.batch_bytes = 1000;
    fix_init(&fix, &settings);
    static uint8_t payload[5000];
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, 400), 3);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->n, 2);
    store_ack(fix.store, &batch);
    assert_null(fix_take(&fix));
    fix_pass(&fix, 200);
    batch = fix_take(&fix);
    assert_int_equal(batch->n, 1);
    store_ack(fix.store, &batch);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 1);
    batch = fix_take(&fix);
    assert_int_equal(batch->n_bytes, sizeof(payload));
    store_ack(fix.store, &batch);
    fix_fini(&fix);
}

static void
batches_of_one_when_told_so(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.batch_items = 1;
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 3);
    for (int i = 0; i < 3; i++) {
        struct store_batch *batch = fix_take(&fix);
        assert_int_equal(batch->n, 1);
        store_ack(fix.store, &batch);
    }
    assert_null(fix_take(&fix));
    fix_fini(&fix);
}

static void
unary_and_opaque_travel_alone_at_once(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("jvm"), 3);
    fix_put_n(&fix, METHOD_SERVICE_MESH, BYTES("mesh"), 3);
    uint32_t n = 0;
    struct store_batch *batch;
    while ((batch = fix_take(&fix)) != NULL) {
        assert_int_equal(batch->n, 1);
        store_ack(fix.store, &batch);
        n++;
    }
    assert_int_equal(n, 6);
    fix_fini(&fix);
}

static void
logs_of_two_services_never_share_a_batch(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fix_put_key(&fix, METHOD_LOG_COLLECT, BYTES("a"), BYTES("la"), 0), ERR_OK);
        assert_int_equal(fix_put_key(&fix, METHOD_LOG_COLLECT, BYTES("b"), BYTES("lb"), 0), ERR_OK);
    }
    fix_pass(&fix, 200);
    struct store_batch *first = fix_take(&fix), *second = fix_take(&fix);
    assert_int_equal(first->n, 10);
    assert_int_equal(second->n, 10);
    assert_false(bytes_equal(first->key, second->key));
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(first->items[i].payload[1], first->key.p[0]);
    store_ack(fix.store, &first);
    store_nack(fix.store, &second);
    second = fix_take(&fix);
    assert_int_equal(second->attempts, 1);
    assert_int_equal(second->items[0].attempts, 1);
    store_ack(fix.store, &second);
    store_turn(fix.store);
    assert_int_equal(fix.budget.used_bytes, 0);
    fix_fini(&fix);
}

static void
names_that_differ_in_the_last_byte_never_share_a_batch(void **state)
{
    (void)state;
    static const size_t lengths[] = {511, 512, 513, 600, 5000};
    static char name[5000];
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (int j = 0; j < 6; j++) {
            name[lengths[i] - 1] = j % 2 == 0 ? 'a' : 'b';
            struct bytes key = bytes_of(name, lengths[i]);
            assert_int_equal(fix_put_key(&fix, METHOD_LOG_COLLECT, key, key, 0), ERR_OK);
            name[lengths[i] - 1] = 'n';
        }
    fix_pass(&fix, 200);
    uint32_t n_batches = 0;
    struct store_batch *batch;
    while ((batch = fix_take(&fix)) != NULL) {
        assert_int_equal(batch->n, 3);
        for (uint32_t i = 1; i < batch->n; i++) {
            assert_int_equal(batch->items[i].n, batch->items[0].n);
            assert_memory_equal(batch->items[i].payload, batch->items[0].payload,
                                batch->items[0].n);
        }
        n_batches++;
        store_ack(fix.store, &batch);
    }
    assert_int_equal(n_batches, 10);
    store_turn(fix.store);
    assert_int_equal(fix.budget.used_bytes, 0);
    fix_fini(&fix);
}

static void
lanes_with_keys_are_bounded(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    char name[16];
    uint32_t n = 0;
    for (;;) {
        int length = snprintf(name, sizeof(name), "svc-%u", n);
        struct bytes key = bytes_of(name, (size_t)length);
        if (fix_put_key(&fix, METHOD_LOG_COLLECT, key, BYTES("l"), 0) != ERR_OK)
            break;
        n++;
    }
    assert_int_equal(n, 4096);
    assert_int_equal(fix_put_key(&fix, METHOD_LOG_COLLECT, BYTES("svc-7"), BYTES("l"), 0), ERR_OK);
    assert_false(store_is_short(fix.store)); /* else segments would wait for logs */
    fix_pass(&fix, 200);
    struct store_batch *batch;
    while ((batch = fix_take(&fix)) != NULL)
        store_ack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    assert_int_equal(fix.budget.used_bytes, 0);
    fix_fini(&fix);
}

static void
lanes_take_turns(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 2000);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("jvm"), 2);
    enum method order[4];
    for (int i = 0; i < 4; i++) {
        struct store_batch *batch = fix_take(&fix);
        order[i] = batch->method;
        store_ack(fix.store, &batch);
    }
    assert_int_not_equal(order[0], order[1]);
    assert_int_equal(order[0], order[2]);
    assert_int_equal(order[1], order[3]);
    fix_fini(&fix);
}

static void
held_lane_is_not_due_before_its_time(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 600);
    uint64_t next_us;
    struct store_lane *lane = store_due(fix.store, fix.now_us, false, &next_us);
    assert_int_equal(store_lane_method(lane), METHOD_SEGMENT_COLLECT);
    store_hold(fix.store, lane, fix.now_us + 1000000, false);
    assert_null(store_due(fix.store, fix.now_us, true, &next_us));
    assert_int_equal(next_us, fix.now_us + 1000000);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 600);
    fix_pass(&fix, 999);
    assert_null(fix_take(&fix));
    fix_pass(&fix, 1);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->n, 500);
    store_nack(fix.store, &batch);
    fix_fini(&fix);
}

static void
old_records_expire_by_method(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.max_age_s = 3600;
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_KEEP_ALIVE, BYTES("alive"), 2);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 3);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->method, METHOD_KEEP_ALIVE);
    fix_pass(&fix, 60001);
    assert_false(store_expire(fix.store, &batch));
    assert_null(batch);
    assert_int_equal(fix_dropped(&fix, SIGNAL_MANAGEMENT, DROP_EXPIRED), 1);
    store_turn(fix.store);
    assert_int_equal(fix_dropped(&fix, SIGNAL_MANAGEMENT, DROP_EXPIRED), 2);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("t"), 4);
    batch = fix_take(&fix);
    assert_int_equal(batch->n, 7);
    fix_pass(&fix, 3599000);
    assert_true(store_expire(fix.store, &batch));
    assert_int_equal(batch->n, 4);
    assert_int_equal(batch->n_bytes, 4);
    store_nack(fix.store, &batch);
    fix_pass(&fix, 2000);
    assert_null(fix_take(&fix));
    assert_int_equal(fix_dropped(&fix, SIGNAL_TRACING, DROP_EXPIRED), 7);
    assert_int_equal(store_n_held(fix.store), 0);
    fix_fini(&fix);
}

static void
expired_records_of_a_held_lane_free_their_memory(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_KEEP_ALIVE, BYTES("alive"), 100);
    uint64_t next_us;
    struct store_lane *lane = store_due(fix.store, fix.now_us, false, &next_us);
    struct store_batch *batch = store_take(fix.store, lane);
    store_nack(fix.store, &batch);
    store_hold(fix.store, lane, fix.now_us + 3600000000u, false);
    fix_pass(&fix, 61000);
    store_turn(fix.store);
    assert_int_equal(store_n_held(fix.store), 0);
    assert_int_equal(fix_dropped(&fix, SIGNAL_MANAGEMENT, DROP_EXPIRED), 100);
    fix_fini(&fix);
}

static void
split_batches_hold_the_same_records(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    for (uint8_t i = 0; i < 5; i++)
        assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(&i, 1), 0), ERR_OK);
    fix_pass(&fix, 200);
    struct store_batch *first = fix_take(&fix), *second;
    store_split(fix.store, first, &second);
    assert_int_equal(first->n, 3);
    assert_int_equal(second->n, 2);
    assert_int_equal(second->n_bytes, 2);
    assert_int_equal(second->items[0].payload[0], 3);
    assert_int_equal(metric_get(fix.metrics, METRIC_ITEMS_INFLIGHT, SIGNAL_TRACING), 5);
    store_ack(fix.store, &first);
    struct store_batch *last;
    store_split(fix.store, second, &last);
    store_set_aside(fix.store, &last);
    store_drop(fix.store, &second, DROP_REJECTED);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_FORWARDED), 3);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(fix_dropped(&fix, SIGNAL_TRACING, DROP_REJECTED), 1);
    assert_int_equal(store_n_held(fix.store), 0);
    fix_fini(&fix);
}

static void
set_aside_payload_pins_no_block(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("refused"), 1);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix);
    store_set_aside(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.blocks.n_live, 0);
    assert_int_equal(fix.budget.used_bytes, metric_get(fix.metrics, METRIC_QUARANTINE_BYTES, 0));
    fix_fini(&fix);
}

static void
delivery_time_counts_from_the_oldest(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 1);
    fix_pass(&fix, 150);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 1);
    fix_pass(&fix, 50);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->n, 2);
    assert_int_equal(batch->oldest_ms, fix.now_ms - 200);
    fix_pass(&fix, 100);
    store_ack(fix.store, &batch);
    metrics_publish(fix.metrics);
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    metrics_collect(fix.metrics, sums);
    uint32_t slot = metric_row(METRIC_DELIVERY_DURATION)->first +
                    SIGNAL_TRACING * METRIC_HISTOGRAM + METRIC_BUCKETS;
    assert_int_equal(sums[slot], 300000);
    mem_free(sums);
    fix_fini(&fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_batch_waits_for_its_delay),
        cmocka_unit_test(batch_ends_at_its_bytes),
        cmocka_unit_test(batches_of_one_when_told_so),
        cmocka_unit_test(unary_and_opaque_travel_alone_at_once),
        cmocka_unit_test(logs_of_two_services_never_share_a_batch),
        cmocka_unit_test(names_that_differ_in_the_last_byte_never_share_a_batch),
        cmocka_unit_test(lanes_with_keys_are_bounded),
        cmocka_unit_test(lanes_take_turns),
        cmocka_unit_test(held_lane_is_not_due_before_its_time),
        cmocka_unit_test(old_records_expire_by_method),
        cmocka_unit_test(expired_records_of_a_held_lane_free_their_memory),
        cmocka_unit_test(split_batches_hold_the_same_records),
        cmocka_unit_test(set_aside_payload_pins_no_block),
        cmocka_unit_test(delivery_time_counts_from_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
