/* Rule string-invalid-utf8: a stranger's bytes, made readable. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
build_bad_tag(void)
{
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_tag("http.header", "\xc3(");
    segment_build_log(&fixture.build, now_ms, "event", "\x80");
    close_span();
    end();
}

static void
each_bad_byte_becomes_four_characters_in_every_mode(void **state)
{
    (void)state;
    for (int mode = INTEGRITY_OFF; mode <= INTEGRITY_ENFORCE; mode++) {
        use_mode((enum integrity_mode)mode);
        build_bad_tag();
        expect("string-invalid-utf8", VERDICT_REPAIRED);
        assert_true(fixture.judgement.edited);
        assert_bytes(tag_of(decode_payload(), 0, "http.header"), "\\xC3(");
        assert_int_equal(fixture.out.facts, 0);
        assert_stable();
    }
}

static void
it_may_be_set_aside_instead(void **state)
{
    (void)state;
    use_action(RULE_string_invalid_utf8, ACTION_QUARANTINE);
    build_bad_tag();
    expect("string-invalid-utf8", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
}

static void
other_findings_go_along(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_CACHE);
    /* Two keys that only become the same by the repair. */
    add_tag("\xff", "1");
    add_tag("\\xFF", "2");
    close_span();
    add_span(1, 6);
    end();
    expect("string-invalid-utf8,span-parent-missing,poison-cache-tag-repeat", VERDICT_REPAIRED);
    const struct segment_view *out = decode_payload();
    assert_bytes(tag_of(out, 0, "\\xFF"), "1");
    assert_bytes(tag_of(out, 0, "\\xFF#2"), "2");
    assert_tagged(1, "span-parent-missing");
    assert_stable();
}

static void
set_aside_for_another_reason_the_bytes_stay(void **state)
{
    (void)state;
    begin();
    open_span(1, -1, SPAN_ENTRY, LAYER_HTTP);
    add_tag("k", "\xff");
    close_span();
    end();
    expect("string-invalid-utf8,span-zero-missing", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
}

static void
the_last_code_point_passes(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_tag("k", "\xf4\x8f\xbf\xbf");
    close_span();
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_bad_byte_becomes_four_characters_in_every_mode),
        TEST(it_may_be_set_aside_instead),
        TEST(other_findings_go_along),
        TEST(set_aside_for_another_reason_the_bytes_stay),
        TEST(the_last_code_point_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
