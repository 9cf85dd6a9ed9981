/* Rule span-end-before-start: an end before the start. */
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
it_is_only_counted(void **state)
{
    (void)state;
    begin();
    build_times(now_ms, now_ms - 1);
    expect("span-end-before-start", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    for (enum agent agent = AGENT_UNKNOWN; agent <= AGENT_IS_OTHER; agent++)
        assert_int_equal(integrity_class(RULE_span_end_before_start, agent), CLASS_HINT);
}

static void
repaired_on_request_it_stays_out_of_metrics(void **state)
{
    (void)state;
    use_action(RULE_span_end_before_start, ACTION_REPAIR);
    begin();
    build_times(now_ms, now_ms - 1);
    expect("span-end-before-start", VERDICT_REPAIRED);
    const struct segment_view *out = decode_payload();
    assert_true(out->spans[0].skip_analysis);
    assert_int_equal(out->n_tags, 0);
    assert_stable();
}

static void
a_span_may_take_no_time(void **state)
{
    (void)state;
    begin();
    build_times(now_ms, now_ms);
    expect("", VERDICT_CLEAN);
}

static void
a_child_may_outlive_its_parent_and_start_before_it(void **state)
{
    (void)state;
    begin();
    segment_build_span(&fixture.build, &(struct build_span){.id = 1,
                                                            .start = now_ms - 500,
                                                            .end = now_ms + 500,
                                                            .operation = "/child",
                                                            .type = SPAN_LOCAL});
    build_times(now_ms - 20, now_ms - 10);
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_only_counted),
        TEST(repaired_on_request_it_stays_out_of_metrics),
        TEST(a_span_may_take_no_time),
        TEST(a_child_may_outlive_its_parent_and_start_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
