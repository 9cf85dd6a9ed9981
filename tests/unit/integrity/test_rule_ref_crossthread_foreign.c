/* Rule ref-crossthread-foreign: a CrossThread reference to another process. */
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
build_thread(int32_t type, const char *service, const char *instance)
{
    begin();
    open_span(0, -1, SPAN_LOCAL, LAYER_UNKNOWN);
    add_ref(type, "trace-1", "p", 1, service, instance);
    close_span();
    end();
}

static void
another_name_is_tagged(void **state)
{
    (void)state;
    build_thread(REF_CROSS_THREAD, "Checkout", "checkout-1@10.0.0.1");
    expect("ref-crossthread-foreign", VERDICT_TAGGED);
    assert_tagged(0, "ref-crossthread-foreign");
    assert_stable();
    build_thread(REF_CROSS_THREAD, "checkout", "checkout-2@10.0.0.1");
    expect("ref-crossthread-foreign", VERDICT_TAGGED);
    build_thread(REF_CROSS_THREAD, "", "");
    expect("ref-crossthread-foreign", VERDICT_TAGGED);
}

static void
the_own_names_pass(void **state)
{
    (void)state;
    build_thread(REF_CROSS_THREAD, "checkout", "checkout-1@10.0.0.1");
    expect("", VERDICT_CLEAN);
}

static void
cross_process_may_name_anybody(void **state)
{
    (void)state;
    build_thread(REF_CROSS_PROCESS, "other", "other-1");
    expect("", VERDICT_CLEAN);
    build_thread(REF_CROSS_PROCESS, "checkout", "checkout-1@10.0.0.1");
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(another_name_is_tagged),
        TEST(the_own_names_pass),
        TEST(cross_process_may_name_anybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
