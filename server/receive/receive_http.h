/* What agents send over HTTP: JSON and protobuf bodies (protocol.md 7). */
/* SPDX-License-Identifier: Apache-2.0 */
/* One per worker; its thread only. Each message of a body is one item, judged, stored and settled
 * as the same message over gRPC. A request is answered
 *
 *   200 {}          everything in it was taken and settled
 *   200 {...}       as before, but for elements that are named with what is wrong with them
 *   400             nothing in it was good, or nobody can tell where its elements are
 *   403 404 405 415 the origin, token, path, method or encoding is not one we take
 *   413             above listen.http.max_body, packed or unpacked
 *   503             no room for five seconds, with Retry-After
 *
 * What cannot be read is set aside as proto-undecodable, with its text. The verb ci looks at gRPC
 * alone. */
#ifndef RECEIVE_RECEIVE_HTTP_H
#define RECEIVE_RECEIVE_HTTP_H

#include "net/http1.h"
#include "receive/receive.h"

struct receive_http;

struct receive_http_settings {
    uint32_t max_body_bytes;
    uint64_t max_message_bytes;
    const char *const *origins; /* listen.http.cors_origins; outlive it */
    uint32_t n_origins;
};

struct receive_http *receive_http_new(struct receive *, const struct receive_http_settings *);
/* After its port is closed and before receive_free. */
void receive_http_free(struct receive_http **);

/* For struct http1_service; ctx is the struct receive_http. */
void receive_http_on_request(void *ctx, struct http1_request *);
void receive_http_on_own_answer(void *ctx, int status);
/* Requests that are not answered, or wait for what they put to settle. */
uint32_t receive_http_n_requests(const struct receive_http *);

#endif
