/* Rule string-invalid-utf8-identity: names that cannot be told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_names(const char *id, const char *service, const char *instance, const char *findings)
{
    segment_build_begin(&fixture.build, "t", id);
    add_span(0, -1);
    segment_build_end(&fixture.build, service, instance, false);
    expect(findings, VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_string_invalid_utf8_identity);
    assert_true(is_payload_unchanged());
}

static void
each_of_the_three_is_set_aside_in_every_mode(void **state)
{
    (void)state;
    for (int mode = INTEGRITY_OFF; mode <= INTEGRITY_ENFORCE; mode++) {
        use_mode((enum integrity_mode)mode);
        judge_names("a\xc3(", "s", "i",
                    mode == INTEGRITY_OFF ? "string-invalid-utf8-identity"
                                          : "string-invalid-utf8-identity,segment-id-malformed");
        judge_names(PLAIN_ID, "\xff", "i", "string-invalid-utf8-identity");
        judge_names(PLAIN_ID, "s", "\xed\xa0\x80", "string-invalid-utf8-identity");
    }
}

static void
other_scripts_are_fine(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    segment_build_end(&fixture.build, "\xe6\x94\xaf\xe4\xbb\x98", "\xf0\x9f\x98\x80", false);
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_of_the_three_is_set_aside_in_every_mode),
        TEST(other_scripts_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
