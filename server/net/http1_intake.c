/* What has come of requests, bounded over all connections of a port. */
/* SPDX-License-Identifier: Apache-2.0 */
/* evhttp keeps each body whole in memory of its own. We count the bytes that come, charge them to
 * the budget until the answer is sent, and beyond the bound read from one connection only: that
 * whose request began first, so that some request always gets whole. */
#include <event2/buffer.h>
#include <event2/listener.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/http1_int.h"
#include "net/loop_int.h"

enum {
    CONNECTION_BYTES = 6 * 1024, /* evhttp's, bufferevent's and evbuffer's parts */
    STATUS_LINE_BYTES = 12,      /* "HTTP/1.1 413" */
    STATUS_CONTINUE = 100,
    QUIET_US = 5 * 1000 * 1000, /* so long a client may pause in a request, when others want room */
};

static void
on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *ctx)
{
    struct http1_connection *connection = ctx;
    struct http1 *http = connection->http;
    (void)buffer;
    http->reading = connection;
    if (info->n_added == 0)
        return;
    loop_enter(http->loop);
    if (connection->received_bytes == 0)
        connection->began_us = clock_mono_us();
    connection->heard_us = clock_mono_us();
    connection->received_bytes += info->n_added;
    http->intake.received_bytes += info->n_added;
    if (http->service.budget != NULL)
        budget_take_always(http->service.budget, info->n_added);
}

/* evhttp answers by itself what never becomes a request. */
static void
on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *ctx)
{
    const struct http1_connection *connection = ctx;
    const struct http1 *http = connection->http;
    struct evbuffer_ptr at;
    struct evbuffer_iovec line; /* a bufferevent's output may be looked at, not copied from */
    if (http->is_answering || http->service.on_own_answer == NULL ||
        info->n_added < STATUS_LINE_BYTES ||
        evbuffer_ptr_set(buffer, &at, info->orig_size, EVBUFFER_PTR_SET) != 0 ||
        evbuffer_peek(buffer, STATUS_LINE_BYTES, &at, &line, 1) < 1 ||
        line.iov_len < STATUS_LINE_BYTES)
        return;
    const char *text = line.iov_base;
    char digits[4] = {text[9], text[10], text[11], '\0'};
    int status = strncmp(text, "HTTP/", 5) == 0 ? (int)strtol(digits, NULL, 10) : 0;
    if (status > STATUS_CONTINUE)
        http->service.on_own_answer(http->service.ctx, status);
}

void
http1_intake_watch(struct http1_connection *connection)
{
    struct budget *budget = connection->http->service.budget;
    evbuffer_add_cb(bufferevent_get_input(connection->stream), on_input, connection);
    evbuffer_add_cb(bufferevent_get_output(connection->stream), on_output, connection);
    if (budget != NULL)
        budget_take_always(budget, CONNECTION_BYTES);
}

static struct bufferevent *
stream_of(const struct http1_connection *connection)
{
    return connection->stream != NULL ? connection->stream
                                      : evhttp_connection_get_bufferevent(connection->evhttp);
}

void
http1_intake_release(struct http1_connection *connection, bool is_end)
{
    struct http1 *http = connection->http;
    struct http1_intake *intake = &http->intake;
    struct bufferevent *stream = stream_of(connection);
    /* What follows a request in the stream belongs to the next one. */
    uint64_t next = is_end ? 0 : evbuffer_get_length(bufferevent_get_input(stream));
    if (next > connection->received_bytes)
        next = connection->received_bytes;
    uint64_t n = connection->received_bytes - next;
    connection->received_bytes = next;
    connection->began_us = clock_mono_us();
    intake->received_bytes -= n;
    if (intake->first == connection)
        intake->first = NULL;
    if (http->service.budget != NULL)
        budget_give(http->service.budget, n + (is_end ? CONNECTION_BYTES : 0));
    if (!is_end)
        return;
    evbuffer_remove_cb(bufferevent_get_input(stream), on_input, connection);
    evbuffer_remove_cb(bufferevent_get_output(stream), on_output, connection);
}

static bool
is_full(const struct http1 *http)
{
    return http->service.budget != NULL &&
           (http->intake.received_bytes > http->service.received_max_bytes ||
            budget_level(http->service.budget) >= BUDGET_STALL);
}

static struct http1_connection *
find_first(const struct http1 *http)
{
    struct http1_connection *first = NULL, *connection;
    TAILQ_FOREACH(connection, &http->connections, link)
    {
        if (connection->pending == NULL && connection->received_bytes > 0 &&
            (first == NULL || connection->began_us < first->began_us))
            first = connection;
    }
    return first;
}

/* evhttp itself reads from a connection unless an answer is owed on it. */
static void
set_reading(struct http1 *http)
{
    struct http1_connection *connection;
    TAILQ_FOREACH(connection, &http->connections, link)
    {
        struct bufferevent *stream = stream_of(connection);
        bool wanted = !http->intake.is_full || connection == http->intake.first;
        bool is_read = (bufferevent_get_enabled(stream) & EV_READ) != 0;
        if (connection->pending != NULL || wanted == is_read)
            continue;
        if (wanted)
            bufferevent_enable(stream, EV_READ);
        else
            bufferevent_disable(stream, EV_READ);
    }
}

void
http1_intake_turn(struct http1 *http)
{
    struct http1_intake *intake = &http->intake;
    bool was_full = intake->is_full;
    intake->is_full = is_full(http);
    if (!intake->is_full && !was_full)
        return;
    if (intake->is_full && intake->first == NULL)
        intake->first = find_first(http);
    set_reading(http);
    if (http->socket == NULL)
        return;
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(http->socket);
    if (intake->is_full)
        evconnlistener_disable(listener);
    else
        evconnlistener_enable(listener);
}

/* Nothing of it waits for us to read. */
static bool
is_quiet(const struct http1_connection *connection, uint64_t now_us)
{
    struct pollfd one = {.fd = bufferevent_getfd(stream_of(connection)), .events = POLLIN};
    return now_us - connection->heard_us >= QUIET_US && poll(&one, 1, 0) == 0;
}

bool
http1_intake_is_slow(struct http1_connection *connection)
{
    const struct http1 *http = connection->http;
    uint64_t now_us = clock_mono_us();
    if (http->service.request_ms == 0)
        return false;
    if (http->intake.is_full && is_quiet(connection, now_us))
        return true; /* else half requests of one client keep everybody out, each for its 30 s */
    if (http->intake.is_full && connection != http->intake.first)
        connection->began_us = now_us; /* it is we who do not read */
    return now_us - connection->began_us >= (uint64_t)http->service.request_ms * 1000;
}
