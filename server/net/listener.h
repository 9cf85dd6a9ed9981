/* A bound address that hands accepted descriptors on. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/err.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/net.h"

struct listener;

struct listener_callbacks {
    void *ctx;
    /* Takes the descriptor over (non-blocking, close-on-exec). */
    void (*on_accept)(void *ctx, int descriptor, const struct net_address *peer);
    /* Out of descriptors: accepting pauses for 1 s by itself; a spare descriptor is used to close
     * one waiting connection politely. Once per pause. */
    void (*on_exhausted)(void *ctx);
};

/* Binds and listens (SO_REUSEADDR). On an error *why tells it in words: for ERR_IN_USE who holds
 * the port, where /proc lets us see it ("held by nginx, pid 123"). */
enum err listener_open(struct loop *, const char *address, const struct listener_callbacks *,
                       struct text *why, struct listener **out) MUST_CHECK;
/* Stops accepting and closes. */
void listener_close(struct listener **);
/* The bound address with the real port (after port 0). */
void listener_address(const struct listener *, struct net_address *out);
/* No room for more connections: leaves them in the kernel's queue. */
void listener_pause(struct listener *);
void listener_resume(struct listener *);

#endif
