/* HTTP/1.1 for the telemetry and admin ports, over libevent's evhttp. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/net.h"

struct http1;
struct http1_request; /* lives during the handler */

typedef void http1_handler_fn(void *ctx, struct http1_request *);

/* Binds; why as in listener_open. The handler runs on the loop's thread for every request, header
 * list at most 8 KiB, body at most max_body bytes, idle connections end after 60 s. */
enum err http1_open(struct loop *, const char *address, size_t max_body, http1_handler_fn *,
                    void *ctx, struct text *why, struct http1 **out) MUST_CHECK;
void http1_close(struct http1 **);
void http1_address(const struct http1 *, struct net_address *out);

/* "GET"; the path without its query, still percent-encoded. */
const char *http1_method(const struct http1_request *);
const char *http1_path(const struct http1_request *);
/* A query parameter, decoded; NULL when absent. Valid during the handler. */
const char *http1_query(const struct http1_request *, const char *name);
/* A request header; NULL when absent. */
const char *http1_header(const struct http1_request *, const char *name);
struct bytes http1_body(const struct http1_request *);
/* Exactly once per request. */
void http1_answer(struct http1_request *, int status, const char *content_type, struct bytes body);

/* A blocking GET for commands (health, load, demo): status and body, within timeout_ms. */
enum err http1_get(const char *address, const char *path, uint32_t timeout_ms, int *status,
                   struct text *body) MUST_CHECK;

#endif
