/* Copies and segment ids used again: what is told, dropped or set aside, and what stays silent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/healthy_model.h"
#include "message/message.h"

enum { WINDOW_S = 300 };

static int64_t at_ms;
static struct metrics *metrics;

static int
set_up_window(void **state)
{
    set_up(state);
    metrics = metrics_new();
    integrity_free(&fixture.engine);
    fixture.engine = integrity_new(&fixture.settings, metrics);
    fixture.settings.window_s = WINDOW_S;
    fixture.settings.window_bytes = 8 << 20;
    integrity_set(fixture.engine, &fixture.settings);
    at_ms = now_ms;
    return 0;
}

static int
tear_down_window(void **state)
{
    tear_down(state);
    metrics_free(&metrics);
    return 0;
}

static void
use_jdbc(void)
{
    fixture.settings.storage_jdbc = true;
    integrity_set(fixture.engine, &fixture.settings);
}

/* A segment of that id and instance with n spans; what differs makes its content another one. */
static void
build_as(const char *id, const char *instance, uint32_t n_spans, const char *differs)
{
    segment_build_begin(&fixture.build, "trace-1", id);
    for (uint32_t i = 1; i < n_spans; i++)
        add_span((int32_t)i, 0);
    open_span(0, -1, SPAN_ENTRY, LAYER_UNKNOWN);
    if (differs[0] != '\0')
        add_tag("k", differs);
    close_span();
    segment_build_end(&fixture.build, "checkout", instance, false);
}

static void
build(const char *id, uint32_t n_spans)
{
    build_as(id, "checkout-1@10.0.0.1", n_spans, "");
}

static void
judge_now(void)
{
    integrity_judge_segment(fixture.engine, segment_build_bytes(&fixture.build), at_ms,
                            fixture.agent, &fixture.judgement);
}

static void
accept(void)
{
    integrity_accept(fixture.engine, NULL, MESSAGE_SegmentObject,
                     segment_build_bytes(&fixture.build), &fixture.judgement);
}

/* Judges what was built, holds it to this, and takes it. */
static void
take(const char *findings, enum verdict verdict)
{
    judge_now();
    assert_string_equal(found(), findings);
    assert_string_equal(verdict_label(fixture.judgement.verdict), verdict_label(verdict));
    accept();
}

/* Case P25. */
static void
a_copy_is_dropped_and_one_span_more_is_told(void **state)
{
    (void)state;
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    take("segment-duplicate-identical", VERDICT_DROPPED);
    assert_int_equal(fixture.judgement.reason, RULE_segment_duplicate_identical);
    assert_true(is_payload_unchanged());
    build(PLAIN_ID, 3);
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_true(fixture.judgement.is_superset);
    assert_true(is_payload_unchanged());
    assert_int_equal(metric_get(metrics, METRIC_SEGMENTS, VERDICT_DROPPED), 1);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_segment_duplicate_identical), 1);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_segment_id_reused), 1);
}

static void
another_id_is_silent(void **state)
{
    (void)state;
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    build(JAVA_ID, 2);
    take("", VERDICT_CLEAN);
}

static void
what_was_not_accepted_is_no_duplicate(void **state)
{
    (void)state;
    build(PLAIN_ID, 2);
    for (int i = 0; i < 3; i++) {
        judge_now();
        assert_string_equal(found(), "");
    }
    accept();
    take("segment-duplicate-identical", VERDICT_DROPPED);
}

static void
the_window_ends(void **state)
{
    (void)state;
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    at_ms = now_ms + WINDOW_S * 1000;
    judge_now();
    assert_string_equal(found(), "segment-duplicate-identical");
    at_ms = now_ms + (WINDOW_S + 1) * 1000 + 999;
    take("", VERDICT_CLEAN);
    at_ms += 1000 * WINDOW_S; /* a copy that was seen again is young again */
    take("segment-duplicate-identical", VERDICT_DROPPED);
    at_ms += 1000 * WINDOW_S;
    take("segment-duplicate-identical", VERDICT_DROPPED);
}

static void
the_superset_note_needs_all_old_spans(void **state)
{
    (void)state;
    build(PLAIN_ID, 4);
    take("", VERDICT_CLEAN);
    build_as(PLAIN_ID, "checkout-1@10.0.0.1", 4, "x"); /* as many spans, one of them another */
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_false(fixture.judgement.is_superset);
    build(PLAIN_ID, 3); /* fewer */
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_false(fixture.judgement.is_superset);
    build(JAVA_ID, 5);
    take("", VERDICT_CLEAN);
    build(JAVA_ID, 6);
    add_span(7, 0); /* behind service and instance, as an encoder may */
    add_span(8, 0);
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_false(fixture.judgement.is_superset); /* three spans more, before and behind */
}

static void
the_superset_note_takes_more_behind_and_before(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "t", PLAIN_ID);
    add_span(2, 0);
    add_span(0, -1);
    end();
    take("", VERDICT_CLEAN);
    segment_build_begin(&fixture.build, "t", PLAIN_ID);
    for (int32_t i = 9; i > 2; i--)
        add_span(i, 0);
    add_span(2, 0);
    add_span(0, -1);
    end();
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_true(fixture.judgement.is_superset);
    segment_build_begin(&fixture.build, "t", PLAIN_ID);
    add_span(2, 0);
    add_span(0, -1);
    for (int32_t i = 9; i > 2; i--)
        add_span(i, 0);
    end();
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_true(fixture.judgement.is_superset);
}

static void
another_instance_with_the_same_id_is_told(void **state)
{
    (void)state;
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    build_as(PLAIN_ID, "checkout-2@10.0.0.1", 2, "");
    take("segment-id-two-instances", VERDICT_OBSERVED);
    build_as(PLAIN_ID, "checkout-2@10.0.0.1", 3, "");
    take("segment-id-reused,segment-id-two-instances", VERDICT_OBSERVED);
    build(PLAIN_ID, 2);
    take("segment-duplicate-identical", VERDICT_DROPPED);
}

/* The default for other storages: healthy agents use ids again (Go, .NET, nginx). */
static void
an_operator_may_set_reused_ids_aside(void **state)
{
    (void)state;
    use_action(RULE_segment_id_reused, ACTION_QUARANTINE);
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    build(PLAIN_ID, 3);
    take("segment-id-reused", VERDICT_QUARANTINED);
}

static void
a_copy_may_be_only_counted(void **state)
{
    (void)state;
    use_action(RULE_segment_duplicate_identical, ACTION_OBSERVE);
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    take("segment-duplicate-identical", VERDICT_OBSERVED);
}

static void
observe_only_counts(void **state)
{
    (void)state;
    use_mode(INTEGRITY_OBSERVE);
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    take("segment-duplicate-identical", VERDICT_OBSERVED);
    build(PLAIN_ID, 3);
    take("segment-id-reused", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    use_jdbc();
    take("segment-duplicate-identical,poison-id-again", VERDICT_OBSERVED);
    build(PLAIN_ID, 4);
    take("segment-id-reused,poison-id-again", VERDICT_OBSERVED);
}

static void
off_and_no_window_are_silent(void **state)
{
    (void)state;
    use_mode(INTEGRITY_OFF);
    build(PLAIN_ID, 2);
    for (int i = 0; i < 2; i++)
        take("", VERDICT_CLEAN);
    use_mode(INTEGRITY_ENFORCE);
    fixture.settings.window_s = 0;
    integrity_set(fixture.engine, &fixture.settings);
    for (int i = 0; i < 2; i++)
        take("", VERDICT_CLEAN);
    use_jdbc();
    for (int i = 0; i < 2; i++)
        take("", VERDICT_CLEAN);
}

/* A database refuses the second row and with it the batch. */
static void
with_a_database_no_id_goes_on_twice(void **state)
{
    (void)state;
    use_jdbc();
    use_action(RULE_segment_duplicate_identical, ACTION_OBSERVE); /* not for a database */
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
    take("segment-duplicate-identical", VERDICT_DROPPED);
    build(PLAIN_ID, 3);
    take("segment-id-reused,poison-id-again", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_poison_id_again);
    take("segment-duplicate-identical", VERDICT_DROPPED);
    build_as(PLAIN_ID, "checkout-2@10.0.0.1", 2, "");
    take("segment-id-two-instances,poison-id-again", VERDICT_QUARANTINED);
    build(JAVA_ID, 2);
    take("", VERDICT_CLEAN);
}

/* A span 0 is missing: it never reached the database. */
static void
build_unfit(void)
{
    segment_build_begin(&fixture.build, "t", PLAIN_ID);
    add_span(1, -1);
    end();
}

static void
what_was_set_aside_is_in_no_database(void **state)
{
    (void)state;
    use_jdbc();
    build_unfit();
    take("span-zero-missing", VERDICT_QUARANTINED);
    build(PLAIN_ID, 2);
    take("segment-id-reused", VERDICT_OBSERVED);
    build(PLAIN_ID, 3);
    take("segment-id-reused,poison-id-again", VERDICT_QUARANTINED);
}

static void
a_copy_of_what_was_set_aside_is_dropped(void **state)
{
    (void)state;
    build_unfit();
    take("span-zero-missing", VERDICT_QUARANTINED);
    take("span-zero-missing,segment-duplicate-identical", VERDICT_DROPPED);
    assert_int_equal(fixture.judgement.reason, RULE_segment_duplicate_identical);
}

/* Remembered by the bytes as they came, not by the tagged ones. */
static void
a_copy_of_an_edited_one_is_dropped(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "t", PLAIN_ID);
    add_span(1, 7);
    add_span(0, -1);
    end();
    take("span-parent-missing", VERDICT_TAGGED);
    take("span-parent-missing,segment-duplicate-identical", VERDICT_DROPPED);
    assert_true(is_payload_unchanged());
}

static void
a_copy_with_bad_text_is_dropped(void **state)
{
    (void)state;
    build_as(PLAIN_ID, "checkout-1@10.0.0.1", 2, "\xc3(");
    take("string-invalid-utf8", VERDICT_REPAIRED);
    take("string-invalid-utf8,segment-duplicate-identical", VERDICT_DROPPED);
    assert_true(is_payload_unchanged());
}

static void
build_with_two_ids(const char *first, const char *last)
{
    segment_build_begin(&fixture.build, "t", first);
    segment_build_string(&fixture.build, 2, last);
    add_span(0, -1);
    end();
}

/* Of a field that comes twice the last counts, also where the first stands in the usual place. */
static void
the_last_id_counts(void **state)
{
    (void)state;
    build_with_two_ids("one", "two");
    take("", VERDICT_CLEAN);
    build_with_two_ids("one", "three");
    take("", VERDICT_CLEAN);
    build("one", 1);
    take("", VERDICT_CLEAN);
    build("three", 1);
    take("segment-id-reused", VERDICT_OBSERVED);
    segment_build_clear(&fixture.build); /* and where the fields come in another order */
    add_span(0, -1);
    segment_build_string(&fixture.build, 2, "two");
    segment_build_end(&fixture.build, "checkout", "checkout-1@10.0.0.1", false);
    take("trace-id-empty,segment-id-reused", VERDICT_OBSERVED);
}

/* Empty segments and those without a usable id are asked nothing; all of them look alike. */
static void
segments_without_spans_or_id_are_no_copies(void **state)
{
    (void)state;
    use_jdbc();
    for (int i = 0; i < 2; i++) {
        segment_build_begin(&fixture.build, "t", PLAIN_ID);
        end();
        take("segment-empty", VERDICT_DROPPED);
        assert_int_equal(fixture.judgement.reason, RULE_segment_empty);
    }
    for (int i = 0; i < 2; i++) {
        build("", 2);
        take("segment-id-malformed", VERDICT_QUARANTINED);
        build("a b", 2);
        take("segment-id-malformed", VERDICT_QUARANTINED);
        build_as(PLAIN_ID, "\xff", 2, "");
        take("string-invalid-utf8-identity", VERDICT_QUARANTINED);
    }
    build(PLAIN_ID, 2);
    take("", VERDICT_CLEAN);
}

/* From quarantine: it would be its own copy. Nothing is counted. */
static void
judging_again_asks_no_memory(void **state)
{
    (void)state;
    build_unfit();
    take("span-zero-missing", VERDICT_QUARANTINED);
    uint64_t n = metric_get(metrics, METRIC_SEGMENTS, VERDICT_QUARANTINED);
    integrity_judge_again(fixture.engine, segment_build_bytes(&fixture.build), at_ms, AGENT_UNKNOWN,
                          &fixture.judgement);
    assert_string_equal(found(), "span-zero-missing");
    assert_int_equal(metric_get(metrics, METRIC_SEGMENTS, VERDICT_QUARANTINED), n);
    take("span-zero-missing,segment-duplicate-identical", VERDICT_DROPPED);
}

static void
a_service_may_be_left_out(void **state)
{
    (void)state;
    static const struct integrity_service services[] = {{"checkout", INTEGRITY_OFF}};
    fixture.settings.services = services;
    fixture.settings.n_services = 1;
    integrity_set(fixture.engine, &fixture.settings);
    build(PLAIN_ID, 2);
    for (int i = 0; i < 2; i++)
        take("", VERDICT_CLEAN);
}

/* Every rule with memory is silent for healthy segments that differ in their ids, whatever the
 * table's size. */
static void
healthy_segments_are_silent_with_a_window(void **state)
{
    (void)state;
    const uint64_t rules =
        UINT64_C(1) << RULE_segment_duplicate_identical | UINT64_C(1) << RULE_segment_id_reused |
        UINT64_C(1) << RULE_segment_id_two_instances | UINT64_C(1) << RULE_poison_id_again;
    use_jdbc();
    seed = 42;
    for (uint32_t i = 0; i < 30000; i++) {
        char id[80];
        struct model model;
        if (i == 15000) { /* then through a table that is full */
            fixture.settings.window_bytes = 4096;
            integrity_set(fixture.engine, &fixture.settings);
        }
        make_healthy(&model);
        snprintf(id, sizeof(id), "%08x.%s", i, model.segment_id);
        model.segment_id = id;
        encode(&model);
        judge_now();
        assert_int_equal(fixture.judgement.rules & rules, 0);
        accept();
    }
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_tear_suspect), 0);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_identity_flip), 0);
}

static void
memory_stays_within_the_share(void **state)
{
    (void)state;
    static const uint64_t shares[] = {256 << 10, 4 << 20, 8 << 20, 32 << 20, 64 << 20};
    for (unsigned k = 0; k < 5; k++) {
        fixture.settings.window_bytes = shares[k];
        integrity_set(fixture.engine, &fixture.settings);
        for (uint32_t i = 0; i < 20000; i++) {
            char id[40], instance[40];
            snprintf(id, sizeof(id), "%u.%u", k, i);
            snprintf(instance, sizeof(instance), "%u", i);
            build_as(id, instance, 1, "");
            judge_now();
            accept();
            if (integrity_is_full(fixture.engine)) {
                struct sightings *sightings = integrity_take_sightings(fixture.engine);
                sightings_free(&sightings);
            }
            /* The registry takes a quarter of it. Small shares do not hold: 1.5 MiB at most, with
             * 512 KiB of peers that do not come here. */
            uint64_t most = k == 0 ? 1 << 20 : shares[k] / 4 * 3;
            assert_true(integrity_state_bytes(fixture.engine) < most);
        }
    }
}

#undef TEST
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_window, tear_down_window)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_dropped_and_one_span_more_is_told),
        TEST(another_id_is_silent),
        TEST(what_was_not_accepted_is_no_duplicate),
        TEST(the_window_ends),
        TEST(the_superset_note_needs_all_old_spans),
        TEST(the_superset_note_takes_more_behind_and_before),
        TEST(another_instance_with_the_same_id_is_told),
        TEST(an_operator_may_set_reused_ids_aside),
        TEST(a_copy_may_be_only_counted),
        TEST(observe_only_counts),
        TEST(off_and_no_window_are_silent),
        TEST(with_a_database_no_id_goes_on_twice),
        TEST(what_was_set_aside_is_in_no_database),
        TEST(a_copy_of_what_was_set_aside_is_dropped),
        TEST(a_copy_of_an_edited_one_is_dropped),
        TEST(a_copy_with_bad_text_is_dropped),
        TEST(the_last_id_counts),
        TEST(segments_without_spans_or_id_are_no_copies),
        TEST(judging_again_asks_no_memory),
        TEST(a_service_may_be_left_out),
        TEST(healthy_segments_are_silent_with_a_window),
        TEST(memory_stays_within_the_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
