/* Rule span-zero-missing: no span has id 0. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
it_is_set_aside(void **state)
{
    (void)state;
    begin();
    add_span(1, -1);
    add_span(2, 1);
    end();
    expect("span-zero-missing", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_span_zero_missing);
    assert_true(is_payload_unchanged());
}

static void
tagged_instead_the_last_span_kept_carries_it(void **state)
{
    (void)state;
    use_action(RULE_span_zero_missing, ACTION_TAG);
    begin();
    add_span(1, -1);
    add_span(2, 1);
    add_span(2, 1);
    end();
    expect("span-id-duplicate,span-zero-missing", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_spans, 2);
    assert_tagged(1, "span-zero-missing");
}

static void
an_absent_id_is_0(void **state)
{
    (void)state;
    begin();
    add_span(1, 0);
    segment_build_open(&fixture.build, 3);
    segment_build_varint(&fixture.build, 2, UINT64_MAX);
    segment_build_close(&fixture.build);
    end();
    expect("span-start-implausible,operation-empty", VERDICT_OBSERVED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_set_aside),
        TEST(tagged_instead_the_last_span_kept_carries_it),
        TEST(an_absent_id_is_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
