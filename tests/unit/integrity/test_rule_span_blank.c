/* Rule span-blank: a span of zero bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
it_is_removed_where_another_span_has_id_0(void **state)
{
    (void)state;
    begin();
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    add_span(1, 0);
    add_span(0, -1);
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    end();
    expect("span-blank*2", VERDICT_REPAIRED);
    const struct segment_view *out = decode_payload();
    assert_int_equal(out->n_spans, 2);
    assert_int_equal(out->spans[0].id, 1);
    assert_int_equal(out->spans[1].parent_id, -1);
    assert_stable();
}

static void
the_segment_is_tagged_where_it_is_the_only_span_0(void **state)
{
    (void)state;
    begin();
    add_span(1, 0);
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    end();
    expect("span-blank", VERDICT_TAGGED);
    assert_int_equal(decode_payload()->n_spans, 2);
    assert_tagged(1, "span-blank");
}

static void
of_several_alone_the_first_stays(void **state)
{
    (void)state;
    begin();
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    segment_build_field(&fixture.build, 3, BYTES_NONE);
    end();
    expect("span-blank*2", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_spans, 1);
    assert_tagged(0, "span-blank");
}

static void
a_span_with_one_field_is_not_blank(void **state)
{
    (void)state;
    begin();
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
        TEST(it_is_removed_where_another_span_has_id_0),
        TEST(the_segment_is_tagged_where_it_is_the_only_span_0),
        TEST(of_several_alone_the_first_stays),
        TEST(a_span_with_one_field_is_not_blank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
