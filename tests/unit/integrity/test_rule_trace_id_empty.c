/* Rule trace-id-empty: counted, never acted upon unless asked for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
an_empty_trace_id_is_counted(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "", PLAIN_ID);
    add_span(0, -1);
    segment_build_end(&fixture.build, "s", "i", false);
    expect("trace-id-empty", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    use_action(RULE_trace_id_empty, ACTION_QUARANTINE);
    expect("trace-id-empty", VERDICT_QUARANTINED);
    use_action(RULE_trace_id_empty, ACTION_TAG);
    expect("trace-id-empty", VERDICT_TAGGED);
    assert_tagged(0, "trace-id-empty");
}

static void
one_character_is_enough(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "0", PLAIN_ID);
    add_span(0, -1);
    segment_build_end(&fixture.build, "s", "i", false);
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_trace_id_is_counted),
        TEST(one_character_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
