/* One call of a channel: its headers and DATA out, its answer in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel_int.h"
#include "grpc/grpc_meta.h"
#include "h2/h2_stream.h"

/* Life. */

static struct grpc_request *
spare_or_new(struct grpc_channel *channel)
{
    struct grpc_request *request = TAILQ_FIRST(&channel->spares);
    if (request == NULL)
        return mem_new(struct grpc_request);
    TAILQ_REMOVE(&channel->spares, request, link);
    channel->n_spares--;
    return request;
}

/* Out of the list of open calls: from here on nothing finds it. */
static void
detach(struct grpc_request *request)
{
    TAILQ_REMOVE(&request->channel->requests, request, link);
    request->channel->n_calls--;
}

static void
recycle(struct grpc_request *request)
{
    struct grpc_channel *channel = request->channel;
    if (request->answer != request->answer_inline)
        mem_free(request->answer);
    mem_free(request->text);
    request->magic = 0;
    request->answer = NULL;
    request->text = NULL;
    if (channel->n_spares >= REQUESTS_KEPT) {
        mem_free(request);
    } else {
        TAILQ_INSERT_HEAD(&channel->spares, request, link);
        channel->n_spares++;
    }
    grpc_channel_on_call_gone(channel);
}

void
grpc_request_free_spares(struct grpc_channel *channel)
{
    struct grpc_request *request;
    while ((request = TAILQ_FIRST(&channel->spares)) != NULL) {
        TAILQ_REMOVE(&channel->spares, request, link);
        mem_free(request);
    }
}

static void
finish(struct grpc_request *request, const struct grpc_answer *answer)
{
    detach(request);
    request->settings.on_done(request->settings.ctx, answer);
    recycle(request);
}

void
grpc_request_fail(struct grpc_request *request, enum err err, int status)
{
    if (err == ERR_CLOSED && !request->was_sent)
        err = ERR_STREAM_REFUSED; /* nobody can have worked on it */
    struct grpc_answer answer = {.err = err, .status = status};
    finish(request, &answer);
}

/* The peer must not work on it any longer, and nothing of it is sent any more. */
static void
cut_off(struct grpc_request *request)
{
    struct h2_link *link = request->channel->link;
    if (link == NULL)
        return;
    h2_stream_reset(h2_link_session(link), request->stream_id, H2_CANCEL);
    h2_stream_unbind(h2_link_session(link), request->stream_id);
}

void
grpc_request_expire(struct grpc_request *request)
{
    cut_off(request);
    grpc_request_fail(request, ERR_TIMEOUT, GRPC_DEADLINE_EXCEEDED);
}

void
grpc_request_cancel(struct grpc_request **where)
{
    struct grpc_request *request = *where;
    if (request == NULL)
        return;
    CHECK_OBJ(request, REQUEST_MAGIC);
    *where = NULL;
    cut_off(request);
    detach(request);
    recycle(request);
}

/* What is sent. */

static struct h2_header
lend(const char *name, uint32_t n_name, const char *value)
{
    return (struct h2_header){name, value, n_name, (uint32_t)strlen(value), true};
}

static void
submit(struct grpc_request *request)
{
    struct grpc_channel *channel = request->channel;
    char timeout[GRPC_TIMEOUT_TEXT];
    struct h2_header headers[9] = {
        H2_HEADER(":method", "POST"),
        H2_HEADER(":scheme", "http"),
        lend(":path", 5, request->settings.path),
        lend(":authority", 10, channel->authority),
        H2_HEADER("te", "trailers"),
        H2_HEADER("content-type", "application/grpc"),
        H2_HEADER("user-agent", "spangate/" SPANGATE_VERSION),
    };
    uint32_t n = 7;
    if (request->settings.timeout_us > 0) {
        uint32_t n_timeout = grpc_meta_format_timeout(request->settings.timeout_us, timeout);
        headers[n++] = (struct h2_header){"grpc-timeout", timeout, 12, n_timeout, false};
    }
    if (channel->settings.tls != NULL)
        headers[1] = H2_HEADER(":scheme", "https");
    /* Not lent: it may be replaced before the frame is written. */
    const char *token = channel->auth_token;
    if (token[0] != '\0')
        headers[n++] =
            (struct h2_header){"authentication", token, 14, (uint32_t)strlen(token), false};
    request->stream_id = h2_stream_request(h2_link_session(channel->link), headers, n, request);
}

static const struct h2_events request_events;

struct grpc_request *
grpc_channel_start(struct grpc_channel *channel, const struct grpc_request_settings *settings)
{
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    check(grpc_channel_has_room(channel));
    struct grpc_request *request = spare_or_new(channel);
    *request = (struct grpc_request){.events = &request_events,
                                     .magic = REQUEST_MAGIC,
                                     .channel = channel,
                                     .settings = *settings,
                                     .grpc_status = -1,
                                     .answer_size = ANSWER_INLINE};
    request->answer = request->answer_inline;
    for (uint32_t i = 0; i < settings->n_slices; i++)
        request->n_left += settings->slices[i].n;
    TAILQ_INSERT_TAIL(&channel->requests, request, link);
    channel->n_calls++;
    submit(request);
    check(request->stream_id > 0);
    if (request->stream_id > LAST_STREAM_ID) {
        channel->is_worn = true;
        grpc_channel_due(channel, clock_mono_us());
    }
    if (settings->timeout_us > 0) {
        request->deadline_us = clock_mono_us() + settings->timeout_us;
        grpc_channel_due(channel, request->deadline_us);
    }
    return request;
}

static size_t
on_take(void *ctx, void *stream, size_t room, enum h2_take *how)
{
    (void)ctx;
    struct grpc_request *request = stream;
    CHECK_OBJ(request, REQUEST_MAGIC);
    request->was_sent = true;
    *how = room >= request->n_left ? H2_TAKE_LAST : H2_TAKE_MORE;
    return room >= request->n_left ? (size_t)request->n_left : room;
}

static void
on_give(void *ctx, void *stream, size_t n, struct h2_gather *gather)
{
    (void)ctx;
    struct grpc_request *request = stream;
    CHECK_OBJ(request, REQUEST_MAGIC);
    request->n_left -= n;
    while (n > 0) {
        const struct bytes *slice = &request->settings.slices[request->slice];
        size_t part = slice->n - request->slice_at;
        if (part > n)
            part = n;
        h2_gather_lend(gather, slice->p + request->slice_at, part);
        request->slice_at += part;
        n -= part;
        if (request->slice_at == slice->n) {
            request->slice++;
            request->slice_at = 0;
        }
    }
}

/* What comes back. */

static void
on_header(void *ctx, void *stream, struct bytes name, struct bytes value)
{
    (void)ctx;
    struct grpc_request *request = stream;
    CHECK_OBJ(request, REQUEST_MAGIC);
    if (bytes_equal(name, BYTES(":status"))) {
        request->http_status = 0;
        for (size_t i = 0; i < value.n && i < 3; i++)
            request->http_status = request->http_status * 10 + (value.p[i] - '0');
    } else if (bytes_equal(name, BYTES("grpc-status"))) {
        request->grpc_status = grpc_meta_status(value);
    } else if (bytes_equal(name, BYTES("grpc-message")) && request->text == NULL) {
        if (value.n > TEXT_MAX)
            value.n = TEXT_MAX;
        request->text = mem_alloc(value.n + 1);
        request->n_text = (uint32_t)grpc_meta_decode(value, request->text);
    }
}

static void
on_headers(void *ctx, void *stream, bool is_last)
{
    (void)ctx;
    (void)stream;
    (void)is_last;
}

static void
on_data(void *ctx, void *stream, struct bytes in)
{
    (void)ctx;
    struct grpc_request *request = stream;
    CHECK_OBJ(request, REQUEST_MAGIC);
    uint32_t room = ANSWER_MAX - request->n_answer;
    /* What is beyond that is thrown away: the peer need not wait for anything. */
    h2_stream_credit(h2_link_session(request->channel->link), request->stream_id, in.n);
    uint32_t n = in.n < room ? (uint32_t)in.n : room;
    if (n == 0)
        return;
    if (request->n_answer + n > request->answer_size) {
        uint32_t size = request->answer_size;
        while (size < request->n_answer + n)
            size *= 2;
        bool is_inline = request->answer == request->answer_inline;
        uint8_t *more = mem_resize(is_inline ? NULL : request->answer, size);
        if (is_inline)
            memcpy(more, request->answer_inline, request->n_answer);
        request->answer = more;
        request->answer_size = size;
    }
    memcpy(request->answer + request->n_answer, in.p, n);
    request->n_answer += n;
}

/* The first message; ERR_GRPC_FRAME when there is a piece of one only, or a compressed one that we
 * did not ask for. A longer one is cut to what was kept. */
static enum err
first_message(const struct grpc_request *request, struct bytes *out)
{
    const uint8_t *p = request->answer;
    *out = BYTES_NONE;
    if (request->n_answer == 0)
        return ERR_OK;
    if (request->n_answer < GRPC_PREFIX_BYTES || p[0] != 0)
        return ERR_GRPC_FRAME;
    uint32_t length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    uint32_t have = request->n_answer - GRPC_PREFIX_BYTES;
    if (length > have && request->n_answer < ANSWER_MAX)
        return ERR_GRPC_FRAME;
    *out = bytes_of(p + GRPC_PREFIX_BYTES, length < have ? length : have);
    return ERR_OK;
}

static void
answer_with_status(struct grpc_request *request)
{
    struct grpc_answer answer = {.status = request->grpc_status,
                                 .text = bytes_of(request->text, request->n_text)};
    answer.err = first_message(request, &answer.message);
    if (answer.err != ERR_OK)
        answer.status = GRPC_INTERNAL;
    else if (answer.status == GRPC_OK)
        request->channel->has_served = true;
    finish(request, &answer);
}

static void
on_end(void *ctx, void *stream)
{
    (void)ctx;
    struct grpc_request *request = stream;
    CHECK_OBJ(request, REQUEST_MAGIC);
    /* An answer before all was sent ends the call; else the stream closes next. */
    if (request->n_left == 0)
        return;
    cut_off(request);
    if (request->grpc_status >= 0)
        answer_with_status(request);
    else
        grpc_request_fail(request, ERR_GRPC_FRAME, grpc_meta_status_of_http(request->http_status));
}

static void
on_close(void *ctx, void *stream, uint32_t code, bool by_peer)
{
    (void)ctx;
    (void)by_peer;
    struct grpc_request *request = stream;
    CHECK_OBJ(request, REQUEST_MAGIC);
    if (request->grpc_status >= 0)
        answer_with_status(request);
    else if (code == H2_REFUSED_STREAM)
        grpc_request_fail(request, ERR_STREAM_REFUSED, GRPC_UNAVAILABLE);
    else if (code != H2_NO_ERROR)
        grpc_request_fail(request, ERR_STREAM_RESET, grpc_meta_status_of_reset(code));
    else
        grpc_request_fail(request, ERR_GRPC_FRAME, grpc_meta_status_of_http(request->http_status));
}

static const struct h2_events request_events = {
    .on_header = on_header,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .on_take = on_take,
    .on_give = on_give,
};
