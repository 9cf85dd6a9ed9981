/* Rule span-id-duplicate: two spans with one id. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
different_spans_keep_both_and_the_later_is_tagged(void **state)
{
    (void)state;
    begin();
    add_span(2, 0);
    open_span(2, 0, SPAN_EXIT, LAYER_DATABASE);
    close_span();
    add_span(0, -1);
    end();
    expect("span-id-duplicate", VERDICT_TAGGED);
    assert_int_equal(fixture.judgement.findings[0].span, 1);
    const struct segment_view *out = decode_payload();
    assert_int_equal(out->n_spans, 3);
    assert_int_equal(tag_of(out, 0, "sw.proxy.integrity").n, 0);
    assert_tagged(1, "span-id-duplicate");
    assert_stable();
}

static void
copies_are_removed_wherever_they_stand(void **state)
{
    (void)state;
    begin();
    add_span(2, 0);
    open_span(2, 0, SPAN_EXIT, LAYER_DATABASE);
    close_span();
    add_span(0, -1);
    open_span(2, 0, SPAN_EXIT, LAYER_DATABASE);
    close_span();
    add_span(2, 0);
    end();
    expect("span-id-duplicate*3", VERDICT_REPAIRED);
    const struct segment_view *out = decode_payload();
    assert_int_equal(out->n_spans, 3);
    assert_int_equal(out->spans[2].id, 0);
    assert_tagged(1, "span-id-duplicate");
    assert_stable();
}

/* A blank tag is all that tells the second from the third. */
static void
spans_that_a_repair_makes_equal_stay(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    open_span(2, 0, SPAN_EXIT, LAYER_DATABASE);
    close_span();
    for (int i = 0; i < 2; i++) {
        open_span(2, 0, SPAN_LOCAL, LAYER_UNKNOWN);
        if (i == 0)
            add_tag("", "");
        close_span();
    }
    end();
    expect("span-id-duplicate*2,tag-blank", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_spans, 4);
    assert_tagged(2, "span-id-duplicate");
    assert_tagged(3, "span-id-duplicate");
    assert_stable();
}

static void
ids_far_from_0_are_compared_too(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    for (int32_t id = 0; id < 50; id++)
        add_span(2000000000 + id, 0);
    add_span(2000000007, 0);
    end();
    expect("span-id-duplicate", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_spans, 51);
}

static void
the_action_may_be_milder_or_harder(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    add_span(1, 0);
    add_span(1, 0);
    end();
    use_action(RULE_span_id_duplicate, ACTION_TAG);
    expect("span-id-duplicate", VERDICT_TAGGED);
    assert_tagged(2, "span-id-duplicate");
    use_action(RULE_span_id_duplicate, ACTION_QUARANTINE);
    expect("span-id-duplicate", VERDICT_QUARANTINED);
    use_action(RULE_span_id_duplicate, ACTION_OBSERVE);
    expect("span-id-duplicate", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
same_content_with_other_ids_passes(void **state)
{
    (void)state;
    begin();
    add_span(1, 0);
    add_span(2, 0);
    add_span(0, -1);
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(different_spans_keep_both_and_the_later_is_tagged),
        TEST(copies_are_removed_wherever_they_stand),
        TEST(spans_that_a_repair_makes_equal_stay),
        TEST(ids_far_from_0_are_compared_too),
        TEST(the_action_may_be_milder_or_harder),
        TEST(same_content_with_other_ids_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
