/* Rule poison-transmission-latency: no number in a tag that OAP parses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_value(int32_t type, int32_t layer, const char *value, bool is_poison)
{
    begin();
    open_span(0, -1, type, layer);
    add_tag("transmission.latency", value);
    close_span();
    end();
    expect(is_poison ? "poison-transmission-latency" : "",
           is_poison ? VERDICT_REPAIRED : VERDICT_CLEAN);
    if (!is_poison)
        return;
    const struct segment_view *out = decode_payload();
    assert_bytes(tag_of(out, 0, "transmission.latency.invalid"), value);
    assert_false(out->spans[0].skip_analysis);
    assert_stable();
}

static void
no_number_is_poison(void **state)
{
    (void)state;
    static const char *const values[] = {"x", "1.5",  " 1", "1 ",  "9223372036854775808",
                                         "-", "0x10", "+",  "--1", "-9223372036854775809"};
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        judge_value(SPAN_ENTRY, LAYER_MQ, values[i], true);
        judge_value(SPAN_EXIT, LAYER_MQ, values[i], true);
    }
    judge_value(SPAN_ENTRY, LAYER_MQ, "", true);
    judge_value(SPAN_ENTRY, LAYER_MQ, " \t", true);
}

static void
numbers_pass_and_blanks_on_exits(void **state)
{
    (void)state;
    judge_value(SPAN_ENTRY, LAYER_MQ, "9223372036854775807", false);
    judge_value(SPAN_ENTRY, LAYER_MQ, "-9223372036854775808", false);
    judge_value(SPAN_ENTRY, LAYER_MQ, "+7", false);
    judge_value(SPAN_EXIT, LAYER_MQ, "", false);
    judge_value(SPAN_EXIT, LAYER_MQ, " \n", false);
}

static void
other_layers_and_types_are_not_read(void **state)
{
    (void)state;
    judge_value(SPAN_ENTRY, LAYER_HTTP, "x", false);
    judge_value(SPAN_LOCAL, LAYER_MQ, "x", false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_number_is_poison),
        TEST(numbers_pass_and_blanks_on_exits),
        TEST(other_layers_and_types_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
