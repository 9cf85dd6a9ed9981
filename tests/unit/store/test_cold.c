/* Records that are on disk only: what leaves memory, what is asked back and when. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture_disk.h"

static uint8_t payload[64 * 1024];

static struct store_settings
durable(void)
{
    struct store_settings settings = fix_settings();
    settings.mode = STORE_DURABLE;
    settings.ack = STORE_ACK_BUFFERED;
    return settings;
}

static void
put_durable(struct fix *fix, enum method method, struct bytes bytes, uint32_t n)
{
    while (n > 0) {
        uint32_t part = n < 50 ? n : 50;
        fix_put_n(fix, method, bytes, part);
        fix_pass(fix, 1);
        store_turn(fix->store);
        fix_end_slices(fix, SLICE_DURABLE);
        n -= part;
    }
}

static method_set
bit(enum method method)
{
    return (method_set)1 << method;
}

static void
all_is_cold_until_a_read_comes_back_empty(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    assert_false(store_is_empty(fix.store));
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("a"), 1);
    store_turn(fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 1);
    fix_end_read(&fix); /* it may have been empty before a went there */
    store_turn(fix.store);
    put_durable(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 1);
    assert_int_equal(store_n_held(fix.store), 1); /* not behind any more */
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("b"), 1);
    assert_int_equal(store_n_held(fix.store), 1); /* it stays behind a */
    store_turn(fix.store);
    assert_int_equal(fix_read(&fix)->unwanted & bit(METHOD_JVM_METRICS), 0);
    fix_read_add(&fix, METHOD_JVM_METRICS, BYTES_NONE, BYTES("a"), 0);
    fix_read_add(&fix, METHOD_JVM_METRICS, BYTES_NONE, BYTES("b"), 0);
    fix_end_read(&fix);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), 3);
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("c"), 1);
    assert_int_equal(fix_ack_all(&fix), 1);
    assert_true(store_is_empty(fix.store));
    fix_fini(&fix);
}

/* The read was answered before the record went there: nobody else tells of it. */
static void
what_went_there_meanwhile_is_asked_for_again(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    fix_no_cold(&fix);
    struct parcel *parcel = parcel_new();
    parcel->has_cold = true;
    store_on_parcel(fix.store, parcel);
    store_turn(fix.store);
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("a"), 1); /* cold: has_cold was said */
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_true(fix_has_read(&fix));
    fix_read_add(&fix, METHOD_JVM_METRICS, BYTES_NONE, BYTES("a"), 0);
    fix_end_read(&fix);
    assert_int_equal(store_n_held(fix.store), 1);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), 1);
    fix_fini(&fix);
}

static void
no_method_has_more_than_a_quarter(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    put_durable(&fix, METHOD_JVM_METRICS, bytes_of(payload, sizeof(payload)), 300);
    store_turn(fix.store);
    assert_in_range(store_n_held(fix.store), 250, 257); /* of 64 KiB: 16 of 64 MiB */
    assert_int_equal(store_n_held(fix.store) + fix_n_ended(&fix, RUN_COLD), 300);
    put_durable(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 10);
    store_turn(fix.store);
    assert_int_equal(store_n_held(fix.store) + fix_n_ended(&fix, RUN_COLD), 310);
    store_turn(fix.store);
    assert_false(fix_has_read(&fix)); /* enough is here */
    uint32_t n_cold = fix_n_ended(&fix, RUN_COLD);
    while (store_n_held(fix.store) > 30) {
        struct store_batch *batch = fix_take(&fix);
        assert_non_null(batch);
        store_ack(fix.store, &batch);
    }
    store_turn(fix.store);
    assert_false(fix_has_read(&fix));
    fix_ack_all(&fix);
    store_turn(fix.store);
    assert_true(fix_has_read(&fix)); /* the lanes run low */
    fix_end_read(&fix);
    fix_fini_cold(&fix, n_cold);
}

static void
rule_4_short_memory_lets_go_of_what_is_on_disk(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    const enum method methods[] = {METHOD_JVM_METRICS, METHOD_SEGMENT_COLLECT, METHOD_LOG_COLLECT,
                                   METHOD_METER_COLLECT};
    uint64_t most = 0;
    for (int i = 0; i < 4; i++) {
        struct bytes key = methods[i] == METHOD_LOG_COLLECT ? BYTES("svc") : BYTES_NONE;
        for (int k = 0; k < 240; k++) {
            assert_int_equal(
                fix_put_key(&fix, methods[i], key, bytes_of(payload, sizeof(payload)), 0), ERR_OK);
            fix_pass(&fix, 1);
            store_turn(fix.store);
            fix_end_slices(&fix, SLICE_DURABLE);
            if (store_n_held(fix.store) > most)
                most = store_n_held(fix.store);
            assert_true(metric_get(fix.metrics, METRIC_BUFFER_BYTES, TIER_MEMORY) <=
                        settings.max_bytes);
        }
    }
    assert_in_range(most, 550, 580); /* three quarters of 64 MiB, three to a block */
    assert_true(store_n_held(fix.store) < 600);
    assert_true(fix_n_ended(&fix, RUN_COLD) > 500);
    fix_ack_all(&fix);
    store_turn(fix.store);
    if (!fix_has_read(&fix))
        store_turn(fix.store);
    assert_true(fix_has_read(&fix));
    fix_end_read(&fix);
    fix_fini_cold(&fix, fix_n_ended(&fix, RUN_COLD));
}

static void
unknown_method_stays_on_disk_unwanted(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("a"), 3);
    struct store_batch *batch = fix_take(&fix);
    struct store_lane *lane = batch->lane;
    store_nack(fix.store, &batch);
    store_hold(fix.store, lane, fix.now_us + 1000000, true);
    assert_int_equal(store_n_held(fix.store), 0); /* what was given back too */
    assert_true(store_is_empty(fix.store));
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("b"), 1);
    store_turn(fix.store);
    assert_int_equal(store_n_held(fix.store), 0);
    assert_int_equal(fix_n_ended(&fix, RUN_UNWANTED), 4);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 0);
    assert_false(fix_has_read(&fix));
    struct parcel *parcel = parcel_new();
    parcel->has_cold = true;
    store_on_parcel(fix.store, parcel);
    store_turn(fix.store);
    assert_true((fix_read(&fix)->unwanted & bit(METHOD_JVM_METRICS)) != 0);
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_false(fix_has_read(&fix));
    uint64_t next_us;
    assert_null(store_due(fix.store, fix.now_us, false, &next_us));
    assert_true(next_us <= fix.now_us + 1000000); /* somebody looks again then */
    fix_pass(&fix, 1001);
    store_turn(fix.store);
    assert_int_equal(fix_read(&fix)->unwanted & bit(METHOD_JVM_METRICS), 0);
    for (int i = 0; i < 4; i++)
        fix_read_add(&fix, METHOD_JVM_METRICS, BYTES_NONE, BYTES("a"), 0);
    fix_end_read(&fix);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), 4);
    fix_fini(&fix);
}

static void
larger_record_gets_a_larger_read(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    struct spool_read *read = fix_read(&fix);
    assert_int_equal(read->size, 1 << 20);
    read->n_needed = 5 << 20;
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_int_equal(fix_read(&fix)->size, 5 << 20);
    static uint8_t large[4 << 20];
    fix_restore(&fix, METHOD_JVM_METRICS, bytes_of(large, sizeof(large)));
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_int_equal(fix_read(&fix)->size, 1 << 20);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), 1);
    fix_no_cold(&fix);
    assert_int_equal(metric_get(fix.metrics, METRIC_BUFFER_BYTES, TIER_MEMORY), 0);
    fix_fini(&fix);
}

/* A method that was not asked for in its first part may stand there. */
static void
search_in_parts_is_one_search(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    for (int i = 0; i < 15; i++)
        fix_restore(&fix, METHOD_JVM_METRICS, bytes_of(payload, sizeof(payload)));
    fix_end_read(&fix);
    store_turn(fix.store);
    for (int i = 0; i < 15; i++)
        fix_restore(&fix, METHOD_JVM_METRICS, bytes_of(payload, sizeof(payload)));
    fix_end_read(&fix);
    store_turn(fix.store);
    struct spool_read *read = fix_read(&fix);
    assert_true((read->unwanted & bit(METHOD_JVM_METRICS)) != 0);
    assert_int_equal(read->resume, 0);
    read->is_unfinished = true;
    read->resume = 5000;
    fix_end_read(&fix);
    assert_int_equal(fix_ack_all(&fix), 30);
    store_turn(fix.store);
    assert_int_equal(fix_read(&fix)->resume, 5000);
    assert_int_equal(fix_read(&fix)->unwanted & bit(METHOD_JVM_METRICS), 0);
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_true(fix_has_read(&fix)); /* from the beginning */
    assert_int_equal(fix_read(&fix)->resume, 0);
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_false(fix_has_read(&fix));
    fix_fini(&fix);
}

static void
strangers_records_are_left_where_they_are(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    assert_true((fix_read(&fix)->unwanted & bit(METHOD_NONE)) != 0);
    fix_read_add(&fix, METHOD_COUNT + 3, BYTES("k"), BYTES("new"), 0);
    fix_read_add(&fix, METHOD_NONE, BYTES_NONE, BYTES("none"), 0);
    fix_read_add(&fix, METHOD_JVM_METRICS, BYTES_NONE, BYTES("other's"), SPOOL_FLAG_SKIP);
    fix_restore(&fix, METHOD_JVM_METRICS, BYTES("ours"));
    fix_end_read(&fix);
    assert_int_equal(store_n_held(fix.store), 1);
    fix_no_cold(&fix);
    assert_int_equal(fix_n_ended(&fix, RUN_UNWANTED), 2);
    struct store_batch *batch = fix_take(&fix);
    assert_memory_equal(batch->items[0].payload, "ours", 4);
    assert_int_equal(batch->items[0].sequence, 1003);
    store_ack(fix.store, &batch);
    fix_fini(&fix);
}

/* Else what is read would be let go of again, and read again. */
static void
above_the_half_only_what_has_nothing_here_is_asked_for(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.max_bytes = 8 << 20;
    fix_init_disk(&fix, &settings);
    put_durable(&fix, METHOD_JVM_METRICS, bytes_of(payload, sizeof(payload)), 30);
    put_durable(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 30);
    put_durable(&fix, METHOD_METER_COLLECT, bytes_of(payload, 1000), 500);
    struct parcel *parcel = parcel_new();
    parcel->has_cold = true;
    store_on_parcel(fix.store, parcel);
    uint32_t n_cold = fix_n_ended(&fix, RUN_COLD);
    assert_int_equal(n_cold, 0);
    store_turn(fix.store);
    method_set unwanted = fix_read(&fix)->unwanted;
    assert_true((unwanted & bit(METHOD_METER_COLLECT)) != 0);
    assert_true((unwanted & bit(METHOD_JVM_METRICS)) != 0);
    assert_int_equal(unwanted & bit(METHOD_LOG_COLLECT), 0);
    fix_end_read(&fix);
    store_turn(fix.store);
    assert_false(fix_has_read(&fix));
    fix_ack_all(&fix);
    store_turn(fix.store);
    assert_int_equal(fix_read(&fix)->unwanted & bit(METHOD_METER_COLLECT), 0);
    fix_no_cold(&fix);
    fix_fini(&fix);
}

/* A full disk has room again only when something was read and sent. */
static void
what_waits_for_the_disk_does_not_hold_up_reads(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    fix_put_n(&fix, METHOD_JVM_METRICS, bytes_of(payload, sizeof(payload)), 100);
    store_turn(fix.store);
    uint64_t others = fix.pool.limit_bytes / 100 * 75;
    budget_take_always(&fix.budget, others);
    struct parcel *parcel = parcel_new();
    parcel->has_cold = true;
    store_on_parcel(fix.store, parcel);
    store_turn(fix.store);
    assert_true(fix_has_read(&fix));
    fix_end_read(&fix);
    fix_end_slices(&fix, SLICE_DURABLE);
    budget_give(&fix.budget, others);
    fix_no_cold(&fix);
    fix_ack_all(&fix);
    fix_no_cold(&fix);
    fix_fini_cold(&fix, fix_n_ended(&fix, RUN_COLD));
}

static void
winding_up_leaves_all_on_disk(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    put_durable(&fix, METHOD_JVM_METRICS, BYTES("a"), 2);
    struct store_batch *batch = fix_take(&fix);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("b"), 1);
    store_wind_up(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(store_n_volatile(fix.store), 0);
    struct parcel *parcel = parcel_new();
    parcel->has_cold = true;
    store_on_parcel(fix.store, parcel);
    store_turn(fix.store);
    assert_false(fix_has_read(&fix));
    store_nack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 0);
    store_free(&fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 3);
    fix_fini_cold(&fix, 3);
}

/* Sent already when the end comes, and given back before it is there. */
static void
read_may_come_back_at_the_end(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    store_wind_up(fix.store);
    assert_int_equal(store_n_out(fix.store), 1);
    fix_restore(&fix, METHOD_JVM_METRICS, BYTES("a"));
    fix_end_read(&fix);
    assert_int_equal(store_n_out(fix.store), 0);
    fix_fini_cold(&fix, 1);
}

static void
expired_on_disk_is_done(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    put_durable(&fix, METHOD_KEEP_ALIVE, BYTES("a"), 2);
    struct store_batch *batch = fix_take(&fix);
    fix_pass(&fix, 61 * 1000);
    store_turn(fix.store);
    assert_false(store_expire(fix.store, &batch));
    store_turn(fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_DONE), 2);
    assert_int_equal(fix_dropped(&fix, SIGNAL_MANAGEMENT, DROP_EXPIRED), 2);
    fix_fini(&fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_cold_until_a_read_comes_back_empty),
        cmocka_unit_test(what_went_there_meanwhile_is_asked_for_again),
        cmocka_unit_test(no_method_has_more_than_a_quarter),
        cmocka_unit_test(rule_4_short_memory_lets_go_of_what_is_on_disk),
        cmocka_unit_test(unknown_method_stays_on_disk_unwanted),
        cmocka_unit_test(larger_record_gets_a_larger_read),
        cmocka_unit_test(search_in_parts_is_one_search),
        cmocka_unit_test(strangers_records_are_left_where_they_are),
        cmocka_unit_test(above_the_half_only_what_has_nothing_here_is_asked_for),
        cmocka_unit_test(what_waits_for_the_disk_does_not_hold_up_reads),
        cmocka_unit_test(winding_up_leaves_all_on_disk),
        cmocka_unit_test(read_may_come_back_at_the_end),
        cmocka_unit_test(expired_on_disk_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
