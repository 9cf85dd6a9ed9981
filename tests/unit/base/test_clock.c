/* The per-thread clock. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/clock.h"

static void
the_reading_stands_still_until_refreshed(void **state)
{
    (void)state;
    uint64_t mono_us = clock_fresh_us(), passed_us;
    int64_t unix_ms = clock_unix_ms();
    assert_true(mono_us > 0);
    assert_true(unix_ms > INT64_C(1600000000000));
    for (int i = 0; i < 1000; i++)
        assert_true(clock_mono_us() == mono_us);
    do
        passed_us = clock_fresh_us() - mono_us;
    while (passed_us < 1000);
    assert_true(clock_mono_us() == mono_us + passed_us);
    assert_true(clock_unix_ms() >= unix_ms);
}

static void *
read_other(void *ctx)
{
    *(uint64_t *)ctx = clock_mono_us();
    return NULL;
}

static void
a_clock_set_by_hand_is_this_threads_only(void **state)
{
    (void)state;
    uint64_t other_us = 0;
    pthread_t thread;
    clock_set(1234, -5);
    clock_refresh();
    assert_true(clock_mono_us() == 1234);
    assert_true(clock_fresh_us() == 1234);
    assert_true(clock_unix_ms() == -5);
    assert_int_equal(pthread_create(&thread, NULL, read_other, &other_us), 0);
    pthread_join(thread, NULL);
    assert_true(other_us != 0 && other_us != 1234);
    clock_set(99, 7);
    assert_true(clock_mono_us() == 99);
    assert_true(clock_unix_ms() == 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reading_stands_still_until_refreshed),
        cmocka_unit_test(a_clock_set_by_hand_is_this_threads_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
