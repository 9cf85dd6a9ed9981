/* The timer wheel and alarms under a clock set by hand, then once under the real one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/loop.h"
#include "support/run_until.h"

enum { MS = 1000, SECOND = 1000 * 1000, TICK_US = 100 * MS, N_TIMERS = 400 };

static uint64_t now_us = 1000 * (uint64_t)SECOND + 12345;

static void
pass(struct loop *loop, uint64_t us)
{
    now_us += us;
    clock_set(now_us, 0);
    loop_run_once(loop, 0);
}

static int
set_clock(void **state)
{
    (void)state;
    clock_set(now_us, 0);
    return 0;
}

struct counted {
    struct loop_timer timer;
    struct loop *loop;
    struct loop_timer *victim;
    uint64_t due_us, called_us, again_us;
    int n;
};

static void
count(void *ctx)
{
    struct counted *counted = ctx;
    counted->n++;
    counted->called_us = clock_mono_us();
    if (counted->victim != NULL)
        loop_timer_cancel(counted->victim);
    if (counted->again_us != 0)
        loop_timer_in(&counted->timer, counted->again_us);
}

static void
init(struct counted *counted, struct loop *loop)
{
    *counted = (struct counted){.loop = loop};
    loop_timer_init(&counted->timer, loop, count, counted);
}

static void
a_timer_is_never_early_and_at_most_a_tick_late(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted one;
    init(&one, loop);
    assert_false(loop_timer_is_armed(&one.timer));
    loop_timer_in(&one.timer, 250 * MS);
    assert_true(loop_timer_is_armed(&one.timer));
    pass(loop, 249 * MS);
    assert_int_equal(one.n, 0);
    pass(loop, 101 * MS);
    assert_int_equal(one.n, 1);
    assert_false(loop_timer_is_armed(&one.timer));
    pass(loop, 10 * SECOND);
    assert_int_equal(one.n, 1);
    loop_free(&loop);
}

static void
moving_replaces_and_cancelling_disarms(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted one;
    init(&one, loop);
    loop_timer_in(&one.timer, 1 * SECOND);
    pass(loop, 900 * MS);
    loop_timer_in(&one.timer, 1 * SECOND);
    pass(loop, 900 * MS);
    assert_int_equal(one.n, 0);
    pass(loop, 200 * MS);
    assert_int_equal(one.n, 1);
    loop_timer_in(&one.timer, 1 * SECOND);
    loop_timer_cancel(&one.timer);
    loop_timer_cancel(&one.timer);
    pass(loop, 10 * SECOND);
    assert_int_equal(one.n, 1);
    loop_free(&loop);
}

static void
a_delay_of_nothing_is_still_late(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted one;
    init(&one, loop);
    loop_timer_in(&one.timer, 0);
    assert_int_equal(one.n, 0);
    pass(loop, TICK_US);
    assert_int_equal(one.n, 1);
    loop_free(&loop);
}

static void
a_timer_may_cancel_the_one_due_with_it(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted pair[2];
    init(&pair[0], loop);
    init(&pair[1], loop);
    pair[0].victim = &pair[1].timer;
    pair[1].victim = &pair[0].timer;
    loop_timer_in(&pair[0].timer, 1 * SECOND);
    loop_timer_in(&pair[1].timer, 1 * SECOND);
    pass(loop, 2 * SECOND);
    assert_int_equal(pair[0].n + pair[1].n, 1);
    loop_free(&loop);
}

static void
a_timer_may_arm_itself_again(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted one;
    init(&one, loop);
    one.again_us = 500 * MS;
    loop_timer_in(&one.timer, 500 * MS);
    for (int i = 0; i < 100; i++)
        pass(loop, 100 * MS);
    assert_in_range(one.n, 16, 20);
    loop_timer_cancel(&one.timer);
    loop_free(&loop);
}

/* Delays up to three rounds of the wheel, steps from a tick to more than a round. */
static void
many_timers_keep_their_times(void **state)
{
    (void)state;
    static struct counted many[N_TIMERS];
    struct loop *loop = loop_new();
    uint32_t seed = 7;
    for (int i = 0; i < N_TIMERS; i++) {
        init(&many[i], loop);
        seed = seed * 1664525u + 1013904223u;
        uint64_t delay_us = seed % (150u * SECOND);
        many[i].due_us = now_us + delay_us;
        loop_timer_in(&many[i].timer, delay_us);
    }
    uint64_t start_us = now_us, step_us = 0;
    while (now_us - start_us < 200u * (uint64_t)SECOND) {
        uint64_t before_us = now_us;
        seed = seed * 1664525u + 1013904223u;
        step_us = seed % 16 == 0 ? 60u * (uint64_t)SECOND : seed % (2 * TICK_US);
        pass(loop, step_us);
        for (int i = 0; i < N_TIMERS; i++) {
            if (many[i].due_us + TICK_US <= now_us)
                assert_int_equal(many[i].n, 1);
            if (many[i].due_us > now_us)
                assert_int_equal(many[i].n, 0);
            if (many[i].n == 1 && many[i].called_us == now_us)
                assert_true(before_us < many[i].due_us + TICK_US);
        }
    }
    loop_free(&loop);
}

struct rung {
    struct loop *loop;
    struct loop_alarm *alarm;
    int n;
    uint64_t again_us;
    int free_at;
};

static void
ring(void *ctx)
{
    struct rung *rung = ctx;
    rung->n++;
    if (rung->n == rung->free_at)
        loop_alarm_free(&rung->alarm);
    else if (rung->again_us != 0)
        loop_alarm_at(rung->alarm, clock_mono_us() + rung->again_us);
}

static void
an_alarm_is_precise_and_may_move(void **state)
{
    (void)state;
    struct rung rung = {.loop = loop_new()};
    rung.alarm = loop_alarm_new(rung.loop, ring, &rung);
    loop_alarm_at(rung.alarm, now_us + 200 * MS);
    pass(rung.loop, 199 * MS);
    assert_int_equal(rung.n, 0);
    pass(rung.loop, 1 * MS);
    assert_int_equal(rung.n, 1);
    loop_alarm_at(rung.alarm, now_us + 200 * MS);
    loop_alarm_at(rung.alarm, now_us + 400 * MS);
    pass(rung.loop, 300 * MS);
    assert_int_equal(rung.n, 1);
    loop_alarm_cancel(rung.alarm);
    pass(rung.loop, 300 * MS);
    assert_int_equal(rung.n, 1);
    loop_alarm_at(rung.alarm, 0);
    assert_int_equal(rung.n, 1);
    pass(rung.loop, 0);
    assert_int_equal(rung.n, 2);
    loop_alarm_free(&rung.alarm);
    loop_free(&rung.loop);
}

static void
an_alarm_may_arm_and_free_itself(void **state)
{
    (void)state;
    struct rung rung = {.loop = loop_new(), .again_us = 10 * MS, .free_at = 3};
    rung.alarm = loop_alarm_new(rung.loop, ring, &rung);
    loop_alarm_at(rung.alarm, now_us + 10 * MS);
    for (int i = 0; i < 10; i++)
        pass(rung.loop, 10 * MS);
    assert_int_equal(rung.n, 3);
    assert_null(rung.alarm);
    loop_free(&rung.loop);
}

/* First of all, while the clock is still the system's. */
static void
real_time_passes(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted one, far;
    init(&one, loop);
    init(&far, loop);
    struct rung rung = {.loop = loop};
    rung.alarm = loop_alarm_new(loop, ring, &rung);
    uint64_t start_us = clock_fresh_us();
    loop_timer_in(&one.timer, 30 * MS);
    loop_timer_in(&far.timer, 40u * SECOND);
    loop_alarm_at(rung.alarm, start_us + 20 * MS);
    RUN_UNTIL(loop, rung.n == 1);
    assert_true(clock_fresh_us() - start_us >= 20 * MS);
    RUN_UNTIL(loop, one.n == 1);
    assert_true(one.called_us - start_us >= 30 * MS);
    /* A far timer does not make the loop tick: it sleeps the whole wait. */
    uint64_t idle_us = clock_fresh_us();
    loop_run_once(loop, 350);
    assert_true(clock_fresh_us() - idle_us >= 340 * MS);
    loop_timer_cancel(&far.timer);
    loop_alarm_free(&rung.alarm);
    loop_free(&loop);
}

/* A heartbeat that arms itself again must not hide what stands before its next beat. */
static void
a_later_timer_hides_no_earlier_one(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct counted beat, once;
    init(&beat, loop);
    init(&once, loop);
    beat.again_us = 2 * SECOND;
    uint64_t start_us = clock_fresh_us();
    loop_timer_in(&beat.timer, TICK_US);
    loop_timer_in(&once.timer, 4 * TICK_US);
    while (once.n == 0)
        loop_run_once(loop, 5000);
    assert_true(clock_fresh_us() - start_us < SECOND);
    loop_timer_cancel(&beat.timer);
    loop_free(&loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_time_passes),
        cmocka_unit_test(a_later_timer_hides_no_earlier_one),
        cmocka_unit_test_setup(a_timer_is_never_early_and_at_most_a_tick_late, set_clock),
        cmocka_unit_test_setup(moving_replaces_and_cancelling_disarms, set_clock),
        cmocka_unit_test_setup(a_delay_of_nothing_is_still_late, set_clock),
        cmocka_unit_test_setup(a_timer_may_cancel_the_one_due_with_it, set_clock),
        cmocka_unit_test_setup(a_timer_may_arm_itself_again, set_clock),
        cmocka_unit_test_setup(many_timers_keep_their_times, set_clock),
        cmocka_unit_test_setup(an_alarm_is_precise_and_may_move, set_clock),
        cmocka_unit_test_setup(an_alarm_may_arm_and_free_itself, set_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
