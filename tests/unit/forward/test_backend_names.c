/* Slots of the backend metrics, shared by the workers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/metric.h"
#include "forward/backend_names.h"

static void
workers_share_a_slot_and_count_up_once(void **state)
{
    (void)state;
    struct backend_names *names = backend_names_new();
    uint64_t stale_s;
    uint32_t a = backend_names_take(names, "127.0.0.1:1", &stale_s);
    uint32_t b = backend_names_take(names, "127.0.0.1:2", &stale_s);
    assert_int_not_equal(a, b);
    assert_int_equal(backend_names_take(names, "127.0.0.1:1", &stale_s), a);
    assert_int_equal(backend_names_set_up(names, a, true), 1);
    assert_int_equal(backend_names_set_up(names, a, true), 0);
    assert_int_equal(backend_names_set_up(names, a, false), 0);
    assert_int_equal(backend_names_set_up(names, a, false), -1);
    /* Two workers' successes: the sum of the differences is the latest. */
    uint64_t sum = backend_names_success(names, a, 1000);
    sum += backend_names_success(names, a, 1000);
    sum += backend_names_success(names, a, 999);
    sum += backend_names_success(names, a, 1007);
    assert_int_equal(sum, 1007);
    backend_names_free(&names);
}

static void
gone_names_stay_ten_minutes(void **state)
{
    (void)state;
    clock_set(1000000, 0);
    struct backend_names *names = backend_names_new();
    uint64_t stale_s;
    char name[64];
    uint32_t slot = backend_names_take(names, "127.0.0.1:1", &stale_s);
    (void)backend_names_success(names, slot, 1000);
    backend_names_give(names, slot);
    clock_set(1000000 + 599000000ull, 0);
    assert_true(backend_names_find(names, slot, name, sizeof(name)));
    assert_string_equal(name, "127.0.0.1:1");
    clock_set(1000000 + 601000000ull, 0);
    assert_false(backend_names_find(names, slot, name, sizeof(name)));
    assert_int_equal(backend_names_take(names, "127.0.0.1:1", &stale_s), slot);
    assert_int_equal(stale_s, 0);
    assert_true(backend_names_find(names, slot, name, sizeof(name)));
    backend_names_free(&names);
}

static void
slots_of_the_longest_gone_are_used_again(void **state)
{
    (void)state;
    struct backend_names *names = backend_names_new();
    uint64_t stale_s;
    char name[64];
    uint32_t slots[METRIC_BACKENDS];
    for (unsigned i = 0; i < METRIC_BACKENDS; i++) {
        snprintf(name, sizeof(name), "10.0.0.%u:11800", i);
        slots[i] = backend_names_take(names, name, &stale_s);
    }
    assert_int_equal(slots[METRIC_BACKENDS - 1], METRIC_BACKENDS - 1);
    assert_true(backend_names_find(names, METRIC_BACKENDS - 1, name, sizeof(name)));
    assert_string_equal(name, "other");
    clock_set(5000000, 0);
    (void)backend_names_success(names, slots[3], 1234);
    backend_names_give(names, slots[3]);
    clock_set(6000000, 0);
    backend_names_give(names, slots[1]);
    assert_int_equal(backend_names_take(names, "10.1.1.1:11800", &stale_s), slots[3]);
    assert_int_equal(stale_s, 1234);
    backend_names_free(&names);
}

static void
disabled_stays_with_the_name(void **state)
{
    (void)state;
    clock_set(1000000, 0);
    struct backend_names *names = backend_names_new();
    uint64_t stale_s;
    uint32_t slot = backend_names_take(names, "10.0.0.1:11800", &stale_s);
    assert_false(backend_names_is_disabled(names, slot));
    assert_false(backend_names_set_disabled(names, "10.0.0.1", true));
    assert_false(backend_names_set_disabled(names, "", true));
    assert_true(backend_names_set_disabled(names, "10.0.0.1:11800", true));
    assert_true(backend_names_is_disabled(names, slot));
    backend_names_give(names, slot);
    assert_int_equal(backend_names_take(names, "10.0.0.1:11800", &stale_s), slot);
    assert_true(backend_names_is_disabled(names, slot));
    backend_names_give(names, slot);
    /* Another one in its place is not. */
    char name[32];
    uint32_t other = slot + 1;
    for (unsigned i = 2; other != slot; i++) {
        snprintf(name, sizeof(name), "10.0.0.%u:11800", i);
        other = backend_names_take(names, name, &stale_s);
    }
    assert_false(backend_names_is_disabled(names, slot));
    backend_names_free(&names);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_share_a_slot_and_count_up_once),
        cmocka_unit_test(gone_names_stay_ten_minutes),
        cmocka_unit_test(slots_of_the_longest_gone_are_used_again),
        cmocka_unit_test(disabled_stays_with_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
