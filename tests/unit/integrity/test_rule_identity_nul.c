/* Rule identity-nul: U+0000 in service or instance. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_names(struct bytes service, struct bytes instance, const char *findings, enum verdict verdict)
{
    begin();
    add_span(0, -1);
    segment_build_field(&fixture.build, 4, service);
    segment_build_field(&fixture.build, 5, instance);
    expect(findings, verdict);
}

static void
a_nul_in_either_name_is_set_aside(void **state)
{
    (void)state;
    judge_names(bytes_of("a\0b", 3), BYTES("i"), "identity-nul", VERDICT_QUARANTINED);
    judge_names(BYTES("a"), bytes_of("i\0", 2), "identity-nul", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
}

static void
a_newline_or_a_nul_elsewhere_passes(void **state)
{
    (void)state;
    judge_names(BYTES("a\n"), BYTES("i\x01"), "", VERDICT_CLEAN);
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    segment_build_tag_bytes(&fixture.build, BYTES("k"), bytes_of("v\0", 2));
    close_span();
    end();
    expect("control-in-name", VERDICT_OBSERVED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_nul_in_either_name_is_set_aside),
        TEST(a_newline_or_a_nul_elsewhere_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
