/* UTF-8 against the boundaries of RFC 3629 and a plain decoder. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

/* RFC 3629 section 4, row by row: the length of the character at p, 0 when there is none. */
static size_t
character(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, length;
    } rows[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (p[0] < rows[i].first_low || p[0] > rows[i].first_high)
            continue;
        if (n < rows[i].length)
            return 0;
        if (rows[i].length > 1 && (p[1] < rows[i].second_low || p[1] > rows[i].second_high))
            return 0;
        for (size_t j = 2; j < rows[i].length; j++)
            if (p[j] < 0x80 || p[j] > 0xBF)
                return 0;
        return rows[i].length;
    }
    return 0;
}

static size_t
expected_prefix(struct bytes b)
{
    size_t at = 0;
    while (at < b.n) {
        size_t n = character(b.p + at, b.n - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

static void
agrees(const uint8_t *p, size_t n)
{
    struct bytes b = bytes_of(p, n);
    size_t expected = expected_prefix(b), got = utf8_valid_prefix(b);
    if (got != expected || utf8_is_valid(b) != (expected == n))
        fail_msg("%02x %02x %02x %02x (%zu bytes): %zu instead of %zu", p[0], n > 1 ? p[1] : 0,
                 n > 2 ? p[2] : 0, n > 3 ? p[3] : 0, n, got, expected);
}

static void
known_vectors(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(BYTES_NONE));
    assert_true(utf8_is_valid(BYTES("plain ASCII, longer than a word\x7f")));
    assert_true(utf8_is_valid(BYTES("nul \0 is fine")));
    assert_true(utf8_is_valid(BYTES("\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5")));
    assert_true(utf8_is_valid(BYTES("\xEF\xBF\xBD \xEF\xBF\xBF \xF4\x8F\xBF\xBF")));
    assert_false(utf8_is_valid(BYTES("\xED\xA0\x80")));     /* a surrogate */
    assert_false(utf8_is_valid(BYTES("\xC0\xAF")));         /* overlong slash */
    assert_false(utf8_is_valid(BYTES("\xE0\x80\xAF")));     /* the same in three */
    assert_false(utf8_is_valid(BYTES("\xF4\x90\x80\x80"))); /* beyond U+10FFFF */
    assert_false(utf8_is_valid(BYTES("\xFE\xFF")));
    assert_false(utf8_is_valid(BYTES("12345678\x80")));
    assert_int_equal(utf8_valid_prefix(BYTES("12345678\x80 tail")), 8);
    assert_int_equal(utf8_valid_prefix(BYTES("abc\xE2\x82")), 3);
    assert_int_equal(utf8_valid_prefix(BYTES("\xE2\x82\xAC\xE2\x82(")), 3);
}

static void
every_pair_and_the_edges_of_longer_ones(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                    0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xF4, 0xFF};
    enum { EDGES = sizeof(edges) };
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            uint8_t p[4] = {(uint8_t)first, (uint8_t)second, 0, 0};
            agrees(p, 1);
            agrees(p, 2);
            for (unsigned i = 0; i < EDGES * EDGES; i++) {
                p[2] = edges[i / EDGES];
                p[3] = edges[i % EDGES];
                agrees(p, 3);
                agrees(p, 4);
            }
        }
    }
}

/* Where words begin and end makes no difference. */
static void
a_bad_byte_is_found_at_every_place(void **state)
{
    (void)state;
    uint8_t text[41];
    for (size_t n = 1; n < sizeof(text); n++) {
        for (size_t at = 0; at < n; at++) {
            for (size_t i = 0; i < n; i++)
                text[i] = (uint8_t)('a' + i % 26);
            text[at] = 0xFF;
            assert_int_equal(utf8_valid_prefix(bytes_of(text, n)), at);
            if (at + 1 < n) {
                text[at] = 0xC3;
                text[at + 1] = 0xA9;
                assert_true(utf8_is_valid(bytes_of(text, n)));
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(every_pair_and_the_edges_of_longer_ones),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
