/* evhttp behind our face. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http1.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/listener_int.h"
#include "net/loop_int.h"

enum { HTTP1_MAGIC = 0x68747470, HEADER_MAX_BYTES = 8 * 1024, IDLE_S = 60 };

struct http1 {
    uint32_t magic;
    bool in_handler;
    struct loop *loop;
    struct evhttp *server;
    struct evhttp_bound_socket *socket;
    http1_handler_fn *handler;
    void *ctx;
};

struct http1_request {
    struct evhttp_request *request;
    struct evkeyvalq query;
    bool is_answered;
};

static void
on_request(struct evhttp_request *request, void *ctx)
{
    struct http1 *http = ctx;
    CHECK_OBJ(http, HTTP1_MAGIC);
    struct http1_request own = {.request = request};
    loop_enter(http->loop);
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    TAILQ_INIT(&own.query);
    if (query != NULL && evhttp_parse_query_str(query, &own.query) != 0)
        TAILQ_INIT(&own.query); /* libevent has freed what it had read */
    http->in_handler = true;
    http->handler(http->ctx, &own);
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

enum err
http1_open(struct loop *loop, const char *address, size_t max_body, http1_handler_fn *handler,
           void *ctx, struct text *why, struct http1 **out)
{
    int descriptor = -1;
    enum err err = listener_bind(address, why, &descriptor);
    if (err != ERR_OK)
        return err;
    ignore_sigpipe();
    struct http1 *http = mem_new(struct http1);
    http->magic = HTTP1_MAGIC;
    http->loop = loop;
    http->handler = handler;
    http->ctx = ctx;
    http->server = evhttp_new(loop_base(loop));
    check(http->server != NULL);
    evhttp_set_max_headers_size(http->server, HEADER_MAX_BYTES);
    evhttp_set_max_body_size(http->server, (ev_ssize_t)max_body);
    evhttp_set_timeout(http->server, IDLE_S);
    evhttp_set_gencb(http->server, on_request, http);
    http->socket = evhttp_accept_socket_with_handle(http->server, descriptor);
    check(http->socket != NULL);
    *out = http;
    return ERR_OK;
}

static void
destroy(void *object)
{
    struct http1 *http = object;
    evhttp_free(http->server);
    http->magic = 0;
    mem_free(http);
}

void
http1_close(struct http1 **where)
{
    struct http1 *http = *where;
    if (http == NULL)
        return;
    CHECK_OBJ(http, HTTP1_MAGIC);
    *where = NULL;
    if (!http->in_handler) {
        destroy(http);
        return;
    }
    /* evhttp still walks the connection that called us. */
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
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT:
    case EVHTTP_REQ_PATCH:
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

static void
add_length(struct evhttp_request *request, size_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%zu", n);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", text);
}

void
http1_answer(struct http1_request *own, int status, const char *content_type, struct bytes body)
{
    check(!own->is_answered);
    own->is_answered = true;
    struct evbuffer *out = evbuffer_new();
    check(out != NULL);
    if (evhttp_request_get_command(own->request) == EVHTTP_REQ_HEAD)
        add_length(own->request, body.n); /* of the body that a GET would have brought */
    else
        check(evbuffer_add(out, body.p, body.n) == 0);
    evhttp_add_header(evhttp_request_get_output_headers(own->request), "Content-Type",
                      content_type);
    evhttp_send_reply(own->request, status, NULL, out);
    evbuffer_free(out);
}
