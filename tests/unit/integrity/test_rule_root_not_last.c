/* Rule root-not-last: the last span has a parent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
build_root_first(void)
{
    begin();
    add_span(0, -1);
    add_span(1, 0);
    end();
}

static void
of_go_and_java_it_is_tagged(void **state)
{
    (void)state;
    build_root_first();
    fixture.agent = AGENT_IS_GO;
    expect("root-not-last", VERDICT_TAGGED);
    assert_tagged(0, "root-not-last");
    fixture.agent = AGENT_IS_JAVA;
    expect("root-not-last", VERDICT_TAGGED);
}

static void
all_others_are_silent(void **state)
{
    (void)state;
    static const enum agent agents[] = {AGENT_UNKNOWN, AGENT_IS_DOTNET, AGENT_IS_OTHER};
    build_root_first();
    for (size_t i = 0; i < 3; i++) {
        fixture.agent = agents[i];
        expect("", VERDICT_CLEAN);
    }
}

static void
a_root_at_the_end_passes(void **state)
{
    (void)state;
    fixture.agent = AGENT_IS_GO;
    begin();
    add_span(1, 0);
    add_span(0, -1);
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_go_and_java_it_is_tagged),
        TEST(all_others_are_silent),
        TEST(a_root_at_the_end_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
