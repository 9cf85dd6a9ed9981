/* Rule tag-blank: a tag of zero bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
it_is_removed(void **state)
{
    (void)state;
    begin();
    open_span(1, 0, SPAN_LOCAL, LAYER_UNKNOWN);
    add_tag("", "");
    add_tag("k", "v");
    add_tag("", "");
    close_span();
    add_span(0, -1);
    end();
    expect("tag-blank", VERDICT_REPAIRED);
    assert_int_equal(fixture.judgement.findings[0].span, 0);
    const struct segment_view *out = decode_payload();
    assert_int_equal(out->n_tags, 1);
    assert_bytes(tag_of(out, 0, "k"), "v");
    assert_stable();
}

static void
two_on_a_cache_span_are_no_poison_after_that(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_EXIT, LAYER_CACHE);
    add_tag("", "");
    add_tag("", "");
    close_span();
    end();
    expect("tag-blank,poison-cache-tag-repeat", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_tags, 0);
    assert_stable();
}

static void
half_a_tag_stays(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_tag("", "v");
    add_tag("k", "");
    close_span();
    end();
    expect("", VERDICT_CLEAN);
}

static void
an_empty_key_that_is_written_stays(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    segment_build_open(&fixture.build, 12);
    segment_build_field(&fixture.build, 1, BYTES_NONE);
    segment_build_close(&fixture.build);
    close_span();
    end();
    expect("", VERDICT_CLEAN);
}

static void
a_blank_log_pair_is_lawful(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    segment_build_log(&fixture.build, now_ms, "", "");
    close_span();
    end();
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_removed),
        TEST(two_on_a_cache_span_are_no_poison_after_that),
        TEST(half_a_tag_stays),
        TEST(an_empty_key_that_is_written_stays),
        TEST(a_blank_log_pair_is_lawful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
