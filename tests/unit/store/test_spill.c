/* Records in memory alone that go to the disk after all, and who waits for them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture_disk.h"

static uint8_t payload[4 << 20];

static struct store_settings
with_disk(enum store_mode mode)
{
    struct store_settings settings = fix_settings();
    settings.mode = mode;
    settings.ack = STORE_ACK_BUFFERED;
    return settings;
}

static void
put(struct fix *fix, enum method method, const char *text, uintptr_t cookie)
{
    assert_int_equal(fix_put(fix, method, bytes_str(text), cookie), ERR_OK);
}

/* They come back from a broken disk, one group for each call. */
static void
put_unsaved(struct fix *fix, enum method method, const char *text, uintptr_t cookie)
{
    put(fix, method, text, cookie);
    store_turn(fix->store);
    assert_int_equal(fix_n_slices(fix), 1);
    fix_end_slices(fix, SLICE_UNSAVED);
    store_turn(fix->store);
}

static void
pass_a_probe(struct fix *fix)
{
    fix_pass(fix, 1000);
    store_turn(fix->store);
}

/* Of all that goes out, the first letters in order; acknowledged. */
static void
assert_order(struct fix *fix, const char *order)
{
    struct store_lane *lane;
    uint64_t next_us;
    size_t n = 0;
    while ((lane = store_due(fix->store, fix->now_us, true, &next_us)) != NULL) {
        struct store_batch *batch = store_take(fix->store, lane);
        if (batch == NULL)
            continue;
        for (uint32_t i = 0; i < batch->n; i++, n++)
            assert_int_equal(batch->items[i].payload[0], order[n]);
        store_ack(fix->store, &batch);
    }
    assert_int_equal(n, strlen(order));
}

static void
healed_disk_answers_without_a_backend(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    fix_init_disk(&fix, &settings);
    store_set_outage(fix.store, true);
    put_unsaved(&fix, METHOD_SEGMENT_COLLECT, "a", 1);
    put_unsaved(&fix, METHOD_SEGMENT_COLLECT, "b", 2);
    put_unsaved(&fix, METHOD_SEGMENT_COLLECT, "c", 1);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 0); /* not again at once */
    pass_a_probe(&fix);
    assert_int_equal(fix_n_slices(&fix), 1);
    assert_int_equal(fix_slice(&fix, 0)->n_records, 1);
    pass_a_probe(&fix);
    assert_int_equal(fix_n_slices(&fix), 1); /* one at a time */
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1); /* a's group */
    assert_int_equal(fix.n_records[2], 0);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 2);
    assert_int_equal(fix.n_records[2], 1);
    assert_int_equal(fix.credit[1], 12);
    assert_int_equal(store_n_volatile(fix.store), 0);
    pass_a_probe(&fix);
    assert_int_equal(fix_n_slices(&fix), 0);
    fix_assert_held(&fix);
    assert_order(&fix, "abc");
    fix_fini(&fix);
}

/* Groups settle in order: what became durable later waits for what is saved now. */
static void
new_slice_tells_that_the_disk_is_well(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    fix_init_disk(&fix, &settings);
    put_unsaved(&fix, METHOD_SEGMENT_COLLECT, "a", 1);
    put(&fix, METHOD_SEGMENT_COLLECT, "b", 2);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    assert_int_equal(fix_n_slices(&fix), 1);
    assert_memory_equal(spool_record_payload(fix_slice(&fix, 0)->data).p, "a", 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(fix.n_records[2], 1);
    assert_order(&fix, "ba");
    fix_fini(&fix);
}

static void
disk_that_fails_again_keeps_the_waiter(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    fix_init_disk(&fix, &settings);
    store_set_outage(fix.store, true);
    put(&fix, METHOD_SEGMENT_COLLECT, "a", 1);
    put(&fix, METHOD_SEGMENT_COLLECT, "b", 1);
    put_unsaved(&fix, METHOD_SEGMENT_COLLECT, "c", 1);
    pass_a_probe(&fix);
    fix_end_slices(&fix, SLICE_DURABLE); /* a */
    put(&fix, METHOD_SEGMENT_COLLECT, "d", 2);
    store_turn(fix.store);
    assert_int_equal(fix_slice(&fix, 0)->n_records, 3);
    fix_end_slices(&fix, SLICE_UNSAVED); /* b and c with d, which is new */
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0);
    assert_int_equal(store_n_volatile(fix.store), 3);
    assert_int_equal(fix_n_slices(&fix), 0);
    pass_a_probe(&fix);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_settled_calls, 0); /* two of three */
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 3);
    assert_int_equal(fix.n_records[2], 1);
    fix_assert_held(&fix);
    assert_int_equal(fix_ack_all(&fix), 4);
    fix_fini(&fix);
}

static void
saved_record_that_a_full_disk_drops_is_answered(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    fix_init_disk(&fix, &settings);
    put_unsaved(&fix, METHOD_JVM_METRICS, "a", 1);
    pass_a_probe(&fix);
    fix_end_slices(&fix, SLICE_DROPPED);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(fix_dropped(&fix, SIGNAL_JVM, DROP_BUFFER_FULL), 1);
    fix_fini(&fix);
}

/* What forward holds while no backend is there would keep everybody waiting. */
static void
lent_batch_is_wanted_back(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    fix_init_disk(&fix, &settings);
    put_unsaved(&fix, METHOD_JVM_METRICS, "a", 1);
    struct store_batch *batch = fix_take(&fix);
    assert_false(store_wants_batches(fix.store));
    store_set_outage(fix.store, true);
    assert_true(store_wants_batches(fix.store));
    store_nack(fix.store, &batch);
    assert_false(store_wants_batches(fix.store));
    pass_a_probe(&fix);
    assert_int_equal(store_n_held(fix.store), 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_order(&fix, "a");
    fix_fini(&fix);
}

static void
not_more_at_once_than_may_be_on_its_way(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    settings.undurable_bytes = 100000;
    fix_init_disk(&fix, &settings);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, 10000), 1),
                         ERR_OK);
        store_turn(fix.store);
        fix_end_slices(&fix, SLICE_UNSAVED);
    }
    assert_int_equal(store_n_volatile(fix.store), 30);
    pass_a_probe(&fix);
    fix_end_slices(&fix, SLICE_DURABLE);
    uint32_t n_turns = 0;
    while (fix.n_records[1] < 30) {
        assert_true(n_turns++ < 10);
        store_turn(fix.store);
        uint32_t n_bytes = 0;
        for (uint32_t i = 0; i < fix_n_slices(&fix); i++)
            n_bytes += fix_slice(&fix, i)->n_bytes;
        assert_in_range(n_bytes, 0, 110000);
        fix_end_slices(&fix, SLICE_DURABLE);
    }
    assert_int_equal(fix_ack_all(&fix), 30);
    fix_fini(&fix);
}

/* A lane holds records of before and after a need of the disk. */
static void
those_behind_durable_ones_are_spilled_too(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_SPILL);
    fix_init_disk(&fix, &settings);
    put(&fix, METHOD_SEGMENT_COLLECT, "a", 1);
    store_set_outage(fix.store, true);
    put(&fix, METHOD_SEGMENT_COLLECT, "b", 1);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_set_outage(fix.store, false);
    put(&fix, METHOD_SEGMENT_COLLECT, "c", 1);
    assert_int_equal(store_n_volatile(fix.store), 2);
    store_wind_up(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(store_n_volatile(fix.store), 0);
    assert_order(&fix, "b");
    store_turn(fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 2);
    fix_fini_cold(&fix, 2);
}

/* Of 1.3 MiB: nothing else could ever leave memory while no backend is there. */
static void
large_record_finds_room_without_a_backend(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    settings.max_bytes = (4u << 20) / 3;
    settings.undurable_bytes = 700000;
    fix_init_disk(&fix, &settings);
    store_set_outage(fix.store, true);
    for (int i = 0; i < 16; i++) {
        fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, 90000), 1);
        store_turn(fix.store);
        fix_end_slices(&fix, SLICE_DURABLE);
    }
    struct store_batch *lent = fix_take(&fix);
    assert_non_null(lent);
    struct bytes large = bytes_of(payload, 1 << 20);
    uint32_t n_turns = 0;
    while (fix_put(&fix, METHOD_SEGMENT_COLLECT, large, 1) != ERR_OK) {
        assert_true(store_is_short(fix.store));
        uint32_t n_room = fix.n_room;
        if (lent != NULL && store_wants_batches(fix.store))
            store_nack(fix.store, &lent);
        while (fix.n_room == n_room) {
            assert_true(n_turns++ < 10);
            store_turn(fix.store);
            fix_end_slices(&fix, SLICE_DURABLE);
        }
    }
    assert_null(lent);
    assert_true(n_turns > 0);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(store_n_volatile(fix.store), 0);
    uint32_t n_left = (uint32_t)store_n_held(fix.store);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 17 - n_left);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), n_left);
    fix_fini_cold(&fix, 17 - n_left);
}

static void
large_record_spills_what_is_in_memory_alone(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_SPILL);
    settings.max_bytes = 8u << 20;
    fix_init_disk(&fix, &settings);
    for (int i = 0; i < 50; i++)
        fix_put_n(&fix, METHOD_SEGMENT_COLLECT, bytes_of(payload, 100000), 1);
    assert_int_equal(store_n_volatile(fix.store), 50);
    store_turn(fix.store);
    store_set_outage(fix.store, true);
    struct bytes large = bytes_of(payload, sizeof(payload));
    uint32_t n_turns = 0;
    while (fix_put(&fix, METHOD_SEGMENT_COLLECT, large, 1) != ERR_OK) {
        assert_true(n_turns++ < 20);
        store_turn(fix.store);
        fix_end_slices(&fix, SLICE_DURABLE);
    }
    assert_true(n_turns > 0);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_false(store_is_short(fix.store));
    uint32_t n_left = (uint32_t)store_n_held(fix.store);
    fix_no_cold(&fix);
    assert_int_equal(fix_ack_all(&fix), n_left);
    assert_int_equal(fix_n_ended(&fix, RUN_COLD), 51 - n_left);
    fix_fini_cold(&fix, 51 - n_left);
}

/* Reads would fill the memory that somebody waits for; but a full disk empties through reads. */
static void
reads_wait_for_those_who_wait_for_memory(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = with_disk(STORE_DURABLE);
    settings.max_bytes = 8u << 20;
    fix_init_disk(&fix, &settings);
    const enum method methods[] = {METHOD_SEGMENT_COLLECT, METHOD_JVM_METRICS,
                                   METHOD_METER_COLLECT};
    for (int i = 0; i < 42; i++) {
        fix_put_n(&fix, methods[i % 3], bytes_of(payload, 100000), 1);
        store_turn(fix.store);
        fix_end_slices(&fix, SLICE_DURABLE);
    }
    struct store_batch *lent = fix_take(&fix);
    uint32_t n_lent = lent->n;
    struct bytes large = bytes_of(payload, sizeof(payload));
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, large, 1), ERR_WAIT);
    budget_take_always(&fix.budget, fix.pool.limit_bytes / 100 * 75);
    fix_pass(&fix, 101);
    store_turn(fix.store);
    fix_pass(&fix, 101);
    store_turn(fix.store);
    assert_true(store_is_short(fix.store));
    assert_false(fix_has_read(&fix));
    store_ack(fix.store, &lent);
    budget_give(&fix.budget, fix.pool.limit_bytes / 100 * 75);
    store_turn(fix.store);
    assert_int_equal(fix.n_room, 1);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, large, 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    fix_no_cold(&fix);
    uint32_t n_left = fix_ack_all(&fix);
    uint32_t n_cold = fix_n_ended(&fix, RUN_COLD);
    fix_fini_cold(&fix, n_cold);
    assert_int_equal(n_left + n_cold + n_lent, 43);
}

static enum err
put_aside(struct fix *fix, uint32_t n)
{
    struct bytes bytes = bytes_of(payload, n);
    struct store_record record = {.method = METHOD_SEGMENT_COLLECT,
                                  .flags = STORE_SET_ASIDE,
                                  .reason = RULE_COUNT,
                                  .parts = &bytes,
                                  .n_parts = 1,
                                  .received_ms = fix->now_ms,
                                  .cookie = (void *)1,
                                  .credit_bytes = n};
    return store_put(fix->store, &record);
}

/* Nobody waits for the disk there, so nothing else would bound what is set aside. */
static void
set_aside_is_bounded_where_nobody_waits(void **state)
{
    (void)state;
    enum store_mode modes[] = {STORE_SPILL, STORE_DURABLE};
    for (int k = 0; k < 2; k++) {
        struct fix fix;
        struct store_settings settings = with_disk(modes[k]);
        settings.ack = k == 0 ? STORE_ACK_BUFFERED : STORE_ACK_RECEIVED;
        settings.undurable_bytes = 1 << 20;
        fix_init_disk(&fix, &settings);
        for (int i = 0; i < 300; i++) {
            assert_int_equal(put_aside(&fix, 100000), ERR_OK);
            store_turn(fix.store);
            fix_pass(&fix, 1);
        }
        assert_int_equal(fix.n_records[1], 300);
        uint64_t n_bytes = 0;
        for (uint32_t i = 0; i < fix_n_slices(&fix); i++)
            n_bytes += fix_slice(&fix, i)->n_bytes;
        assert_in_range(n_bytes, 900000, (1 << 20) + 110000);
        /* The good ones have their share again as soon as it moves. */
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED) + store_n_held(fix.store), 300);
        fix_assert_held(&fix);
        fix_end_slices(&fix, SLICE_DURABLE);
        store_turn(fix.store);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUARANTINED), 300);
        fix_fini(&fix);
    }
}

static uint32_t
fill_broken(struct fix *fix)
{
    uint32_t n = 0;
    put_unsaved(fix, METHOD_JVM_METRICS, "a", 1);
    while (fix_dropped(fix, SIGNAL_JVM, DROP_BUFFER_FULL) == 0) {
        assert_true(n++ < 1000);
        assert_int_equal(fix_put(fix, METHOD_JVM_METRICS, bytes_of(payload, 60000), 1), ERR_OK);
        store_turn(fix->store);
        fix_end_slices(fix, SLICE_UNSAVED);
    }
    store_turn(fix->store);
    return n + 1;
}

static void
broken_disk_drops_by_the_rule(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct fix fix;
        struct store_settings settings = with_disk(STORE_DURABLE);
        settings.max_bytes = 4u << 20;
        settings.when_full = k == 0 ? STORE_DROP_OLDEST : STORE_DROP_NEWEST;
        fix_init_disk(&fix, &settings);
        uint32_t n = fill_broken(&fix);
        uint64_t n_dropped = fix_dropped(&fix, SIGNAL_JVM, DROP_BUFFER_FULL);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_ACCEPTED), n);
        fix_assert_held(&fix);
        if (k == 0) /* who waited for the oldest is answered */
            assert_true(fix.n_records[1] > 0);
        else
            assert_int_equal(n_dropped, 1);
        assert_int_equal(fix_ack_all(&fix), n - n_dropped);
        store_turn(fix.store);
        assert_int_equal(fix.n_records[1], n);
        fix_fini(&fix);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healed_disk_answers_without_a_backend),
        cmocka_unit_test(new_slice_tells_that_the_disk_is_well),
        cmocka_unit_test(disk_that_fails_again_keeps_the_waiter),
        cmocka_unit_test(saved_record_that_a_full_disk_drops_is_answered),
        cmocka_unit_test(lent_batch_is_wanted_back),
        cmocka_unit_test(not_more_at_once_than_may_be_on_its_way),
        cmocka_unit_test(those_behind_durable_ones_are_spilled_too),
        cmocka_unit_test(large_record_finds_room_without_a_backend),
        cmocka_unit_test(large_record_spills_what_is_in_memory_alone),
        cmocka_unit_test(reads_wait_for_those_who_wait_for_memory),
        cmocka_unit_test(set_aside_is_bounded_where_nobody_waits),
        cmocka_unit_test(broken_disk_drops_by_the_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
