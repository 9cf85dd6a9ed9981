/* Names to addresses in a thread of its own, so that no loop ever waits for a name server. */
/* SPDX-License-Identifier: Apache-2.0 */
/* getaddrinfo honours nsswitch and search domains. One resolver per process, owned by daemon. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "base/err.h"
#include "net/loop.h"
#include "net/net.h"

enum { RESOLVER_MAX_ADDRESSES = 16 };

struct resolver;
struct resolver_query;

struct resolver_answer {
    enum err err; /* ERR_NAME: keep the old set */
    uint32_t n;
    struct net_address addresses[RESOLVER_MAX_ADDRESSES];
};

struct resolver *resolver_new(void);
/* Waits for the query under way; open queries get no answer. */
void resolver_free(struct resolver **);
/* on_answer comes late, on the loop's thread, unless cancelled. Numeric addresses take the same
 * way. */
struct resolver_query *resolver_ask(struct resolver *, struct loop *, const char *host,
                                    uint16_t port,
                                    void (*on_answer)(void *ctx, const struct resolver_answer *),
                                    void *ctx);
/* On the asking loop's thread; the query is freed by its answer or by this. */
void resolver_cancel(struct resolver_query **);

#endif
