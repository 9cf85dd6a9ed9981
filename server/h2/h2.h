/* The face of h2/: HTTP/2 over nghttp2, both roles, without a word about gRPC. */
/* SPDX-License-Identifier: Apache-2.0 */
/* h2_session  one connection's protocol state: bytes in, frames out; knows no socket
 * h2_stream   what is submitted on one of its streams
 * h2_guard    looks at every frame header before nghttp2 does and keeps a glitch budget
 * h2_gather   what one flush sends: small pieces copied, big ones lent, as one array of iovecs
 * h2_link     a session on a socket, flushed once per loop turn
 * One thread per session. nghttp2's types stay behind these headers. */
#ifndef H2_H2_H
#define H2_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum h2_role { H2_SERVER, H2_CLIENT };

/* RFC 9113 section 7. */
enum h2_code {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_FLOW_CONTROL_ERROR = 3,
    H2_STREAM_CLOSED = 5,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_ENHANCE_YOUR_CALM = 11,
};

enum { H2_FRAME_BYTES = 16384, H2_MAX_STREAM_ID = 0x7fffffff };

/* One header to send. Where it is not lent, name and value are copied. */
struct h2_header {
    const char *name;
    const char *value;
    uint32_t n_name, n_value;
    bool is_lent;
};
enum { H2_MAX_HEADERS = 528 }; /* in one list: 16 KiB of fields that count 32 and more, and ours */

#define H2_HEADER(name, value) \
    ((struct h2_header){(name), (value), sizeof(name) - 1, sizeof(value) - 1, true})

struct h2_gather;

/* How a DATA frame ends. */
enum h2_take {
    H2_TAKE_MORE,     /* more may follow; with 0 bytes: nothing now, h2_stream_wake later */
    H2_TAKE_LAST,     /* END_STREAM */
    H2_TAKE_TRAILERS, /* trailers were submitted in the callback */
};

/* What happens on a session, as static tables of its users. All at once, from h2_session_feed,
 * h2_session_gather or, for on_close only, from these two as well; never from a submitting
 * function. stream is what on_open or h2_stream_request bound to the stream. */
struct h2_events {
    /* Server: the headers of a request begin. The result is bound to the stream; NULL refuses. */
    void *(*on_open)(void *ctx, int32_t stream_id);
    void (*on_header)(void *ctx, void *stream, struct bytes name, struct bytes value);
    /* A header block is complete: headers, or trailers (then is_last). */
    void (*on_headers)(void *ctx, void *stream, bool is_last);
    /* Connection credit is returned by itself; the stream's only by h2_stream_credit. */
    void (*on_data)(void *ctx, void *stream, struct bytes);
    /* The peer half closed. */
    void (*on_end)(void *ctx, void *stream);
    /* The stream is gone and its binding with it. by_peer: the peer reset it. */
    void (*on_close)(void *ctx, void *stream, uint32_t code, bool by_peer);
    /* How many bytes, at most room, the next DATA frame of the stream carries. on_give follows at
     * once, or in a later gather, or never when the stream goes. */
    size_t (*on_take)(void *ctx, void *stream, size_t room, enum h2_take *how);
    /* Puts exactly those n bytes into the gather. */
    void (*on_give)(void *ctx, void *stream, size_t n, struct h2_gather *);
    /* The peer's first SETTINGS are here. */
    void (*on_ready)(void *ctx);
    void (*on_ping_ack)(void *ctx, uint64_t payload);
    /* Client: the peer processes nothing above last_id any more. */
    void (*on_goaway)(void *ctx, int32_t last_id, uint32_t code);
    /* We told the peer to go because of an error. May be NULL. */
    void (*on_told_to_go)(void *ctx);
};

#endif
