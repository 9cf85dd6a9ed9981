/* One long call of a channel: its queue out, everything that comes handed on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_stream.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc_channel_int.h"
#include "grpc/grpc_meta.h"
#include "h2/h2_stream.h"

/* Pseudo headers, te, grpc-timeout and the token: what stands before the given fields. */
enum { OWN_HEADERS = 7, OWN_LIST_BYTES = 512 };

static const struct h2_events stream_events;

/* NULL once the connection is lost. */
static struct h2_session *
session_of(const struct grpc_stream *stream)
{
    struct h2_link *link = stream->channel->link;
    return link != NULL ? h2_link_session(link) : NULL;
}

/* Life. */

static void
destroy(struct grpc_stream *stream)
{
    TAILQ_REMOVE(&stream->channel->streams, stream, link);
    stream->channel->n_streams--;
    grpc_metadata_fini(&stream->list, stream->budget);
    grpc_channel_on_call_gone(stream->channel);
    loop_free_later(stream->channel->loop, mem_free,
                    stream); /* its own event may be on the stack */
}

static void
end(struct grpc_stream *stream, enum err err, int status)
{
    struct grpc_stream_end how = {.err = err,
                                  .status = status,
                                  .http_status = stream->http_status,
                                  .trailers = &stream->list};
    stream->to->on_end(stream->ctx, &how);
    destroy(stream);
}

void
grpc_stream_lose(struct grpc_stream *stream)
{
    CHECK_OBJ(stream, STREAM_MAGIC);
    grpc_metadata_clear(&stream->list);
    end(stream, stream->was_sent ? ERR_CLOSED : ERR_STREAM_REFUSED, GRPC_UNAVAILABLE);
}

/* The peer must not work on it any longer, and no event comes any more. */
static void
cut_off(struct grpc_stream *stream)
{
    struct h2_session *session = session_of(stream);
    if (session == NULL)
        return;
    h2_stream_reset(session, stream->stream_id, H2_CANCEL);
    h2_stream_unbind(session, stream->stream_id);
}

void
grpc_stream_cancel(struct grpc_stream **where)
{
    struct grpc_stream *stream = *where;
    if (stream == NULL)
        return;
    CHECK_OBJ(stream, STREAM_MAGIC);
    *where = NULL;
    cut_off(stream);
    destroy(stream);
}

/* What is sent. */

bool
grpc_channel_takes_metadata(const struct grpc_channel *channel, struct bytes path,
                            const struct grpc_metadata *metadata)
{
    uint32_t most = h2_session_peer_header_list_bytes(h2_link_session(channel->link));
    uint64_t own = path.n + strlen(channel->authority) + strlen(channel->auth_token);
    return metadata->n <= H2_MAX_HEADERS - OWN_HEADERS &&
           grpc_metadata_list_bytes(metadata) + own + OWN_LIST_BYTES <= most;
}

static struct h2_header
lend(const char *name, uint32_t n_name, const char *value, size_t n_value)
{
    return (struct h2_header){name, value, n_name, (uint32_t)n_value, false};
}

/* The given fields, without a token where the channel has its own. */
static uint32_t
fill_metadata(const struct grpc_channel *channel, const struct grpc_metadata *metadata,
              struct h2_header *out, uint32_t room)
{
    uint32_t n = grpc_metadata_to_h2(metadata, out, room), n_kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool is_token = bytes_equal(bytes_of(out[i].name, out[i].n_name), BYTES("authentication"));
        if (!is_token || channel->auth_token[0] == '\0')
            out[n_kept++] = out[i];
    }
    return n_kept;
}

static void
submit(struct grpc_stream *stream, const struct grpc_stream_settings *settings)
{
    const struct grpc_channel *channel = stream->channel;
    struct h2_header headers[H2_MAX_HEADERS];
    char timeout[GRPC_TIMEOUT_TEXT];
    uint32_t n = 0;
    headers[n++] = H2_HEADER(":method", "POST");
    headers[n++] = channel->settings.tls != NULL ? H2_HEADER(":scheme", "https")
                                                 : H2_HEADER(":scheme", "http");
    headers[n++] = lend(":path", 5, (const char *)settings->path.p, settings->path.n);
    headers[n++] = lend(":authority", 10, channel->authority, strlen(channel->authority));
    headers[n++] = H2_HEADER("te", "trailers");
    if (settings->timeout_us > 0) {
        uint32_t n_timeout = grpc_meta_format_timeout(settings->timeout_us, timeout);
        headers[n++] = lend("grpc-timeout", 12, timeout, n_timeout);
    }
    if (channel->auth_token[0] != '\0')
        headers[n++] = lend("authentication", 14, channel->auth_token, strlen(channel->auth_token));
    n += fill_metadata(channel, settings->metadata, headers + n, H2_MAX_HEADERS - n);
    stream->stream_id = h2_stream_request(h2_link_session(channel->link), headers, n, stream);
}

struct grpc_stream *
grpc_stream_open(struct grpc_channel *channel, const struct grpc_stream_settings *settings)
{
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    check(grpc_channel_has_stream_room(channel));
    struct grpc_stream *stream = mem_new(struct grpc_stream);
    stream->events = &stream_events;
    stream->magic = STREAM_MAGIC;
    stream->channel = channel;
    stream->out = settings->out;
    stream->is_last = settings->is_last;
    stream->budget = settings->budget;
    stream->to = settings->events;
    stream->ctx = settings->ctx;
    TAILQ_INSERT_TAIL(&channel->streams, stream, link);
    channel->n_streams++;
    submit(stream, settings);
    check(stream->stream_id > 0);
    if (stream->stream_id > LAST_STREAM_ID) {
        channel->is_worn = true;
        grpc_channel_due(channel, clock_mono_us());
    }
    return stream;
}

void
grpc_stream_wake(struct grpc_stream *stream)
{
    CHECK_OBJ(stream, STREAM_MAGIC);
    struct h2_session *session = session_of(stream);
    if (!stream->is_deferred || session == NULL)
        return;
    stream->is_deferred = false;
    h2_stream_wake(session, stream->stream_id);
}

void
grpc_stream_half_close(struct grpc_stream *stream)
{
    stream->is_last = true;
    grpc_stream_wake(stream);
}

void
grpc_stream_credit(struct grpc_stream *stream, uint64_t n)
{
    CHECK_OBJ(stream, STREAM_MAGIC);
    struct h2_session *session = session_of(stream);
    if (session != NULL && n > 0)
        h2_stream_credit(session, stream->stream_id, n);
}

static size_t
on_take(void *ctx, void *object, size_t room, enum h2_take *how)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    stream->was_sent = true;
    size_t n = grpc_queue_n(stream->out);
    *how = H2_TAKE_MORE;
    if (n > room)
        return room;
    if (stream->is_last) {
        stream->has_ended = true;
        *how = H2_TAKE_LAST;
    } else if (n == 0) {
        stream->is_deferred = true;
    }
    return n;
}

static void
on_give(void *ctx, void *object, size_t n, struct h2_gather *gather)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    grpc_queue_give(stream->out, n, gather);
    stream->to->on_sent(stream->ctx, n);
}

/* What comes back. */

static int
status_number(struct bytes value)
{
    int status = 0;
    for (size_t i = 0; i < value.n && i < 3; i++)
        status = status * 10 + (value.p[i] - '0');
    return status;
}

static void
on_header(void *ctx, void *object, struct bytes name, struct bytes value)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    if (bytes_equal(name, BYTES(":status")))
        stream->http_status = status_number(value);
    else if (name.n > 0 && name.p[0] != ':')
        grpc_metadata_add(&stream->list, stream->budget, (struct grpc_field){name, value});
}

static void
on_headers(void *ctx, void *object, bool is_last)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    if (is_last)
        return; /* trailers */
    bool is_final = stream->http_status >= 200;
    if (is_final && !grpc_meta_is_grpc(grpc_metadata_find(&stream->list, "content-type"))) {
        /* Something else answers there; its body says nothing to anybody here. */
        cut_off(stream);
        end(stream, ERR_GRPC_FRAME, grpc_meta_status_of_http(stream->http_status));
        return;
    }
    if (is_final && !stream->has_headers) {
        stream->has_headers = true;
        stream->to->on_headers(stream->ctx, &stream->list);
    }
    grpc_metadata_clear(&stream->list);
}

static void
on_data(void *ctx, void *object, struct bytes in)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    stream->to->on_data(stream->ctx, in);
}

/* With a grpc-status, or what stands for one. */
static void
end_by_trailers(struct grpc_stream *stream)
{
    struct bytes status = grpc_metadata_find(&stream->list, "grpc-status");
    if (status.n == 0) {
        end(stream, ERR_GRPC_FRAME, grpc_meta_status_of_http(stream->http_status));
        return;
    }
    int number = grpc_meta_status(status);
    if (number == GRPC_OK)
        stream->channel->has_served = true;
    end(stream, ERR_OK, number);
}

static void
on_end(void *ctx, void *object)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    stream->is_answered = true;
    /* An answer before all was sent ends the call; else the stream closes next. */
    if (stream->has_ended)
        return;
    cut_off(stream);
    end_by_trailers(stream);
}

static void
on_close(void *ctx, void *object, uint32_t code, bool by_peer)
{
    (void)ctx;
    struct grpc_stream *stream = object;
    CHECK_OBJ(stream, STREAM_MAGIC);
    /* Servers reset what is not half closed after a whole answer (RFC 9113 8.1); ours may be on its
     * way. */
    if (stream->is_answered || (code == H2_NO_ERROR && !by_peer)) {
        end_by_trailers(stream);
        return;
    }
    grpc_metadata_clear(&stream->list);
    if (code == H2_REFUSED_STREAM)
        end(stream, ERR_STREAM_REFUSED, GRPC_UNAVAILABLE);
    else
        end(stream, ERR_STREAM_RESET, grpc_meta_status_of_reset(code));
}

static const struct h2_events stream_events = {
    .on_header = on_header,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .on_take = on_take,
    .on_give = on_give,
};
