/* One non-blocking TCP socket on a loop, in clear text or with TLS on it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: whoever created it, frees it with conn_free (deferred inside its own callbacks, so it may
 * be called there). Level-triggered: at most 256 KiB are read per turn. TCP_NODELAY is on,
 * TCP_USER_TIMEOUT 30 s; a peer that we connected to is asked by TCP keepalive, so that 30 s of
 * silence from its host end an idle connection as well. SIGPIPE never rises. With TLS nothing is
 * told or written before the handshake is over; a peer that closes without close_notify has closed
 * (HTTP/2 frames itself). */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/loop.h"
#include "net/net.h"

struct conn;
struct tls_context;

/* Copied; the context is kept by a reference of the conn's own. */
struct conn_tls {
    struct tls_context *context;
    const char *name;    /* client: whom the peer's certificate must name; "" or NULL: nobody */
    uint64_t timeout_us; /* of the handshake */
};

/* All on the loop's thread, always late. */
struct conn_callbacks {
    void *ctx;
    /* Bytes in the loop's read buffer, void after the call. */
    void (*on_bytes)(void *ctx, struct bytes);
    /* After conn_connect, and after conn_accepted with TLS: the connection stands. */
    void (*on_open)(void *ctx);
    /* After conn_write took less than all: the socket takes bytes again. */
    void (*on_writable)(void *ctx);
    /* The peer closed (ERR_CLOSED) or the socket or TLS failed. Last callback. */
    void (*on_closed)(void *ctx, enum err);
};

/* Takes over an accepted descriptor. Reading starts at once. tls: a server's; NULL: clear text. */
struct conn *conn_accepted(struct loop *, int descriptor, const struct conn_tls *tls,
                           const struct conn_callbacks *);
/* Starts to connect; on_open or on_closed follows, ERR_TIMEOUT after timeout_us, or after that of
 * the handshake. tls: a client's; NULL: clear text. */
struct conn *conn_connect(struct loop *, const struct net_address *, uint64_t timeout_us,
                          const struct conn_tls *tls, const struct conn_callbacks *);
/* Closes at once: a peer that still sends may lose what it has not read of us. */
void conn_free(struct conn **);
/* The same for its owner, but what was written reaches the peer: the socket is closed after the
 * peer's end, or a second later. */
void conn_finish(struct conn **);
/* Writes what the socket takes now and tells how much; 0 with ERR_OK when it takes nothing, then
 * on_writable follows. What was not taken comes first in the next call, as it was: with TLS it may
 * be encrypted already. An error is also told by on_closed later. */
enum err conn_write(struct conn *, const struct iovec *, int n, size_t *written) MUST_CHECK;
/* Flow control: no read until resumed. */
void conn_pause(struct conn *);
void conn_resume(struct conn *);
bool conn_is_paused(const struct conn *);
/* The peer in text ("127.0.0.1:54321"), valid while the conn lives. */
const char *conn_peer(const struct conn *);

#endif
