/* Rule trace-id-stale: a trace id much older than the segment id. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_trace(const char *trace_id, bool has_ref, const char *findings)
{
    segment_build_begin(&fixture.build, trace_id, GO_ID);
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    if (has_ref)
        segment_build_ref(&fixture.build, &(struct build_ref){REF_CROSS_PROCESS, trace_id, "p", 1,
                                                              "s", "i", "/", "h:80"});
    close_span();
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

/* GO_ID is of the millisecond 4001753599980. */
#define GO_PROCESS "0123456789ab1def0123456789abcdef"
#define OLD_TRACE GO_PROCESS ".7.40017499999790001"
#define HOUR_TRACE GO_PROCESS ".7.40017499999800001"

static void
over_an_hour_is_counted(void **state)
{
    (void)state;
    fixture.agent = AGENT_IS_GO;
    judge_trace(OLD_TRACE, false, "trace-id-stale");
    judge_trace(HOUR_TRACE, false, "");
    judge_trace(GO_ID, false, "");
}

static void
a_caller_s_trace_may_be_as_old_as_it_likes(void **state)
{
    (void)state;
    fixture.agent = AGENT_IS_GO;
    judge_trace(OLD_TRACE, true, "");
    judge_trace("1123456789ab1def0123456789abcdef.7.40017499999790001", false, "");
    judge_trace("my own id", false, "");
}

static void
other_agents_are_not_asked(void **state)
{
    (void)state;
    judge_trace(OLD_TRACE, false, "");
    fixture.agent = AGENT_IS_JAVA;
    judge_trace(OLD_TRACE, false, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(over_an_hour_is_counted),
        TEST(a_caller_s_trace_may_be_as_old_as_it_likes),
        TEST(other_agents_are_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
