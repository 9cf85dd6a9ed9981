/* Precise timers, each an event of its own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/loop_int.h"

enum { ALARM_MAGIC = 0x616c726d };

struct loop_alarm {
    uint32_t magic;
    LIST_ENTRY(loop_alarm) link; /* while armed */
    struct loop *loop;
    int descriptor; /* of a timer: libevent's own clock moves in steps of 4 ms */
    struct event *event;
    uint64_t due_us;  /* 0: not armed */
    uint64_t wake_us; /* when the descriptor becomes readable; 0: it was not set since */
    void (*on_time)(void *ctx);
    void *ctx;
};

/* From now, not from the begin of the turn: what ran in it may have taken longer than the wait. */
static void
wait_for(struct loop_alarm *alarm)
{
    uint64_t now_us = clock_fresh_us();
    uint64_t wait_us = alarm->due_us > now_us ? alarm->due_us - now_us : 0;
    struct itimerspec wait = {
        .it_value = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000 * 1000)}};
    if (wait_us == 0)
        wait.it_value.tv_nsec = 1; /* 0 would be never */
    alarm->wake_us = now_us + wait_us;
    check(timerfd_settime(alarm->descriptor, 0, &wait, NULL) == 0);
}

static void
disarm(struct loop_alarm *alarm)
{
    if (alarm->due_us != 0)
        LIST_REMOVE(alarm, link);
    alarm->due_us = 0;
}

static void
on_time(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)what;
    struct loop_alarm *alarm = ctx;
    uint64_t n_times;
    CHECK_OBJ(alarm, ALARM_MAGIC);
    loop_enter(alarm->loop);
    ssize_t n = read(descriptor, &n_times, sizeof(n_times)); /* EAGAIN: set anew meanwhile */
    (void)n;
    alarm->wake_us = 0;
    if (alarm->due_us == 0)
        return;
    if (clock_mono_us() < alarm->due_us) {
        wait_for(alarm); /* the turn's time is older than the timer's */
        return;
    }
    disarm(alarm);
    alarm->on_time(alarm->ctx);
}

struct loop_alarm *
loop_alarm_new(struct loop *loop, void (*callback)(void *ctx), void *ctx)
{
    struct loop_alarm *alarm = mem_new(struct loop_alarm);
    alarm->magic = ALARM_MAGIC;
    alarm->loop = loop;
    alarm->on_time = callback;
    alarm->ctx = ctx;
    alarm->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    check(alarm->descriptor >= 0);
    alarm->event = event_new(loop->base, alarm->descriptor, EV_READ | EV_PERSIST, on_time, alarm);
    check(alarm->event != NULL && event_add(alarm->event, NULL) == 0);
    return alarm;
}

void
loop_alarm_free(struct loop_alarm **where)
{
    if (*where == NULL)
        return;
    CHECK_OBJ(*where, ALARM_MAGIC);
    disarm(*where);
    event_free((*where)->event);
    close((*where)->descriptor);
    (*where)->magic = 0;
    mem_free(*where);
    *where = NULL;
}

void
loop_alarm_at(struct loop_alarm *alarm, uint64_t due_mono_us)
{
    loop_assert_here(alarm->loop);
    if (due_mono_us == 0)
        due_mono_us = 1; /* 0 means not armed; both lie in the past */
    if (alarm->due_us == due_mono_us)
        return;
    if (alarm->due_us == 0)
        LIST_INSERT_HEAD(&alarm->loop->alarms, alarm, link);
    alarm->due_us = due_mono_us;
    /* One that wakes earlier looks again: most alarms move on long before they are due, and each
     * setting of the descriptor is a system call. */
    if (alarm->wake_us == 0 || alarm->wake_us > due_mono_us)
        wait_for(alarm);
}

void
loop_alarm_cancel(struct loop_alarm *alarm)
{
    if (alarm->due_us == 0)
        return;
    loop_assert_here(alarm->loop);
    disarm(alarm);
}

void
loop_alarm_catch_up(struct loop *loop)
{
    struct loop_alarm *alarm = LIST_FIRST(&loop->alarms);
    uint64_t now_us = clock_mono_us();
    while (alarm != NULL) {
        if (alarm->due_us <= now_us)
            event_active(alarm->event, EV_READ, 0);
        alarm = LIST_NEXT(alarm, link);
    }
}
