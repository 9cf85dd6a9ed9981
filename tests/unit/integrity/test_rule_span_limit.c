/* Rule span-limit: bounded work. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
beyond_the_limit_nothing_but_bytes_is_judged(void **state)
{
    (void)state;
    fixture.settings.max_spans = 4;
    use_mode(INTEGRITY_ENFORCE);
    begin();
    for (int32_t i = 0; i < 5; i++)
        add_span(7, 9);
    end();
    expect("span-limit", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    open_span(3, 1, SPAN_LOCAL, LAYER_HTTP);
    add_tag("k", "\xff");
    close_span();
    expect("string-invalid-utf8,span-limit", VERDICT_REPAIRED);
    use_mode(INTEGRITY_OFF);
    expect("string-invalid-utf8", VERDICT_REPAIRED);
}

static void
at_the_limit_all_is_judged(void **state)
{
    (void)state;
    fixture.settings.max_spans = 4;
    use_mode(INTEGRITY_ENFORCE);
    begin();
    add_span(0, -1);
    add_span(1, 0);
    add_span(2, 0);
    add_span(3, 9);
    end();
    expect("span-parent-missing", VERDICT_TAGGED);
}

static void
tags_are_not_spans(void **state)
{
    (void)state;
    fixture.settings.max_spans = 2;
    use_mode(INTEGRITY_ENFORCE);
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    for (int i = 0; i < 1000; i++)
        add_tag("key", "value");
    close_span();
    end();
    expect("", VERDICT_CLEAN);
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    for (int i = 0; i < 1000; i++)
        add_tag("key", "value");
    close_span();
    add_span(1, 9);
    end();
    expect("span-parent-missing", VERDICT_TAGGED);
}

static void
empty_spans_by_the_million_cost_little(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 2 * 1024 * 1024; i++)
        segment_build_raw(&fixture.build, BYTES("\x1a\x00"));
    end();
    expect("span-limit", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(beyond_the_limit_nothing_but_bytes_is_judged),
        TEST(at_the_limit_all_is_judged),
        TEST(tags_are_not_spans),
        TEST(empty_spans_by_the_million_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
