/* evhttp behind our face. */
/* SPDX-License-Identifier: Apache-2.0 */
/* evhttp tells nobody of a connection before its first whole request, so that slow clients would
 * be neither seen nor bounded. We make the stream of each connection ourselves and learn from it,
 * at the latest at the end of the turn, which connection evhttp has put on it. */
#include "net/http1.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/http1_int.h"
#include "net/listener_int.h"
#include "net/loop_int.h"

enum {
    HTTP1_MAGIC = 0x68747470,
    HEADER_MAX_BYTES = 8 * 1024,
    IDLE_S = 60,
    TICK_US = 300 * 1000,
    DRAIN_IDLE_US = 1000 * 1000, /* a client may just be about to send */
    SLOW_US = 5 * 1000 * 1000, /* so long a client may take for its answer, when others want room */
    METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
              EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH,
};

struct http1_request {
    struct http1 *http;
    struct http1_connection *connection;
    struct evhttp_request *request;
    struct evkeyvalq query;
    bool is_answered;
};

static void
tell_connections(struct http1 *http)
{
    if (http->service.on_connections != NULL)
        http->service.on_connections(http->service.ctx, http->n_connections);
}

static void
forget(struct http1_connection *connection)
{
    struct http1 *http = connection->http;
    struct http1_connections *list = connection->stream != NULL ? &http->fresh : &http->connections;
    TAILQ_REMOVE(list, connection, link);
    http->n_connections--;
    http1_intake_release(connection, true);
    if (http->reading == connection)
        http->reading = NULL;
    mem_free(connection);
    tell_connections(http);
}

/* The answer that is owed will not come. */
static void
abandon(struct http1_connection *connection)
{
    struct http1_pending *pending = connection->pending;
    if (pending == NULL)
        return;
    connection->pending = NULL;
    /* After an error of the stream evhttp leaves the request to whoever wants to answer it. */
    if (evhttp_request_get_connection(pending->request) == NULL)
        evhttp_request_free(pending->request);
    pending->on_gone(pending->ctx);
    mem_free(pending);
}

/* From evhttp, which is about to free the connection. */
static void
on_connection_end(struct evhttp_connection *evhttp, void *ctx)
{
    (void)evhttp;
    struct http1_connection *connection = ctx;
    CHECK_OBJ(connection->http, HTTP1_MAGIC);
    abandon(connection);
    forget(connection);
}

/* evhttp's connection is the context of the stream's callbacks, which are gone with it. */
static void
adopt(struct http1_connection *connection)
{
    bufferevent_event_cb on_event = NULL;
    void *evhttp = NULL;
    struct bufferevent *stream = connection->stream;
    struct http1 *http = connection->http;
    bufferevent_getcb(stream, NULL, NULL, &on_event, &evhttp);
    if (on_event != NULL) {
        TAILQ_REMOVE(&http->fresh, connection, link);
        TAILQ_INSERT_TAIL(&http->connections, connection, link);
        connection->stream = NULL;
        connection->evhttp = evhttp;
        evhttp_connection_set_closecb(evhttp, on_connection_end, connection);
        if (connection->is_refused)
            evhttp_connection_free(evhttp);
    } else {
        forget(connection);
    }
    bufferevent_decref(stream);
}

static void
adopt_all(struct http1 *http)
{
    while (!TAILQ_EMPTY(&http->fresh))
        adopt(TAILQ_FIRST(&http->fresh));
}

/* Who is in the kernel's queue has connected already. */
static void
stop_accepting(struct http1 *http)
{
    if (http->socket == NULL)
        return;
    struct pollfd one = {.fd = evhttp_bound_socket_get_fd(http->socket), .events = POLLIN};
    if (poll(&one, 1, 0) > 0)
        return;
    evhttp_del_accept_socket(http->server, http->socket);
    http->socket = NULL;
}

static void
on_turn(void *ctx)
{
    struct http1 *http = ctx;
    CHECK_OBJ(http, HTTP1_MAGIC);
    adopt_all(http);
    http1_intake_turn(http);
    if (http->is_draining)
        stop_accepting(http);
}

static void
end_quietest(struct http1 *http)
{
    struct http1_connection *connection;
    TAILQ_FOREACH(connection, &http->connections, link)
    {
        if (connection->pending == NULL)
            break;
    }
    if (connection == NULL)
        connection = TAILQ_FIRST(&http->connections);
    evhttp_connection_free(connection->evhttp);
}

/* From evhttp: a client has come. */
static struct bufferevent *
on_accept(struct event_base *base, void *ctx)
{
    struct http1 *http = ctx;
    CHECK_OBJ(http, HTTP1_MAGIC);
    loop_enter(http->loop);
    adopt_all(http);
    bool is_for_many = http->service.max_connections != 0;
    while (!is_for_many && http->n_connections >= HTTP1_CONNECTIONS)
        end_quietest(http);
    struct http1_connection *connection = mem_new(struct http1_connection);
    connection->http = http;
    connection->is_refused = is_for_many && http->n_connections >= http->service.max_connections;
    if (connection->is_refused)
        http->service.on_refused(http->service.ctx);
    connection->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    check(connection->stream != NULL);
    bufferevent_incref(connection->stream);
    /* A whole request fits; what is sent while we answer waits in the kernel. */
    bufferevent_setwatermark(connection->stream, EV_READ, 0,
                             http->service.max_body + 2 * (size_t)HEADER_MAX_BYTES);
    http1_intake_watch(connection);
    TAILQ_INSERT_TAIL(&http->fresh, connection, link);
    http->n_connections++;
    tell_connections(http);
    return connection->stream;
}

/* Out of descriptors: the next tick tries again. */
static void
on_accept_error(struct evconnlistener *listener, void *ctx)
{
    (void)ctx; /* evhttp's */
    evconnlistener_disable(listener);
}

static bool
has_gone(struct evhttp_connection *evhttp)
{
    struct bufferevent *stream = evhttp_connection_get_bufferevent(evhttp);
    struct pollfd one = {.fd = bufferevent_getfd(stream), .events = POLLRDHUP};
    return poll(&one, 1, 0) > 0;
}

/* No answer is owed, and nobody waits for what might come. */
static bool
is_over(struct http1_connection *connection)
{
    const struct http1 *http = connection->http;
    if (connection->received_bytes > 0)
        return http1_intake_is_slow(connection);
    return http->is_draining && clock_mono_us() - http->drain_us >= DRAIN_IDLE_US;
}

/* evhttp does not read while an answer is owed. */
static void
on_tick(void *ctx)
{
    struct http1 *http = ctx;
    CHECK_OBJ(http, HTTP1_MAGIC);
    struct http1_connection *connection = TAILQ_FIRST(&http->connections);
    while (connection != NULL) {
        struct http1_connection *next = TAILQ_NEXT(connection, link);
        if (connection->pending != NULL ? has_gone(connection->evhttp) : is_over(connection))
            evhttp_connection_free(connection->evhttp);
        connection = next;
    }
    if (http->socket != NULL && !http->intake.is_full)
        evconnlistener_enable(evhttp_bound_socket_get_listener(http->socket));
    loop_timer_in(&http->tick, TICK_US);
}

void
http1_add_answer_headers(struct http1 *http, struct evhttp_request *request,
                         const char *content_type)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    static const char policy[] = "Content-Security-Policy";
    evhttp_add_header(headers, "Content-Type", content_type);
    if (http->is_draining || http->is_dismissed)
        evhttp_add_header(headers, "Connection", "close");
    if (evhttp_find_header(headers, "Cache-Control") == NULL)
        evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (evhttp_find_header(headers, policy) == NULL)
        evhttp_add_header(headers, policy, "default-src 'none'; frame-ancestors 'none'");
}

/* The length is told in HTTP/1.0 too: a client sees when an answer was cut. For HEAD it is that of
 * the body that a GET would have brought. */
static void
send_answer(struct http1_connection *connection, struct evhttp_request *request, int status,
            const char *content_type, struct bytes body)
{
    struct http1 *http = connection->http;
    struct evbuffer *out = evbuffer_new();
    char length[24];
    check(out != NULL);
    snprintf(length, sizeof(length), "%zu", body.n);
    if (status != 204)
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", length);
    http1_add_answer_headers(http, request, content_type);
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        check(evbuffer_add(out, body.p, body.n) == 0);
    http1_intake_release(connection, false);
    http->is_answering = true;
    evhttp_send_reply(request, status, NULL, out); /* may end the connection */
    http->is_answering = false;
    evbuffer_free(out);
}

static struct http1_connection *
find_connection(struct http1 *http, struct evhttp_request *request)
{
    struct evhttp_connection *evhttp = evhttp_request_get_connection(request);
    struct http1_connection *connection = http->reading;
    /* evhttp takes the request's lines out of the stream just before it calls us. */
    if (connection != NULL && connection->evhttp == evhttp)
        return connection;
    TAILQ_FOREACH(connection, &http->connections, link)
    {
        if (connection->evhttp == evhttp)
            return connection;
    }
    return NULL;
}

/* What the client has not taken of its answer. */
static size_t
n_unsent(const struct http1_connection *connection)
{
    struct bufferevent *stream = evhttp_connection_get_bufferevent(connection->evhttp);
    return evbuffer_get_length(bufferevent_get_output(stream));
}

/* Ends those that do not take what they asked for, if there is too much of it. False: there still
 * is. */
static bool
make_room(struct http1 *http)
{
    struct http1_connection *connection, *next;
    size_t n = 0;
    TAILQ_FOREACH(connection, &http->connections, link) n += n_unsent(connection);
    for (connection = TAILQ_FIRST(&http->connections); connection != NULL && n > HTTP1_UNSENT_BYTES;
         connection = next) {
        size_t n_own = n_unsent(connection);
        next = TAILQ_NEXT(connection, link);
        if (n_own == 0 || clock_mono_us() - connection->asked_us < SLOW_US)
            continue;
        n -= n_own;
        evhttp_connection_free(connection->evhttp);
    }
    return n <= HTTP1_UNSENT_BYTES;
}

/* Why no handler is asked, or BYTES_NONE. */
static struct bytes
refusal(struct http1 *http)
{
    if (http->is_closed) /* in this turn, by the handler of another request */
        return BYTES("{\"error\":\"the service is ending\"}\n");
    /* Of many, none asks for much. */
    return http->service.max_connections != 0 || make_room(http)
               ? BYTES_NONE
               : BYTES("{\"error\":\"too many answers wait for slow clients; try "
                       "again in some seconds\"}\n");
}

static void
on_request(struct evhttp_request *request, void *ctx)
{
    struct http1 *http = ctx;
    CHECK_OBJ(http, HTTP1_MAGIC);
    loop_enter(http->loop);
    adopt_all(http);
    struct http1_connection *connection = find_connection(http, request);
    check(connection != NULL && connection->pending == NULL);
    struct http1_request own = {.http = http, .connection = connection, .request = request};
    TAILQ_REMOVE(&http->connections, connection, link);
    TAILQ_INSERT_TAIL(&http->connections, connection, link);
    connection->asked_us = clock_mono_us();
    struct bytes why = refusal(http);
    if (why.n > 0) {
        send_answer(connection, request, 503, "application/json", why);
        return;
    }
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    TAILQ_INIT(&own.query);
    if (query != NULL && evhttp_parse_query_str(query, &own.query) != 0)
        TAILQ_INIT(&own.query); /* libevent has freed what it had read */
    http->in_handler = true;
    http->service.handler(http->service.ctx, &own);
    http->in_handler = false;
    check(own.is_answered);
    evhttp_clear_headers(&own.query);
}

/* evhttp writes with writev, which raises SIGPIPE when the peer has gone. */
static void
ignore_sigpipe(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    check(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

struct http1 *
http1_serve(struct loop *loop, int descriptor, const struct http1_service *service)
{
    ignore_sigpipe();
    struct http1 *http = mem_new(struct http1);
    http->magic = HTTP1_MAGIC;
    http->loop = loop;
    http->service = *service;
    TAILQ_INIT(&http->connections);
    TAILQ_INIT(&http->fresh);
    http->server = evhttp_new(loop_base(loop));
    check(http->server != NULL);
    evhttp_set_max_headers_size(http->server, HEADER_MAX_BYTES);
    evhttp_set_max_body_size(http->server, (ev_ssize_t)service->max_body);
    evhttp_set_allowed_methods(http->server, METHODS);
    evhttp_set_timeout(http->server, IDLE_S);
    evhttp_set_bevcb(http->server, on_accept, http);
    evhttp_set_gencb(http->server, on_request, http);
    http->socket = evhttp_accept_socket_with_handle(http->server, descriptor);
    check(http->socket != NULL);
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(http->socket), on_accept_error);
    http->turn = loop_turn_add(loop, TURN_LINKS, on_turn, http);
    loop_timer_init(&http->tick, loop, on_tick, http);
    loop_timer_in(&http->tick, TICK_US);
    return http;
}

enum err
http1_open(struct loop *loop, const char *address, size_t max_body, http1_handler_fn *handler,
           void *ctx, struct text *why, struct http1 **out)
{
    int descriptor = -1;
    struct http1_socket unix_socket = {.path = NULL};
    const char *path = http1_socket_path(address);
    enum err err = path != NULL ? http1_socket_bind(path, &unix_socket, why, &descriptor)
                                : listener_bind(address, why, &descriptor);
    if (err != ERR_OK)
        return err;
    struct http1_service service = {.max_body = max_body, .handler = handler, .ctx = ctx};
    *out = http1_serve(loop, descriptor, &service);
    (*out)->unix_socket = unix_socket;
    return ERR_OK;
}

void
http1_drain(struct http1 *http)
{
    CHECK_OBJ(http, HTTP1_MAGIC);
    http->is_draining = true;
    http->drain_us = clock_mono_us();
}

void
http1_dismiss(struct http1 *http, bool is_dismissed)
{
    CHECK_OBJ(http, HTTP1_MAGIC);
    http->is_dismissed = is_dismissed;
}

bool
http1_accepts(const struct http1 *http)
{
    return http->socket != NULL;
}

uint32_t
http1_n_connections(const struct http1 *http)
{
    return http->n_connections;
}

static void
destroy(void *object)
{
    struct http1 *http = object;
    adopt_all(http);
    evhttp_free(http->server);
    check(http->n_connections == 0);
    http->magic = 0;
    mem_free(http);
}

void
http1_close(struct http1 **where)
{
    struct http1 *http = *where;
    struct http1_connection *connection;
    if (http == NULL)
        return;
    CHECK_OBJ(http, HTTP1_MAGIC);
    *where = NULL;
    http->is_closed = true;
    loop_timer_cancel(&http->tick);
    loop_turn_remove(&http->turn);
    http1_socket_fini(&http->unix_socket);
    TAILQ_FOREACH(connection, &http->connections, link) abandon(connection);
    if (!http->in_handler) {
        destroy(http);
        return;
    }
    /* evhttp still walks the connection that called us. */
    if (http->socket != NULL)
        evhttp_del_accept_socket(http->server, http->socket);
    http->socket = NULL;
    loop_free_later(http->loop, destroy, http);
}

void
http1_address(const struct http1 *http, struct net_address *out)
{
    listener_bound_address(evhttp_bound_socket_get_fd(http->socket), out);
}

const char *
http1_method(const struct http1_request *own)
{
    switch (evhttp_request_get_command(own->request)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT:
    default:
        return "OTHER"; /* evhttp has refused these already */
    }
}

const char *
http1_path(const struct http1_request *own)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(own->request));
    return path != NULL && path[0] != '\0' ? path : "/";
}

const char *
http1_query(const struct http1_request *own, const char *name)
{
    return evhttp_find_header(&own->query, name);
}

const char *
http1_header(const struct http1_request *own, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(own->request), name);
}

struct bytes
http1_body(const struct http1_request *own)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(own->request);
    return bytes_of(evbuffer_pullup(body, -1), evbuffer_get_length(body));
}

bool
http1_mark(struct http1_request *own)
{
    bool is_new = !own->connection->is_marked;
    own->connection->is_marked = true;
    return is_new;
}

bool
http1_peer(const struct http1_request *own, struct net_address *out)
{
    struct evhttp_connection *evhttp = evhttp_request_get_connection(own->request);
    *out = (struct net_address){.length = sizeof(out->storage)};
    return getpeername(bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp)),
                       (struct sockaddr *)&out->storage, &out->length) == 0;
}

void
http1_add_header(struct http1_request *own, const char *name, const char *value)
{
    check(!own->is_answered);
    evhttp_add_header(evhttp_request_get_output_headers(own->request), name, value);
}

void
http1_answer(struct http1_request *own, int status, const char *content_type, struct bytes body)
{
    check(!own->is_answered);
    own->is_answered = true;
    send_answer(own->connection, own->request, status, content_type, body);
}

struct http1_pending *
http1_defer(struct http1_request *own, void (*on_gone)(void *ctx), void *ctx)
{
    check(!own->is_answered);
    own->is_answered = true;
    struct http1_pending *pending = mem_new(struct http1_pending);
    pending->connection = own->connection;
    pending->request = own->request;
    pending->on_gone = on_gone;
    pending->ctx = ctx;
    pending->connection->pending = pending;
    return pending;
}

void
http1_pending_answer(struct http1_pending **where, int status, const char *content_type,
                     struct bytes body)
{
    struct http1_pending *pending = *where;
    *where = NULL;
    loop_assert_here(pending->connection->http->loop);
    pending->connection->pending = NULL;
    send_answer(pending->connection, pending->request, status, content_type, body);
    mem_free(pending);
}

struct bytes
http1_pending_body(const struct http1_pending *pending)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(pending->request);
    return bytes_of(evbuffer_pullup(body, -1), evbuffer_get_length(body));
}

void
http1_pending_add_header(struct http1_pending *pending, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(pending->request), name, value);
}
