/* Rule operation-empty: a span without a name. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_name(const char *name, const char *findings)
{
    begin();
    segment_build_span(
        &fixture.build,
        &(struct build_span){.parent = -1, .start = now_ms, .end = now_ms, .operation = name});
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
it_is_counted(void **state)
{
    (void)state;
    judge_name("", "operation-empty");
}

static void
any_name_will_do(void **state)
{
    (void)state;
    judge_name("/", "");
    judge_name(" ", "");
}

static void
a_blank_span_is_something_else(void **state)
{
    (void)state;
    begin();
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    add_span(0, -1);
    end();
    expect("span-blank", VERDICT_REPAIRED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_counted),
        TEST(any_name_will_do),
        TEST(a_blank_span_is_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
