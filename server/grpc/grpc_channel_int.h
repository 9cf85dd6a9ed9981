/* The client side's own structures: a channel and the requests on it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_channel  the connection, its states and its reconnection
 * grpc_request  one short call: what is sent, what comes back
 * grpc_stream   one long call, both ways
 * Requests are recycled by their channel; both live until the end of the turn that ends them. Every
 * h2 stream is bound to something that begins with the table of its own events. */
#ifndef GRPC_GRPC_CHANNEL_INT_H
#define GRPC_GRPC_CHANNEL_INT_H

#include <sys/queue.h>

#include "grpc/grpc_channel.h"
#include "grpc/grpc_stream.h"
#include "h2/h2_link.h"

enum {
    CHANNEL_MAGIC = 0x6368616e,
    REQUEST_MAGIC = 0x72657175,
    STREAM_MAGIC = 0x7374726d,
    ANSWER_INLINE = 32,
    ANSWER_MAX = 64 * 1024 + 5, /* of the answer's DATA that is kept */
    TEXT_MAX = 4096,            /* of grpc-message */
    REQUESTS_KEPT = 64,
    LAST_STREAM_ID = 0x7ff00000, /* then the connection has had enough streams */
};

struct grpc_request {
    const struct h2_events *events; /* first */
    uint32_t magic;
    int32_t stream_id;
    struct grpc_channel *channel;
    struct grpc_request_settings settings;
    uint64_t deadline_us;
    uint64_t n_left; /* bytes not sent yet */
    uint32_t slice;  /* where sending is */
    size_t slice_at;
    bool was_sent;                /* its headers left */
    int http_status, grpc_status; /* 0 and -1: not seen */
    uint8_t *answer;              /* answer_inline or its own */
    uint32_t n_answer, answer_size;
    uint8_t answer_inline[ANSWER_INLINE];
    char *text;
    uint32_t n_text;
    TAILQ_ENTRY(grpc_request) link;
};
TAILQ_HEAD(grpc_request_list, grpc_request);

struct grpc_stream {
    const struct h2_events *events; /* first */
    uint32_t magic;
    int32_t stream_id;
    struct grpc_channel *channel;
    struct grpc_queue *out;
    struct budget *budget;
    const struct grpc_stream_events *to;
    void *ctx;
    struct grpc_metadata list; /* of the block that is read, or the trailers */
    int http_status;           /* 0: not seen */
    bool is_last;              /* half closes when the queue is empty */
    bool is_deferred, was_sent, has_ended, has_headers;
    bool is_answered; /* the peer half closed: its trailers are in the list */
    TAILQ_ENTRY(grpc_stream) link;
};
TAILQ_HEAD(grpc_stream_list, grpc_stream);

struct grpc_channel {
    uint32_t magic;
    struct loop *loop;
    struct grpc_channel_settings settings;
    char *authority, *auth_token, *tls_name;
    enum grpc_channel_state state;
    struct h2_link *link; /* NULL while waiting to connect */
    struct grpc_request_list requests, spares;
    uint32_t n_calls, n_spares; /* requests */
    struct grpc_stream_list streams;
    uint32_t n_streams;
    struct loop_timer timer; /* connecting, backing off, and the calls' deadlines */
    uint64_t retry_us, ready_by_us, ready_us;
    uint64_t backoff_us; /* the next one */
    uint32_t n_attempts;
    bool is_dead;
    bool has_served; /* this connection answered a call OK */
    bool is_worn;    /* its connection has no stream ids left */
    bool is_retired;
};

/* grpc_channel: something falls due then. */
void grpc_channel_due(struct grpc_channel *, uint64_t due_us);

/* A call left: a retired channel may have been waiting for it. Nothing of it is used any more but
 * memory, which stays until the end of the turn. */
void grpc_channel_on_call_gone(struct grpc_channel *);
/* Calls that may be open at once; 0: none. */
uint32_t grpc_channel_max_calls(const struct grpc_channel *);

/* grpc_stream */
/* The connection is lost. */
void grpc_stream_lose(struct grpc_stream *);

/* grpc_request */
/* Ends it: on_done, and the request is gone. */
void grpc_request_fail(struct grpc_request *, enum err, int status);
void grpc_request_expire(struct grpc_request *);
void grpc_request_free_spares(struct grpc_channel *);
/* Of the session, for all its streams. */
extern const struct h2_events grpc_channel_events;

#endif
