/* Precise timers, each an event of its own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>

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
    struct event *event;
    uint64_t due_us; /* 0: not armed */
    void (*on_time)(void *ctx);
    void *ctx;
};

static void
wait_for(struct loop_alarm *alarm)
{
    uint64_t now_us = clock_mono_us();
    uint64_t wait_us = alarm->due_us > now_us ? alarm->due_us - now_us : 0;
    struct timeval wait = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};
    check(event_add(alarm->event, &wait) == 0);
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
    (void)descriptor;
    (void)what;
    struct loop_alarm *alarm = ctx;
    CHECK_OBJ(alarm, ALARM_MAGIC);
    loop_enter(alarm->loop);
    if (alarm->due_us == 0)
        return;
    if (clock_mono_us() < alarm->due_us) {
        /* libevent's coarse clock runs some milliseconds behind ours. */
        wait_for(alarm);
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
    alarm->event = event_new(loop->base, -1, 0, on_time, alarm);
    check(alarm->event != NULL);
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
    wait_for(alarm);
}

void
loop_alarm_cancel(struct loop_alarm *alarm)
{
    if (alarm->due_us == 0)
        return;
    loop_assert_here(alarm->loop);
    disarm(alarm);
    event_del(alarm->event);
}

void
loop_alarm_catch_up(struct loop *loop)
{
    struct loop_alarm *alarm = LIST_FIRST(&loop->alarms);
    uint64_t now_us = clock_mono_us();
    while (alarm != NULL) {
        if (alarm->due_us <= now_us)
            event_active(alarm->event, EV_TIMEOUT, 0);
        alarm = LIST_NEXT(alarm, link);
    }
}
