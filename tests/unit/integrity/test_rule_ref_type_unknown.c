/* Rule ref-type-unknown: a reference type besides the two. */
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
judge_type(int32_t type, const char *findings)
{
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_ref(REF_CROSS_PROCESS, "t", "p", 1, "checkout", "checkout-1@10.0.0.1");
    add_ref(type, "t", "p", 1, "checkout", "checkout-1@10.0.0.1");
    close_span();
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
others_are_counted_and_kept(void **state)
{
    (void)state;
    judge_type(2, "ref-type-unknown");
    judge_type(-1, "ref-type-unknown");
    judge_type(INT32_MAX, "ref-type-unknown");
}

static void
known_ones_pass(void **state)
{
    (void)state;
    judge_type(REF_CROSS_PROCESS, "");
    judge_type(REF_CROSS_THREAD, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(others_are_counted_and_kept),
        TEST(known_ones_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
