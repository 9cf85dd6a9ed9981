/* Rule ref-malformed: what a caller's header may hold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_ref(const struct build_ref *ref, const char *findings)
{
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    segment_build_ref(&fixture.build, ref);
    close_span();
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static const char *
letters(size_t n)
{
    static char text[1024];
    memset(text, 'a', n);
    text[n] = '\0';
    return text;
}

static void
what_lacks_or_is_negative_is_counted(void **state)
{
    (void)state;
    judge_ref(&(struct build_ref){0, "t", "", 1, "s", "i", "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "", "p", 1, "s", "i", "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "t", "p", -1, "s", "i", "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0}, "ref-malformed");
    assert_int_equal(integrity_class(RULE_ref_malformed, AGENT_IS_GO), CLASS_EXTERNAL);
}

static void
overlong_fields_are_counted(void **state)
{
    (void)state;
    judge_ref(&(struct build_ref){0, letters(151), "p", 1, "s", "i", "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "t", letters(151), 1, "s", "i", "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "t", "p", 1, letters(513), "i", "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "t", "p", 1, "s", letters(513), "/", "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "t", "p", 1, "s", "i", letters(513), "h"}, "ref-malformed");
    judge_ref(&(struct build_ref){0, "t", "p", 1, "s", "i", "/", letters(513)}, "ref-malformed");
}

static void
what_agents_leave_out_passes(void **state)
{
    (void)state;
    judge_ref(&(struct build_ref){0, "t", "p", 0, "s", "i", "", ""}, "");
    judge_ref(&(struct build_ref){0, letters(150), "p", 0, "s", "i", "", ""}, "");
    judge_ref(&(struct build_ref){0, "t", "p", 0, "", "", letters(512), ""}, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_lacks_or_is_negative_is_counted),
        TEST(overlong_fields_are_counted),
        TEST(what_agents_leave_out_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
