/* One epoll loop of a test program: descriptors, turns, the time. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_LOOP_H
#define TORTURE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* readable and writable are hints: an error or a hang-up sets both. */
typedef void (*watch_fn)(void *arg, bool readable, bool writable);

struct watch {
    int fd;
    watch_fn fn;
    void *arg;
    struct watch *next_dead;
};

struct loop {
    int poll;
    struct watch *dead; /* closed in this turn; freed at its end */
};

void loop_init(struct loop *);
void loop_fini(struct loop *);
struct watch *loop_watch(struct loop *, int fd, watch_fn fn, void *arg);
void loop_want_write(struct loop *, struct watch *, bool want);
/* Closes the descriptor, too. Its function is not called again. */
void loop_close(struct loop *, struct watch *);
void loop_turn(struct loop *, int timeout_ms);

int64_t now_us(void);

#endif
