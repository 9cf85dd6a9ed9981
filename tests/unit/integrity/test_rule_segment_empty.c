/* Rule segment-empty: asked first, and ends the questions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
no_spans_and_nothing_else_is_dropped(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    expect("segment-empty", VERDICT_DROPPED);
    assert_int_equal(fixture.judgement.reason, RULE_segment_empty);
    segment_build_begin(&fixture.build, "", "not an id");
    segment_build_end(&fixture.build, "", "", false);
    expect("segment-empty", VERDICT_DROPPED);
}

static void
one_span_of_nothing_is_not_empty(void **state)
{
    (void)state;
    begin();
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    end();
    expect("span-blank", VERDICT_TAGGED);
}

static void
when_it_is_only_counted_it_must_still_be_utf8(void **state)
{
    (void)state;
    use_action(RULE_segment_empty, ACTION_OBSERVE);
    begin();
    end();
    expect("segment-empty", VERDICT_OBSERVED);
    segment_build_begin(&fixture.build, "\xff", PLAIN_ID);
    expect("string-invalid-utf8,segment-empty", VERDICT_REPAIRED);
    assert_bytes(decode_payload()->trace_id, "\\xFF");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_spans_and_nothing_else_is_dropped),
        TEST(one_span_of_nothing_is_not_empty),
        TEST(when_it_is_only_counted_it_must_still_be_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
