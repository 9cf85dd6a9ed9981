/* One event loop per thread. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A turn: wait for readiness, timers or mail; run their callbacks; then run what was deferred, in
 * the order of registration of the turn hooks. The clock is refreshed once per turn. All functions
 * belong to the loop's thread except loop_mail_send and loop_stop. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct loop;

enum { LOOP_READ_BUFFER_BYTES = 128 * 1024 };

struct loop *loop_new(void);
/* Delivers the mail and runs the deferred frees that are left; nothing may be registered then. */
void loop_free(struct loop **);
/* Until loop_stop. */
void loop_run(struct loop *);
/* One turn; wait at most max_wait_ms (tests, drain). */
void loop_run_once(struct loop *, uint32_t max_wait_ms);
/* Any thread. */
void loop_stop(struct loop *);
/* Aborts unless called on the loop's thread; free in release builds. */
void loop_assert_here(const struct loop *);
/* How long this turn has run so far: asked in TURN_METRICS for the loop's lag. Refreshes the
 * clock. */
uint64_t loop_turn_us(const struct loop *);
/* LOOP_READ_BUFFER_BYTES shared by all connections of the loop; void after the callback. */
uint8_t *loop_read_buffer(struct loop *);

/* Timers: a wheel of 100 ms ticks for timeouts (cheap to arm and to move), embedded in their owner.
 * The callback is late: never before the time, up to 100 ms after it. */
struct loop_timer {
    LIST_ENTRY(loop_timer) link;
    uint64_t due_us; /* 0: not armed */
    void (*on_time)(void *ctx);
    void *ctx;
    struct loop *loop;
};
void loop_timer_init(struct loop_timer *, struct loop *, void (*on_time)(void *ctx), void *ctx);
/* Arms or moves. */
void loop_timer_in(struct loop_timer *, uint64_t delay_us);
void loop_timer_cancel(struct loop_timer *);
bool loop_timer_is_armed(const struct loop_timer *);

/* A precise timer (millisecond), for what is few per worker: batch delays. */
struct loop_alarm;
struct loop_alarm *loop_alarm_new(struct loop *, void (*on_time)(void *ctx), void *ctx);
void loop_alarm_free(struct loop_alarm **);
void loop_alarm_at(struct loop_alarm *, uint64_t due_mono_us);
void loop_alarm_cancel(struct loop_alarm *);

/* Called at the end of every turn in which anything happened, lowest order first. */
struct loop_turn;
struct loop_turn *loop_turn_add(struct loop *, int order, void (*on_turn)(void *ctx), void *ctx);
void loop_turn_remove(struct loop_turn **);
/* The orders in use: first the links flush, ... */
enum {
    TURN_FORWARD = 10, /* make batches of what came in */
    TURN_STORE = 20,   /* settle: answers and credit */
    TURN_LINKS = 30,   /* write what all of this produced */
    TURN_FREE = 40,    /* deferred frees */
    TURN_METRICS = 50, /* publish */
};

/* Frees an object at the end of the turn (TURN_FREE): freeing inside one's own callback is
 * deferred. */
void loop_free_later(struct loop *, void (*free_it)(void *object), void *object);

/* Mail: a queue and a descriptor. send: any thread, takes ownership of the letter; on_mail runs on
 * the loop's thread, late, in order. The letter must embed struct loop_letter first. */
struct loop_letter {
    STAILQ_ENTRY(loop_letter) link;
    void (*on_mail)(struct loop_letter *);
};
void loop_mail_send(struct loop *, struct loop_letter *);

/* Signals as callbacks: control thread only. */
struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *, int number, void (*on_signal)(void *),
                                    void *ctx);
void loop_signal_free(struct loop_signal **);

#endif
