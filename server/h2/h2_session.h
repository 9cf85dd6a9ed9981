/* One HTTP/2 connection's protocol state: bytes in, frames out, no socket. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Wraps nghttp2_session for both roles. Owner: h2_link, or a test. The submitting functions only
 * queue: nothing leaves before h2_session_gather, which is never called from a callback. */
#ifndef H2_H2_SESSION_H
#define H2_H2_SESSION_H

#include "base/budget.h"
#include "base/err.h"
#include "h2/h2.h"
#include "h2/h2_gather.h"

struct h2_session;

struct h2_session_settings {
    enum h2_role role;
    uint32_t max_streams; /* server: what the peer may have open */
    uint32_t stream_window_bytes, connection_window_bytes;
    uint32_t header_list_bytes; /* 16 KiB: a longer list resets its stream */
    struct budget *budget;      /* charged for what nghttp2 holds; may be NULL */
    const struct h2_events *events;
    void *ctx;
    /* Something was queued; may be NULL. At once, from any submitting function. */
    void (*on_output)(void *output_ctx);
    void *output_ctx;
};

struct h2_session *h2_session_new(const struct h2_session_settings *);
/* Not inside its own callbacks: h2_session_stop first. No on_close comes. */
void h2_session_free(struct h2_session **);
/* No callback comes any more, even if feed or gather is on the stack. */
void h2_session_stop(struct h2_session *);

/* ERR_H2_PREFACE, ERR_H2_PROTOCOL, ERR_H2_FLOOD: close the connection. */
enum err h2_session_feed(struct h2_session *, struct bytes) MUST_CHECK;
/* Adds frames to the gather until it is full or nothing is left (*is_all). */
enum err h2_session_gather(struct h2_session *, struct h2_gather *, bool *is_all) MUST_CHECK;
/* False once both sides have nothing to say: close. */
bool h2_session_is_alive(const struct h2_session *);
/* Frames queued and not gathered. */
size_t h2_session_queue_length(const struct h2_session *);
/* Server: the peer is in the middle of a header block. */
bool h2_session_is_in_headers(const struct h2_session *);
/* Server: counts against the glitch budget. */
void h2_session_add_glitches(struct h2_session *, uint32_t weight);

/* Client: calls that may be open at once, as the peer says. */
uint32_t h2_session_peer_max_streams(const struct h2_session *);
/* The longest header list that the peer takes, as it says (RFC 9113 6.5.2). */
uint32_t h2_session_peer_header_list_bytes(const struct h2_session *);

void h2_session_ping(struct h2_session *, uint64_t payload);
/* GOAWAY(2^31-1, NO_ERROR): open no new streams, please. */
void h2_session_notice(struct h2_session *);
/* GOAWAY(last stream): no new streams any more. */
void h2_session_goaway(struct h2_session *, enum h2_code);

/* "1.52.0": the nghttp2 that is linked. */
const char *h2_session_version(void);

#endif
