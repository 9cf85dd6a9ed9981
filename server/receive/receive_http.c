/* The life of an HTTP request: held while there is no room, answered when all of it is settled. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/receive_http.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "receive/receive_http_int.h"

enum {
    PATIENCE_US = 5 * 1000 * 1000, /* without room for so long: 503 */
    ARENA_BYTES = 64 * 1024,       /* raised for each element */
};
#define RETRY_AFTER_S "5"

struct receive_http *
receive_http_new(struct receive *receive, const struct receive_http_settings *settings)
{
    struct receive_http *http = mem_new(struct receive_http);
    http->receive = receive;
    http->settings = *settings;
    http->codec = grpc_codec_new(receive->parts.budget);
    http->arena = arena_new(ARENA_BYTES);
    LIST_INIT(&http->all);
    TAILQ_INIT(&http->waiting);
    receive->http = http;
    return http;
}

static void
stop_waiting(struct http_request *request)
{
    if (!request->is_waiting)
        return;
    request->is_waiting = false;
    TAILQ_REMOVE(&request->http->waiting, request, waiting);
}

static void
request_free(struct http_request *request)
{
    stop_waiting(request);
    loop_timer_cancel(&request->patience);
    LIST_REMOVE(request, all);
    request->http->n_requests--;
    text_fini(&request->errors);
    request->magic = 0;
    mem_free(request);
}

void
receive_http_free(struct receive_http **where)
{
    struct receive_http *http = *where;
    if (http == NULL)
        return;
    while (!LIST_EMPTY(&http->all))
        request_free(LIST_FIRST(&http->all));
    http->receive->http = NULL;
    grpc_codec_free(&http->codec);
    arena_free(&http->arena);
    mem_free(http);
    *where = NULL;
}

uint32_t
receive_http_n_requests(const struct receive_http *http)
{
    return http->n_requests;
}

void
receive_http_count(struct receive_http *http, const struct http_path_row *path, int status)
{
    metric_add(http->receive->parts.metrics, METRIC_HTTP_REQUESTS,
               http_path_metric_index(path, status), 1);
}

void
receive_http_on_own_answer(void *ctx, int status)
{
    receive_http_count(ctx, NULL, status);
}

/* The answer. */

static int
status_of(const struct http_request *request)
{
    if (request->status != 0)
        return request->status;
    return request->n_refused > 0 && request->n_taken == 0 ? 400 : 200;
}

/* {} when there is nothing to tell. */
static void
add_body(const struct http_request *request, struct text *out)
{
    text_add(out, "{");
    if (request->status == 503)
        text_add(out, "\"error\":\"no room in the buffer\",");
    if (request->status == 503 || request->n_errors > 0)
        text_addf(out, "\"accepted\":%u,\"set_aside\":%u,\"refused\":%u,\"errors\":[%s]",
                  request->n_taken, request->n_set_aside, request->n_refused,
                  request->errors.p != NULL ? request->errors.p : "");
    text_add(out, "}");
}

static void
answer(struct http_request *request)
{
    int status = status_of(request);
    struct text body = TEXT_EMPTY;
    add_body(request, &body);
    if (status == 503)
        http1_pending_add_header(request->pending, "Retry-After", RETRY_AFTER_S);
    receive_http_count(request->http, request->ask.path, status);
    http1_pending_answer(&request->pending, status, "application/json", text_bytes(&body));
    text_fini(&body);
}

/* Answers when it is time to, and frees what nobody needs any more. */
static void
step(struct http_request *request)
{
    bool is_over = request->is_passed || request->status == 503;
    if (request->pending != NULL && is_over &&
        (request->n_unsettled == 0 || request->status == 503))
        answer(request);
    if (request->pending == NULL && request->n_unsettled == 0)
        request_free(request);
}

static void
on_patience(void *ctx)
{
    struct http_request *request = ctx;
    CHECK_OBJ(request, HTTP_REQUEST_MAGIC);
    if (!request->is_waiting)
        return;
    stop_waiting(request);
    request->status = 503;
    step(request);
}

static void
run(struct http_request *request)
{
    struct receive_http *http = request->http;
    if (!store_is_short(http->receive->store) &&
        receive_http_body(request, http1_pending_body(request->pending)) == ERR_OK) {
        request->is_passed = true;
        step(request);
        return;
    }
    request->is_waiting = true;
    TAILQ_INSERT_TAIL(&http->waiting, request, waiting);
    if (!loop_timer_is_armed(&request->patience))
        loop_timer_in(&request->patience, PATIENCE_US);
}

static void
on_gone(void *ctx)
{
    struct http_request *request = ctx;
    CHECK_OBJ(request, HTTP_REQUEST_MAGIC);
    request->pending = NULL;
    stop_waiting(request);
    step(request);
}

void
receive_http_on_request(void *ctx, struct http1_request *asked)
{
    struct receive_http *http = ctx;
    struct http_ask ask;
    if (!receive_http_head(http, asked, &ask))
        return;
    struct http_request *request = mem_new(struct http_request);
    request->magic = HTTP_REQUEST_MAGIC;
    request->http = http;
    request->ask = ask;
    loop_timer_init(&request->patience, http->receive->parts.loop, on_patience, request);
    LIST_INSERT_HEAD(&http->all, request, all);
    http->n_requests++;
    request->pending = http1_defer(asked, on_gone, request);
    run(request);
}

bool
receive_http_on_settled(void *cookie, uint32_t n_records)
{
    struct http_request *request = cookie;
    if (request->magic != HTTP_REQUEST_MAGIC)
        return false;
    check(n_records <= request->n_unsettled);
    request->n_unsettled -= n_records;
    step(request);
    return true;
}

/* As receive_on_room: first come first, and who finds no room waits anew behind the others. */
void
receive_http_on_room(struct receive_http *http)
{
    struct http_waiting waiting = TAILQ_HEAD_INITIALIZER(waiting);
    TAILQ_CONCAT(&waiting, &http->waiting, waiting);
    while (!TAILQ_EMPTY(&waiting)) {
        struct http_request *request = TAILQ_FIRST(&waiting);
        TAILQ_REMOVE(&waiting, request, waiting);
        request->is_waiting = false;
        run(request);
    }
}
