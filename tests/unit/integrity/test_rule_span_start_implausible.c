/* Rule span-start-implausible: no start, or one far from the arrival. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

/* One Entry span with these times. */
static void
build_times(int64_t start, int64_t end_ms)
{
    segment_build_span(
        &fixture.build,
        &(struct build_span){.parent = -1, .start = start, .end = end_ms, .operation = "/op"});
    end();
}

enum { HOUR_MS = 3600000 };

static void
judge_start(int64_t start, const char *findings)
{
    begin();
    build_times(start, start + 5);
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static enum rule_class
class_found(void)
{
    return integrity_found_class(&fixture.judgement, RULE_span_start_implausible, fixture.agent);
}

static void
a_day_ahead_and_a_month_behind_are_the_bounds(void **state)
{
    (void)state;
    const int64_t ahead = 24 * HOUR_MS, behind = (int64_t)30 * 24 * HOUR_MS;
    judge_start(now_ms + ahead, "");
    judge_start(now_ms + ahead + 1, "span-start-implausible");
    judge_start(now_ms - behind, "");
    judge_start(now_ms - behind - 1, "span-start-implausible");
    judge_start(1, "span-start-implausible");
    judge_start(INT64_MAX - 5, "span-start-implausible");
}

static void
no_start_is_strong_for_go_only(void **state)
{
    (void)state;
    static const int64_t starts[] = {0, -5, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        fixture.agent = AGENT_IS_JAVA;
        judge_start(starts[i], "span-start-implausible");
        assert_int_equal(class_found(), CLASS_HINT);
        fixture.agent = AGENT_IS_GO;
        segment_build_begin(&fixture.build, PLAIN_ID, PLAIN_ID);
        build_times(starts[i], 5);
        expect("span-start-implausible", VERDICT_OBSERVED);
        assert_int_equal(class_found(), CLASS_STRONG);
    }
}

static void
a_clock_that_is_wrong_stays_a_hint_for_go(void **state)
{
    (void)state;
    fixture.agent = AGENT_IS_GO;
    judge_start(now_ms + 48 * HOUR_MS, "span-start-implausible");
    assert_int_equal(class_found(), CLASS_HINT);
    /* A second span that lacks it makes the finding a strong one. */
    begin();
    segment_build_span(&fixture.build, &(struct build_span){.id = 1, .operation = "/x"});
    build_times(now_ms + 48 * HOUR_MS, now_ms + 48 * HOUR_MS);
    expect("span-start-implausible*2", VERDICT_OBSERVED);
    assert_int_equal(class_found(), CLASS_STRONG);
}

static void
without_an_arrival_only_a_missing_start_is_found(void **state)
{
    (void)state;
    begin();
    build_times(1000, 2000);
    integrity_judge_segment(fixture.engine, segment_build_bytes(&fixture.build), 0, AGENT_UNKNOWN,
                            &fixture.judgement);
    assert_string_equal(found(), "");
    begin();
    build_times(0, 2000);
    integrity_judge_segment(fixture.engine, segment_build_bytes(&fixture.build), 0, AGENT_UNKNOWN,
                            &fixture.judgement);
    assert_string_equal(found(), "span-start-implausible");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_day_ahead_and_a_month_behind_are_the_bounds),
        TEST(no_start_is_strong_for_go_only),
        TEST(a_clock_that_is_wrong_stays_a_hint_for_go),
        TEST(without_an_arrival_only_a_missing_start_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
