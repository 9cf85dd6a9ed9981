/* When a backend is due for ejection, and for how long. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "forward/outlier.h"

static const uint64_t SECOND = 1000000, START = 1000000000;

/* n calls evenly over the time, one good one after every n_bad bad ones. */
static bool
is_due_after(uint32_t n, uint32_t n_bad, uint64_t over_us)
{
    struct outlier outlier = {0};
    for (uint32_t i = 0; i < n; i++) {
        uint64_t now_us = START + i * over_us / n;
        if (i % (n_bad + 1) == 0)
            outlier_on_ok(&outlier, now_us, now_us);
        else
            outlier_on_failure(&outlier, now_us);
    }
    outlier.n_in_a_row = 0; /* the other rule is not meant here */
    return outlier_is_due(&outlier, START + (n - 1) * over_us / n);
}

static void
five_in_a_row_are_due(void **state)
{
    (void)state;
    struct outlier outlier = {0};
    for (int i = 0; i < 4; i++)
        outlier_on_failure(&outlier, START);
    outlier_on_ok(&outlier, START, START);
    for (int i = 0; i < 4; i++)
        outlier_on_failure(&outlier, START);
    assert_false(outlier_is_due(&outlier, START));
    outlier_on_failure(&outlier, START);
    assert_true(outlier_is_due(&outlier, START));
}

static void
more_than_85_percent_of_50_calls_in_10_s_are_due(void **state)
{
    (void)state;
    /* 9 of 10 fail. */
    assert_false(is_due_after(49, 9, SECOND));
    assert_true(is_due_after(50, 9, SECOND));
    assert_true(is_due_after(50, 9, 8 * SECOND));
    assert_false(is_due_after(50, 9, 20 * SECOND));
    assert_true(is_due_after(200, 9, 20 * SECOND));
    /* 4 of 5, never enough. */
    assert_false(is_due_after(1000, 4, 5 * SECOND));
    /* Exactly 85 % is not more than 85 %. */
    struct outlier outlier = {0};
    for (int i = 0; i < 85; i++)
        outlier_on_failure(&outlier, START);
    for (int i = 0; i < 15; i++)
        outlier_on_ok(&outlier, START, START);
    assert_false(outlier_is_due(&outlier, START));
    outlier_on_failure(&outlier, START);
    assert_true(outlier_is_due(&outlier, START));
    /* It is forgotten after 10 s, also when nothing came between. */
    assert_true(outlier_is_due(&outlier, START + 9 * SECOND));
    assert_false(outlier_is_due(&outlier, START + 10 * SECOND));
}

static uint64_t
seconds_out(struct outlier *outlier, uint64_t now_us)
{
    for (int i = 0; i < 5; i++)
        outlier_on_failure(outlier, now_us);
    assert_true(outlier_is_due(outlier, now_us));
    outlier_eject(outlier, now_us);
    assert_false(outlier_is_due(outlier, now_us));
    return (outlier->until_us - now_us) / SECOND;
}

static void
ejections_grow_to_300_s_and_start_anew_when_it_goes_well(void **state)
{
    (void)state;
    struct outlier outlier = {0};
    uint64_t now_us = START;
    for (uint32_t i = 1; i <= 12; i++) {
        assert_int_equal(seconds_out(&outlier, now_us), i < 10 ? 30 * i : 300);
        assert_true(outlier_is_out(&outlier, outlier.until_us - 1));
        assert_false(outlier_is_out(&outlier, outlier.until_us));
        now_us = outlier.until_us + SECOND;
        /* One success at once afterwards is no proof. */
        outlier_on_ok(&outlier, now_us, now_us);
    }
    now_us += 10 * SECOND;
    outlier_on_ok(&outlier, now_us, now_us);
    assert_int_equal(seconds_out(&outlier, now_us), 30);
}

static void
only_a_call_begun_while_out_ends_it(void **state)
{
    (void)state;
    struct outlier outlier = {0};
    (void)seconds_out(&outlier, START);
    outlier_on_ok(&outlier, START - 5, START + 5);
    assert_true(outlier_is_out(&outlier, START + 5));
    outlier_on_ok(&outlier, START + 6, START + 10);
    assert_false(outlier_is_out(&outlier, START + 10));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_in_a_row_are_due),
        cmocka_unit_test(more_than_85_percent_of_50_calls_in_10_s_are_due),
        cmocka_unit_test(ejections_grow_to_300_s_and_start_anew_when_it_goes_well),
        cmocka_unit_test(only_a_call_begun_while_out_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
