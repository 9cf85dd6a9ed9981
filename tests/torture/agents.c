/* Agents of a test program: calls of numbered messages at a steady rate over a few connections. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "agents.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    WINDOW_BYTES = 1 << 16,
    GROWTH_BYTES = 768 * 1024,
    ENDLESS_AHEAD_BYTES = 256 * 1024, /* not yet taken by the window of an open stream */
};

struct agent_call {
    LIST_ENTRY(agent_call) next;
    struct agent_link *link;
    int32_t stream_id;
    bool endless, finished, unary, has_grown;
    int status; /* -1: none came */
    int64_t begin_us;
    uint8_t *body;
    size_t n_body, body_at, capacity;
    /* One entry a message: its number, and where it ends in the bytes sent. */
    struct {
        uint64_t id, end;
    } * sent;
    uint32_t n_sent, sent_at, sent_capacity;
    uint64_t n_bytes, n_credited;
};

struct agent_link {
    LIST_ENTRY(agent_link) next;
    LIST_HEAD(, agent_call) calls;
    struct agents *agents;
    struct peer *peer;
    struct agent_call *endless;
    uint32_t n_calls;
    uint16_t port;
};

static const char *const paths[N_KINDS] = {
    [KIND_SEGMENT] = "/skywalking.v3.TraceSegmentReportService/collect",
    [KIND_LOG] = "/skywalking.v3.LogReportService/collect",
    [KIND_KEEP_ALIVE] = "/skywalking.v3.ManagementService/keepAlive",
    [KIND_JVM] = "/skywalking.v3.JVMMetricReportService/collect",
};

static void
free_call(struct agent_call *call)
{
    if (call->link->endless == call)
        call->link->endless = NULL;
    else
        call->link->n_calls--;
    LIST_REMOVE(call, next);
    mem_free(call->body);
    mem_free(call->sent);
    mem_free(call);
}

static void
add_message(struct agent_call *call, enum id_kind kind)
{
    struct ids *ids = call->link->agents->ids;
    if (call->capacity - call->n_body < MESSAGE_MAX_BYTES + GRPC_PREFIX_BYTES) {
        call->capacity = call->n_body * 2 + 2 * MESSAGE_MAX_BYTES;
        call->body = mem_resize(call->body, call->capacity);
    }
    if (call->n_sent == call->sent_capacity) {
        call->sent_capacity = call->sent_capacity * 2 + 16;
        call->sent = mem_resize(call->sent, call->sent_capacity * sizeof *call->sent);
    }
    uint64_t id = ids_send(ids, kind);
    uint8_t *p = call->body + call->n_body;
    size_t n = ids_write(ids, kind, id, p + GRPC_PREFIX_BYTES);
    const uint8_t prefix[GRPC_PREFIX_BYTES] = {0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};
    memcpy(p, prefix, sizeof prefix);
    call->n_body += sizeof prefix + n;
    call->n_bytes += sizeof prefix + n;
    call->sent[call->n_sent].id = id;
    call->sent[call->n_sent++].end = call->n_bytes;
}

static ssize_t
read_body(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t n, uint32_t *flags,
          nghttp2_data_source *source, void *user)
{
    struct agent_call *call = source->ptr;
    (void)session;
    (void)stream_id;
    (void)user;
    size_t left = call->n_body - call->body_at;
    size_t take = left < n ? left : n;
    memcpy(out, call->body + call->body_at, take);
    call->body_at += take;
    if (call->body_at == call->n_body) {
        call->body_at = call->n_body = 0;
        if (!call->endless || call->finished)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        else if (take == 0)
            return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)take;
}

static nghttp2_nv
header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static struct agent_call *
new_call(struct agent_link *link)
{
    struct agent_call *call = mem_new(struct agent_call);
    call->link = link;
    call->status = -1;
    call->begin_us = now_us();
    LIST_INSERT_HEAD(&link->calls, call, next);
    return call;
}

static void
submit(struct agent_call *call, enum id_kind kind)
{
    nghttp2_nv headers[] = {
        header(":method", "POST"),    header(":scheme", "http"),
        header(":path", paths[kind]), header(":authority", "127.0.0.1"),
        header("te", "trailers"),     header("content-type", "application/grpc"),
    };
    nghttp2_data_provider body = {{.ptr = call}, read_body};
    call->stream_id =
        nghttp2_submit_request(call->link->peer->session, NULL, headers, 6, &body, call);
    if (call->stream_id < 0) {
        free_call(call); /* the connection is about to end */
        return;
    }
    peer_flush(call->link->peer);
}

static uint32_t
begin_call(struct agent_link *link, enum id_kind kind, uint32_t n)
{
    if (link->n_calls >= link->agents->max_calls)
        return 0;
    struct agent_call *call = new_call(link);
    call->unary = kind == KIND_KEEP_ALIVE || kind == KIND_JVM;
    link->n_calls++;
    for (uint32_t i = 0; i < n; i++)
        add_message(call, kind);
    submit(call, kind);
    return n;
}

static uint32_t
extend_endless(struct agent_link *link, uint32_t n)
{
    struct agent_call *call = link->endless;
    if (call && (call->finished || call->n_body - call->body_at > ENDLESS_AHEAD_BYTES))
        return 0;
    bool is_new = !call;
    if (is_new) {
        call = link->endless = new_call(link);
        call->endless = true;
    }
    for (uint32_t i = 0; i < n; i++)
        add_message(call, KIND_SEGMENT);
    if (is_new) {
        submit(call, KIND_SEGMENT);
    } else {
        nghttp2_session_resume_data(link->peer->session, call->stream_id);
        peer_flush(link->peer);
    }
    return n;
}

static uint32_t
begin_mixed(struct agent_link *link)
{
    uint64_t *random = &link->agents->random;
    uint32_t dice = random_between(random, 0, 99);
    if (dice < 40)
        return begin_call(link, KIND_SEGMENT, random_between(random, 1, 20));
    if (dice < 50)
        return begin_call(link, KIND_LOG, random_between(random, 1, 20));
    if (dice < 58)
        return begin_call(link, KIND_KEEP_ALIVE, 1);
    if (dice < 66)
        return begin_call(link, KIND_JVM, 1);
    return extend_endless(link, random_between(random, 1, 40));
}

void
agents_tick(struct agents *agents)
{
    agents->n_due = (uint64_t)((double)(now_us() - agents->begin_us) / 1e6 * agents->rate_per_s);
    uint32_t n_refused = 0, n_links = 0;
    struct agent_link *link;
    LIST_FOREACH(link, &agents->links, next)
    n_links++;
    while (agents->n_begun < agents->n_due && n_refused < n_links) {
        link = LIST_FIRST(&agents->links);
        for (uint64_t skip = random_next(&agents->random) % n_links; skip > 0; skip--)
            link = LIST_NEXT(link, next);
        uint32_t n =
            agents->mixed ? begin_mixed(link) : begin_call(link, KIND_SEGMENT, agents->per_call);
        agents->n_begun += n;
        n_refused += n == 0;
    }
    agents->n_late += agents->n_begun < agents->n_due;
}

static void
answered(struct agent_call *call)
{
    struct agents *agents = call->link->agents;
    uint32_t n = call->n_sent - call->sent_at;
    for (uint32_t i = call->sent_at; i < call->n_sent; i++)
        ids_answer(agents->ids, call->sent[i].id);
    if (call->unary)
        agents->n_unary += n;
    else
        agents->n_streamed += n;
    int64_t took_us = now_us() - call->begin_us;
    if (!call->endless && took_us > agents->longest_us)
        agents->longest_us = took_us;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
          const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    struct agent_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (call && n_name == 11 && memcmp(name, "grpc-status", 11) == 0)
        call->status = n_value == 1 ? value[0] - '0' : 99;
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
    struct agent_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)user;
    if (!call)
        return 0;
    /* An answer before our own end says nothing of what was not sent yet. */
    if (call->status == 0 && error == NGHTTP2_NO_ERROR && call->n_body == 0 &&
        (!call->endless || call->finished))
        answered(call);
    else
        call->link->agents->n_failed_calls++;
    free_call(call);
    return 0;
}

/* A message whose last byte is credited counts as answered. */
static void
on_credit(struct agent_call *call, uint32_t n)
{
    struct agents *agents = call->link->agents;
    call->n_credited += n;
    while (call->sent_at < call->n_sent && call->sent[call->sent_at].end <= call->n_credited) {
        ids_answer(agents->ids, call->sent[call->sent_at++].id);
        agents->n_credited++;
    }
}

/* Once a stream is given the rest of its window: no message was taken for that. */
static bool
is_growth(struct agent_call *call, const nghttp2_frame *frame)
{
    if (call->has_grown || frame->window_update.window_size_increment != GROWTH_BYTES)
        return false;
    call->has_grown = true;
    return true;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (frame->hd.type != NGHTTP2_WINDOW_UPDATE || frame->hd.stream_id == 0)
        return 0;
    struct agent_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && call->endless && !is_growth(call, frame))
        on_credit(call, (uint32_t)frame->window_update.window_size_increment);
    return 0;
}

static const nghttp2_session_callbacks *
callbacks(void)
{
    static nghttp2_session_callbacks *made;
    if (!made) {
        nghttp2_session_callbacks_new(&made);
        nghttp2_session_callbacks_set_on_header_callback(made, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    }
    return made;
}

static void
free_link(struct agent_link *link)
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

bool
agents_connect(struct agents *agents, uint16_t port, int n)
{
    agents->begin_us = now_us();
    agents->n_due = agents->n_begun = 0;
    for (int i = 0; i < n; i++) {
        int fd = peer_connect(port);
        if (fd < 0)
            return false;
        struct agent_link *link = mem_new(struct agent_link);
        LIST_INIT(&link->calls);
        link->agents = agents;
        link->port = port;
        link->peer = peer_new(agents->loop, fd, false, callbacks(), WINDOW_BYTES, WINDOW_BYTES);
        link->peer->owner = link;
        link->peer->on_gone = on_gone;
        LIST_INSERT_HEAD(&agents->links, link, next);
        peer_flush(link->peer);
    }
    return true;
}

void
agents_finish(struct agents *agents)
{
    struct agent_link *link;
    LIST_FOREACH(link, &agents->links, next)
    if (link->endless && !link->endless->finished) {
        link->endless->finished = true;
        nghttp2_session_resume_data(link->peer->session, link->endless->stream_id);
        peer_flush(link->peer);
    }
}

bool
agents_have_calls(const struct agents *agents)
{
    const struct agent_link *link;
    LIST_FOREACH(link, &agents->links, next)
    if (!LIST_EMPTY(&link->calls))
        return true;
    return false;
}

bool
agents_are_connected(const struct agents *agents)
{
    return !LIST_EMPTY(&agents->links);
}

void
agents_close(struct agents *agents)
{
    while (!LIST_EMPTY(&agents->links)) {
        struct agent_link *link = LIST_FIRST(&agents->links);
        peer_free(link->peer, true);
        free_link(link);
    }
}
