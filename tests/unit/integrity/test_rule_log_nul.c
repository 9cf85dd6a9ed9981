/* Rule log-nul: PostgreSQL would lose the batch. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_stored(enum message_type type, bool service_known, const char *findings, enum verdict verdict)
{
    integrity_judge_stored(fixture.engine, type, segment_build_bytes(&fixture.build), service_known,
                           &fixture.judgement);
    assert_string_equal(found(), findings);
    assert_string_equal(verdict_label(fixture.judgement.verdict), verdict_label(verdict));
    assert_null(fixture.judgement.segment);
}

static void
build_log(struct bytes text)
{
    segment_build_clear(&fixture.build);
    segment_build_string(&fixture.build, 2, "s");
    segment_build_open(&fixture.build, 5);
    segment_build_open(&fixture.build, 2);
    segment_build_field(&fixture.build, 1, text);
    segment_build_close(&fixture.build);
    segment_build_close(&fixture.build);
}

static void
a_nul_becomes_four_characters(void **state)
{
    (void)state;
    build_log(bytes_of("a\0b", 3));
    judge_stored(MESSAGE_LogData, true, "log-nul", VERDICT_REPAIRED);
    struct bytes out = fixture.judgement.payload;
    assert_true(fixture.judgement.edited);
    assert_int_equal(out.n, segment_build_bytes(&fixture.build).n + 3);
    assert_memory_equal(out.p + out.n - 6, "a\\x00b", 6);
}

static void
bad_bytes_and_nuls_are_repaired_together(void **state)
{
    (void)state;
    build_log(bytes_of("\0\xff", 2));
    judge_stored(MESSAGE_LogData, true, "string-invalid-utf8,log-nul", VERDICT_REPAIRED);
    struct bytes out = fixture.judgement.payload;
    assert_memory_equal(out.p + out.n - 8, "\\x00\\xFF", 8);
    use_mode(INTEGRITY_OBSERVE);
    judge_stored(MESSAGE_LogData, true, "string-invalid-utf8,log-nul", VERDICT_REPAIRED);
    out = fixture.judgement.payload;
    assert_memory_equal(out.p + out.n - 5, "\0\\xFF", 5);
}

static void
elsewhere_a_nul_is_no_matter(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    segment_build_field(&fixture.build, 2, bytes_of("a\0b", 3));
    judge_stored(MESSAGE_InstancePingPkg, true, "", VERDICT_CLEAN);
    build_log(BYTES("\\0"));
    judge_stored(MESSAGE_LogData, true, "", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_nul_becomes_four_characters),
        TEST(bad_bytes_and_nuls_are_repaired_together),
        TEST(elsewhere_a_nul_is_no_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
