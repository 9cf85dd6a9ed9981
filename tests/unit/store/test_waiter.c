/* ack: forwarded: who is answered, when, and in which order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture_disk.h"

static struct store_settings
forwarded(void)
{
    struct store_settings settings = fix_settings();
    settings.mode = STORE_DURABLE;
    settings.ack = STORE_ACK_FORWARDED;
    return settings;
}

static struct store_batch *
take(struct fix *fix)
{
    uint64_t next_us;
    struct store_lane *lane = store_due(fix->store, fix->now_us, true, &next_us);
    assert_non_null(lane);
    return store_take(fix->store, lane);
}

static void
answered_when_a_backend_has_it(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("a"), 1), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("b"), 0), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 0);
    assert_int_equal(store_n_out(fix.store), 0);
    assert_int_equal(fix.n_settled_calls, 0);
    struct store_batch *batch = take(&fix);
    store_nack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    batch = take(&fix);
    store_ack(fix.store, &batch);
    assert_int_equal(fix.n_settled_calls, 0); /* late */
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(fix.credit[1], 6);
    assert_int_equal(fix.n_runs, 0);
    fix_fini(&fix);
}

static void
in_order_for_each_who_waits(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init_disk(&fix, &settings);
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 1), ERR_OK);
        assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("b"), 2), ERR_OK);
        store_turn(fix.store);
    }
    struct store_batch *batches[6];
    for (int i = 0; i < 6; i++)
        batches[i] = take(&fix);
    store_ack(fix.store, &batches[4]); /* of 1, third turn */
    store_ack(fix.store, &batches[2]);
    store_ack(fix.store, &batches[1]); /* of 2, first turn */
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 0);
    assert_int_equal(fix.n_records[2], 1);
    store_put_nothing(fix.store, METHOD_JVM_METRICS, DROP_EMPTY, (void *)2, 9);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[2], 1);
    store_drop(fix.store, &batches[0], DROP_REJECTED);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 3);
    store_ack(fix.store, &batches[5]);
    store_set_aside(fix.store, &batches[3]);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[2], 4);
    assert_int_equal(fix.credit[2], 3 * 6 + 9);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 1);
    fix_fini(&fix);
}

static void
an_item_without_a_record_needs_no_backend(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init_disk(&fix, &settings);
    store_put_nothing(fix.store, METHOD_JVM_METRICS, DROP_EMPTY, (void *)1, 9);
    assert_int_equal(fix.n_settled_calls, 0);
    store_turn(fix.store);
    assert_int_equal(fix.credit[1], 9);
    fix_fini(&fix);
}

/* Its original is in memory alone: whoever is told of the copy takes it for forwarded. */
static void
a_copy_is_answered_behind_its_original(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("b"), 2), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("a"), 1), ERR_OK);
    store_put_nothing(fix.store, METHOD_SEGMENT_COLLECT, DROP_COPY, (void *)2, 9);
    store_turn(fix.store);
    store_put_nothing(fix.store, METHOD_SEGMENT_COLLECT, DROP_COPY, (void *)3, 7);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("m"), 4), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("c"), 5), ERR_OK);
    store_turn(fix.store);
    fix_pass(&fix, 1000);
    uint64_t next_us;
    struct store_lane *lane = store_due(fix.store, fix.now_us, false, &next_us);
    while (store_lane_method(lane) != METHOD_SEGMENT_COLLECT)
        lane = store_due(fix.store, fix.now_us, false, &next_us);
    struct store_batch *batch = store_take(fix.store, lane), *rest;
    assert_int_equal(batch->n, 3);
    store_split(fix.store, batch, &rest); /* b and a; c */
    store_nack(fix.store, &rest);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    store_ack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(fix.n_records[2], 2);
    assert_int_equal(fix.credit[2], 6 + 9);
    assert_int_equal(fix.credit[3], 7);
    assert_int_equal(fix.n_records[4] + fix.n_records[5], 0);
    store_put_nothing(fix.store, METHOD_SEGMENT_COLLECT, DROP_COPY, (void *)6, 1);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[6], 0);
    fix_fini(&fix); /* with one that waits */
}

static void
expired_is_answered_too(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_KEEP_ALIVE, BYTES("a"), 1), ERR_OK);
    fix_pass(&fix, 61 * 1000);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    fix_fini(&fix);
}

static void
nobody_is_told_at_the_end(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 1), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_JVM_METRICS, BYTES("a"), 2), ERR_OK);
    store_wind_up(fix.store);
    assert_int_equal(store_n_volatile(fix.store), 3);
    assert_int_equal(fix_n_slices(&fix), 0);
    fix_fini(&fix);
}

/* More cookies than the table begins with, and a callback that puts. */
struct crowd {
    struct fix fix; /* first: its callbacks get it too */
    uint32_t n_told[3000];
    uint32_t n_more;
};

static void
on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    struct crowd *crowd = ctx;
    uintptr_t i = (uintptr_t)cookie / 16;
    assert_in_range(i, 1, 2999);
    assert_int_equal(credit_bytes, 6 * n_records);
    crowd->n_told[i] += n_records;
    if (crowd->n_more > 0) {
        crowd->n_more--;
        assert_int_equal(fix_put(&crowd->fix, METHOD_SEGMENT_COLLECT, BYTES("x"), i * 16), ERR_OK);
    }
}

static void
many_wait(void **state)
{
    (void)state;
    static struct crowd crowd;
    struct fix *fix = &crowd.fix;
    struct store_settings settings = forwarded();
    fix_init(fix, &settings);
    store_free(&fix->store);
    struct store_callbacks callbacks = {.ctx = &crowd,
                                        .on_settled = on_settled,
                                        .on_room = fix_on_room,
                                        .on_due = fix_on_due,
                                        .on_parcel = fix_on_parcel};
    fix->store = store_new(&settings, &callbacks, &fix->blocks, fix->metrics);
    fix_no_cold(fix);
    for (int round = 0; round < 3; round++)
        for (uintptr_t i = 1; i < 3000; i++)
            assert_int_equal(fix_put(fix, METHOD_SEGMENT_COLLECT, BYTES("x"), i * 16), ERR_OK);
    store_turn(fix->store);
    crowd.n_more = 500;
    assert_int_equal(fix_ack_all(fix), 3 * 2999);
    store_turn(fix->store);
    for (uint32_t i = 1; i < 3000; i++)
        assert_int_equal(crowd.n_told[i], 3);
    assert_int_equal(fix_ack_all(fix), 500);
    store_turn(fix->store);
    uint32_t n = 0;
    for (uint32_t i = 1; i < 3000; i++)
        n += crowd.n_told[i];
    assert_int_equal(n, 3 * 2999 + 500);
    fix_fini(fix);
}

/* Found on disk at start: nobody waits for those, and they are done there when acknowledged. */
static void
what_was_on_disk_goes_out_too(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = forwarded();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    fix_restore(&fix, METHOD_JVM_METRICS, BYTES("a"));
    fix_end_read(&fix);
    fix_no_cold(&fix);
    assert_int_equal(store_n_volatile(fix.store), 0);
    assert_int_equal(fix_ack_all(&fix), 1);
    store_turn(fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_DONE), 1);
    fix_fini(&fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_when_a_backend_has_it),
        cmocka_unit_test(in_order_for_each_who_waits),
        cmocka_unit_test(an_item_without_a_record_needs_no_backend),
        cmocka_unit_test(a_copy_is_answered_behind_its_original),
        cmocka_unit_test(expired_is_answered_too),
        cmocka_unit_test(nobody_is_told_at_the_end),
        cmocka_unit_test(many_wait),
        cmocka_unit_test(what_was_on_disk_goes_out_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
