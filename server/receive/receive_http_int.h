/* What the files of receive_http share: the state of one request. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIVE_RECEIVE_HTTP_INT_H
#define RECEIVE_RECEIVE_HTTP_INT_H

#include <sys/queue.h>

#include "base/http_path.h"
#include "grpc/grpc_codec.h"
#include "message/json_convert.h"
#include "receive/receive_http.h"
#include "receive/receive_int.h"

enum { HTTP_REQUEST_MAGIC = 0x52434854, HTTP_ERRORS_SHOWN = 20 };

enum http_form { HTTP_JSON, HTTP_PROTOBUF };
enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_DEFLATE };

/* What the head of a request asks for. */
struct http_ask {
    const struct http_path_row *path;
    enum http_form form;
    enum http_coding coding;
};

/* One request. Owner: itself, as the store's cookie; freed when it is answered or its client has
 * gone, and nothing of it is unsettled. */
struct http_request {
    uint32_t magic;
    struct receive_http *http;
    struct http1_pending *pending; /* NULL: answered, or the client has gone */
    struct http_ask ask;
    uint32_t n_passed; /* elements that need not be looked at again */
    uint32_t n_taken, n_refused, n_set_aside;
    uint32_t n_unsettled;
    bool is_passed;     /* the whole body */
    int status;         /* of the answer where it is not by the elements; 0 */
    struct text errors; /* members of the answer's list */
    uint32_t n_errors;
    bool is_waiting;
    struct loop_timer patience;
    LIST_ENTRY(http_request) all;
    TAILQ_ENTRY(http_request) waiting; /* while is_waiting */
};
LIST_HEAD(http_requests, http_request);
TAILQ_HEAD(http_waiting, http_request);

struct receive_http {
    struct receive *receive;
    struct receive_http_settings settings;
    struct grpc_codec *codec;
    struct arena *arena; /* of one message */
    struct http_requests all;
    struct http_waiting waiting;
    uint32_t n_requests;
};

/* receive_http_head: false: it was answered. */
bool receive_http_head(struct receive_http *, struct http1_request *, struct http_ask *out);
/* Counts an answer. path NULL: unknown. */
void receive_http_count(struct receive_http *, const struct http_path_row *path, int status);

/* receive_http_body: judges and puts what is left of the body, which is the same in each round.
 * ERR_WAIT: there was no room. */
enum err receive_http_body(struct http_request *, struct bytes body) MUST_CHECK;

/* receive_http_put: one message. ERR_WAIT: there was no room, nothing was counted. */
enum err receive_http_put(struct http_request *, struct bytes message) MUST_CHECK;
/* Something that is no message, set aside for that reason: at most its beginning. */
enum err receive_http_put_aside(struct http_request *, struct bytes what, enum rule,
                                const char *why) MUST_CHECK;

/* Names the element that is looked at, and what is wrong with it. */
void receive_http_tell(struct http_request *, const char *prefix, const char *why);

/* From receive: false: the cookie is no request of HTTP. */
bool receive_http_on_settled(void *cookie, uint32_t n_records);
void receive_http_on_room(struct receive_http *);

#endif
