/* Rule ref-self-loop: a reference to its own span, or to one that its segment lacks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
add_ref(int32_t type, const char *trace, const char *segment, int32_t span, const char *service,
        const char *instance)
{
    segment_build_ref(&fixture.build, &(struct build_ref){type, trace, segment, span, service,
                                                          instance, "/from", "h:80"});
}

/* Spans 2, 1, 0; the reference stands on span 1. */
static void
build_ref_to(const char *segment, int32_t span, bool is_limited)
{
    begin();
    add_span(2, 0);
    open_span(1, 0, SPAN_ENTRY, LAYER_MQ);
    add_ref(REF_CROSS_PROCESS, "trace-1", segment, span, "checkout", "checkout-1@10.0.0.1");
    close_span();
    add_span(0, -1);
    segment_build_end(&fixture.build, "checkout", "checkout-1@10.0.0.1", is_limited);
}

static void
to_the_holder_it_is_tagged(void **state)
{
    (void)state;
    for (int is_limited = 0; is_limited < 2; is_limited++) {
        build_ref_to(PLAIN_ID, 1, is_limited);
        expect("ref-self-loop", VERDICT_TAGGED);
        assert_tagged(1, "ref-self-loop");
        assert_stable();
    }
}

static void
to_a_span_that_is_not_there_it_is_tagged(void **state)
{
    (void)state;
    static const int32_t spans[] = {3, 2000000000, INT32_MAX};
    for (int i = 0; i < 3; i++) {
        build_ref_to(PLAIN_ID, spans[i], false);
        expect("ref-self-loop", VERDICT_TAGGED);
        build_ref_to(PLAIN_ID, spans[i], true);
        expect("", VERDICT_CLEAN);
    }
    build_ref_to(PLAIN_ID, -1, false);
    expect("ref-self-loop,ref-malformed", VERDICT_TAGGED);
}

static void
to_another_span_of_the_segment_it_is_healthy(void **state)
{
    (void)state;
    build_ref_to(PLAIN_ID, 0, false);
    expect("", VERDICT_CLEAN);
    build_ref_to(PLAIN_ID, 2, false);
    expect("", VERDICT_CLEAN);
}

static void
in_another_segment_any_span_will_do(void **state)
{
    (void)state;
    build_ref_to("another", 1, false);
    expect("", VERDICT_CLEAN);
    build_ref_to("another", 77, false);
    expect("", VERDICT_CLEAN);
}

static void
far_ids_are_looked_up_too(void **state)
{
    (void)state;
    begin();
    add_span(1900000000, 0);
    open_span(1, 0, SPAN_ENTRY, LAYER_MQ);
    add_ref(REF_CROSS_PROCESS, "trace-1", PLAIN_ID, 1900000000, "checkout", "checkout-1@10.0.0.1");
    close_span();
    add_span(0, -1);
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(to_the_holder_it_is_tagged),
        TEST(to_a_span_that_is_not_there_it_is_tagged),
        TEST(to_another_span_of_the_segment_it_is_healthy),
        TEST(in_another_segment_any_span_will_do),
        TEST(far_ids_are_looked_up_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
