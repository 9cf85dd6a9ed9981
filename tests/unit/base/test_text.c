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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_escapes_and_replaces_invalid_bytes),
        cmocka_unit_test(plain_text_is_cut_and_escaped),
        cmocka_unit_test(nearest_finds_typing_errors_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
