/* The inside of a loop, for net/ only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LOOP_INT_H
#define NET_LOOP_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "net/loop.h"

struct event;
struct event_base;

enum {
    LOOP_MAGIC = 0x6c6f6f70,
    WHEEL_TICK_US = 100 * 1000,
    WHEEL_SLOTS = 512, /* one round is 51.2 s; what is due later stays for another round */
};

LIST_HEAD(loop_timer_list, loop_timer);
LIST_HEAD(loop_alarm_list, loop_alarm);
TAILQ_HEAD(loop_turn_list, loop_turn);
STAILQ_HEAD(loop_letter_list, loop_letter);

/* A slot holds the timers whose tick is its number modulo the size; the bits say which slots hold
 * any, so that an idle loop sleeps until the next one that does. */
struct loop_wheel {
    struct loop_timer_list slots[WHEEL_SLOTS];
    uint64_t occupied[WHEEL_SLOTS / 64];
    uint64_t tick;      /* everything up to here was run */
    uint64_t wake_tick; /* what the event waits for; 0: for nothing */
    uint32_t n_armed;
    struct event *event;
};

struct loop_deferred {
    void (*free_it)(void *object);
    void *object;
};

struct loop {
    uint32_t magic;
    bool turn_begun, in_hooks, hooks_removed;
    struct event_base *base;
    struct event *patience; /* ends the wait of loop_run_once */
    uint64_t turn_started_us;
    uint8_t *read_buffer;
    struct loop_turn_list turns;
    struct loop_turn *free_turn;
    struct loop_deferred *deferred;
    uint32_t n_deferred, deferred_size;
    struct loop_alarm_list alarms; /* the armed ones */
    struct loop_wheel wheel;
    LIST_HEAD(, conn_linger) lingering;
    uint32_t n_lingering;

    /* Any thread. */
    atomic_bool is_stopped, is_running;
    int mail_descriptor;
    struct event *mail_event;
    pthread_mutex_t mail_lock;
    struct loop_letter_list mail; /* under mail_lock */
};

/* First thing in every callback from libevent: refreshes the clock once per turn. */
void loop_enter(struct loop *);
struct event_base *loop_base(const struct loop *);
void loop_wheel_init(struct loop *);
void loop_wheel_fini(struct loop *);
/* Runs what is due by the clock, whatever woke the loop. */
void loop_wheel_catch_up(struct loop *);
/* The same for alarms: a clock set by hand does not move libevent's timers. */
void loop_alarm_catch_up(struct loop *);

#endif
