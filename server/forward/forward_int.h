/* What the files of forward/ share: a batch on its way, and the worker's forward. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARD_FORWARD_INT_H
#define FORWARD_FORWARD_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "forward/backend.h"
#include "forward/backend_names.h"
#include "forward/balancer.h"
#include "forward/forward.h"
#include "forward/retry.h"

enum { FORWARD_MAGIC = 0x46575244, BACKEND_MAGIC = 0x42414b45, SENDING_MAGIC = 0x53454e44 };
/* Batches of one method that may wait for another try, suspects not counted; beyond it the method's
 * lanes wait, so that an ill method neither empties the store into forward nor takes others' turn.
 */
enum { FORWARD_MAX_WAITING = 8 };

struct kafka;
struct kafka_delivery;
struct kafka_setup;

struct forward_shared {
    struct forward_settings settings;
    char **addresses, *auth_token, *tls_name; /* what settings points to */
    struct backend_names *names;
    char via[40]; /* how a relayed call names us, so that it is known when it comes back */
    struct kafka_setup *kafka; /* NULL: gRPC alone */
};

/* Where a sending is. */
enum sending_state {
    SENDING_READY,   /* wants a backend */
    SENDING_FLYING,  /* a call is under way */
    SENDING_WAITING, /* in order of not_before_us */
    SENDING_PARKED,  /* a suspect whose turn comes when the one before it is told apart */
    SENDING_N_STATES
};

/* A batch lent from the store, until it ends. */
struct sending {
    uint32_t magic;
    TAILQ_ENTRY(sending) link;
    enum sending_state state;
    struct forward *forward;
    struct store_batch *batch;
    enum method method; /* the batch's */
    enum method wire;   /* of the call under way */
    struct bytes *slices;
    uint32_t n_slices;        /* room in the array */
    struct backend_load load; /* the call under way */
    struct backend *backend;
    struct grpc_request *request;
    struct kafka_delivery *delivery; /* instead of a call */
    uint64_t started_us, not_before_us;
    uint64_t avoid; /* the backend that failed it last; 0: none */
    uint32_t n_tries, n_free, n_refused, n_exhausted;
    uint64_t failed_us; /* start of the first call that was refused or exhausted; 0: none */
    bool must_pay;      /* the next call needs a token of the retry budget */
    bool is_suspect;    /* a member of its method's isolation */
    bool is_alone;      /* Kafka: each record in a request of its own */
};
TAILQ_HEAD(sending_list, sending);

/* One refused batch per method at a time is cut until the record at fault stands alone. */
struct isolation {
    uint32_t n_members;  /* suspects; 0: free */
    uint32_t n_active;   /* of them READY or FLYING */
    uint32_t n_in_a_row; /* refusals since anything of the method was committed */
};

struct forward {
    uint32_t magic;
    struct loop *loop;
    struct store *store;
    struct forward_shared *shared;
    struct metrics *metrics;
    struct balancer *balancer;
    struct relays *relays;
    struct kafka *kafka; /* NULL: gRPC alone */
    struct loop_turn *turn;
    struct loop_alarm *alarm;
    struct sending_list lists[SENDING_N_STATES];
    struct sending_list spare; /* keep their slices */
    uint32_t n_spare, n_sendings;
    uint32_t n_waiting[METHOD_COUNT]; /* READY or WAITING and no suspects */
    struct isolation isolation[METHOD_COUNT];
    uint32_t n_suspects;
    struct retry_budget budget;
    uint64_t random, swept_us;
    bool is_flushing, is_resting, is_paused;
};

/* sending.c */
struct sending *sending_new(struct forward *, struct store_batch *);
/* The batch was given back already. */
void sending_end(struct sending *);
/* The batch goes back to the store. No call is under way. */
void sending_give_back(struct sending *);
void sending_set_state(struct sending *, enum sending_state);
/* READY when delay_us is 0. */
void sending_wait(struct sending *, uint64_t delay_us);
void sending_set_suspect(struct sending *, bool is_suspect);
void sending_start(struct sending *, struct backend *);
/* The call it needs next is within the retry budget; takes the token. */
bool sending_pay(struct sending *);
/* Ends the call, without an answer. */
void sending_cancel(struct sending *);
/* False when all its records expired: then it is gone. */
bool sending_is_fresh(struct sending *);
void sending_fini_spare(struct forward *);

/* answer.c: grpc_request's on_done; ctx is the sending. */
void answer_on_done(void *ctx, const struct grpc_answer *);

/* isolate.c */
/* The backend refused the sending, perhaps for one of its records. */
void isolate_on_refused(struct sending *, const struct backend *);
/* Something of the method was committed. */
void isolate_on_commit(struct forward *, enum method);
/* Lets parked suspects go on where no other is active. */
void isolate_turn(struct forward *);
/* The backend committed something of the sending's method since its first failure. */
bool isolate_has_proof(const struct sending *, const struct backend *);

/* forward.c: a turn follows soon. */
void forward_wake(struct forward *);

#endif
