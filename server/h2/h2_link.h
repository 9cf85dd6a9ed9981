/* An HTTP/2 session on a socket, flushed once per loop turn. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: grpc_connection or grpc_channel. Everything queued during a turn leaves in one gathered
 * write at TURN_LINKS. Lent DATA never outlives its flush: what the socket does not take of a
 * gather (at most 256 KiB) is copied, and nothing more is gathered until that is gone. */
#ifndef H2_H2_LINK_H
#define H2_H2_LINK_H

#include "base/err.h"
#include "h2/h2.h"
#include "h2/h2_session.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/net.h"

struct h2_link;

/* All late, on the loop's thread. */
struct h2_link_events {
    /* Client, and server with TLS: the connection stands. May be NULL. */
    void (*on_open)(void *ctx);
    /* A chunk was fed. May be NULL. */
    void (*on_fed)(void *ctx);
    /* The socket stopped taking output. May be NULL. */
    void (*on_blocked)(void *ctx);
    /* The connection is over; free the link. Last callback. */
    void (*on_closed)(void *ctx, enum err);
};

/* Why a link is not read. */
enum h2_pause {
    H2_PAUSE_OUTPUT = 1, /* set by the link: the peer does not take our output (server) */
    H2_PAUSE_QUEUE = 2,  /* set by the link: too many frames queued (server) */
    H2_PAUSE_MEMORY = 4, /* set by its user */
};

/* session's output callback is set by the link. tls: see conn.h; NULL: clear text. */
struct h2_link *h2_link_accept(struct loop *, int descriptor, const struct conn_tls *tls,
                               const struct h2_session_settings *, const struct h2_link_events *,
                               void *ctx);
struct h2_link *h2_link_connect(struct loop *, const struct net_address *, uint64_t timeout_us,
                                const struct conn_tls *tls, const struct h2_session_settings *,
                                const struct h2_link_events *, void *ctx);
/* Unsent output is lost. Closes at once, but after on_closed with conn_finish. Allowed in its own
 * callbacks. */
void h2_link_free(struct h2_link **);
/* Ends, with on_closed(ERR_CLOSED), once all output is written. */
void h2_link_close_when_flushed(struct h2_link *);
struct h2_session *h2_link_session(struct h2_link *);
void h2_link_pause(struct h2_link *, enum h2_pause);
void h2_link_resume(struct h2_link *, enum h2_pause);
bool h2_link_is_paused(const struct h2_link *);
/* When bytes came last; when the socket stopped taking output (0: it takes it). */
uint64_t h2_link_last_read_us(const struct h2_link *);
uint64_t h2_link_blocked_since_us(const struct h2_link *);
const char *h2_link_peer(const struct h2_link *);

#endif
