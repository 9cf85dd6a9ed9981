/* A long call on a channel, both ways at once: the client's side of a relayed call. */
/* SPDX-License-Identifier: Apache-2.0 */
/* On the channel's thread. Bytes are opaque. What is sent is taken from a queue of the owner; what
 * comes is handed on at once, and the peer may send more only after grpc_stream_credit: at most
 * GRPC_STREAM_WINDOW_BYTES are ever on their way. The stream is gone after on_end. */
#ifndef GRPC_GRPC_STREAM_H
#define GRPC_GRPC_STREAM_H

#include "grpc/grpc_channel.h"
#include "grpc/grpc_metadata.h"
#include "grpc/grpc_queue.h"

enum { GRPC_STREAM_WINDOW_BYTES = 256 * 1024 };

struct grpc_stream;

/* How it ended. */
struct grpc_stream_end {
    enum err err;    /* ERR_OK: the peer ended it with a grpc-status, which is in the trailers; else
                        ERR_STREAM_REFUSED (never processed), ERR_STREAM_RESET, ERR_CLOSED,
                        ERR_GRPC_FRAME (no gRPC, or no grpc-status) */
    int status;      /* enum grpc_status; derived when err is set */
    int http_status; /* 0: no headers came */
    const struct grpc_metadata *trailers; /* void after the callback */
};

/* All at once. The stream may be cancelled in any of them but on_end. */
struct grpc_stream_events {
    /* Headers, when they are not the trailers too. Fields without those that begin with ':'. */
    void (*on_headers)(void *ctx, const struct grpc_metadata *);
    void (*on_data)(void *ctx, struct bytes);
    /* So many bytes of the queue left. */
    void (*on_sent)(void *ctx, size_t n);
    /* Exactly once, unless cancelled. */
    void (*on_end)(void *ctx, const struct grpc_stream_end *);
};

struct grpc_stream_settings {
    struct bytes path;
    /* Behind the pseudo headers, te, grpc-timeout and the channel's own token, which replaces any
     * authentication given here. */
    const struct grpc_metadata *metadata;
    uint64_t timeout_us; /* sent as grpc-timeout; 0: none. The owner keeps it. */
    struct grpc_queue *out;
    bool is_last; /* half closes when the queue is empty */
    struct budget *budget;
    const struct grpc_stream_events *events;
    void *ctx;
};

/* Ready, and below the part of the peer's SETTINGS_MAX_CONCURRENT_STREAMS that streams may use. */
bool grpc_channel_has_stream_room(const struct grpc_channel *);
/* The peer's SETTINGS_MAX_HEADER_LIST_SIZE takes these fields. A longer list costs more than the
 * stream: grpc-java ends the connection when it is a quarter over. */
bool grpc_channel_takes_metadata(const struct grpc_channel *, struct bytes path,
                                 const struct grpc_metadata *);
/* The channel has room and takes the metadata. Nothing of the settings is kept but queue and ctx.
 */
struct grpc_stream *grpc_stream_open(struct grpc_channel *, const struct grpc_stream_settings *);
/* Something was put into the queue. */
void grpc_stream_wake(struct grpc_stream *);
/* END_STREAM once the queue is empty. */
void grpc_stream_half_close(struct grpc_stream *);
/* n bytes of on_data have left. */
void grpc_stream_credit(struct grpc_stream *, uint64_t n);
/* RST_STREAM(CANCEL); on_end does not come. */
void grpc_stream_cancel(struct grpc_stream **);

#endif
