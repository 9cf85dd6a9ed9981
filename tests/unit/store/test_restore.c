/* Records that come back from quarantine, and what is left out of those that go there. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture_disk.h"

static struct store_settings
settings_of(enum store_mode mode, enum store_ack ack)
{
    struct store_settings settings = fix_settings();
    settings.mode = mode;
    settings.ack = ack;
    return settings;
}

static enum err
restore(struct fix *fix, struct bytes payload, uintptr_t cookie)
{
    struct store_record record = {
        .method = METHOD_SEGMENT_COLLECT,
        .reason = RULE_COUNT,
        .parts = &payload,
        .n_parts = 1,
        .received_ms = fix->now_ms,
        .cookie = (void *)cookie,
    };
    return store_restore(fix->store, &record, REPLAYED_REPAIRED);
}

static uint64_t
n_replayed(const struct fix *fix)
{
    return metric_get(fix->metrics, METRIC_QUARANTINE_REPLAYED, REPLAYED_REPAIRED);
}

/* Whatever agents get as their answer, quarantine lets go only of what is on disk. */
static void
it_counts_when_it_is_durable_in_every_mode(void **state)
{
    (void)state;
    static const struct {
        enum store_mode mode;
        enum store_ack ack;
    } ways[] = {
        {STORE_DURABLE, STORE_ACK_BUFFERED},  {STORE_DURABLE, STORE_ACK_RECEIVED},
        {STORE_DURABLE, STORE_ACK_FORWARDED}, {STORE_SPILL, STORE_ACK_BUFFERED},
        {STORE_SPILL, STORE_ACK_FORWARDED},
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct fix fix;
        struct store_settings settings = settings_of(ways[i].mode, ways[i].ack);
        fix_init_disk(&fix, &settings);
        assert_int_equal(restore(&fix, BYTES("one"), 1), ERR_OK);
        store_turn(fix.store);
        assert_int_equal(fix_n_slices(&fix), 1);
        assert_int_equal(fix.n_kept[1], 0);
        assert_int_equal(n_replayed(&fix), 0);
        fix_assert_balance(&fix);
        fix_end_slice(&fix, 0, SLICE_DURABLE);
        assert_int_equal(fix.n_kept[1], 1);
        assert_int_equal(n_replayed(&fix), 1);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUEUED), 1);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_ACCEPTED), 0);
        assert_int_equal(fix_ack_all(&fix), 1);
        store_turn(fix.store);
        assert_int_equal(fix_n_ended(&fix, RUN_DONE), 1);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_FORWARDED), 1);
        fix_fini(&fix);
    }
}

static void
what_the_disk_did_not_take_never_was_here(void **state)
{
    (void)state;
    static const enum slice_end ends[] = {SLICE_DROPPED, SLICE_UNSAVED};
    for (size_t i = 0; i < 2; i++) {
        struct fix fix;
        struct store_settings settings = settings_of(STORE_DURABLE, STORE_ACK_BUFFERED);
        fix_init_disk(&fix, &settings);
        assert_int_equal(restore(&fix, BYTES("one"), 2), ERR_OK);
        store_turn(fix.store);
        fix_end_slice(&fix, 0, ends[i]);
        assert_int_equal(fix.n_not_kept[2], 1);
        assert_int_equal(fix.n_kept[2], 0);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_DROPPED), 0);
        assert_int_equal(fix_sum(&fix, METRIC_ITEMS_QUEUED), 0);
        assert_int_equal(n_replayed(&fix), 0);
        assert_int_equal(store_n_held(fix.store), 0);
        fix_fini(&fix);
    }
}

static void
it_stands_alone_between_what_agents_send(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = settings_of(STORE_DURABLE, STORE_ACK_BUFFERED);
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("before"), 1), ERR_OK);
    assert_int_equal(restore(&fix, BYTES("back"), 2), ERR_OK);
    assert_int_equal(restore(&fix, BYTES("back too"), 3), ERR_OK);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES("after"), 4), ERR_OK);
    store_turn(fix.store);
    assert_int_equal(fix_n_slices(&fix), 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(fix_slice(&fix, i)->n_records, 1);
    fix_end_slice(&fix, 2, SLICE_UNSAVED);
    fix_end_slice(&fix, 1, SLICE_DURABLE);
    assert_int_equal(fix.n_kept[2], 1);
    assert_int_equal(fix.n_not_kept[3], 1);
    assert_int_equal(fix.n_records[1] + fix.n_records[4], 0);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(fix.n_records[1], 1);
    assert_int_equal(fix.n_records[4], 1);
    assert_int_equal(fix.n_records[2] + fix.n_records[3], 0); /* on_settled is for agents */
    assert_int_equal(fix_ack_all(&fix), 3);
    store_turn(fix.store);
    fix_fini(&fix);
}

/* Only half of what may be on its way to the disk, and nobody is held up for want of it. */
static void
agents_come_first(void **state)
{
    (void)state;
    struct fix fix;
    static uint8_t bytes[64 * 1024];
    struct store_settings settings = settings_of(STORE_DURABLE, STORE_ACK_BUFFERED);
    settings.undurable_bytes = 256 * 1024;
    fix_init_disk(&fix, &settings);
    uint32_t n = 0;
    while (restore(&fix, bytes_of(bytes, sizeof(bytes)), 1) == ERR_OK)
        n++;
    assert_int_equal(n, 1); /* with their heads two are more than half */
    assert_false(store_is_short(fix.store));
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, bytes_of(bytes, sizeof(bytes)), 2),
                     ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    assert_int_equal(restore(&fix, bytes_of(bytes, sizeof(bytes)), 1), ERR_OK);
    store_turn(fix.store);
    fix_end_slices(&fix, SLICE_DURABLE);
    assert_int_equal(fix.n_kept[1], 2);
    fix_ack_all(&fix);
    store_turn(fix.store);
    fix_fini(&fix);
}

/* What goes to quarantine. */

static const char *const tags[] = {"token"};
#define SICK "\n\x05token\x12\x06secret"
#define STARS "\n\x05token\x12\x06******"

static void
put_aside(struct fix *fix)
{
    struct bytes payload = BYTES(SICK);
    struct store_record record = {.method = METHOD_SEGMENT_COLLECT,
                                  .flags = STORE_SET_ASIDE,
                                  .reason = RULE_span_parent_missing,
                                  .parts = &payload,
                                  .n_parts = 1,
                                  .received_ms = fix->now_ms};
    assert_int_equal(store_put(fix->store, &record), ERR_OK);
}

static bool
expect_stars(void *ctx, const struct store_quarantined *seen)
{
    uint32_t *n = ctx;
    assert_int_equal(seen->payload.n, sizeof(STARS) - 1);
    assert_memory_equal(seen->payload.p, STARS, sizeof(STARS) - 1);
    (*n)++;
    return true;
}

static void
expect_stars_in_memory(struct fix *fix, uint32_t n)
{
    uint32_t n_seen = 0;
    store_quarantine_each(fix->store, expect_stars, &n_seen);
    assert_int_equal(n_seen, n);
}

static void
expect_stars_in_slice(const struct slice *slice)
{
    assert_true(slice->is_aside);
    assert_memory_equal(spool_record_payload(slice->data).p, STARS, sizeof(STARS) - 1);
}

static void
tags_are_left_out_on_arrival(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = settings_of(STORE_DURABLE, STORE_ACK_BUFFERED);
    settings.redact_tags = tags;
    settings.n_redact_tags = 1;
    fix_init_disk(&fix, &settings);
    put_aside(&fix);
    store_turn(fix.store);
    expect_stars_in_slice(fix_slice(&fix, 0));
    expect_stars_in_memory(&fix, 1);
    fix_end_slices(&fix, SLICE_DURABLE); /* its checksums hold */
    fix_fini(&fix);
}

static void
tags_are_left_out_of_what_a_backend_rejects(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = settings_of(STORE_DURABLE, STORE_ACK_BUFFERED);
    settings.redact_tags = tags;
    settings.n_redact_tags = 1;
    fix_init_disk(&fix, &settings);
    assert_int_equal(fix_put(&fix, METHOD_SEGMENT_COLLECT, BYTES(SICK), 1), ERR_OK);
    store_turn(fix.store);
    assert_false(fix_slice(&fix, 0)->is_aside); /* what is sent stays as it came */
    assert_memory_equal(spool_record_payload(fix_slice(&fix, 0)->data).p, SICK, sizeof(SICK) - 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    fix_pass(&fix, 200);
    struct store_batch *batch = fix_take(&fix);
    assert_memory_equal(batch->items[0].payload, SICK, sizeof(SICK) - 1);
    store_set_aside(fix.store, &batch);
    store_turn(fix.store);
    expect_stars_in_slice(fix_slice(&fix, 0));
    expect_stars_in_memory(&fix, 1);
    fix_end_slices(&fix, SLICE_DURABLE);
    store_turn(fix.store);
    fix_fini(&fix);
}

static void
tags_are_left_out_without_a_disk(void **state)
{
    (void)state;
    struct fix fix;
    struct store_settings settings = settings_of(STORE_MEMORY, STORE_ACK_RECEIVED);
    settings.redact_tags = tags;
    settings.n_redact_tags = 1;
    fix_init(&fix, &settings);
    put_aside(&fix);
    expect_stars_in_memory(&fix, 1);
    fix_fini(&fix);
}

int
main(void)
{
    const struct CMUnitTest tests_of[] = {
        cmocka_unit_test(it_counts_when_it_is_durable_in_every_mode),
        cmocka_unit_test(what_the_disk_did_not_take_never_was_here),
        cmocka_unit_test(it_stands_alone_between_what_agents_send),
        cmocka_unit_test(agents_come_first),
        cmocka_unit_test(tags_are_left_out_on_arrival),
        cmocka_unit_test(tags_are_left_out_of_what_a_backend_rejects),
        cmocka_unit_test(tags_are_left_out_without_a_disk),
    };
    return cmocka_run_group_tests(tests_of, NULL, NULL);
}
