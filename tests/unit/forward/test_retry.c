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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_status_0_commits),
        cmocka_unit_test(overload_and_lost_connections_never_bisect),
        cmocka_unit_test(waits_grow_to_the_longest_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
