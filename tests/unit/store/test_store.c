/* Put, settle, back-pressure and quarantine of the store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

static void
record_is_copied_behind_its_headroom(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    char first[] = "abc", second[] = "defgh";
    struct bytes parts[] = {bytes_of(first, 3), BYTES_NONE, bytes_of(second, 5)};
    struct store_record record = {.method = METHOD_SEGMENT_COLLECT,
                                  .reason = RULE_COUNT,
                                  .parts = parts,
                                  .n_parts = 3,
                                  .received_ms = fix.now_ms,
                                  .cookie = (void *)1,
                                  .credit_bytes = 13};
    assert_int_equal(store_put(fix.store, &record), ERR_OK);
    assert_int_equal(store_put(fix.store, &record), ERR_OK);
    memset(first, 'x', 3);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix);
    assert_non_null(batch);
    assert_int_equal(batch->n, 2);
    assert_int_equal(batch->n_bytes, 16);
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(batch->items[i].payload, "abcdefgh", 8);
        assert_int_equal((uintptr_t)batch->items[i].payload % 8, 0);
        memset(batch->items[i].payload - STORE_HEADROOM, 0xff, STORE_HEADROOM);
    }
    assert_memory_equal(batch->items[0].payload, "abcdefgh", 8);
    store_ack(fix.store, &batch);
    assert_null(batch);
    fix_fini(&fix);
}

static void
settled_once_a_turn_and_late(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("12345"), 1), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("12345"), 2), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("12345"), 1), ERR_OK);
    store_put_nothing(fix.store, METHOD_SEGMENT_COLLECT, DROP_EMPTY, (void *)2, 7);
    assert_int_equal(fix.n_settled_calls, 0);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 2);
    assert_int_equal(fix.credit[1], 40);
    assert_int_equal(fix.n_records[1], 4);
    assert_int_equal(fix.credit[2], 17);
    assert_int_equal(fix.n_records[2], 2);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 2);
    assert_int_equal(fix_dropped(&fix, SIGNAL_TRACING, DROP_EMPTY), 1);
    assert_int_equal(metric_get(fix.metrics, METRIC_ITEMS_ACCEPTED, SIGNAL_TRACING), 6);
    fix_fini(&fix);
}

static void
due_is_told_only_when_nobody_asked(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    store_turn(fix.store);
    assert_int_equal(fix.n_due, 0);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, BYTES("s"), 1);
    store_turn(fix.store);
    assert_int_equal(fix.n_due, 1);
    store_turn(fix.store);
    assert_int_equal(fix.n_due, 1);
    fix_put_n(&fix, METHOD_EVENT_COLLECT, BYTES("e"), 1);
    uint64_t next_us;
    assert_null(store_due(fix.store, fix.now_us, false, &next_us));
    store_turn(fix.store);
    assert_int_equal(fix.n_due, 1);
    fix_fini(&fix);
}

static uint8_t big[300 * 1024];

static void
full_buffer_waits_and_tells_room_once(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.max_bytes = 4u << 20;
    fix_init(&fix, &settings);
    struct bytes payload = bytes_of(big, 10000);
    uint32_t n = 0;
    while (fix_put(&fix, METHOD_SEGMENT_COLLECT, payload, 1) == ERR_OK)
        n++;
    assert_in_range(n, 300, 420);
    assert_int_equal(metric_get(fix.metrics, METRIC_ITEMS_ACCEPTED, SIGNAL_TRACING), n);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, payload, 1), ERR_WAIT);
    assert_true(store_is_short(fix.store));
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 0);
    assert_int_equal(fix.n_records[1], n);
    assert_true(metric_get(fix.metrics, METRIC_BUFFER_BYTES, TIER_MEMORY) <= settings.max_bytes);
    struct store_batch *batch;
    while ((batch = fix_take(&fix)) != NULL)
        store_ack(fix.store, &batch);
    store_turn(fix.store);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    assert_false(store_is_short(fix.store));
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, payload, 1), ERR_OK);
    fix_fini(&fix);
}

static void
budget_at_hold_waits(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.when_full = STORE_DROP_OLDEST;
    fix_init(&fix, &settings);
    struct budget other;
    budget_init(&other, &fix.pool);
    budget_take_always(&other, 400u << 20);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("x"), 1), ERR_WAIT);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 0);
    budget_give(&other, 400u << 20);
    budget_fini(&other);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("x"), 1), ERR_OK);
    fix_fini(&fix);
}

static void
record_larger_than_the_buffer_goes_alone(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.max_bytes = 128 * 1024;
    fix_init(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(big, sizeof(big)), 1), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(big, sizeof(big)), 1),
                     ERR_WAIT);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->n_bytes, sizeof(big));
    store_ack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    assert_int_equal(fix.budget.used_bytes, 0);
    fix_fini(&fix);
}

static void
drop_oldest_makes_room(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.max_bytes = 4u << 20;
    settings.when_full = STORE_DROP_OLDEST;
    fix_init(&fix, &settings);
    struct bytes payload = bytes_of(big, 10000);
    for (uint32_t i = 0; i < 1000; i++) {
        big[0] = (uint8_t)(i >> 8);
        big[1] = (uint8_t)i;
        fix_pass(&fix, 1);
        assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, payload, 1), ERR_OK);
    }
    fix_assert_balance(&fix);
    uint64_t dropped = fix_dropped(&fix, SIGNAL_TRACING, DROP_BUFFER_FULL);
    assert_in_range(dropped, 500, 750);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix);
    assert_int_equal(batch->items[0].payload[0] << 8 | batch->items[0].payload[1], dropped);
    store_ack(fix.store, &batch);
    fix_fini(&fix);
}

static void
drop_newest_takes_and_drops(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.max_bytes = 4u << 20;
    settings.when_full = STORE_DROP_NEWEST;
    fix_init(&fix, &settings);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(big, 10000), 1), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1000);
    assert_int_equal(store_n_held(fix.store) + fix_dropped(&fix, SIGNAL_TRACING, DROP_BUFFER_FULL),
                     1000);
    assert_true(store_n_held(fix.store) >= 300);
    fix_fini(&fix);
}

static enum err
put_aside(struct fix *fix, struct bytes payload)
{
    struct store_record record = {.method = METHOD_SEGMENT_COLLECT,
                                  .flags = STORE_SET_ASIDE,
                                  .reason = RULE_proto_undecodable,
                                  .parts = &payload,
                                  .n_parts = 1,
                                  .received_ms = fix->now_ms,
                                  .cookie = (void *)3,
                                  .credit_bytes = payload.n};
    return store_put(fix->store, &record);
}

struct seen {
    uint32_t n;
    uint8_t newest;
    uint64_t n_bytes;
};

static bool
see(void *ctx, const struct store_quarantined *entry)
{
    struct seen *seen = ctx;
    assert_int_equal(entry->reason, RULE_proto_undecodable);
    if (seen->n++ == 0)
        seen->newest = entry->payload.p[0];
    seen->n_bytes += entry->payload.n;
    return true;
}

static void
quarantine_is_bounded_and_evicts_its_oldest(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    for (uint32_t i = 0; i < 100; i++) {
        big[0] = (uint8_t)i;
        assert_int_equal(put_aside(&fix, bytes_of(big, 1000)), ERR_OK);
    }
    assert_int_equal(put_aside(&fix, bytes_of(big, sizeof(big))), ERR_OK);
    assert_int_equal(store_n_held(fix.store), 0);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 101);
    struct seen seen = {0};
    store_quarantine_each(fix.store, see, &seen);
    assert_int_equal(seen.newest, 99);
    assert_int_equal(seen.n, metric_get(fix.metrics, METRIC_QUARANTINE_SEGMENTS, 0));
    assert_int_equal(seen.n + metric_get(fix.metrics, METRIC_QUARANTINE_EVICTED, EVICTED_FULL),
                     101);
    assert_true(seen.n_bytes <= settings.quarantine_bytes);
    assert_true(metric_get(fix.metrics, METRIC_QUARANTINE_BYTES, 0) <= settings.quarantine_bytes);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[3], 101);
    fix_fini(&fix);
}

static void
without_quarantine_what_is_set_aside_is_dropped(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    settings.quarantine_bytes = 0;
    fix_init(&fix, &settings);
    assert_int_equal(put_aside(&fix, BYTES("bad")), ERR_OK);
    assert_int_equal(fix_dropped(&fix, SIGNAL_TRACING, DROP_REJECTED), 1);
    fix_fini(&fix);
}

static void
memory_goes_back_to_zero_when_all_is_acknowledged(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = fix_settings();
    fix_init(&fix, &settings);
    fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(big, 1200), 5000);
    fix_put_n(&fix, METHOD_KEEP_ALIVE, bytes_of(big, 100), 50);
    fix_pass(&fix, 200);
    struct store_batch *batch;
    while ((batch = fix_take(&fix)) != NULL)
        store_ack(fix.store, &batch);
    store_turn(fix.store);
    assert_int_equal(store_n_held(fix.store), 0);
    assert_int_equal(fix.budget.used_bytes, 0);
    assert_int_equal(metric_get(fix.metrics, METRIC_BUFFER_BYTES, TIER_MEMORY), 0);
    assert_int_equal(fix_sum(&fix, METRIC_ITEMS_FORWARDED), 5050);
    assert_int_equal(metric_get(fix.metrics, METRIC_FORWARDED_BYTES, SIGNAL_TRACING), 6000000);
    fix_fini(&fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_is_copied_behind_its_headroom),
        cmocka_unit_test(settled_once_a_turn_and_late),
        cmocka_unit_test(due_is_told_only_when_nobody_asked),
        cmocka_unit_test(full_buffer_waits_and_tells_room_once),
        cmocka_unit_test(budget_at_hold_waits),
        cmocka_unit_test(record_larger_than_the_buffer_goes_alone),
        cmocka_unit_test(drop_oldest_makes_room),
        cmocka_unit_test(drop_newest_takes_and_drops),
        cmocka_unit_test(quarantine_is_bounded_and_evicts_its_oldest),
        cmocka_unit_test(without_quarantine_what_is_set_aside_is_dropped),
        cmocka_unit_test(memory_goes_back_to_zero_when_all_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
