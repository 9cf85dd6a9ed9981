/* Rule event-layer-empty: OAP would end the stream of all events. */
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
without_a_layer_it_is_set_aside_in_every_mode(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    segment_build_string(&fixture.build, 1, "uuid");
    segment_build_string(&fixture.build, 3, "Restart");
    for (int mode = INTEGRITY_OFF; mode <= INTEGRITY_ENFORCE; mode++) {
        use_mode((enum integrity_mode)mode);
        judge_stored(MESSAGE_Event, true, "event-layer-empty", VERDICT_QUARANTINED);
        assert_int_equal(fixture.judgement.reason, RULE_event_layer_empty);
        assert_true(is_payload_unchanged());
    }
    segment_build_field(&fixture.build, 9, BYTES_NONE);
    judge_stored(MESSAGE_Event, true, "event-layer-empty", VERDICT_QUARANTINED);
}

static void
any_layer_passes(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    segment_build_string(&fixture.build, 9, "no such layer");
    judge_stored(MESSAGE_Event, true, "", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_layer_it_is_set_aside_in_every_mode),
        TEST(any_layer_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
