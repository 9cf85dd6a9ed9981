/* Rule segment-id-malformed: empty, too long, or a byte that no agent writes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_id(const char *id, const char *findings, enum verdict verdict)
{
    segment_build_begin(&fixture.build, "trace-1", id);
    add_span(0, -1);
    end();
    expect(findings, verdict);
    assert_true(is_payload_unchanged());
}

static void
broken_ids_are_set_aside(void **state)
{
    (void)state;
    char longest[152];
    memset(longest, 'a', sizeof(longest));
    longest[151] = '\0';
    judge_id("", "segment-id-malformed", VERDICT_QUARANTINED);
    judge_id("5be1 55", "segment-id-malformed", VERDICT_QUARANTINED);
    judge_id("0123456789abcdef\n", "segment-id-malformed", VERDICT_QUARANTINED);
    judge_id("01234567\x7f"
             "9abcdef",
             "segment-id-malformed", VERDICT_QUARANTINED);
    judge_id("0123456\xc3\xa4", "segment-id-malformed", VERDICT_QUARANTINED);
    judge_id(longest, "segment-id-malformed,poison-column", VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_segment_id_malformed);
}

static void
every_printable_byte_and_150_of_them_pass(void **state)
{
    (void)state;
    char id[151];
    for (int i = 0; i < 150; i++)
        id[i] = (char)(0x21 + i % (0x7F - 0x21));
    id[150] = '\0';
    judge_id(id, "", VERDICT_CLEAN);
    judge_id("1", "", VERDICT_CLEAN);
    judge_id("312345678901234567890123456789012345678", "", VERDICT_CLEAN);
}

static void
each_byte_at_each_place_is_looked_at(void **state)
{
    (void)state;
    char id[28];
    for (int byte = 1; byte < 256; byte++) {
        for (size_t at = 0; at < sizeof(id) - 1; at++) {
            memset(id, '~', sizeof(id) - 1);
            id[sizeof(id) - 1] = '\0';
            id[at] = (char)byte;
            segment_build_begin(&fixture.build, "trace-1", id);
            add_span(0, -1);
            end();
            judge_bytes(segment_build_bytes(&fixture.build));
            bool is_bad = byte < 0x21 || byte > 0x7E;
            assert_int_equal(fixture.judgement.rules >> RULE_segment_id_malformed & 1, is_bad);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(broken_ids_are_set_aside),
        TEST(every_printable_byte_and_150_of_them_pass),
        TEST(each_byte_at_each_place_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
