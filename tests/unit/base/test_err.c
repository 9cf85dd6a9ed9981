/* The table of errors and what errno becomes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static const enum err all[] = {
#define E(token, code, words, status, advice) ERR_##token,
    ERRORS(E)
#undef E
};
enum { N = sizeof(all) / sizeof(all[0]) };

static void
each_error_has_its_own_code_name_words_and_advice(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++) {
        assert_true(err_words(all[i])[0] != '\0');
        assert_true(err_advice(all[i])[0] != '\0');
        assert_in_range(err_grpc_status(all[i]), 0, 16);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(err_name(all[i]), err_name(all[j]));
            assert_string_not_equal(err_words(all[i]), err_words(all[j]));
        }
    }
}

static void
only_success_is_status_0(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++)
        assert_true((err_grpc_status(all[i]) == 0) == (all[i] == ERR_OK));
    assert_int_equal(ERR_OK, 0);
    assert_int_equal(err_grpc_status(ERR_CLOSED), 14);
    assert_string_equal(err_name(ERR_CLOSED), "CLOSED");
    assert_string_equal(err_words(ERR_CLOSED), "the peer closed the connection");
}

static void
statuses_stand_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    assert_string_equal(err_status_name(0), "OK");
    assert_string_equal(err_status_name(8), "RESOURCE_EXHAUSTED");
    assert_string_equal(err_status_name(16), "UNAUTHENTICATED");
    assert_string_equal(err_status_name(17), "UNKNOWN");
    assert_string_equal(err_status_name(-1), "UNKNOWN");
}

static void
errno_becomes_a_name(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum err err;
    } rows[] = {{0, ERR_OK},
                {EMFILE, ERR_DESCRIPTORS},
                {ENFILE, ERR_DESCRIPTORS},
                {ENOMEM, ERR_BUDGET},
                {ECONNREFUSED, ERR_REFUSED},
                {ECONNRESET, ERR_CLOSED},
                {EPIPE, ERR_CLOSED},
                {ETIMEDOUT, ERR_TIMEOUT},
                {EHOSTUNREACH, ERR_UNREACHABLE},
                {ENETUNREACH, ERR_UNREACHABLE},
                {EADDRINUSE, ERR_IN_USE},
                {EACCES, ERR_PERMISSION},
                {EPERM, ERR_PERMISSION},
                {EROFS, ERR_PERMISSION},
                {ENOSPC, ERR_NO_SPACE},
                {EDQUOT, ERR_NO_SPACE},
                {EIO, ERR_IO},
                {ENOENT, ERR_NOT_FOUND},
                {ENOTDIR, ERR_NOT_DIRECTORY},
                {EDOM, ERR_SYSTEM}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (err_from_errno(rows[i].number) != rows[i].err)
            fail_msg("%s became %s", strerror(rows[i].number),
                     err_name(err_from_errno(rows[i].number)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_own_code_name_words_and_advice),
        cmocka_unit_test(only_success_is_status_0),
        cmocka_unit_test(statuses_stand_in_the_order_of_their_numbers),
        cmocka_unit_test(errno_becomes_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
