/* Rule ref-trace-mismatch-go: a reference of another trace on a segment of the Go agent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
add_ref(int32_t type, const char *trace, const char *segment, int32_t span, const char *service,
        const char *instance)
{
    segment_build_ref(&fixture.build, &(struct build_ref){type, trace, segment, span, service,
                                                          instance, "/from", "h:80"});
}

static void
build_trace(const char *of_ref)
{
    begin_go();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_ref(REF_CROSS_PROCESS, GO_ID, "p", 1, "s", "i");
    add_ref(REF_CROSS_PROCESS, of_ref, "p", 1, "s", "i");
    close_span();
    end();
}

static void
it_is_tagged(void **state)
{
    (void)state;
    build_trace("another trace");
    expect("ref-trace-mismatch-go", VERDICT_TAGGED);
    assert_tagged(0, "ref-trace-mismatch-go");
    assert_stable();
    build_trace("");
    expect("ref-trace-mismatch-go,ref-malformed", VERDICT_TAGGED);
}

static void
the_own_trace_passes(void **state)
{
    (void)state;
    build_trace(GO_ID);
    expect("", VERDICT_CLEAN);
}

static void
other_agents_keep_one_of_several_traces(void **state)
{
    (void)state;
    build_trace("another trace");
    for (enum agent agent = AGENT_UNKNOWN; agent <= AGENT_IS_OTHER; agent++) {
        fixture.agent = agent;
        if (agent != AGENT_IS_GO)
            expect("", VERDICT_CLEAN);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_tagged),
        TEST(the_own_trace_passes),
        TEST(other_agents_keep_one_of_several_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
