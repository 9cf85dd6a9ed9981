/* Secrets are compared whole. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"

static const char *const secrets[] = {"first", "the second", ""};

static bool
is_one(const char *shown)
{
    return secret_is_one_of(bytes_str(shown), secrets, 3);
}

static void
each_of_them_opens(void **state)
{
    (void)state;
    assert_true(is_one("first"));
    assert_true(is_one("the second"));
}

static void
nothing_else_does(void **state)
{
    (void)state;
    const char *const others[] = {"",      "f",     "firs",       "first ",    "firstfirst",
                                  "First", "firsT", "the secone", "the secon", "the second\n"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(is_one(others[i]));
    assert_false(secret_is_one_of(bytes_of("first\0", 6), secrets, 3));
    assert_false(secret_is_one_of(BYTES("first"), secrets, 0));
    assert_false(secret_is_one_of(BYTES_NONE, secrets, 3));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_them_opens),
        cmocka_unit_test(nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
