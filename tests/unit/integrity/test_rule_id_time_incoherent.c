/* Rule id-time-incoherent: the time in a Go id far from the start of the root. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

/* A segment of GO_ID whose root starts so long after the time in the id. */
static void
build_late(int64_t late_ms)
{
    begin_go();
    segment_build_span(&fixture.build, &(struct build_span){.id = 1,
                                                            .start = 5 * now_ms / 6,
                                                            .end = now_ms,
                                                            .operation = "/child",
                                                            .peer = "h:80",
                                                            .type = SPAN_EXIT});
    segment_build_span(&fixture.build, &(struct build_span){.parent = -1,
                                                            .start = now_ms - 20 + late_ms,
                                                            .end = now_ms + 100000,
                                                            .operation = "/op"});
    end();
}

static void
over_a_minute_is_tagged_on_span_0(void **state)
{
    (void)state;
    use_action(RULE_span_start_implausible, ACTION_OBSERVE);
    build_late(60001);
    expect("span-start-implausible,id-time-incoherent", VERDICT_TAGGED);
    assert_tagged(1, "id-time-incoherent");
    build_late(-60001);
    expect("span-start-implausible,id-time-incoherent", VERDICT_TAGGED);
    assert_stable();
}

static void
a_minute_passes(void **state)
{
    (void)state;
    build_late(60000);
    expect("span-start-implausible", VERDICT_OBSERVED);
    build_late(-60000);
    expect("span-start-implausible", VERDICT_OBSERVED);
}

static void
other_agents_are_not_asked(void **state)
{
    (void)state;
    build_late(100000);
    fixture.agent = AGENT_UNKNOWN;
    expect("span-start-implausible", VERDICT_OBSERVED);
    fixture.agent = AGENT_IS_JAVA;
    expect("span-start-implausible", VERDICT_OBSERVED);
}

static void
a_clock_that_moved_back_leaves_no_time_in_the_id(void **state)
{
    (void)state;
    fixture.agent = AGENT_IS_GO;
    segment_build_begin(&fixture.build, "t", "0123456789ab1def0123456789abcdef.42.9999999999999");
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    close_span();
    end();
    expect("", VERDICT_CLEAN);
    segment_build_begin(&fixture.build, "t", "0123456789ab1def0123456789abcdef.42.10000000000000");
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    close_span();
    end();
    expect("id-time-incoherent", VERDICT_TAGGED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(over_a_minute_is_tagged_on_span_0),
        TEST(a_minute_passes),
        TEST(other_agents_are_not_asked),
        TEST(a_clock_that_moved_back_leaves_no_time_in_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
