/* The server side: agents' connections of one worker. */
/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 in clear text with prior knowledge, or over TLS. Owner: the worker. All duties of
 * grpc-and-durability.md 3 and the defences of 4 are kept here and below, so that handlers see only
 * whole messages. */
#ifndef GRPC_GRPC_ENDPOINT_H
#define GRPC_GRPC_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"
#include "base/method.h"
#include "base/metric.h"
#include "grpc/grpc_call.h"
#include "net/loop.h"

struct grpc_endpoint;
struct grpc_raw_handler;
struct tls_slot;

/* What on_call decides. */
struct grpc_route {
    const struct grpc_handler *handler; /* NULL: raw is, or the call ends with refuse and text */
    const struct grpc_raw_handler *raw; /* only where wants_metadata said so */
    const struct method_row
        *method; /* NULL: unknown, for metrics; its stream kind rules unary checks */
    enum grpc_status refuse;
    const char *text;
    void *user;
};

/* How a connection ended. */
enum grpc_connection_end {
    GRPC_ENDED_BY_US,    /* drain, shutdown, or the peer did what it must not */
    GRPC_ENDED_ORDERLY,  /* the peer had said GOAWAY: it knew */
    GRPC_ENDED_SILENTLY, /* without GOAWAY, but no call was open: gRPC's C core closes like this */
    GRPC_ENDED_IN_CALL,  /* without GOAWAY, inside a call that it had not half closed */
    GRPC_ENDED_DEAD,     /* the peer did not answer PING */
};

struct grpc_service {
    void *ctx;
    /* Whether a call of this path may get a raw handler: then all its metadata is kept. NULL: none
     * does. */
    bool (*wants_metadata)(void *ctx, struct bytes path);
    /* The request headers of a call are complete. Path as sent. */
    void (*on_call)(void *ctx, struct grpc_call *, struct bytes path, struct grpc_route *out);
    /* Drained: no connection is left. */
    void (*on_drained)(void *ctx);
    /* A connection ended: n is how many are left on this endpoint. May be NULL. */
    void (*on_connections)(void *ctx, uint32_t n);
    /* The connection from this peer ended, before on_connections; user is what the service put in
     * its slot (grpc_call_connection_user). Calls of it may still wait. May be NULL. */
    void (*on_connection_gone)(void *ctx, const char *peer, void *user, enum grpc_connection_end);
};

struct grpc_endpoint_settings {
    uint64_t max_message_bytes; /* listen.max_message */
    uint32_t max_streams;       /* listen.max_streams */
    uint64_t keepalive_idle_us, keepalive_timeout_us;
    uint32_t stream_window_bytes; /* 1 MiB; once a stream has used half of GRPC_RAW_WINDOW_BYTES */
    uint32_t connection_window_bytes; /* 4 MiB */
    uint64_t drain_us;                /* shutdown.drain: the grace period */
    uint64_t max_connection_age_us;   /* then a connection is drained, +-10 %; 0: never */
};
void grpc_endpoint_settings_default(struct grpc_endpoint_settings *);

struct grpc_endpoint *grpc_endpoint_new(struct loop *, const struct grpc_endpoint_settings *,
                                        const struct grpc_service *, struct budget *,
                                        struct metrics *);
/* Closes every connection at once. */
void grpc_endpoint_free(struct grpc_endpoint **);
/* Takes over an accepted descriptor. tls: whose context in use it gets; NULL: clear text. */
void grpc_endpoint_accept(struct grpc_endpoint *, int descriptor, struct tls_slot *tls);
/* GOAWAY(2^31-1), then GOAWAY(last id), then answers on open streams, then close; on_drained
 * follows, at the latest after drain_us. */
void grpc_endpoint_drain(struct grpc_endpoint *);
/* The same for those who are there, and newcomers are refused, until grpc_endpoint_welcome; nothing
 * follows. Who has not been ended by then keeps its open calls. */
void grpc_endpoint_dismiss(struct grpc_endpoint *);
void grpc_endpoint_welcome(struct grpc_endpoint *);
uint32_t grpc_endpoint_n_connections(const struct grpc_endpoint *);

#endif
