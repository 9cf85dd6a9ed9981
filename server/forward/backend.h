/* One backend of one worker: its connection, what it may carry, what it does not know. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: balancer. In flight from 2 batches up: one more per round while answers take less than 1 s
 * and the limit is used, a tenth less above 2 s, half on overload or a deadline; a call that
 * started before the last cut cuts no more. A small message that travels alone weighs a sixteenth
 * of a batch: else 1,000 agents' unary metrics would wait for slots behind a slow OAP. */
#ifndef FORWARD_BACKEND_H
#define FORWARD_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/method.h"
#include "forward/forward.h"
#include "forward/outlier.h"
#include "forward/retry.h"
#include "grpc/grpc_channel.h"
#include "net/net.h"

struct forward_shared;

enum { BACKEND_BATCH_WEIGHT = 16, BACKEND_SINGLE_WEIGHT = 1 };

struct backend {
    uint32_t magic;
    TAILQ_ENTRY(backend) link;
    uint64_t id; /* never used again: a batch remembers where it was refused */
    const struct forward_shared *shared;
    struct metrics *metrics;
    struct net_address address;
    char name[NET_ADDRESS_TEXT];
    uint32_t slot; /* of the metrics */
    struct grpc_channel *channel;
    struct loop *loop;
    const char *authority, *auth_token; /* the balancer's */
    bool is_up, is_leaving;
    bool is_disabled;    /* by the operator: no new calls */
    uint32_t n_inflight; /* calls */
    uint32_t n_relayed;  /* relayed calls, in none of these figures */
    uint32_t weight;     /* of the calls in flight */
    uint64_t outstanding_bytes;
    double limit; /* batches */
    uint32_t max_limit;
    uint32_t round_weight; /* of the answers of this round */
    bool was_full;         /* the limit was reached in this round */
    uint64_t cut_us;
    struct outlier outlier;
    uint64_t success_s;                      /* last told to backend_names */
    uint64_t unknown_until_us[METHOD_COUNT]; /* answered UNIMPLEMENTED */
    uint32_t n_unknown[METHOD_COUNT];        /* in a row */
    uint64_t committed_us[METHOD_COUNT];     /* last OK, by the store's method */
    void *ctx;
    void (*on_state)(void *ctx, struct backend *); /* late */
};

struct backend_settings {
    struct loop *loop;
    const struct forward_shared *shared;
    struct metrics *metrics;
    struct net_address address;
    const char *authority, *auth_token; /* outlive it; the token until there is another */
    uint64_t id;
    void *ctx;
    void (*on_state)(void *ctx, struct backend *);
};
struct backend *backend_new(const struct backend_settings *);
/* No call is in flight. */
void backend_free(struct backend **);
/* As that of the settings: on calls that begin from now on. */
void backend_set_token(struct backend *, const char *auth_token);

bool backend_has_room(const struct backend *);
/* The method of the call that carries a batch of this method; METHOD_NONE while the backend does
 * not know any that would do. */
enum method backend_wire(const struct backend *, enum method, uint64_t now_us);
/* When backend_wire may change its mind. */
uint64_t backend_unknown_until_us(const struct backend *, enum method);

/* One call. */
struct backend_load {
    uint64_t n_bytes;
    uint32_t weight;
};
void backend_on_start(struct backend *, const struct backend_load *);
struct backend_result {
    enum method method, wire;
    enum retry_outcome outcome;
    int status;       /* for the metric */
    bool is_overload; /* deadline, UNAVAILABLE (also a lost connection), RESOURCE_EXHAUSTED */
    struct backend_load load;
    uint64_t started_us, now_us;
    uint64_t unknown_us; /* how long not to try an UNIMPLEMENTED method */
};
void backend_on_done(struct backend *, const struct backend_result *);
/* A relayed call. Its way says nothing about what a backend can carry, so no limit moves. */
bool backend_has_stream_room(const struct backend *);
/* METHOD_NONE: not in the table, so nothing is known about it. */
bool backend_knows(const struct backend *, enum method, uint64_t now_us);
struct backend_relayed {
    enum method method;
    int status;
    bool is_timed; /* its duration says how fast the backend is */
    uint64_t started_us, now_us;
    uint64_t unknown_us; /* how long not to try an UNIMPLEMENTED method; 0: it is none */
};
void backend_on_relay_start(struct backend *);
void backend_on_relayed(struct backend *, const struct backend_relayed *);
/* We ended it. */
void backend_on_relay_gone(struct backend *);
/* The call ended without an answer because we ended it. */
void backend_on_cancel(struct backend *, const struct backend_load *);

#endif
