/* Rule segment-multi-root: more than one span without a parent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
build_two_roots(void)
{
    begin();
    add_span(1, -1);
    add_span(0, -1);
    end();
}

static void
of_an_unknown_agent_it_is_a_hint(void **state)
{
    (void)state;
    build_two_roots();
    expect("segment-multi-root", VERDICT_OBSERVED);
    assert_int_equal(integrity_class(RULE_segment_multi_root, AGENT_UNKNOWN), CLASS_HINT);
    use_action(RULE_segment_multi_root, ACTION_QUARANTINE);
    expect("segment-multi-root", VERDICT_OBSERVED);
}

static void
of_an_identified_agent_the_first_span_0_is_tagged(void **state)
{
    (void)state;
    static const enum agent agents[] = {AGENT_IS_GO, AGENT_IS_JAVA, AGENT_IS_DOTNET};
    for (size_t i = 0; i < 3; i++) {
        fixture.agent = agents[i];
        build_two_roots();
        expect("segment-multi-root", VERDICT_TAGGED);
        assert_tagged(1, "segment-multi-root");
        assert_int_equal(integrity_class(RULE_segment_multi_root, agents[i]), CLASS_STRONG);
    }
    fixture.agent = AGENT_IS_OTHER;
    expect("segment-multi-root", VERDICT_OBSERVED);
}

static void
one_root_passes(void **state)
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
        TEST(of_an_unknown_agent_it_is_a_hint),
        TEST(of_an_identified_agent_the_first_span_0_is_tagged),
        TEST(one_root_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
