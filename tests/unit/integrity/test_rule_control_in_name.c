/* Rule control-in-name: control characters in names, peers and tag values. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_text(struct bytes name, struct bytes peer, struct bytes value, const char *findings)
{
    begin();
    segment_build_open(&fixture.build, 3);
    segment_build_varint(&fixture.build, 2, UINT64_MAX);
    segment_build_varint(&fixture.build, 3, (uint64_t)now_ms);
    segment_build_varint(&fixture.build, 4, (uint64_t)now_ms);
    segment_build_field(&fixture.build, 6, name);
    segment_build_field(&fixture.build, 7, peer);
    segment_build_tag_bytes(&fixture.build, BYTES("k"), value);
    close_span();
    add_span(1, 0);
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
any_in_a_name_or_a_peer(void **state)
{
    (void)state;
    static const char bytes[] = {0, 1, '\t', '\n', '\r', 0x1f, 0x7f};
    for (size_t i = 0; i < sizeof(bytes); i++) {
        char text[] = {'/', 'a', bytes[i], 'b'};
        judge_text(bytes_of(text, 4), BYTES("p"), BYTES("v"), "control-in-name");
        judge_text(BYTES("/"), bytes_of(text, 4), BYTES("v"), "control-in-name");
    }
}

static void
a_value_may_have_lines_and_tabs(void **state)
{
    (void)state;
    judge_text(BYTES("/"), BYTES("p"), BYTES("select\t1\r\nfrom x"), "");
    judge_text(BYTES("/"), BYTES("p"), bytes_of("v\0", 2), "control-in-name");
    judge_text(BYTES("/"), BYTES("p"), BYTES("\x1b[1m"), "control-in-name");
    judge_text(BYTES("/"), BYTES("p"), BYTES("\x7f"), "control-in-name");
}

static void
other_characters_are_none(void **state)
{
    (void)state;
    judge_text(BYTES("/ ~\xc2\x80"), BYTES("\xe4\xb8\xad"), BYTES("\xf0\x9f\x98\x80"), "");
}

static void
only_the_span_that_has_it_is_named(void **state)
{
    (void)state;
    judge_text(BYTES("/\x01"), BYTES("p"), BYTES("v"), "control-in-name");
    assert_int_equal(fixture.judgement.n_findings, 1);
    assert_int_equal(fixture.judgement.findings[0].span, 0);
    assert_int_equal(integrity_class(RULE_control_in_name, AGENT_IS_GO), CLASS_EXTERNAL);
}

static void
logs_and_keys_are_not_looked_at(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_tag("k\x01", "v");
    segment_build_log(&fixture.build, now_ms, "stack", "at a\n\tat b\x01");
    close_span();
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_in_a_name_or_a_peer),         TEST(a_value_may_have_lines_and_tabs),
        TEST(other_characters_are_none),       TEST(only_the_span_that_has_it_is_named),
        TEST(logs_and_keys_are_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
