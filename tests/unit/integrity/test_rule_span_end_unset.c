/* Rule span-end-unset: a start but no end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

/* One Entry span with these times. */
static void
build_times(int64_t start, int64_t end_ms)
{
    segment_build_span(
        &fixture.build,
        &(struct build_span){.parent = -1, .start = start, .end = end_ms, .operation = "/op"});
    end();
}

static void
it_is_kept_out_of_metrics_and_tagged(void **state)
{
    (void)state;
    static const int64_t ends[] = {0, INT64_C(-6795364578871)};
    for (int i = 0; i < 2; i++) {
        begin();
        build_times(now_ms, ends[i]);
        expect("span-end-unset", VERDICT_REPAIRED);
        const struct segment_view *out = decode_payload();
        assert_true(out->spans[0].skip_analysis);
        assert_int_equal(out->spans[0].end_ms, ends[i]);
        assert_tagged(0, "span-end-unset");
        assert_stable();
    }
}

static void
only_tagged_where_that_is_asked_for(void **state)
{
    (void)state;
    use_action(RULE_span_end_unset, ACTION_TAG);
    begin();
    build_times(now_ms, 0);
    expect("span-end-unset", VERDICT_TAGGED);
    assert_false(decode_payload()->spans[0].skip_analysis);
    assert_tagged(0, "span-end-unset");
}

static void
any_other_end_is_an_end(void **state)
{
    (void)state;
    begin();
    build_times(now_ms, now_ms);
    expect("", VERDICT_CLEAN);
    static const int64_t ends[] = {1, -1, INT64_C(-6795364578871) - 1, INT64_C(-6795364578871) + 1};
    for (int i = 0; i < 4; i++) {
        begin();
        build_times(now_ms, ends[i]);
        expect("span-end-before-start", VERDICT_OBSERVED);
    }
}

static void
without_a_start_it_is_another_finding(void **state)
{
    (void)state;
    begin();
    build_times(0, 0);
    expect("span-start-implausible", VERDICT_OBSERVED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_kept_out_of_metrics_and_tagged),
        TEST(only_tagged_where_that_is_asked_for),
        TEST(any_other_end_is_an_end),
        TEST(without_a_start_it_is_another_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
