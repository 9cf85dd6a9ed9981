/* Rule proto-undecodable: bytes that are no protobuf message. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_broken(struct bytes tail)
{
    begin();
    add_span(0, -1);
    end();
    segment_build_raw(&fixture.build, tail);
    expect("proto-undecodable", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_proto_undecodable);
    assert_null(fixture.judgement.segment);
    assert_true(is_payload_unchanged());
}

static void
every_kind_of_damage_is_set_aside_in_every_mode(void **state)
{
    (void)state;
    for (int mode = INTEGRITY_OFF; mode <= INTEGRITY_ENFORCE; mode++) {
        use_mode((enum integrity_mode)mode);
        judge_broken(BYTES("\x00\x01"));                                         /* field 0 */
        judge_broken(BYTES("\x0b\x0c"));                                         /* group */
        judge_broken(BYTES("\x0f"));                                             /* wire type 7 */
        judge_broken(BYTES("\x1a\x05\x08"));                                     /* cut off */
        judge_broken(BYTES("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")); /* varint */
    }
}

static void
a_message_that_only_looks_odd_passes(void **state)
{
    (void)state;
    begin();
    add_span(0, -1);
    end();
    segment_build_varint(&fixture.build, 6, UINT64_MAX);
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_damage_is_set_aside_in_every_mode),
        TEST(a_message_that_only_looks_odd_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
