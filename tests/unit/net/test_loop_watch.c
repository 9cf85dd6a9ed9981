/* A watched descriptor wakes the loop as long as it is readable, and no longer than it is watched.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/loop_watch.h"

struct seen {
    int descriptor;
    uint32_t n;
    bool reads;
};

static void
on_readable(void *ctx)
{
    struct seen *seen = ctx;
    uint64_t count;
    seen->n++;
    if (seen->reads)
        assert_int_equal(read(seen->descriptor, &count, sizeof(count)), sizeof(count));
}

static void
readable_is_told_until_it_was_read(void **state)
{
    (void)state;
    const uint64_t one = 1;
    struct loop *loop = loop_new();
    struct seen seen = {.descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    struct loop_watch *watch = loop_watch_new(loop, seen.descriptor, on_readable, &seen);
    loop_run_once(loop, 0);
    assert_int_equal(seen.n, 0);
    assert_int_equal(write(seen.descriptor, &one, sizeof(one)), sizeof(one));
    loop_run_once(loop, 100);
    loop_run_once(loop, 100);
    assert_int_equal(seen.n, 2);
    seen.reads = true;
    loop_run_once(loop, 100);
    loop_run_once(loop, 0);
    assert_int_equal(seen.n, 3);
    assert_int_equal(write(seen.descriptor, &one, sizeof(one)), sizeof(one));
    loop_watch_free(&watch);
    assert_null(watch);
    loop_run_once(loop, 0);
    assert_int_equal(seen.n, 3);
    close(seen.descriptor);
    loop_free(&loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readable_is_told_until_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
