/* Rule log-service-missing: OAP would drop it in silence. */
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
an_unknown_service_is_set_aside(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    segment_build_varint(&fixture.build, 1, 1);
    judge_stored(MESSAGE_LogData, false, "log-service-missing", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
    use_mode(INTEGRITY_OBSERVE);
    judge_stored(MESSAGE_LogData, false, "log-service-missing", VERDICT_OBSERVED);
    use_mode(INTEGRITY_OFF);
    judge_stored(MESSAGE_LogData, false, "", VERDICT_CLEAN);
}

static void
a_service_named_earlier_is_enough(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    segment_build_varint(&fixture.build, 1, 1);
    judge_stored(MESSAGE_LogData, true, "", VERDICT_CLEAN);
    judge_stored(MESSAGE_InstancePingPkg, false, "proto-unknown-field", VERDICT_OBSERVED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_service_is_set_aside),
        TEST(a_service_named_earlier_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
