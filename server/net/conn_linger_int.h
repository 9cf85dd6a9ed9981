/* Sockets closed in order: nothing more is written, and what the peer still sends is thrown away
 * until it has closed as well. For conn.c only. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A socket closed over unread bytes is reset by the kernel, and the reset overtakes what the peer
 * has not read of us yet: an answer, or the GOAWAY that says why (RFC 9112 9.6 tells it of HTTP/1).
 * Owner of the descriptor from then on: the loop, on its thread. */
#ifndef NET_CONN_LINGER_INT_H
#define NET_CONN_LINGER_INT_H

#include <stdint.h>

#include "net/loop.h"

/* A peer that does not close is waited for no longer. */
#define CONN_LINGER_US UINT64_C(1000000)
enum {
    CONN_LINGER_BYTES = 4 * 1024 * 1024, /* of one socket: a connection's window */
    CONN_LINGER_MAX = 256,               /* sockets of a loop; what is more is closed at once */
};

/* Takes over the descriptor of a connected socket. */
void conn_linger_start(struct loop *, int descriptor);
/* Closes those that are left; of loop_free. */
void conn_linger_close_all(struct loop *);

#endif
