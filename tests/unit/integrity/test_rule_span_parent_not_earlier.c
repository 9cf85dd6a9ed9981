/* Rule span-parent-not-earlier: a parent with the same or a later id. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
cycles_are_found(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    add_span(1, 2);
    add_span(2, 1);
    add_span(3, 3);
    end();
    expect("span-parent-not-earlier*2", VERDICT_TAGGED);
    assert_tagged(1, "span-parent-not-earlier");
    assert_tagged(3, "span-parent-not-earlier");
    assert_stable();
}

static void
a_span_0_with_a_parent_is_found(void **state)
{
    (void)state;
    begin();
    add_span(1, 0);
    add_span(0, 1);
    end();
    expect("span-parent-not-earlier", VERDICT_TAGGED);
    begin();
    add_span(0, 0);
    end();
    expect("span-parent-not-earlier", VERDICT_TAGGED);
}

static void
an_absent_parent_is_no_matter_of_this_rule(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    add_span(1, 9);
    end();
    expect("span-parent-missing", VERDICT_TAGGED);
}

static void
limited_segments_are_held_to_it_too(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    add_span(1, 1);
    segment_build_end(&fixture.build, "s", "i", true);
    expect("span-parent-not-earlier", VERDICT_TAGGED);
}

static void
the_next_lower_id_is_early_enough(void **state)
{
    (void)state;
    begin();
    add_span(8, 7);
    add_span(7, 0);
    add_span(0, -1);
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cycles_are_found),
        TEST(a_span_0_with_a_parent_is_found),
        TEST(an_absent_parent_is_no_matter_of_this_rule),
        TEST(limited_segments_are_held_to_it_too),
        TEST(the_next_lower_id_is_early_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
