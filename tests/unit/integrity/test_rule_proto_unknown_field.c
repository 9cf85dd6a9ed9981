/* Rule proto-unknown-field: newer protocols have more fields. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
unknown_fields_are_counted_and_kept(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, 7);
    segment_build_varint(&fixture.build, 15, 7);
    close_span();
    end();
    expect("proto-unknown-field", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
    use_mode(INTEGRITY_OFF);
    expect("", VERDICT_CLEAN);
}

static void
known_fields_in_any_order_are_known(void **state)
{
    (void)state;
    segment_build_clear(&fixture.build);
    segment_build_string(&fixture.build, 5, "i");
    segment_build_string(&fixture.build, 4, "s");
    add_span(0, -1);
    segment_build_string(&fixture.build, 2, PLAIN_ID);
    segment_build_string(&fixture.build, 1, "t");
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_fields_are_counted_and_kept),
        TEST(known_fields_in_any_order_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
