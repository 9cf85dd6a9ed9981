/* What looks odd and is healthy: each mistake that a checker of segments is likely to make. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Those about one message; streams, paths and copies have their tests in tests/system and in
 * test_state_rules.c. */
#include "integrity/judge_fixture.h"

static void
expect_silent(void)
{
    expect("", VERDICT_CLEAN);
    assert_true(is_payload_unchanged());
}

static void
the_root_may_stand_anywhere(void **state)
{
    (void)state;
    static const int32_t orders[][3] = {{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        begin();
        for (size_t k = 0; k < 3; k++)
            add_span(orders[i][k], orders[i][k] - 1);
        end();
        fixture.agent = AGENT_IS_OTHER;
        expect_silent();
    }
}

/* In proto3 what is 0 is not on the wire. */
static void
an_absent_parent_is_span_zero(void **state)
{
    (void)state;
    begin();
    segment_build_open(&fixture.build, 3);
    segment_build_varint(&fixture.build, 1, 1); /* span 1, nothing about its parent */
    segment_build_varint(&fixture.build, 3, (uint64_t)now_ms);
    segment_build_varint(&fixture.build, 4, (uint64_t)now_ms);
    segment_build_string(&fixture.build, 6, "/child");
    close_span();
    add_span(0, -1);
    end();
    expect_silent();
}

static void
a_nul_hides_nothing_and_is_kept(void **state)
{
    (void)state;
    static const uint8_t value[] = {'a', 0, 'b', 0xC3, '('};
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_UNKNOWN);
    segment_build_tag_bytes(&fixture.build, BYTES("k"), bytes_of(value, sizeof(value)));
    close_span();
    end();
    expect("string-invalid-utf8,control-in-name", VERDICT_REPAIRED);
    struct bytes got = tag_of(decode_payload(), 0, "k");
    assert_int_equal(got.n, 8);
    assert_memory_equal(got.p, "a\0b\\xC3(", 8);
}

static void
an_edit_keeps_what_it_does_not_know(void **state)
{
    (void)state;
    begin();
    open_span(1, 5, SPAN_LOCAL, 7); /* a parent that is not there: tagged */
    segment_build_string(&fixture.build, 99, "of a later version");
    close_span();
    add_span(0, -1);
    end();
    expect("proto-unknown-field,span-parent-missing", VERDICT_TAGGED);
    struct bytes raw = decode_payload()->spans[0].raw;
    assert_non_null(memmem(raw.p, raw.n, "of a later version", 18));
    assert_int_equal(decode_payload()->spans[0].layer, 7);
}

static void
add_ref(const char *trace, const char *segment, int32_t span)
{
    segment_build_ref(&fixture.build,
                      &(struct build_ref){REF_CROSS_PROCESS, trace, segment, span, "checkout",
                                          "checkout-1@10.0.0.1", "", ""});
}

/* A consumer in the segment of its producer, even from span 0 to a later one. */
static void
a_reference_into_its_own_segment(void **state)
{
    (void)state;
    begin();
    add_span(1, 0);
    open_span(0, -1, SPAN_ENTRY, LAYER_MQ);
    add_ref("trace-1", PLAIN_ID, 1);
    close_span();
    end();
    expect_silent();
}

static void
references_to_what_nobody_saw(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_ref("another-trace", "a-segment-that-comes-later", 12);
    close_span();
    end();
    expect_silent();
    /* Go writes its own trace id into every reference: there it is a sign. */
    fixture.agent = AGENT_IS_GO;
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_int_equal(fixture.judgement.n_counts[RULE_ref_trace_mismatch_go], 1);
}

/* Goroutines of a pool keep the trace they were started in. */
static void
a_go_trace_id_may_be_hours_old(void **state)
{
    (void)state;
    const char *own = GO_ID, *old = "0123456789ab1def0123456789abcdef.42.40017399999800001";
    fixture.agent = AGENT_IS_GO;
    segment_build_begin(&fixture.build, old, own);
    segment_build_span(&fixture.build, &(struct build_span){.parent = -1,
                                                            .start = INT64_C(1790000000000) - 20,
                                                            .end = INT64_C(1790000000000),
                                                            .operation = "job",
                                                            .type = SPAN_LOCAL});
    end();
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_int_equal(fixture.judgement.n_counts[RULE_trace_id_stale], 1);
    assert_int_equal(integrity_class(RULE_trace_id_stale, AGENT_IS_GO), CLASS_HINT);
    assert_int_equal(fixture.judgement.verdict, VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
instances_are_named_in_many_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"web-7d9f", "Your_InstanceName", "1.0.3",
                                        "312345678901234567890@10.0.0.7",
                                        "0b0ce06a9b0c4a0c8f0e1f2e3d4c5b6a-child(71)"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        begin();
        add_span(0, -1);
        segment_build_end(&fixture.build, "my shop|prod", names[i], false);
        expect_silent();
    }
}

static void
an_exit_without_peer_is_only_counted(void **state)
{
    (void)state;
    begin();
    segment_build_span(
        &fixture.build,
        &(struct build_span){
            .id = 1, .start = now_ms, .end = now_ms, .operation = "get", .type = SPAN_EXIT});
    add_span(0, -1);
    end();
    expect("exit-peer-empty", VERDICT_OBSERVED);
    assert_int_equal(integrity_class(RULE_exit_peer_empty, AGENT_IS_GO), CLASS_HINT);
    assert_true(is_payload_unchanged());
}

/* Whatever stands in a reference was sent by a stranger. */
static void
a_bad_reference_accuses_nobody(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_ref("", "", -7);
    close_span();
    end();
    expect("ref-malformed", VERDICT_OBSERVED);
    assert_int_equal(integrity_class(RULE_ref_malformed, AGENT_IS_GO), CLASS_EXTERNAL);
}

static void
a_full_agent_may_lack_parents(void **state)
{
    (void)state;
    begin();
    add_span(4, 3);
    add_span(0, -1);
    segment_build_end(&fixture.build, "py", "i", true);
    expect_silent();
}

/* One more of a key would be poison on this layer. */
static void
a_cache_span_gets_no_second_tag(void **state)
{
    (void)state;
    begin();
    open_span(1, 5, SPAN_EXIT, 5);
    add_tag("sw.proxy.integrity", "by somebody before us");
    close_span();
    add_span(0, -1);
    end();
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_int_equal(fixture.judgement.n_counts[RULE_span_parent_missing], 1);
    assert_int_equal(fixture.judgement.n_counts[RULE_poison_cache_tag_repeat], 0);
    assert_bytes(tag_of(decode_payload(), 0, "sw.proxy.integrity"), "by somebody before us");
    judge_bytes(fixture.judgement.payload);
    assert_int_equal(fixture.judgement.n_counts[RULE_poison_cache_tag_repeat], 0);
}

/* 150 characters, 450 bytes. */
static void
lengths_are_those_of_java(void **state)
{
    (void)state;
    struct text trace = TEXT_EMPTY;
    for (int i = 0; i < 150; i++)
        text_add(&trace, "\xE4\xB8\xAD");
    segment_build_begin(&fixture.build, trace.p, PLAIN_ID);
    add_span(0, -1);
    end();
    expect_silent();
    text_add(&trace, "x");
    segment_build_begin(&fixture.build, trace.p, PLAIN_ID);
    add_span(0, -1);
    end();
    expect("poison-column", VERDICT_OBSERVED);
    text_fini(&trace);
}

static void
tag_values_may_be_long_and_have_lines(void **state)
{
    (void)state;
    struct text statement = TEXT_EMPTY;
    for (int i = 0; i < 500; i++)
        text_addf(&statement, "SELECT %d,\n\tname\r\nFROM orders\n", i);
    begin();
    open_span(1, 0, SPAN_EXIT, LAYER_DATABASE);
    add_tag("db.statement", statement.p);
    close_span();
    add_span(0, -1);
    end();
    expect_silent();
    text_fini(&statement);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_root_may_stand_anywhere),
        TEST(an_absent_parent_is_span_zero),
        TEST(a_nul_hides_nothing_and_is_kept),
        TEST(an_edit_keeps_what_it_does_not_know),
        TEST(a_reference_into_its_own_segment),
        TEST(references_to_what_nobody_saw),
        TEST(a_go_trace_id_may_be_hours_old),
        TEST(instances_are_named_in_many_ways),
        TEST(an_exit_without_peer_is_only_counted),
        TEST(a_bad_reference_accuses_nobody),
        TEST(a_full_agent_may_lack_parents),
        TEST(a_cache_span_gets_no_second_tag),
        TEST(lengths_are_those_of_java),
        TEST(tag_values_may_be_long_and_have_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
