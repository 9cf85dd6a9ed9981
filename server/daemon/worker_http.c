/* What the configuration means for a worker's HTTP port, and its metrics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker_http.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/http1.h"
#include "net/port_group.h"
#include "receive/receive_http.h"

enum {
    REQUEST_MS = 30 * 1000,
    RECEIVED_SHARE = 8, /* what has come of requests: an eighth of limits.memory */
};

struct worker_http {
    const struct conf *conf;
    struct metrics *metrics;
    struct http1 *port; /* NULL: closed */
    struct receive_http *receive;
    _Atomic uint32_t n_connections; /* read by others */
};

uint32_t
worker_http_n_connections(const struct worker_http *http)
{
    return http != NULL ? atomic_load_explicit(&http->n_connections, memory_order_relaxed) : 0;
}

static void
on_connections(void *ctx, uint32_t n)
{
    struct worker_http *http = ctx;
    uint32_t before = worker_http_n_connections(http);
    if (n > before)
        metric_add(http->metrics, METRIC_CONNECTIONS_TOTAL, LISTENER_HTTP, n - before);
    metric_set(http->metrics, METRIC_CONNECTIONS, LISTENER_HTTP, n);
    atomic_store_explicit(&http->n_connections, n, memory_order_relaxed);
}

static void
on_refused(void *ctx)
{
    const struct worker_http *http = ctx;
    log_warn("daemon", "HTTP connection refused: limits.max_connections is reached", "limit=%u",
             http->conf->limits.max_connections);
    metric_add(http->metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_LIMIT, 1);
}

static void
on_request(void *ctx, struct http1_request *request)
{
    struct worker_http *http = ctx;
    receive_http_on_request(http->receive, request);
}

static void
on_own_answer(void *ctx, int status)
{
    struct worker_http *http = ctx;
    receive_http_on_own_answer(http->receive, status);
}

static struct receive_http *
new_receive(const struct conf *conf, struct receive *receive)
{
    struct receive_http_settings settings = {
        .max_body_bytes = (uint32_t)conf->listen.http.max_body_bytes,
        .max_message_bytes = conf->listen.max_message_bytes,
        .origins = conf->listen.http.cors_origins.items,
        .n_origins = conf->listen.http.cors_origins.n,
    };
    return receive_http_new(receive, &settings);
}

struct worker_http *
worker_http_new(const struct worker_settings *worker, struct loop *loop, struct receive *receive,
                struct budget *budget)
{
    const struct conf *conf = worker->conf;
    if (worker->http_descriptor < 0)
        return NULL;
    enum err err = port_group_listen(worker->http_descriptor);
    if (err != ERR_OK) {
        log_error("daemon", "this worker takes no HTTP", "error=%s", err_name(err));
        close(worker->http_descriptor);
        return NULL;
    }
    struct worker_http *http = mem_new(struct worker_http);
    uint32_t share = conf->limits.max_connections / worker->n_workers;
    struct http1_service service = {
        .max_body = conf->listen.http.max_body_bytes,
        .max_connections = share > 0 ? share : 1,
        .budget = budget,
        .received_max_bytes = conf->limits.memory_bytes / RECEIVED_SHARE / worker->n_workers,
        .request_ms = REQUEST_MS,
        .handler = on_request,
        .ctx = http,
        .on_connections = on_connections,
        .on_refused = on_refused,
        .on_own_answer = on_own_answer,
    };
    http->conf = conf;
    http->metrics = worker->metrics;
    http->receive = new_receive(conf, receive);
    http->port = http1_serve(loop, worker->http_descriptor, &service);
    return http;
}

void
worker_http_drain(struct worker_http *http)
{
    if (http != NULL)
        http1_drain(http->port);
}

void
worker_http_dismiss(struct worker_http *http, bool is_dismissed)
{
    if (http != NULL)
        http1_dismiss(http->port, is_dismissed);
}

bool
worker_http_is_drained(const struct worker_http *http)
{
    return http == NULL || (!http1_accepts(http->port) && worker_http_n_connections(http) == 0 &&
                            receive_http_n_requests(http->receive) == 0);
}

void
worker_http_close(struct worker_http *http)
{
    if (http != NULL)
        http1_close(&http->port);
}

void
worker_http_free(struct worker_http **where)
{
    struct worker_http *http = *where;
    if (http == NULL)
        return;
    receive_http_free(&http->receive);
    mem_free(http);
    *where = NULL;
}
