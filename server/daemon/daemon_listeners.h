/* The ports agents connect to. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Control thread. Opened together, paused together; the addresses stay known after shutting. */
#ifndef DAEMON_DAEMON_LISTENERS_H
#define DAEMON_DAEMON_LISTENERS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/metric.h"
#include "base/text.h"
#include "conf/conf.h"
#include "net/loop.h"

struct daemon_listeners;

/* A connection came in on LISTENER_GRPC or LISTENER_GRPC_TLS; the descriptor passes. */
typedef void daemon_listeners_fn(void *ctx, int descriptor, uint32_t listener);

/* On an error *why tells it in words. */
enum err daemon_listeners_open(struct loop *, const struct conf *, daemon_listeners_fn *, void *ctx,
                               struct text *why, struct daemon_listeners **out) MUST_CHECK;
/* Once, before descriptors are opened. */
void daemon_listeners_raise_limit(void);
/* Nothing is accepted any more. */
void daemon_listeners_shut(struct daemon_listeners *);
/* Shuts, too. */
void daemon_listeners_free(struct daemon_listeners **);
/* No room: what comes waits in the kernel's queue. */
void daemon_listeners_pause(struct daemon_listeners *, bool is_paused);
/* The bound address of LISTENER_GRPC or LISTENER_GRPC_TLS; "" where off. */
const char *daemon_listeners_address(const struct daemon_listeners *, uint32_t listener);

#endif
