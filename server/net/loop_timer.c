/* The timer wheel: arming and moving a timer costs two list operations. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A timer's due time is rounded up to a whole tick, so that its slot follows from it. A timer that
 * is due lies in exactly one list: its slot's, or that of the pass that is about to call it. */
#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/loop.h"
#include "net/loop_int.h"

static uint32_t
slot_of(uint64_t tick)
{
    return (uint32_t)(tick % WHEEL_SLOTS);
}

/* The next tick after the last one run whose slot holds a timer. */
static uint64_t
next_tick(const struct loop_wheel *wheel)
{
    uint64_t tick = wheel->tick + 1;
    uint64_t last = wheel->tick + WHEEL_SLOTS;
    while (tick <= last) {
        uint32_t slot = slot_of(tick);
        uint64_t word = wheel->occupied[slot / 64] >> (slot % 64);
        if (word != 0)
            return tick + (uint32_t)__builtin_ctzll(word);
        tick += 64 - slot % 64;
    }
    check(wheel->n_armed == 0);
    return 0;
}

static void
wake_at(struct loop *loop, uint64_t tick)
{
    uint64_t now_us = clock_mono_us(), due_us = tick * WHEEL_TICK_US;
    uint64_t wait_us = due_us > now_us ? due_us - now_us : 0;
    struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};
    loop->wheel.wake_tick = tick;
    check(event_add(loop->wheel.event, &wait) == 0);
}

/* Moves what is due out of a slot, in front of nothing that is already there. */
static void
collect(struct loop_wheel *wheel, uint32_t slot, struct loop_timer_list *due,
        struct loop_timer **last)
{
    uint64_t now_us = wheel->tick * WHEEL_TICK_US;
    struct loop_timer *timer = LIST_FIRST(&wheel->slots[slot]);
    while (timer != NULL) {
        struct loop_timer *next = LIST_NEXT(timer, link);
        if (timer->due_us <= now_us) {
            LIST_REMOVE(timer, link);
            if (*last == NULL)
                LIST_INSERT_HEAD(due, timer, link);
            else
                LIST_INSERT_AFTER(*last, timer, link);
            *last = timer;
        }
        timer = next;
    }
    if (LIST_EMPTY(&wheel->slots[slot]))
        wheel->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static void
advance(struct loop_wheel *wheel)
{
    uint64_t from = wheel->tick, to = clock_mono_us() / WHEEL_TICK_US;
    struct loop_timer_list due = LIST_HEAD_INITIALIZER(due);
    struct loop_timer *last = NULL;
    if (to <= from)
        return;
    wheel->tick = to;
    if (to - from > WHEEL_SLOTS)
        from = to - WHEEL_SLOTS;
    for (uint64_t tick = from + 1; tick <= to; tick++)
        collect(wheel, slot_of(tick), &due, &last);
    /* A callback may cancel any of the others. */
    while (!LIST_EMPTY(&due)) {
        struct loop_timer *timer = LIST_FIRST(&due);
        LIST_REMOVE(timer, link);
        timer->due_us = 0;
        wheel->n_armed--;
        timer->on_time(timer->ctx);
    }
}

static void
on_tick(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)descriptor;
    (void)what;
    struct loop *loop = ctx;
    CHECK_OBJ(loop, LOOP_MAGIC);
    loop_enter(loop);
    loop->wheel.wake_tick = 0;
    advance(&loop->wheel);
    /* A callback may have armed something later than what stood there before. */
    if (loop->wheel.n_armed > 0)
        wake_at(loop, next_tick(&loop->wheel));
}

void
loop_wheel_catch_up(struct loop *loop)
{
    struct loop_wheel *wheel = &loop->wheel;
    if (wheel->n_armed == 0 || clock_mono_us() / WHEEL_TICK_US < wheel->wake_tick)
        return;
    advance(wheel);
    if (wheel->n_armed > 0)
        wake_at(loop, next_tick(wheel));
}

void
loop_wheel_init(struct loop *loop)
{
    for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
        LIST_INIT(&loop->wheel.slots[i]);
    loop->wheel.event = event_new(loop->base, -1, 0, on_tick, loop);
    check(loop->wheel.event != NULL);
}

void
loop_wheel_fini(struct loop *loop)
{
    event_free(loop->wheel.event);
}

void
loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*on_time)(void *ctx), void *ctx)
{
    *timer = (struct loop_timer){.on_time = on_time, .ctx = ctx, .loop = loop};
}

void
loop_timer_cancel(struct loop_timer *timer)
{
    if (timer->due_us == 0)
        return;
    loop_assert_here(timer->loop);
    struct loop_wheel *wheel = &timer->loop->wheel;
    uint32_t slot = slot_of(timer->due_us / WHEEL_TICK_US);
    LIST_REMOVE(timer, link);
    if (LIST_EMPTY(&wheel->slots[slot]))
        wheel->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    timer->due_us = 0;
    /* The event stays: one idle wake-up is cheaper than moving it each time. */
    wheel->n_armed--;
}

void
loop_timer_in(struct loop_timer *timer, uint64_t delay_us)
{
    struct loop_wheel *wheel = &timer->loop->wheel;
    uint64_t now_us = clock_mono_us();
    loop_timer_cancel(timer);
    if (wheel->n_armed == 0)
        wheel->tick = now_us / WHEEL_TICK_US;
    uint64_t tick = (now_us + delay_us + WHEEL_TICK_US - 1) / WHEEL_TICK_US;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    uint32_t slot = slot_of(tick);
    timer->due_us = tick * WHEEL_TICK_US;
    LIST_INSERT_HEAD(&wheel->slots[slot], timer, link);
    wheel->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
    wheel->n_armed++;
    if (wheel->wake_tick == 0 || tick < wheel->wake_tick)
        wake_at(timer->loop, tick);
}

bool
loop_timer_is_armed(const struct loop_timer *timer)
{
    return timer->due_us != 0;
}
