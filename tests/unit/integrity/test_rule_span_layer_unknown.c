/* Rule span-layer-unknown: a layer beyond those known. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_number(int32_t number, const char *findings)
{
    begin();
    open_span(0, -1, SPAN_ENTRY, number);
    close_span();
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
others_are_counted_and_kept(void **state)
{
    (void)state;
    judge_number(8, "span-layer-unknown");
    judge_number(-1, "span-layer-unknown");
    judge_number(INT32_MAX, "span-layer-unknown");
    judge_number(INT32_MIN, "span-layer-unknown");
}

static void
known_ones_pass(void **state)
{
    (void)state;
    for (int32_t number = 0; number <= 7; number++)
        judge_number(number, "");
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
