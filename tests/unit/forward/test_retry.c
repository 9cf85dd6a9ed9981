/* Classes of answers, waiting times. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forward/retry.h"

static enum retry_outcome
of(enum err err, int status)
{
    struct grpc_answer answer = {.err = err, .status = status};
    return retry_classify(&answer);
}

static void
only_status_0_commits(void **state)
{
    (void)state;
    assert_int_equal(of(ERR_OK, GRPC_OK), OUTCOME_OK);
    for (int status = 1; status <= 20; status++)
        assert_int_not_equal(of(ERR_OK, status), OUTCOME_OK);
    assert_int_not_equal(of(ERR_CLOSED, GRPC_OK), OUTCOME_OK);
}

static void
overload_and_lost_connections_never_bisect(void **state)
{
    (void)state;
    assert_int_equal(of(ERR_OK, GRPC_UNAVAILABLE), OUTCOME_HOLD);
    assert_int_equal(of(ERR_OK, GRPC_DEADLINE_EXCEEDED), OUTCOME_HOLD);
    assert_int_equal(of(ERR_OK, GRPC_RESOURCE_EXHAUSTED), OUTCOME_EXHAUSTED);
    assert_int_equal(of(ERR_CLOSED, GRPC_UNAVAILABLE), OUTCOME_HOLD);
    assert_int_equal(of(ERR_STREAM_RESET, GRPC_INTERNAL), OUTCOME_HOLD);
    assert_int_equal(of(ERR_STREAM_REFUSED, GRPC_UNAVAILABLE), OUTCOME_FREE);
    assert_int_equal(of(ERR_OK, GRPC_UNIMPLEMENTED), OUTCOME_UNIMPLEMENTED);
    assert_int_equal(of(ERR_OK, GRPC_UNKNOWN), OUTCOME_REFUSED);
    assert_int_equal(of(ERR_OK, GRPC_INTERNAL), OUTCOME_REFUSED);
    assert_int_equal(of(ERR_OK, GRPC_INVALID_ARGUMENT), OUTCOME_REFUSED);
}

static void
waits_grow_to_the_longest_and_differ(void **state)
{
    (void)state;
    struct forward_settings settings;
    forward_settings_default(&settings);
    uint64_t random = 7, last = 0;
    for (uint32_t n = 1; n <= 1000; n++) {
        uint64_t middle = n < 9 ? 200000u << (n - 1) : 30000000;
        middle = middle < 30000000 ? middle : 30000000;
        uint64_t delay = retry_delay_us(&settings, n, &random);
        assert_in_range(delay, middle * 8 / 10, middle * 12 / 10);
        assert_int_not_equal(delay, last);
        last = delay;
    }
    settings.retry_jitter_percent = 0;
    assert_int_equal(retry_delay_us(&settings, 3, &random), 800000);
}

static void
resends_are_a_tenth_of_commits_and_one_a_second(void **state)
{
    (void)state;
    struct retry_budget budget;
    uint64_t now_us = 5000000;
    retry_budget_init(&budget, 10, now_us);
    for (int i = 0; i < 10; i++)
        assert_true(retry_budget_take(&budget, 1, 10, now_us));
    assert_false(retry_budget_take(&budget, 1, 10, now_us));
    for (int i = 0; i < 25; i++)
        retry_budget_earn(&budget, 1);
    assert_true(retry_budget_take(&budget, 1, 10, now_us));
    assert_true(retry_budget_take(&budget, 1, 10, now_us));
    assert_false(retry_budget_take(&budget, 1, 10, now_us));
    /* Half is left over; a small message costs less. */
    assert_true(retry_budget_take(&budget, 1.0 / 16, 10, now_us));
    /* Nothing is ever committed: still one a second. */
    uint32_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += retry_budget_take(&budget, 1, 10, now_us += 100000);
    assert_in_range(n, 99, 101);
    /* However long nothing was resent, only the capacity is there. */
    now_us += 3600000000u;
    for (n = 0; retry_budget_take(&budget, 1, 16, now_us); n++)
        continue;
    assert_int_equal(n, 16);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_status_0_commits),
        cmocka_unit_test(overload_and_lost_connections_never_bisect),
        cmocka_unit_test(waits_grow_to_the_longest_and_differ),
        cmocka_unit_test(resends_are_a_tenth_of_commits_and_one_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
