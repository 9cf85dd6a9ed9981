/* The operator's API: routes, who may call, and answers in JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers get only what passed the checks of access. On the control thread. Source: product.md 5.
 *
 * Access: the Host must be this machine (localhost, a loopback address, the bound address; any
 * numeric address where every address is bound), so that no web page gets here by a name of its own
 * (DNS rebinding); an Origin must be that of the Host. With a token: it is asked for beyond
 * loopback, and for every change anywhere; who shows it may use any Host. A Unix socket is guarded
 * by its mode and has no Host to check. */
#ifndef ADMIN_ADMIN_API_H
#define ADMIN_ADMIN_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "integrity/filter.h"
#include "net/http1.h"
#include "net/loop.h"
#include "net/net.h"

enum { ADMIN_MAX_BODY = 64 * 1024 };

#define ADMIN_JSON "application/json"
/* One JSON value a line. */
#define ADMIN_JSON_LINES "application/x-ndjson"

/* element: what stood for '*' in the path, percent-decoded, at most 128 bytes of printable ASCII;
 * BYTES_NONE where the path has none. It answers or defers (net/http1.h). */
typedef void admin_handler_fn(void *ctx, struct http1_request *, struct bytes element);

/* GET routes answer HEAD as well. method: "GET" is read-only; all else is a change and takes
 * the checks of one. */
struct admin_route {
    const char *method;        /* "GET" "POST" "DELETE" */
    const char *path;          /* "/api/v1/quarantine/" "*" "/replay": '*' is one element, once */
    admin_handler_fn *handler; /* the first route that matches counts */
};

struct admin_routes {
    const struct admin_route *routes;
    uint32_t n;
    void *ctx; /* of their handlers */
};

struct admin_api;

struct admin_api_settings {
    const char *address;    /* "": none */
    const char *socket;     /* path of a Unix socket; "": none */
    const char *token_file; /* "": no token. Read once, here */
    /* What the API serves; n_tables lists, which outlive it. */
    const struct admin_routes *tables;
    uint32_t n_tables;
};

/* Binds; why as in listener_open, or what is wrong with the token's file. */
enum err admin_api_open(struct loop *, const struct admin_api_settings *, struct text *why,
                        struct admin_api **out) MUST_CHECK;
void admin_api_close(struct admin_api **);
/* False: there is no port, only a socket or nothing. */
bool admin_api_address(const struct admin_api *, struct net_address *out);

/* For handlers. */
void admin_answer_json(struct http1_request *, int status, const struct text *json);
/* {"error":"words"} */
void admin_answer_error(struct http1_request *, int status, const char *words);
/* The body of such an answer, for those that come later. */
void admin_error_json(struct text *out, const char *words);
/* A number in the query: fallback when absent. False: it was no number within the bounds, and 400
 * is answered. */
bool admin_query_number(struct http1_request *, const char *name, uint64_t least, uint64_t most,
                        uint64_t fallback, uint64_t *out);
/* The query's filter, owned by the caller then; NULL when absent. False: it was none, and 400 is
 * answered. */
bool admin_query_filter(struct http1_request *, struct filter **out);
/* ,"name":"value" with at most 256 bytes of it. */
void admin_add_string(struct text *, const char *name, struct bytes value);
/* "2026-01-31T12:03:58.114Z" with quotes; null for 0. */
void admin_add_time(struct text *out, int64_t unix_ms);

#endif
