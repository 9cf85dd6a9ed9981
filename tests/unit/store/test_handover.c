/* Records on their way to the disk: when they go, how they end, who is told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture_disk.h"

static struct store_settings
durable(void)
{
    struct store_settings settings = fix_settings();
    settings.mode = STORE_DURABLE;
    settings.ack = STORE_ACK_BUFFERED;
    return settings;
}

static void
set_aside(struct fix *fix, uintptr_t cookie)
{
    struct bytes payload = BYTES("sick");
    struct store_record record = {.method = METHOD_SEGMENT_COLLECT,
                                  .flags = STORE_SET_ASIDE,
                                  .reason = RULE_COUNT,
                                  .parts = &payload,
                                  .n_parts = 1,
                                  .received_ms = fix->now_ms,
                                  .cookie = (void *)cookie,
                                  .credit_bytes = 1};
    assert_int_equal(store_put(fix->store, &record), ERR_OK);
}

static void
rule_4_settles_when_durable(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("one"), 1), ERR_OK);
    assert_int_equal(store_n_volatile(fix.store), 1);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 1);
    assert_int_equal(store_n_out(fix.store), 1);
    assert_int_equal(fix.n_records[1], 0);
    assert_null(fix_take(&fix));
    fix_end_slice(&fix, 0, SLICE_DURABLE);
    assert_int_equal(store_n_volatile(fix.store), 0);
    assert_int_equal(fix.n_records[1], 0); /* late: with the turn */
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(fix.credit[1], 8);
    fix_assert_held(&fix);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->n, 1);
    assert_int_equal(batch->items[0].sequence, 1000);
    assert_memory_equal(batch->items[0].payload, "one", 3);
    store_ack(fix.store, &batch);
    assert_int_equal(fix.n_runs, 0);
    store_turn(fix.store);
    assert_int_equal(fix.n_runs, 1);
    assert_int_equal(fix.runs[0].end, RUN_DONE);
    assert_int_equal(fix.runs[0].first, 1000);
    fix_fini(&fix);
}

static void
received_settles_at_once(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.ack = STORE_ACK_RECEIVED;
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("one"), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(fix_ack_all(&fix), 1);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    fix_fini(&fix);
}

static void
rule_2_goes_at_once_or_when_a_millisecond_old(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    assert_true(store_next_us(fix.store) == UINT64_MAX);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("a"), 1);
    assert_int_equal(store_next_us(fix.store), fix.now_us + 1000);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 1);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("b"), 3);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 1); /* one is out */
    fix_pass(&fix, 1);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 2);
    assert_int_equal(fix_slice(&fix, 1)->n_records, 3);
    static uint8_t payload[10000];
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 27);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 4); /* more than a block, whatever its age */
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(fix_ack_all(&fix), 31);
    fix_fini(&fix);
}

/* Streams get credit for all bytes before, so nobody may overtake. */
static void
rule_4_groups_settle_in_order(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    set_aside(&fix, 1);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("a"), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("b"), 1), ERR_OK);
    store_put_nothing(fix.store, METHOD_SEGMENT_COLLECT, DROP_EMPTY, (void *)2, 50);
    fix_pass(&fix, 1);
    store_turn(fix.store);
    store_put_nothing(fix.store, METHOD_SEGMENT_COLLECT, DROP_EMPTY, (void *)1, 70);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 3);
    fix_end_slice(&fix, 2, SLICE_DURABLE); /* b */
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    bool is_aside_first = fix_slice(&fix, 0)->is_aside;
    fix_end_slice(&fix, is_aside_first ? 1 : 0, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    fix_end_slice(&fix, 0, SLICE_DURABLE);
    fix_pass(&fix, 1);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 4);
    assert_int_equal(fix.n_records[2], 1);
    assert_int_equal(fix.credit[1], 1 + 6 + 6 + 70);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(fix_ack_all(&fix), 2);
    fix_fini(&fix);
}

static void
rule_1_a_large_record_goes_alone_and_keeps_its_place(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    static uint8_t payload[3 << 20];
    memset(payload, 'L', sizeof(payload));
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("a"), 2);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 1);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("b"), 2);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 3);
    assert_int_equal(fix_slice(&fix, 0)->n_records, 2);
    assert_true(fix_slice(&fix, 1)->n_bytes > sizeof(payload));
    fix_end_slices(&fix, SLICE_DURABLE);
    const char order[] = "aaLbb";
    for (uint32_t i = 0; i < 5;) {
        uint64_t next_us;
        struct store_lane *lane = store_due(fix.store, fix.now_us, true, &next_us);
        struct store_batch *batch = store_take(fix.store, lane);
        for (uint32_t k = 0; k < batch->n; k++, i++)
            assert_int_equal(batch->items[k].payload[0], order[i]);
        store_ack(fix.store, &batch);
    }
    fix_fini(&fix);
}

static void
rule_1_no_more_than_the_share_is_on_its_way_to_the_disk(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.undurable_bytes = 100000;
    fix_init_disk(&fix, &settings);
    static uint8_t payload[200000];
    uint32_t n = 0;
    while (fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, 1000), 1) == ERR_OK)
        n++;
    assert_int_equal(n, 95); /* of 1048 bytes each */
    assert_true(store_is_short(fix.store));
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 0);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    assert_false(store_is_short(fix.store));
    /* A larger one goes alone. */
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 1);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("x"), 0), ERR_WAIT);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(fix_ack_all(&fix), 96);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 2);
    fix_fini(&fix);
}

static void
dropped_slice_is_counted_and_settled(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("jvm"), 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DROPPED);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 3);
    assert_int_equal(fix_dropped(&fix, SIGNAL_JVM, DROP_BUFFER_FULL), 3);
    assert_int_equal(store_n_volatile(fix.store), 0);
    fix_fini(&fix);
}

static void
on_a_broken_disk_only_a_backend_answers(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 1), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("b"), 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_UNSAVED);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("c"), 2), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_UNSAVED);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    assert_int_equal(store_n_volatile(fix.store), 3);
    struct store_batch *batch = fix_take(&fix);
    assert_true(batch->items[0].sequence == STORE_NO_SEQUENCE);
    store_ack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    fix_pass(&fix, 86400 * UINT64_C(1000) + 1); /* the others expire */
    store_turn(fix.store);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 2);
    assert_int_equal(fix.n_records[2], 1);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_DROPPED), 2);
    fix_fini(&fix);
}

/* What no backend knows may never be answered, and everybody behind it would wait. */
static void
unknown_method_holds_up_nobody_on_a_broken_disk(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 1), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("b"), 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_UNSAVED);
    struct store_batch *batch = fix_take(&fix);
    struct store_lane *lane = batch->lane;
    store_nack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 0);
    store_hold(fix.store, lane, fix.now_us + 60000000, true);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 2);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("c"), 2), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_UNSAVED);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[2], 1);
    fix_fini(&fix);
}

static void
end_on_a_broken_disk_tells_nobody(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_UNSAVED);
    store_put_nothing(fix.store, METHOD_JVM_METRICS, DROP_EMPTY, (void *)1, 1);
    store_wind_up(fix.store);
    assert_int_equal(fix_n_slices(&fix), 1); /* it may be well again */
    fix_end_slices(&fix, SLICE_UNSAVED);
    store_turn(fix.store);
    assert_int_equal(store_n_out(fix.store), 0);
    fix_fini(&fix);
}

static void
original_is_done_when_its_copy_is_durable(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("sick"), 1);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    struct store_batch *batch = fix_take(&fix);
    store_set_aside(fix.store, &batch);
    fix_assert_held(&fix);
    store_turn(fix.store);
    assert_int_equal(fix.n_runs, 0);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 0);
    struct slice *slice = fix_slice(&fix, 0);
    assert_true(slice->is_aside);
    assert_true(bytes_equal(spool_record_key(slice->data), BYTES("rejected-by-backend")));
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(fix_n_ended(&fix, RUN_DONE), 1);
    assert_int_equal(fix.runs[0].first, 1000);
    fix_fini(&fix);
}

static void
copy_under_way_at_the_end_ends_its_original(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("sick"), 1);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    struct store_batch *batch = fix_take(&fix);
    store_set_aside(fix.store, &batch);
    store_wind_up(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    fix_fini(&fix);
    assert_int_equal(fix_n_ended(&fix, RUN_DONE), 1);
}

static void
rule_2_memory_mode_says_nothing_to_the_disk(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    set_aside(&fix, 1);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("a"), 3);
    store_turn(fix.store);
    assert_int_equal(fix_ack_all(&fix), 3);
    store_wind_up(fix.store);
    assert_int_equal(store_n_out(fix.store), 0);
    assert_int_equal(fix.n_runs, 0);
    fix_fini(&fix);
}

/* The key alone must not leave an empty lane behind. */
static void
keyed_records_that_stay_on_disk_make_no_lane(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init(&fix, &settings);
    assert_int_equal(fix_put_key(&fix, METHOD_LOG_COLLECT, BYTES("svc"), BYTES("l"), 0), ERR_OK);
    store_turn(fix.store);
    fix_pass(&fix, 1);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE); /* cold: nothing is known of the disk yet */
    assert_int_equal(store_n_held(fix.store), 0);
    fix_end_read(&fix);
    fix_fini_cold(&fix, 1);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 1);
}

static void
rule_2_spill_takes_the_disk_only_in_need(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.mode = STORE_SPILL;
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("a"), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 0);
    assert_int_equal(fix.n_records[1], 1);
    store_set_outage(fix.store, true);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("b"), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 1);
    assert_int_equal(fix.n_records[1], 2); /* nobody waits for the disk here */
    assert_int_equal(store_n_volatile(fix.store), 2);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(store_n_volatile(fix.store), 1);
    store_set_outage(fix.store, false);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("c"), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 0);
    assert_int_equal(fix_ack_all(&fix), 3);
    fix_fini(&fix);
}

/* Else it would fill the memory, and nothing of the others could come back from the disk. */
static void
crowded_method_spills(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.mode = STORE_SPILL;
    fix_init_disk(&fix, &settings);
    static uint8_t payload[64 * 1024];
    for (int i = 0; i < 300; i++)
        fix_put_n(&fix, METHOD_JVM_METRICS, bytes_of(payload, sizeof(payload)), 1);
    store_turn(fix.store);
    assert_true(fix_n_slices(&fix) > 0); /* more than a quarter */
    fix_put_n(&fix, METHOD_METER_COLLECT, BYTES("m"), 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    uint32_t n_cold = fix_n_ended(&fix, RUN_COLD);
    assert_in_range(n_cold, 40, 50);
    assert_int_equal(store_n_held(fix.store), 301 - n_cold);
    struct store_batch *batch = fix_take(&fix);
    struct store_lane *lane = batch->lane;
    assert_int_equal(store_lane_method(lane), METHOD_JVM_METRICS);
    store_nack(fix.store, &batch);
    store_hold(fix.store, lane, fix.now_us + 1000000, true);
    fix_assert_balance(&fix);
    while (store_n_out(fix.store) > 0 || store_n_volatile(fix.store) > 1) {
        store_turn(fix.store);
        assert_false(fix_has_read(&fix));
        fix_end_slices(&fix, SLICE_DURABLE);
    }
    assert_int_equal(store_n_held(fix.store), 1); /* the other method's */
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("n"), 1);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD) + fix_n_ended(&fix, RUN_UNWANTED), 301);
    fix_pass(&fix, 1001);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), 1);
    fix_fini_cold(&fix, 301);
}

static void
winding_up_spills_all_that_is_in_memory_alone(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.mode = STORE_SPILL;
    fix_init_disk(&fix, &settings);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("a"), 4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fix_put_key(&fix, METHOD_LOG_COLLECT, BYTES("svc"), BYTES("l"), 0),
                         ERR_OK);
    struct store_batch *lent = fix_take(&fix), *returned = fix_take(&fix);
    store_nack(fix.store, &returned);
    store_wind_up(fix.store);
    fix_assert_held(&fix);
    assert_int_equal(store_n_volatile(fix.store), 7);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(store_n_volatile(fix.store), 1);
    assert_int_equal(store_n_held(fix.store), 1);
    store_nack(fix.store, &lent); /* given back later than that */
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(store_n_volatile(fix.store), 0);
    store_turn(fix.store);
    assert_false(fix_has_read(&fix));
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 7);
    fix_fini_cold(&fix, 7);
}

static void
winding_up_on_a_broken_disk_ends(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    settings.mode = STORE_SPILL;
    fix_init_disk(&fix, &settings);
    fix_put_n(&fix, METHOD_JVM_METRICS, BYTES("a"), 4);
    store_wind_up(fix.store);
    fix_end_slices(&fix, SLICE_UNSAVED);
    store_turn(fix.store);
    assert_int_equal(store_n_out(fix.store), 0);
    assert_int_equal(store_n_volatile(fix.store), 4);
    store_free(&fix.store);
    assert_int_equal(fix_dropped(&fix, SIGNAL_JVM, DROP_SHUTDOWN), 4);
    fix_fini(&fix);
}

/* Else what goes to disk would stand still for as long as others need their memory. */
static void
two_mebibytes_flow_whatever_the_level(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    uint64_t others = fix.pool.limit_bytes / 100 * 75;
    budget_take_always(&fix.budget, others);
    static uint8_t payload[1000];
    uint32_t n = 0;
    while (fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, sizeof(payload)), 0) == ERR_OK)
        n++;
    assert_in_range(n, 1800, 2048);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 0);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix_ack_all(&fix) + fix_n_ended(&fix, RUN_COLD), n);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    fix_no_cold(&fix);
    budget_give(&fix.budget, others);
    fix_fini_cold(&fix, fix_n_ended(&fix, RUN_COLD));
}

static void
rule_5_acknowledgements_travel_as_runs_once_a_turn(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = durable();
    fix_init_disk(&fix, &settings);
    for (int i = 0; i < 6; i++)
        assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("one"), 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix), *second;
    assert_int_equal(batch->n, 6);
    store_split(fix.store, batch, &second);
    store_nack(fix.store, &batch); /* waits for another backend; the later ones end first */
    store_ack(fix.store, &second);
    store_turn(fix.store);
    assert_int_equal(fix.n_runs, 1);
    assert_int_equal(fix.runs[0].first, 1003);
    assert_int_equal(fix.runs[0].n, 3);
    batch = fix_take(&fix);
    assert_int_equal(batch->n, 3);
    assert_int_equal(batch->items[0].sequence, 1000);
    store_ack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_runs, 2);
    assert_int_equal(fix.runs[1].first, 1000);
    assert_int_equal(fix.runs[1].n, 3);
    fix_fini(&fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_4_settles_when_durable),
        cmocka_unit_test(rule_5_acknowledgements_travel_as_runs_once_a_turn),
        cmocka_unit_test(received_settles_at_once),
        cmocka_unit_test(rule_2_goes_at_once_or_when_a_millisecond_old),
        cmocka_unit_test(rule_4_groups_settle_in_order),
        cmocka_unit_test(rule_1_a_large_record_goes_alone_and_keeps_its_place),
        cmocka_unit_test(rule_1_no_more_than_the_share_is_on_its_way_to_the_disk),
        cmocka_unit_test(dropped_slice_is_counted_and_settled),
        cmocka_unit_test(on_a_broken_disk_only_a_backend_answers),
        cmocka_unit_test(unknown_method_holds_up_nobody_on_a_broken_disk),
        cmocka_unit_test(end_on_a_broken_disk_tells_nobody),
        cmocka_unit_test(original_is_done_when_its_copy_is_durable),
        cmocka_unit_test(copy_under_way_at_the_end_ends_its_original),
        cmocka_unit_test(rule_2_memory_mode_says_nothing_to_the_disk),
        cmocka_unit_test(keyed_records_that_stay_on_disk_make_no_lane),
        cmocka_unit_test(rule_2_spill_takes_the_disk_only_in_need),
        cmocka_unit_test(crowded_method_spills),
        cmocka_unit_test(winding_up_spills_all_that_is_in_memory_alone),
        cmocka_unit_test(winding_up_on_a_broken_disk_ends),
        cmocka_unit_test(two_mebibytes_flow_whatever_the_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
