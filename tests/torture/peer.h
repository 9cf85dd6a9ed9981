/* One HTTP/2 connection of a test program, either side. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_PEER_H
#define TORTURE_PEER_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

enum { GRPC_PREFIX_BYTES = 5 };

struct peer;
typedef void (*peer_gone_fn)(struct peer *);

struct peer {
    struct loop *loop;
    struct watch *watch; /* NULL: the connection is over */
    nghttp2_session *session;
    uint8_t *out; /* framed and not yet taken by the socket */
    size_t n_out, out_at, out_capacity;
    peer_gone_fn on_gone; /* the peer is still whole; it is freed after that */
    void *owner;
};

/* Window sizes are those we grant: of a stream, of the connection. The session's callbacks get the
 * peer as their user data. */
struct peer *peer_new(struct loop *, int fd, bool server, const nghttp2_session_callbacks *,
                      uint32_t stream_window, uint32_t connection_window);
/* What was submitted leaves as far as the socket takes it. */
void peer_flush(struct peer *);
/* reset: with RST instead of FIN. on_gone is not called. */
void peer_free(struct peer *, bool reset);

/* Sockets; -1 when it fails. To 127.0.0.1. */
int peer_connect(uint16_t port);
/* On an address that no connection of the system comes from: a port that is closed for a while
 * stays free. Port 0: the system picks. */
#define PEER_LISTEN "127.0.0.2"
int peer_listen(uint16_t port);
uint16_t peer_port(int fd);

#endif
