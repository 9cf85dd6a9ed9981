/* Rule poison-cache-tag-repeat: a Cache span with a key twice. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
build_cache(const char *const *pairs, size_t n, int32_t layer)
{
    begin();
    open_span(0, -1, SPAN_EXIT, layer);
    for (size_t i = 0; i < n; i++)
        add_tag(pairs[2 * i], pairs[2 * i + 1]);
    close_span();
    end();
}

static void
other_values_get_other_keys(void **state)
{
    (void)state;
    static const char *const pairs[] = {"cache.op", "read",     "a",   "1",          "cache.op",
                                        "write",    "cache.op", "del", "cache.op#2", "x"};
    build_cache(pairs, 5, LAYER_CACHE);
    expect("poison-cache-tag-repeat", VERDICT_REPAIRED);
    const struct segment_view *out = decode_payload();
    assert_int_equal(out->n_tags, 5);
    assert_bytes(tag_of(out, 0, "cache.op"), "read");
    assert_bytes(tag_of(out, 0, "cache.op#2"), "x");
    assert_bytes(tag_of(out, 0, "cache.op#3"), "write");
    assert_bytes(tag_of(out, 0, "cache.op#4"), "del");
    assert_stable();
}

static void
copies_go_blank_ones_too(void **state)
{
    (void)state;
    static const char *const pairs[] = {"cache.op", "read", "",  "", "cache.op", "read",
                                        "",         "",     "b", "", "cache.op", "write"};
    build_cache(pairs, 6, LAYER_CACHE);
    for (int is_kept = 0; is_kept < 2; is_kept++) {
        use_action(RULE_tag_blank, is_kept ? ACTION_OBSERVE : ACTION_REPAIR);
        expect("tag-blank,poison-cache-tag-repeat", VERDICT_REPAIRED);
        const struct segment_view *out = decode_payload();
        assert_int_equal(out->n_tags, is_kept ? 4 : 3);
        assert_bytes(tag_of(out, 0, "cache.op#2"), "write");
        assert_stable();
    }
}

static void
a_tag_of_ours_is_not_added_twice(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_EXIT, LAYER_CACHE);
    add_tag("sw.proxy.integrity", "span-id-negative");
    close_span();
    open_span(1, 5, SPAN_EXIT, LAYER_CACHE);
    add_tag("sw.proxy.integrity", "elsewhere");
    close_span();
    end();
    expect("span-parent-missing", VERDICT_TAGGED);
    assert_true(is_payload_unchanged());
}

static void
long_lists_are_hashed(void **state)
{
    (void)state;
    char key[16];
    for (int n_copies = 0; n_copies < 2; n_copies++) {
        begin();
        open_span(0, -1, SPAN_LOCAL, LAYER_CACHE);
        for (int i = 0; i < 3000; i++) {
            snprintf(key, sizeof(key), "key%d", n_copies == 1 && i == 2999 ? 1500 : i);
            add_tag(key, "v1");
        }
        add_tag("key", "v");
        close_span();
        end();
        if (n_copies == 0)
            expect("", VERDICT_CLEAN);
        else
            expect("poison-cache-tag-repeat", VERDICT_REPAIRED);
    }
    assert_int_equal(decode_payload()->n_tags, 3000);
    assert_stable();
}

static void
many_repeats_of_one_key_stay_linear(void **state)
{
    (void)state;
    char value[16];
    begin();
    open_span(0, -1, SPAN_LOCAL, LAYER_CACHE);
    for (int i = 0; i < 100000; i++) {
        snprintf(value, sizeof(value), "%d", i);
        add_tag("k", value);
    }
    close_span();
    end();
    expect("poison-cache-tag-repeat", VERDICT_REPAIRED);
    assert_bytes(tag_of(decode_payload(), 0, "k#100000"), "99999");
    assert_stable();
}

static void
other_layers_may_repeat_keys(void **state)
{
    (void)state;
    static const char *const pairs[] = {"k", "1", "k", "2"};
    build_cache(pairs, 2, LAYER_MQ);
    expect("", VERDICT_CLEAN);
    build_cache(pairs, 1, LAYER_CACHE);
    expect("", VERDICT_CLEAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(other_values_get_other_keys),         TEST(copies_go_blank_ones_too),
        TEST(a_tag_of_ours_is_not_added_twice),    TEST(long_lists_are_hashed),
        TEST(many_repeats_of_one_key_stay_linear), TEST(other_layers_may_repeat_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
