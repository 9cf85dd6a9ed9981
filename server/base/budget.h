/* One memory figure for the process, charged by everything that grows with network input. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A worker borrows from the pool in steps of 1 MiB and spends without touching the shared figure
 * again. The levels are looked at only when new memory is asked for: what is reserved always
 * completes, else half-received messages would lock each other out. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_STEP_BYTES = 1024 * 1024 };

/* How full the pool is, in the order in which doors close. */
enum budget_level {
    BUDGET_FREE,    /* below 60 % */
    BUDGET_RELEASE, /* 60 %: what is on disk leaves memory */
    BUDGET_HOLD,    /* 70 %: no new message is taken, its stream stalls */
    BUDGET_STALL,   /* 85 %: connections with stalled bytes are not read */
    BUDGET_FULL,    /* 95 %: nothing is read or accepted */
};

/* Shared by all threads; lives as long as the process's workers. */
struct budget_pool {
    _Atomic uint64_t borrowed_bytes;
    uint64_t limit_bytes;
    _Atomic uint64_t gated_bytes; /* declared by large messages on their way in */
};

/* One worker's share; that worker's thread only. */
struct budget {
    struct budget_pool *pool;
    uint64_t borrowed_bytes; /* a multiple of the step */
    uint64_t used_bytes;
};

void budget_pool_init(struct budget_pool *, uint64_t limit_bytes);
void budget_init(struct budget *, struct budget_pool *);
/* Gives everything back; used_bytes must be 0. */
void budget_fini(struct budget *);
/* False when the pool's limit would be passed: nothing is charged then. */
bool budget_take(struct budget *, uint64_t n);
/* For what must complete (a message whose length was accepted): may pass the limit. */
void budget_take_always(struct budget *, uint64_t n);
void budget_give(struct budget *, uint64_t n);
enum budget_level budget_level(const struct budget *);
/* Large messages pass a gate by their declared length, all together at most a quarter of the limit;
 * one always passes. False: wait. Reserves nothing: what arrives is charged as it comes. */
bool budget_gate_enter(struct budget *, uint64_t n);
void budget_gate_leave(struct budget *, uint64_t n);

#endif
