/* The walker's look for control characters. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "message/segment.h"

static struct segment_view view;

/* The bytes stand at the end of their memory, so that reading behind them is seen. */
static void
assert_facts(const char *bytes, size_t n, uint32_t facts)
{
    static const struct segment_limits limits = {.max_spans = 8, .max_parts = 8};
    uint8_t *copy = mem_alloc(n);
    memcpy(copy, bytes, n);
    assert_int_equal(segment_decode(&view, bytes_of(copy, n), &limits), ERR_OK);
    assert_int_equal(view.facts, facts);
    mem_free(copy);
}

/* Every byte at every place of strings of every length up to 40, followed and not followed by other
 * bytes. */
static void
control_characters_are_seen_exactly_where_they_are(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++)
        for (size_t at = 0; at < n; at++)
            for (int value = 0; value < 128; value++) {
                /* A service, short or long, in which only U+0000 counts. */
                static const char tail[] = "\x22\x12\x01\x7f\x01\x1f\x7f\x02------------";
                const size_t n_tails[] = {0, 4, 20};
                size_t n_tail = n_tails[((size_t)value + at) % 3];
                char segment[80] = {0x1a, (char)(n + 2), 0x3a, (char)n};
                memset(segment + 4, at % 2 == 0 ? 'a' : '~', n);
                segment[4 + at] = (char)value;
                memcpy(segment + 4 + n, tail, n_tail);
                if (n_tail == 4)
                    segment[4 + n + 1] = 2; /* its length */
                bool is_control = value < 0x20 || value == 0x7f;
                assert_facts(segment, 4 + n + n_tail, is_control ? FACT_CONTROL : 0);
            }
}

/* Logs, keys and references are not looked through; a byte beyond ASCII hides no neighbour. */
static void
control_characters_count_in_names_and_tags_only(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t facts;
    } places[] = {
        {"\x1a\x03\x32\x01\x01", FACT_CONTROL},         /* operation */
        {"\x1a\x03\x3a\x01\x7f", FACT_CONTROL},         /* peer */
        {"\x1a\x05\x62\x03\x12\x01\x0a", FACT_CONTROL}, /* tag value */
        {"\x1a\x05\x32\x03\xc3\xa4\x01", FACT_CONTROL}, /* operation */
        {"\x1a\x04\x32\x02\xc3\xa4", 0},                /* operation */
        {"\x1a\x05\x62\x03\x0a\x01\x01", 0},            /* tag key */
        {"\x1a\x05\x2a\x03\x12\x01\x01", 0},            /* ref */
        {"\x1a\x07\x6a\x05\x12\x03\x12\x01\x0a", 0},    /* log value */
        {"\x1a\x04\x32\x02\xff\x01", FACT_CONTROL | FACT_INVALID_UTF8},
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_facts(places[i].bytes, strlen(places[i].bytes), places[i].facts);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_seen_exactly_where_they_are),
        cmocka_unit_test(control_characters_count_in_names_and_tags_only),
    };
    segment_view_init(&view);
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    segment_view_fini(&view);
    return result;
}
