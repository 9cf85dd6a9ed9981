/* Rule poison-logic-endpoint: tag x-le that OAP cannot take. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_value(int32_t type, const char *value, bool is_poison)
{
    begin();
    open_span(0, -1, type, LAYER_HTTP);
    add_tag("x-le", value);
    close_span();
    end();
    expect(is_poison ? "poison-logic-endpoint" : "", is_poison ? VERDICT_REPAIRED : VERDICT_CLEAN);
    if (!is_poison)
        return;
    const struct segment_view *out = decode_payload();
    assert_bytes(tag_of(out, 0, "x-le.invalid"), value);
    assert_int_equal(out->spans[0].skip_analysis, type == SPAN_ENTRY);
    assert_stable();
}

static void
what_is_no_object_is_poison(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         " ",
                                         "null",
                                         "1",
                                         "[]",
                                         "{",
                                         "{}{}",
                                         "{} x",
                                         "{a}",
                                         "{\"a\"}",
                                         "{\"a\":}",
                                         "{\"a\":01}",
                                         "{\"a\":1,}",
                                         "{\"a\":\"",
                                         "\"{}\"",
                                         "{\"a\":[1}",
                                         "{\"a\":\"\\x\"}",
                                         "{\"a\":tru}",
                                         "{\"a\":1.}",
                                         "{\"a\":-}",
                                         "{'a':1}"};
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        judge_value(SPAN_ENTRY, values[i], true);
        judge_value(SPAN_LOCAL, values[i], true);
    }
}

static void
all_three_members_must_be_usable(void **state)
{
    (void)state;
    judge_value(SPAN_ENTRY, "{\"name\":null,\"latency\":1,\"status\":true}", true);
    judge_value(SPAN_ENTRY, "{\"name\":\"a\",\"latency\":\"x\",\"status\":true}", true);
    judge_value(SPAN_ENTRY, "{\"name\":\"a\",\"latency\":true,\"status\":true}", true);
    judge_value(SPAN_ENTRY, "{\"name\":\"a\",\"latency\":1,\"status\":{}}", true);
    judge_value(SPAN_ENTRY, "{\"name\":[\"a\"],\"latency\":1,\"status\":true}", true);
    judge_value(SPAN_LOCAL, "{\"logic-span\":null}", true);
    judge_value(SPAN_LOCAL, "{\"logic-span\":[true]}", true);
}

static void
what_agents_write_passes(void **state)
{
    (void)state;
    judge_value(SPAN_LOCAL, "{\"logic-span\":true}", false);
    judge_value(SPAN_ENTRY, "{\"logic-span\":null}", false);
    judge_value(SPAN_ENTRY, " {\"name\":\"/a\\u00e4\", \"latency\":100, \"status\":true} ", false);
    judge_value(SPAN_ENTRY, "{\"name\":\"a\",\"latency\":\"-12\",\"status\":\"x\"}", false);
    judge_value(SPAN_ENTRY, "{\"name\":null,\"latency\":1}", false);
    judge_value(SPAN_ENTRY, "{}", false);
    judge_value(SPAN_ENTRY, "{\"a\":\"two\nlines\"}", false);
    judge_value(SPAN_ENTRY, "{\"a\":{\"name\":[{},[],{\"b\":-1.5e+3}]},\"c\":false}", false);
    judge_value(SPAN_EXIT, "nonsense", false);
}

static void
on_a_cache_span_the_new_key_is_unique(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_LOCAL, LAYER_CACHE);
    add_tag("x-le", "one");
    add_tag("x-le.invalid", "two");
    add_tag("x-le", "three");
    add_tag("x-le.invalid", "four");
    close_span();
    end();
    expect("poison-cache-tag-repeat,poison-logic-endpoint", VERDICT_REPAIRED);
    const struct segment_view *out = decode_payload();
    assert_bytes(tag_of(out, 0, "x-le#2"), "three");
    assert_bytes(tag_of(out, 0, "x-le.invalid"), "two");
    assert_bytes(tag_of(out, 0, "x-le.invalid#2"), "four");
    assert_bytes(tag_of(out, 0, "x-le.invalid#3"), "one");
    assert_stable();
}

static void
nesting_is_bounded(void **state)
{
    (void)state;
    char value[1200];
    for (int depth = 250; depth <= 260; depth += 10) {
        size_t n = 0;
        n += (size_t)snprintf(value, sizeof(value), "{\"a\":");
        for (int i = 1; i < depth; i++)
            value[n++] = '[';
        value[n++] = '1';
        for (int i = 1; i < depth; i++)
            value[n++] = ']';
        value[n++] = '}';
        value[n] = '\0';
        judge_value(SPAN_LOCAL, value, depth > 256);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_object_is_poison), TEST(all_three_members_must_be_usable),
        TEST(what_agents_write_passes),    TEST(on_a_cache_span_the_new_key_is_unique),
        TEST(nesting_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
