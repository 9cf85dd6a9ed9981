/* Text escapes and did-you-mean. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

static void
json_escapes_and_replaces_invalid_bytes(void **state)
{
    (void)state;
    struct text text = TEXT_EMPTY;
    text_add_json(&text, bytes_of("a\"\n\xC3\x28z", 6));
    assert_string_equal(text.p, "\"a\\\"\\n\xef\xbf\xbd(z\"");
    text_fini(&text);
}

static void
plain_text_is_cut_and_escaped(void **state)
{
    (void)state;
    struct text text = TEXT_EMPTY;
    text_add_plain(&text,
                   BYTES("a\x01\xff"
                         "bcd"),
                   4);
    assert_string_equal(text.p, "a\\x01\\xFFb...");
    text_fini(&text);
}

static void
nearest_finds_typing_errors_only(void **state)
{
    (void)state;
    const char *const words[] = {"path", "max", "sync", "min_free"};
    assert_string_equal(text_nearest("pth", words, 4), "path");
    assert_string_equal(text_nearest("snyc", words, 4), "sync");
    assert_null(text_nearest("elephant", words, 4));
}

/* RFC 4648, section 10; and more than one piece at a time. */
static void
base64_has_its_padding(void **state)
{
    (void)state;
    static const char *const words[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    static const uint8_t zeros[10000];
    struct text text = TEXT_EMPTY;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        text_clear(&text);
        text_add(&text, "");
        text_add_base64(&text, bytes_str(words[i][0]));
        assert_string_equal(text.p, words[i][1]);
    }
    text_clear(&text);
    text_add_base64(&text, bytes_of(zeros, sizeof(zeros)));
    assert_int_equal(text.n, 13336);
    assert_string_equal(text.p + text.n - 4, "AA==");
    text_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_escapes_and_replaces_invalid_bytes),
        cmocka_unit_test(plain_text_is_cut_and_escaped),
        cmocka_unit_test(base64_has_its_padding),
        cmocka_unit_test(nearest_finds_typing_errors_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
