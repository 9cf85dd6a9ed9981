/* Modes, actions, counting, tags and bounds of the engine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

/* Breaks rules of several scopes: two findings on the segment, three on spans. */
static void
build_sick(void)
{
    segment_build_begin(&fixture.build, "", PLAIN_ID);
    add_span(1, 9);
    add_span(-4, 0);
    add_span(1, 0);
    add_span(0, -1);
    segment_build_end(&fixture.build, "s", "", false);
}

static const char sick[] = "instance-empty,trace-id-empty,span-id-negative,span-id-duplicate,"
                           "span-parent-missing,span-parent-not-earlier";

static void
mode_enforce_acts(void **state)
{
    (void)state;
    build_sick();
    expect(sick, VERDICT_TAGGED);
    assert_tagged(0, "span-parent-missing");
    assert_tagged(1, "span-id-negative,span-parent-not-earlier");
    assert_tagged(2, "span-id-duplicate");
    assert_int_equal(tag_of(decode_payload(), 3, "sw.proxy.integrity").n, 0);
    assert_int_equal(fixture.judgement.reason, RULE_COUNT);
    assert_stable();
}

static void
mode_observe_counts_only(void **state)
{
    (void)state;
    use_mode(INTEGRITY_OBSERVE);
    build_sick();
    expect(sick, VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    begin();
    add_span(1, -1);
    end();
    expect("span-zero-missing", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    begin();
    end();
    expect("segment-empty", VERDICT_OBSERVED);
}

static void
mode_off_looks_at_bytes_only(void **state)
{
    (void)state;
    use_mode(INTEGRITY_OFF);
    build_sick();
    expect("", VERDICT_CLEAN);
    assert_true(is_payload_unchanged());
    begin();
    end();
    expect("", VERDICT_CLEAN);
    build_sick();
    segment_build_string(&fixture.build, 1, "\xff");
    expect("string-invalid-utf8", VERDICT_REPAIRED);
    assert_bytes(decode_payload()->trace_id, "\\xFF");
}

static void
a_reload_takes_effect_at_the_next_message(void **state)
{
    (void)state;
    build_sick();
    use_mode(INTEGRITY_OFF);
    expect("", VERDICT_CLEAN);
    use_mode(INTEGRITY_ENFORCE);
    expect(sick, VERDICT_TAGGED);
}

static void
the_strongest_action_decides(void **state)
{
    (void)state;
    begin();
    add_span(1, 9);
    add_span(1, 9);
    end();
    expect("span-id-duplicate,span-zero-missing,span-parent-missing*2", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_span_zero_missing);
    use_action(RULE_span_zero_missing, ACTION_OBSERVE);
    expect("span-id-duplicate,span-zero-missing,span-parent-missing*2", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_spans, 1);
    assert_tagged(0, "span-parent-missing");
    use_action(RULE_span_parent_missing, ACTION_QUARANTINE);
    expect("span-id-duplicate,span-zero-missing,span-parent-missing*2", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_span_parent_missing);
    assert_true(is_payload_unchanged());
}

static void
a_segment_rule_and_a_span_rule_share_one_tag(void **state)
{
    (void)state;
    use_action(RULE_instance_empty, ACTION_TAG);
    begin();
    add_span(1, 0);
    add_span(0, 1);
    segment_build_end(&fixture.build, "s", "", false);
    expect("instance-empty,span-parent-not-earlier", VERDICT_TAGGED);
    assert_tagged(1, "instance-empty,span-parent-not-earlier");
    assert_int_equal(decode_payload()->n_tags, 1);
    assert_stable();
}

static void
a_span_that_has_the_tag_is_left_alone(void **state)
{
    (void)state;
    begin();
    open_span(1, 9, SPAN_LOCAL, LAYER_UNKNOWN);
    add_tag("sw.proxy.integrity", "from before");
    close_span();
    add_span(2, 8);
    add_span(0, -1);
    end();
    expect("span-parent-missing*2", VERDICT_TAGGED);
    assert_tagged(0, "from before");
    assert_tagged(1, "span-parent-missing");
    assert_int_equal(decode_payload()->n_tags, 2);
}

static void
edits_keep_all_other_bytes(void **state)
{
    (void)state;
    begin();
    segment_build_varint(&fixture.build, 99, 1);
    add_span(1, 9);
    size_t end_of_span = fixture.build.n;
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    segment_build_varint(&fixture.build, 77, 5);
    close_span();
    end();
    expect("proto-unknown-field,span-parent-missing", VERDICT_TAGGED);
    struct bytes in = segment_build_bytes(&fixture.build), out = fixture.judgement.payload;
    assert_memory_equal(out.p + out.n - (in.n - end_of_span), in.p + end_of_span,
                        in.n - end_of_span);
    /* Tag and length of the new pair, key and value with theirs. */
    assert_int_equal(out.n - in.n,
                     2 + 2 + strlen("sw.proxy.integrity") + 2 + strlen("span-parent-missing"));
}

static void
findings_come_in_order_and_are_capped(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "", PLAIN_ID);
    for (int32_t i = 0; i < 1000; i++)
        add_span(i, i);
    end();
    expect("trace-id-empty,span-parent-not-earlier*1000", VERDICT_TAGGED);
    assert_int_equal(fixture.judgement.n_findings, 256);
    assert_int_equal(fixture.judgement.findings[0].rule, RULE_trace_id_empty);
    assert_int_equal(fixture.judgement.findings[0].span, SPAN_NONE);
    for (uint32_t i = 1; i < 256; i++)
        assert_int_equal(fixture.judgement.findings[i].span, i - 1);
    const struct segment_view *out = decode_payload();
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(out->spans[i].n_tags, 1);
}

static void
metrics_tell_verdicts_spans_and_findings(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    struct integrity *engine = integrity_new(&fixture.settings, metrics);
    for (int i = 0; i < 65; i++) {
        build_sick();
        integrity_judge_segment(engine, segment_build_bytes(&fixture.build), now_ms, AGENT_UNKNOWN,
                                &fixture.judgement);
    }
    integrity_judge_segment(engine, BYTES("\x07"), now_ms, AGENT_UNKNOWN, &fixture.judgement);
    integrity_judge_stored(engine, MESSAGE_Event, BYTES_NONE, true, &fixture.judgement);
    integrity_note(engine, RULE_conn_lost_mid_message);
    assert_int_equal(metric_get(metrics, METRIC_SEGMENTS, VERDICT_TAGGED), 65);
    assert_int_equal(metric_get(metrics, METRIC_SEGMENTS, VERDICT_QUARANTINED), 1);
    assert_int_equal(metric_get(metrics, METRIC_SPANS, 0), 65 * 4);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_span_parent_missing), 65);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_proto_undecodable), 1);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_event_layer_empty), 1);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_conn_lost_mid_message), 1);
    integrity_free(&engine);
    metrics_free(&metrics);
}

/* The worst orders and ids: quadratic work would take minutes here. */
static void
judge_many(int32_t (*id_of)(int32_t), int32_t n)
{
    begin();
    for (int32_t i = 0; i < n; i++)
        segment_build_span(&fixture.build,
                           &(struct build_span){.id = id_of(i), .parent = id_of(i / 2 * 3)});
    end();
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_int_equal(fixture.judgement.segment->n_spans, n);
}

static int32_t
same_id(int32_t i)
{
    (void)i;
    return 5;
}

static int32_t
falling_id(int32_t i)
{
    return INT32_MAX - i;
}

static int32_t
spread_id(int32_t i)
{
    return (int32_t)((uint32_t)i * 65536u + (uint32_t)i / 32768u);
}

static int32_t
plain_id(int32_t i)
{
    return i;
}

/* The same finding counts as strong where the agent is identified, as a hint elsewhere. */
static void
metrics_tell_hints_apart(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    struct integrity *engine = integrity_new(&fixture.settings, metrics);
    segment_build_begin(&fixture.build, GO_ID, GO_ID);
    add_span(1, -1);
    add_span(0, -1);
    end();
    for (enum agent agent = AGENT_UNKNOWN; agent <= AGENT_IS_OTHER; agent++) {
        integrity_judge_segment(engine, segment_build_bytes(&fixture.build), now_ms, agent,
                                &fixture.judgement);
        assert_string_equal(found(), "segment-multi-root");
        bool is_hint = agent == AGENT_UNKNOWN || agent == AGENT_IS_OTHER;
        assert_int_equal(integrity_found_class(&fixture.judgement, RULE_segment_multi_root, agent),
                         is_hint ? CLASS_HINT : CLASS_STRONG);
    }
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_segment_multi_root), 3);
    assert_int_equal(metric_get(metrics, METRIC_FINDINGS, RULE_COUNT + RULE_segment_multi_root), 2);
    integrity_free(&engine);
    metrics_free(&metrics);
}

static void
a_hundred_thousand_spans_with_any_ids(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    judge_many(plain_id, MANY);
    assert_int_equal(fixture.judgement.n_counts[RULE_span_id_duplicate], 0);
    judge_many(same_id, MANY);
    assert_int_equal(fixture.judgement.n_counts[RULE_span_id_duplicate], MANY - 1);
    judge_many(falling_id, MANY);
    assert_int_equal(fixture.judgement.n_counts[RULE_span_id_duplicate], 0);
    judge_many(spread_id, MANY);
    assert_int_equal(fixture.judgement.n_counts[RULE_span_id_duplicate], 0);
}

static void
an_edit_that_oap_would_refuse_is_not_made(void **state)
{
    (void)state;
    static const size_t n_filler = 52428800 - 200;
    uint8_t *filler = mem_alloc(n_filler + 200);
    memset(filler, 'a', n_filler + 200);
    begin();
    add_span(1, 9);
    add_span(0, -1);
    end();
    segment_build_field(&fixture.build, 50, bytes_of(filler, n_filler));
    expect("proto-unknown-field,span-parent-missing", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    begin();
    open_span(0, -1, SPAN_LOCAL, LAYER_HTTP);
    add_tag("x-le", "");
    close_span();
    end();
    segment_build_field(&fixture.build, 50, bytes_of(filler, n_filler + 130));
    expect("proto-unknown-field,poison-logic-endpoint", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_poison_logic_endpoint);
    assert_true(is_payload_unchanged());
    /* The text can be repaired, but then there is no room for the other repair. */
    begin();
    open_span(0, -1, SPAN_LOCAL, LAYER_HTTP);
    add_tag("x-le", "\xff");
    close_span();
    end();
    size_t n_rest = 52428800 - 6 - fixture.build.n - 6;
    segment_build_field(&fixture.build, 50, bytes_of(filler, n_rest));
    assert_int_equal(fixture.build.n, 52428800 - 6);
    expect("proto-unknown-field,string-invalid-utf8,poison-logic-endpoint", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
    memset(filler, 0xff, n_filler / 4);
    begin();
    open_span(0, -1, SPAN_LOCAL, LAYER_HTTP);
    segment_build_tag_bytes(&fixture.build, BYTES("k"), bytes_of(filler, n_filler));
    close_span();
    end();
    expect("string-invalid-utf8", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
    mem_free(filler);
}

static void
expect_of(const char *service, enum verdict verdict)
{
    begin();
    add_span(0, -1);
    add_span(2, 1);
    segment_build_end(&fixture.build, service, "i", false);
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_string_equal(verdict_label(fixture.judgement.verdict), verdict_label(verdict));
}

static void
the_first_match_gives_a_service_its_mode(void **state)
{
    (void)state;
    static const struct integrity_service services[] = {
        {"legacy-pay", INTEGRITY_ENFORCE}, {"legacy-*", INTEGRITY_OBSERVE}, {"?", INTEGRITY_OFF}};
    char name[2000];
    expect_of("legacy-shop", VERDICT_TAGGED);
    fixture.settings.services = services;
    fixture.settings.n_services = 3;
    integrity_set(fixture.engine, &fixture.settings);
    expect_of("legacy-shop", VERDICT_OBSERVED);
    expect_of("legacy-pay", VERDICT_TAGGED);
    expect_of("x", VERDICT_CLEAN);
    expect_of("xy", VERDICT_TAGGED);
    expect_of("", VERDICT_TAGGED);
    memset(name, 'a', sizeof(name));
    memcpy(name, "legacy-", 7);
    name[sizeof(name) - 1] = '\0';
    expect_of(name, VERDICT_OBSERVED);
    use_mode(INTEGRITY_OFF);
    expect_of("shop", VERDICT_CLEAN);
    expect_of("legacy-pay", VERDICT_TAGGED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mode_enforce_acts),
        TEST(mode_observe_counts_only),
        TEST(mode_off_looks_at_bytes_only),
        TEST(a_reload_takes_effect_at_the_next_message),
        TEST(the_first_match_gives_a_service_its_mode),
        TEST(the_strongest_action_decides),
        TEST(a_segment_rule_and_a_span_rule_share_one_tag),
        TEST(a_span_that_has_the_tag_is_left_alone),
        TEST(edits_keep_all_other_bytes),
        TEST(findings_come_in_order_and_are_capped),
        TEST(metrics_tell_verdicts_spans_and_findings),
        TEST(metrics_tell_hints_apart),
        TEST(a_hundred_thousand_spans_with_any_ids),
        TEST(an_edit_that_oap_would_refuse_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
