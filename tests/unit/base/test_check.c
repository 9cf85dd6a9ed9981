/* Assertions that stay on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

struct object {
    uint32_t magic;
};

enum { OBJECT_MAGIC = 0x1234, WRONG_MAGIC = 0x1235 };

/* In a child: what it printed, and that it was aborted. */
static void
aborts(void (*break_it)(void), const char *expected)
{
    int ends[2];
    char text[512] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        break_it();
        _exit(0);
    }
    close(ends[1]);
    int status = 0;
    size_t n = 0;
    ssize_t got;
    while ((got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "test_check.c"));
}

static void
fail_plainly(void)
{
    int two = 2;
    check(two == 3);
}

static void
fail_by_magic(void)
{
    struct object object = {WRONG_MAGIC};
    CHECK_OBJ(&object, OBJECT_MAGIC);
}

static void
fail_by_null(void)
{
    struct object *object = NULL;
    CHECK_OBJ(object, OBJECT_MAGIC);
}

static void
what_does_not_hold_aborts_with_its_place(void **state)
{
    (void)state;
    aborts(fail_plainly, "two == 3 does not hold");
    aborts(fail_by_magic, "magic");
    aborts(fail_by_null, "magic");
}

static void
what_holds_goes_on(void **state)
{
    (void)state;
    struct object object = {OBJECT_MAGIC};
    CHECK_OBJ(&object, OBJECT_MAGIC);
    check(object.magic == OBJECT_MAGIC);
    check_slow(object.magic == OBJECT_MAGIC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_hold_aborts_with_its_place),
        cmocka_unit_test(what_holds_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
