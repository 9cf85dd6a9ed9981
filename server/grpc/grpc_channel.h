/* The client side: one HTTP/2 connection to a backend, kept up, with calls on it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: forward's balancer, the load generator, or a test. On the owner's loop thread. The channel
 * reconnects by itself: 1 s x 1.6 with 20 % jitter, at most 30 s (gRPC connection backoff). No PING
 * is ever sent (grpc-java's too_many_pings); deadlines, TCP_USER_TIMEOUT and TCP keepalive find
 * dead peers. */
#ifndef GRPC_GRPC_CHANNEL_H
#define GRPC_GRPC_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "grpc/grpc_call.h"
#include "net/loop.h"
#include "net/net.h"

struct grpc_channel;
struct tls_slot;
struct grpc_request; /* one call in flight */

enum grpc_channel_state {
    CHANNEL_CONNECTING,
    CHANNEL_READY,
    CHANNEL_BACKOFF,  /* waits before it connects again */
    CHANNEL_DRAINING, /* got a GOAWAY: finishes its calls, then connects again */
};

struct grpc_channel_settings {
    struct net_address address;
    const char *authority;  /* copied: ":authority", host:port as configured */
    const char *auth_token; /* copied; "" = none */
    struct tls_slot *tls;   /* outlives the channel; NULL: clear text */
    const char *tls_name;   /* copied; expected in the peer's certificate; "" or NULL: the
                               authority's host */
    uint64_t connect_timeout_us;
    uint64_t backoff_initial_us, backoff_max_us; /* 0: 1 s and 30 s */
    void *ctx;
    /* Late. The calls on the connection were ended before with their own on_done. */
    void (*on_state)(void *ctx, enum grpc_channel_state);
};

struct grpc_channel *grpc_channel_new(struct loop *, const struct grpc_channel_settings *);
/* Open calls end with ERR_CLOSED, at once, in their on_done. */
void grpc_channel_free(struct grpc_channel **);
/* Its owner has another one: it finishes its calls, connects no more and frees itself when none is
 * left. on_state comes no more. It has calls; allowed in its on_state. */
void grpc_channel_retire(struct grpc_channel **);
/* Copied; on calls that begin from now on. */
void grpc_channel_set_token(struct grpc_channel *, const char *auth_token);
enum grpc_channel_state grpc_channel_state(const struct grpc_channel *);
/* Room for one more call: ready, and below the peer's SETTINGS_MAX_CONCURRENT_STREAMS. Of those a
 * quarter is left to streams (grpc_stream.h), and half of them to calls. */
bool grpc_channel_has_room(const struct grpc_channel *);
uint32_t grpc_channel_n_calls(const struct grpc_channel *);
/* Long calls of grpc_stream.h. */
uint32_t grpc_channel_n_streams(const struct grpc_channel *);

struct grpc_answer {
    enum err err;         /* ERR_OK: the peer ended it with a grpc-status; else how the call broke:
                             ERR_STREAM_REFUSED (not processed, retry is free), ERR_STREAM_RESET,
                             ERR_CLOSED, ERR_TIMEOUT, ERR_GRPC_FRAME */
    int status;           /* enum grpc_status; derived from RST or HTTP status when err is set */
    struct bytes text;    /* grpc-message, decoded; void after the callback */
    struct bytes message; /* the first message of the answer, at most 64 KiB; void after */
};

struct grpc_request_settings {
    const char *path; /* must outlive the call (a table's literal) */
    const struct bytes
        *slices;         /* the DATA of the call, gRPC prefixes included; lent until on_done */
    uint32_t n_slices;   /* the array itself is lent too */
    uint64_t timeout_us; /* sent as grpc-timeout, kept here as well */
    void *ctx;
    /* Late, exactly once, unless cancelled. */
    void (*on_done)(void *ctx, const struct grpc_answer *);
};

/* Sends headers, all slices and END_STREAM as the windows allow. The channel must have room. */
struct grpc_request *grpc_channel_start(struct grpc_channel *,
                                        const struct grpc_request_settings *);
/* RST_STREAM(CANCEL); on_done does not come; the slices are free at once. */
void grpc_request_cancel(struct grpc_request **);

#endif
