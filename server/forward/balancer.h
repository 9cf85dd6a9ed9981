/* Which backends there are, and which of them gets the next call. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: forward. Names are resolved again every upstream.dns_interval and when a connection cannot
 * be made; when resolving fails the old set stays. One connection per address, at most
 * FORWARD_MAX_BACKENDS. A backend whose address is gone gets nothing new and is freed when its last
 * call ended. Power of two choices on outstanding bytes. */
#ifndef FORWARD_BALANCER_H
#define FORWARD_BALANCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/metric.h"
#include "forward/backend.h"
#include "forward/forward.h"

struct balancer;

struct balancer_settings {
    struct loop *loop;
    struct resolver *resolver;
    const struct forward_shared *shared;
    struct metrics *metrics;
    void *ctx;
    void (*on_change)(void *ctx); /* late: a backend came, went, connected or broke */
};
struct balancer *balancer_new(const struct balancer_settings *);
/* No call is in flight. */
void balancer_free(struct balancer **);
/* Copied; on calls that begin from now on, also those of backends to come. */
void balancer_set_token(struct balancer *, const char *auth_token);

/* Which of them the operator has disabled may have changed. */
void balancer_refresh(struct balancer *);
/* More than half of the backends are ejected, or no connected one is left: ejection is ignored. */
bool balancer_is_panicking(const struct balancer *);
/* The batches that all backends together may carry at most. */
uint32_t balancer_max_batches(const struct balancer *);
/* Some backend takes a call now. Disabled ones take none, here and below. */
bool balancer_has_room(const struct balancer *);
uint32_t balancer_n_up(const struct balancer *);
/* A backend that takes a batch of this method now, if possible not the one with the id avoid; an
 * ejected one only in panic or when no other knows the method; NULL when there is none. */
struct backend *balancer_pick(struct balancer *, enum method, uint64_t avoid);
/* As balancer_pick, for a relayed call: METHOD_NONE is a method nobody said not to know. The one
 * with fewer of them. */
struct backend *balancer_pick_stream(struct balancer *, enum method, uint64_t avoid);
/* balancer_pick_stream gave NULL, but soon it may not: a backend is being connected or asked for,
 * or has too many calls at the moment. */
bool balancer_may_take_stream(const struct balancer *, enum method);
/* Another connected backend than the one with this id, not ejected, takes the method. */
bool balancer_has_other(const struct balancer *, enum method, uint64_t id);
/* A connected backend takes the method, if perhaps not at the moment. */
bool balancer_knows(const struct balancer *, enum method);
/* balancer_pick gave NULL although there is room: when to ask again for this method. */
uint64_t balancer_ask_again_us(const struct balancer *, enum method);
/* After a failure: ejects the backend when outlier says so. */
void balancer_judge(struct balancer *, struct backend *);
/* Frees drained backends; never from a channel's callback. */
void balancer_sweep(struct balancer *);

#endif
