/* A backend of a test program: takes numbered messages and answers, stalls, fails or is away. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

enum { WINDOW_BYTES = 8 << 20, CONNECTION_WINDOW_BYTES = 64 << 20 };

struct sink_link {
    LIST_ENTRY(sink_link) next;
    LIST_HEAD(, sink_call) calls;
    struct sink *sink;
    struct peer *peer;
};

struct sink_call {
    LIST_ENTRY(sink_call) next;
    struct sink_link *link;
    int32_t stream_id;
    enum id_kind kind;
    bool known, is_collection, ended;
    uint8_t *bytes;
    size_t n, capacity;
};

static const struct {
    const char *path;
    enum id_kind kind;
    bool is_collection;
} methods[] = {
    {"/skywalking.v3.TraceSegmentReportService/collect", KIND_SEGMENT, false},
    {"/skywalking.v3.TraceSegmentReportService/collectInSync", KIND_SEGMENT, true},
    {"/skywalking.v3.LogReportService/collect", KIND_LOG, false},
    {"/skywalking.v3.ManagementService/keepAlive", KIND_KEEP_ALIVE, false},
    {"/skywalking.v3.JVMMetricReportService/collect", KIND_JVM, false},
};

static nghttp2_nv
header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static ssize_t
read_empty_message(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t n,
                   uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)n;
    (void)source;
    (void)user;
    memset(out, 0, GRPC_PREFIX_BYTES);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_nv trailer = header("grpc-status", "0");
    nghttp2_submit_trailer(session, stream_id, &trailer, 1);
    return GRPC_PREFIX_BYTES;
}

static bool
read_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
    *v = 0;
    for (uint32_t shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        *v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The count of segments; those of a damaged collection are one unknown message. */
static uint32_t
deliver_collection(struct ids *ids, const uint8_t *p, const uint8_t *end)
{
    uint32_t count = 0;
    while (p < end) {
        uint64_t n;
        if (*p++ != (1 << 3 | 2) || !read_varint(&p, end, &n) || n > (uint64_t)(end - p)) {
            ids->n_unknown++;
            break;
        }
        ids_deliver(ids, KIND_SEGMENT, p, n);
        count++;
        p += n;
    }
    return count;
}

static void
note_delivery(struct sink *sink, uint32_t n)
{
    if (sink->n_deliveries == sink->deliveries_capacity) {
        sink->deliveries_capacity = sink->deliveries_capacity * 2 + 1024;
        sink->deliveries =
            mem_resize(sink->deliveries, sink->deliveries_capacity * sizeof *sink->deliveries);
    }
    sink->deliveries[sink->n_deliveries++] = (struct delivery){now_us(), n};
}

static void
deliver(struct sink_call *call)
{
    struct ids *ids = call->link->sink->ids;
    const uint8_t *p = call->bytes, *end = call->bytes + call->n;
    uint32_t count = 0;
    ids->now_us = now_us();
    while (p < end) {
        uint32_t n = 0;
        if (end - p >= GRPC_PREFIX_BYTES)
            n = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
        if (end - p < GRPC_PREFIX_BYTES || n > (uint64_t)(end - p - GRPC_PREFIX_BYTES)) {
            ids->n_unknown++;
            break;
        }
        p += GRPC_PREFIX_BYTES;
        if (call->is_collection)
            count += deliver_collection(ids, p, p + n);
        else
            ids_deliver(ids, call->kind, p, n), count++;
        p += n;
    }
    note_delivery(call->link->sink, count);
}

static void
answer_ok(struct sink_call *call)
{
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc")};
    nghttp2_data_provider body = {{.ptr = NULL}, read_empty_message};
    deliver(call);
    nghttp2_submit_response(call->link->peer->session, call->stream_id, headers, 2, &body);
}

static void
answer_failure(struct sink_call *call, const char *status)
{
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc"),
                            header("grpc-status", status)};
    nghttp2_submit_response(call->link->peer->session, call->stream_id, headers, 3, NULL);
}

static void
fail(struct sink_call *call)
{
    struct sink *sink = call->link->sink;
    sink->n_failed++;
    switch (random_next(&sink->random) % 3) {
    case 0:
        answer_failure(call, "14");
        break;
    case 1:
        answer_failure(call, "8");
        break;
    default:
        nghttp2_submit_rst_stream(call->link->peer->session, NGHTTP2_FLAG_NONE, call->stream_id,
                                  NGHTTP2_INTERNAL_ERROR);
    }
}

static void
answer(struct sink_call *call)
{
    struct sink *sink = call->link->sink;
    if (sink->mode == SINK_STALLS)
        return;
    sink->n_calls++;
    if (!call->known)
        answer_failure(call, "12");
    else if (sink->mode == SINK_FAILS && random_next(&sink->random) % 2 == 0)
        fail(call);
    else
        answer_ok(call);
}

static void
free_call(struct sink_call *call)
{
    LIST_REMOVE(call, next);
    mem_free(call->bytes);
    mem_free(call);
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct sink_link *link = ((struct peer *)user)->owner;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct sink_call *call = mem_new(struct sink_call);
    call->link = link;
    call->stream_id = frame->hd.stream_id;
    LIST_INSERT_HEAD(&link->calls, call, next);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
          const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    struct sink_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (!call || n_name != 5 || memcmp(name, ":path", 5) != 0)
        return 0;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i].path) == n_value && memcmp(methods[i].path, value, n_value) == 0) {
            call->known = true;
            call->kind = methods[i].kind;
            call->is_collection = methods[i].is_collection;
        }
    return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes, size_t n,
        void *user)
{
    struct sink_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)flags;
    (void)user;
    if (!call)
        return 0;
    if (call->n + n > call->capacity) {
        call->capacity = (call->n + n) * 2;
        call->bytes = mem_resize(call->bytes, call->capacity);
    }
    memcpy(call->bytes + call->n, bytes, n);
    call->n += n;
    return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    struct sink_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call) {
        call->ended = true;
        answer(call);
    }
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
    struct sink_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)error;
    (void)user;
    if (call)
        free_call(call);
    return 0;
}

static const nghttp2_session_callbacks *
callbacks(void)
{
    static nghttp2_session_callbacks *made;
    if (!made) {
        nghttp2_session_callbacks_new(&made);
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(made, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    }
    return made;
}

static void
free_link(struct sink_link *link)
{
    while (!LIST_EMPTY(&link->calls))
        free_call(LIST_FIRST(&link->calls));
    LIST_REMOVE(link, next);
    mem_free(link);
}

static void
on_gone(struct peer *peer)
{
    free_link(peer->owner);
}

static void
on_accept(void *arg, bool readable, bool writable)
{
    struct sink *sink = arg;
    int fd;
    (void)readable;
    (void)writable;
    while ((fd = accept4(sink->listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct sink_link *link = mem_new(struct sink_link);
        link->sink = sink;
        link->peer =
            peer_new(sink->loop, fd, true, callbacks(), WINDOW_BYTES, CONNECTION_WINDOW_BYTES);
        link->peer->owner = link;
        link->peer->on_gone = on_gone;
        LIST_INIT(&link->calls);
        LIST_INSERT_HEAD(&sink->links, link, next);
        peer_flush(link->peer);
    }
}

/* The same port again after it was away. */
static void
open_listener(struct sink *sink)
{
    int fd = peer_listen(sink->port);
    if (fd < 0) {
        perror("sink: listen");
        exit(71);
    }
    sink->port = peer_port(fd);
    sink->listener = loop_watch(sink->loop, fd, on_accept, sink);
}

static void
close_links(struct sink *sink)
{
    while (!LIST_EMPTY(&sink->links)) {
        struct sink_link *link = LIST_FIRST(&sink->links);
        peer_free(link->peer, true);
        free_link(link);
    }
}

static void
answer_stalled(struct sink *sink)
{
    struct sink_link *link;
    LIST_FOREACH(link, &sink->links, next)
    {
        struct sink_call *call;
        LIST_FOREACH(call, &link->calls, next)
        if (call->ended)
            answer(call);
        peer_flush(link->peer);
    }
}

void
sink_set(struct sink *sink, enum sink_mode mode)
{
    enum sink_mode before = sink->mode;
    if (mode == before)
        return;
    sink->mode = mode;
    if (mode == SINK_AWAY) {
        loop_close(sink->loop, sink->listener);
        sink->listener = NULL;
        close_links(sink);
    } else if (before == SINK_AWAY) {
        open_listener(sink);
    } else if (before == SINK_STALLS) {
        answer_stalled(sink);
    }
}

void
sink_open(struct sink *sink, struct loop *loop, struct ids *ids, uint64_t seed)
{
    *sink = (struct sink){.loop = loop, .ids = ids, .random = seed};
    LIST_INIT(&sink->links);
    open_listener(sink);
}

void
sink_close(struct sink *sink)
{
    sink_set(sink, SINK_AWAY);
    mem_free(sink->deliveries);
}

uint64_t
sink_delivered_since(const struct sink *sink, int64_t us)
{
    uint64_t n = 0;
    for (size_t i = sink->n_deliveries; i > 0 && sink->deliveries[i - 1].at_us >= us; i--)
        n += sink->deliveries[i - 1].n;
    return n;
}

void
sink_forget(struct sink *sink)
{
    sink->n_deliveries = 0;
}
