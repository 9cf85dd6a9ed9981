/* Answers that are sent in chunks, as server-sent events are. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/buffer.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/http1_int.h"
#include "net/loop_int.h"

enum { STALLED_S = 60 };

static struct bufferevent *
stream_of(const struct http1_pending *pending)
{
    return evhttp_connection_get_bufferevent(pending->connection->evhttp);
}

void
http1_pending_begin(struct http1_pending *pending, int status, const char *content_type)
{
    struct http1 *http = pending->connection->http;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(pending->request);
    loop_assert_here(http->loop);
    if (!http->is_draining && !http->is_dismissed)
        evhttp_add_header(headers, "Connection", "close");
    http1_add_answer_headers(http, pending->request, content_type);
    http1_intake_release(pending->connection, false);
    http->is_answering = true;
    evhttp_send_reply_start(pending->request, status, NULL);
    http->is_answering = false;
    /* It has nothing to say while it listens; who does not take what we say is ended. */
    const struct timeval most = {.tv_sec = STALLED_S};
    bufferevent_set_timeouts(stream_of(pending), NULL, &most);
}

void
http1_pending_add(struct http1_pending *pending, struct bytes more)
{
    struct http1 *http = pending->connection->http;
    struct evbuffer *out = evbuffer_new();
    check(out != NULL && evbuffer_add(out, more.p, more.n) == 0);
    http->is_answering = true;
    evhttp_send_reply_chunk(pending->request, out);
    http->is_answering = false;
    evbuffer_free(out);
}

size_t
http1_pending_unsent(const struct http1_pending *pending)
{
    return evbuffer_get_length(bufferevent_get_output(stream_of(pending)));
}

void
http1_pending_end(struct http1_pending **where)
{
    struct http1_pending *pending = *where;
    *where = NULL;
    pending->connection->pending = NULL;
    evhttp_send_reply_end(pending->request); /* may end the connection */
    mem_free(pending);
}
