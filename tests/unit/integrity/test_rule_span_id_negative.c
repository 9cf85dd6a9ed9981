/* Rule span-id-negative: an id below 0. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
negative_ids_are_tagged(void **state)
{
    (void)state;
    begin();
    add_span(-1, 0);
    add_span(INT32_MIN, -1);
    add_span(0, -1);
    end();
    expect("span-id-negative*2,span-parent-not-earlier,segment-multi-root", VERDICT_TAGGED);
    assert_tagged(0, "span-id-negative,span-parent-not-earlier");
    assert_tagged(1, "span-id-negative");
    assert_int_equal(decode_payload()->spans[0].id, -1);
    assert_stable();
}

static void
zero_and_the_largest_id_pass(void **state)
{
    (void)state;
    begin();
    add_span(INT32_MAX, 0);
    add_span(0, -1);
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(negative_ids_are_tagged),
        TEST(zero_and_the_largest_id_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
