/* HTTP/1.1 for the telemetry and admin ports and for agents, over libevent's evhttp. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include "base/budget.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/net.h"

struct http1;
struct http1_request; /* lives during the handler */
struct http1_pending; /* a request that is answered after its handler */

typedef void http1_handler_fn(void *ctx, struct http1_request *);

/* Connections open at once. One more ends the one that has been quiet longest, answers owed come
 * last: neither descriptors nor the port can be used up. */
enum { HTTP1_CONNECTIONS = 64 };
/* Of answers that clients do not take. Beyond it those who take more than 5 s for theirs are ended;
 * while that is not enough, requests are answered by 503. */
enum { HTTP1_UNSENT_BYTES = 64 * 1024 * 1024 };

/* Binds: "host:port" as listener_open, or "unix:/path": a socket for this user alone (mode 0600),
 * in place of one that nobody listens on any more. why as in listener_open. The handler runs on the
 * loop's thread for every request, header list at most 8 KiB, body at most max_body bytes, idle
 * connections end after 60 s. */
enum err http1_open(struct loop *, const char *address, size_t max_body, http1_handler_fn *,
                    void *ctx, struct text *why, struct http1 **out) MUST_CHECK;
/* A port for many strangers. */
struct http1_service {
    size_t max_body;
    uint32_t max_connections; /* one more is closed at once */
    /* Charged with each connection and with what has come of requests without an answer yet. */
    struct budget *budget;
    /* Of requests, all connections together. Beyond it, and while the budget says BUDGET_STALL,
     * nobody is accepted and only the connection whose request began first is read; who pauses for
     * 5 s in a request is ended. */
    uint64_t received_max_bytes;
    uint32_t request_ms; /* a request that takes longer to arrive ends its connection */
    http1_handler_fn *handler;
    void *ctx;
    void (*on_connections)(void *ctx, uint32_t n); /* open now: after every change */
    void (*on_refused)(void *ctx);                 /* one more than max_connections */
    /* What evhttp answered by itself: no HTTP, a body above max_body, an unknown method. */
    void (*on_own_answer)(void *ctx, int status);
};
/* Takes the listening descriptor over. */
struct http1 *http1_serve(struct loop *, int descriptor, const struct http1_service *);
/* Accepts nobody any more; who has begun a request, or begins one soon, is answered, and each
 * answer ends its connection. Over when http1_n_connections is 0 and http1_accepts is false. */
void http1_drain(struct http1 *);
/* Everybody is answered, and each answer ends its connection; or not any more. */
void http1_dismiss(struct http1 *, bool is_dismissed);
bool http1_accepts(const struct http1 *);
uint32_t http1_n_connections(const struct http1 *);

/* Who waits for an answer gets none: on_gone of every pending one is called from here. */
void http1_close(struct http1 **);
/* Not of a Unix socket. */
void http1_address(const struct http1 *, struct net_address *out);

/* "GET"; the path without its query, still percent-encoded. */
const char *http1_method(const struct http1_request *);
const char *http1_path(const struct http1_request *);
/* A query parameter, decoded; NULL when absent. Valid during the handler. */
const char *http1_query(const struct http1_request *, const char *name);
/* A request header; NULL when absent. */
const char *http1_header(const struct http1_request *, const char *name);
struct bytes http1_body(const struct http1_request *);
/* Marks the connection, for the handler's own purpose. False: an earlier request has done so. */
bool http1_mark(struct http1_request *);
/* Who asks; of family AF_UNIX on a Unix socket. False: the peer has gone. */
bool http1_peer(const struct http1_request *, struct net_address *out);
/* A header of the answer, before http1_answer or http1_defer. */
void http1_add_header(struct http1_request *, const char *name, const char *value);
/* Exactly once per request, unless it is deferred. */
void http1_answer(struct http1_request *, int status, const char *content_type, struct bytes body);

/* In place of http1_answer: the answer comes later, once, by http1_pending_answer. on_gone: the
 * client went away first (seen within half a second) or the port was closed; *where is void then
 * and nothing is answered any more. It is never called from within http1_defer
 * and does not close the port. */
struct http1_pending *http1_defer(struct http1_request *, void (*on_gone)(void *ctx), void *ctx);
/* Sets *where to NULL. */
void http1_pending_answer(struct http1_pending **where, int status, const char *content_type,
                          struct bytes body);

/* In place of http1_pending_answer: an answer that goes on until its client goes, or until its end.
 * begin comes first and once. */
void http1_pending_begin(struct http1_pending *, int status, const char *content_type);
void http1_pending_add(struct http1_pending *, struct bytes);
/* What its client has not taken yet: who adds regardless of it grows without bound. */
size_t http1_pending_unsent(const struct http1_pending *);
/* Sets *where to NULL. */
void http1_pending_end(struct http1_pending **where);

/* The request's body and more headers of its answer. */
struct bytes http1_pending_body(const struct http1_pending *);
void http1_pending_add_header(struct http1_pending *, const char *name, const char *value);

/* A blocking call, for commands that ask a running service. */
struct http1_call {
    const char *address; /* "host:port", "http://host:port" or "unix:/path" */
    const char *method;  /* NULL: GET */
    const char *path;    /* with its query */
    const char *token;   /* Authorization: Bearer; NULL: none */
    struct bytes body;   /* sent as application/json; n 0: none */
    uint32_t timeout_ms; /* for the whole call */
};
/* ERR_OK: an answer of any status came; *body is added to. */
enum err http1_call(const struct http1_call *, int *status, struct text *body) MUST_CHECK;
/* Who reads an answer that goes on. */
struct http1_follower {
    void *ctx;
    /* The body of an answer of status 2xx, as it comes; false: that is enough. */
    bool (*on_bytes)(void *ctx, struct bytes);
    /* Asked when a signal interrupted the wait; true: it is over. A signal just before the wait
     * does not: on_bytes looks for it too. */
    bool (*is_over)(void *ctx);
};
/* As http1_call, for an answer without end: call->timeout_ms is the longest silence. ERR_OK: it
 * ended, or the follower did; *body is that of another status, up to 64 KiB. */
enum err http1_follow(const struct http1_call *, const struct http1_follower *, int *status,
                      struct text *body) MUST_CHECK;
/* A value in the query of a path, percent-encoded. */
void http1_add_encoded(struct text *out, const char *value);
/* A GET. */
enum err http1_get(const char *address, const char *path, uint32_t timeout_ms, int *status,
                   struct text *body) MUST_CHECK;

#endif
