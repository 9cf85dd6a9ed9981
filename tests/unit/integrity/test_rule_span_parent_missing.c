/* Rule span-parent-missing: a parent that is not in the segment. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
the_orphan_is_tagged(void **state)
{
    (void)state;
    begin();
    add_span(3, 7);
    add_span(1, 0);
    add_span(0, -1);
    end();
    expect("span-parent-missing", VERDICT_TAGGED);
    assert_int_equal(fixture.judgement.findings[0].span, 0);
    assert_tagged(0, "span-parent-missing");
    assert_stable();
}

static void
parents_far_from_0_or_negative_are_looked_for(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    add_span(1, -2);
    add_span(2, INT32_MAX);
    add_span(3, INT32_MIN);
    end();
    expect("span-parent-missing*3", VERDICT_TAGGED);
    begin();
    add_span(0, -1);
    add_span(2000000000, 0);
    add_span(2000000001, 2000000000);
    add_span(2000000002, 1999999999);
    end();
    expect("span-parent-missing", VERDICT_TAGGED);
    assert_int_equal(fixture.judgement.findings[0].span, 3);
}

static void
a_limited_segment_may_lack_it(void **state)
{
    (void)state;
    begin();
    add_span(3, 7);
    add_span(0, -1);
    segment_build_end(&fixture.build, "s", "i", true);
    expect("", VERDICT_CLEAN);
}

static void
children_come_before_parents(void **state)
{
    (void)state;
    begin();
    add_span(3, 2);
    add_span(2, 1);
    add_span(1, 0);
    add_span(0, -1);
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_orphan_is_tagged),
        TEST(parents_far_from_0_or_negative_are_looked_for),
        TEST(a_limited_segment_may_lack_it),
        TEST(children_come_before_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
