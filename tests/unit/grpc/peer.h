/* A hand-driven HTTP/2 client on a socket pair, and an endpoint with a scripted handler. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_GRPC_PEER_H
#define TEST_GRPC_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_endpoint.h"
#include "h2/h2_session.h"
#include "h2/h2_stream.h"

enum { PEER_STREAMS = 300 };
#define START_US UINT64_C(1000000000)

/* The server's side of the test. */
/* What nghttp2 may hold of a connection, and of each stream. */
enum { CONNECTION_BYTES = 64 * 1024, STREAM_BYTES = 2048 };

struct scene {
    struct loop *loop;
    struct budget_pool pool;
    struct budget budget;
    struct metrics *metrics;
    struct grpc_endpoint *endpoint;
    const struct method_row *method;
    enum grpc_take take;
    bool credits;           /* at once */
    uint32_t n_portion;     /* takes so many, then waits until it is set anew; 0: no limit */
    uint32_t n_disorder;    /* messages of messages_new out of turn */
    bool answers;           /* in on_end */
    struct grpc_call *call; /* the last one begun, referenced */
    uint64_t held_bytes;
    uint32_t n_calls, n_messages, n_ends, n_gone, n_cut, n_oversize;
    uint64_t n_bytes, oversize_declared, oversize_prefix;
    char last_message[64];
    bool drained;
    uint64_t now_us;
    uint32_t n_cancelled;
    uint32_t n_ended; /* connections; and how and with which user the last one did */
    enum grpc_connection_end ended;
    void *ended_user;
};

struct peer_stream {
    int32_t id;
    int http_status, grpc_status; /* 0 and -1: not seen */
    char text[128], accept_encoding[128], allow[32];
    uint32_t n_data;
    uint8_t data[64];
    bool ended, closed, reset_by_server;
    uint32_t code;
    const uint8_t *out; /* what to send */
    size_t n_out, out_at;
    bool half_closes;
};

struct peer {
    struct scene *scene;
    int fd;
    size_t chunk; /* bytes per write; 0: all at once */
    struct h2_session *session;
    struct h2_gather *gather;
    struct peer_stream streams[PEER_STREAMS];
    uint32_t n_streams, n_goaways;
    int32_t goaway_id;
    uint32_t goaway_code;
    bool is_ready, is_closed;
    bool is_deaf; /* reads nothing */
};

/* The scripted handler. */

static inline enum grpc_take
scene_on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct scene *scene = grpc_call_service(call);
    if (scene->take == GRPC_WAIT)
        return GRPC_WAIT;
    if (scene->n_portion > 0 && --scene->n_portion == 0)
        scene->take = GRPC_WAIT;
    scene->n_disorder += message.n > 0 && message.p[0] != 'a' + scene->n_messages % 26;
    scene->n_messages++;
    scene->n_bytes += message.n;
    snprintf(scene->last_message, sizeof(scene->last_message), "%.*s",
             (int)(message.n < 60 ? message.n : 60), (const char *)message.p);
    if (scene->credits)
        grpc_call_credit(call, credit_bytes);
    else
        scene->held_bytes += credit_bytes;
    return GRPC_TAKEN;
}

static inline void
scene_on_oversize(struct grpc_call *call, struct bytes prefix, uint64_t declared)
{
    struct scene *scene = grpc_call_service(call);
    scene->n_oversize++;
    scene->oversize_declared = declared;
    scene->oversize_prefix = prefix.n;
}

static inline void
scene_on_end(struct grpc_call *call)
{
    struct scene *scene = grpc_call_service(call);
    scene->n_ends++;
    if (!scene->answers)
        return;
    grpc_call_send(call, BYTES_NONE);
    grpc_call_finish(call, GRPC_OK, NULL);
}

static inline void
scene_on_gone(struct grpc_call *call, bool mid_message)
{
    struct scene *scene = grpc_call_service(call);
    scene->n_gone++;
    scene->n_cut += mid_message;
    scene->n_cancelled += grpc_call_was_cancelled(call);
}

static const struct grpc_handler scene_handler = {scene_on_message, scene_on_oversize, scene_on_end,
                                                  scene_on_gone};

static inline void
scene_on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    struct scene *scene = ctx;
    scene->n_calls++;
    if (bytes_equal(path, BYTES("/unknown"))) {
        out->text = "unknown method";
        return;
    }
    grpc_call_unref(&scene->call);
    grpc_call_ref(call);
    scene->call = call;
    out->handler = &scene_handler;
    out->method = scene->method;
}

static inline void
scene_on_drained(void *ctx)
{
    ((struct scene *)ctx)->drained = true;
}

static inline void
scene_on_connection_gone(void *ctx, const char *peer, void *user, enum grpc_connection_end how)
{
    (void)peer;
    struct scene *scene = ctx;
    scene->n_ended++;
    scene->ended = how;
    scene->ended_user = user;
}

static inline void
scene_open(struct scene *scene, const struct grpc_endpoint_settings *settings)
{
    struct grpc_endpoint_settings defaults;
    *scene = (struct scene){.take = GRPC_TAKEN, .credits = true, .answers = true};
    clock_set(START_US, 1700000000000);
    scene->now_us = START_US;
    grpc_endpoint_settings_default(&defaults);
    scene->method = method_row(METHOD_SEGMENT_COLLECT);
    scene->loop = loop_new();
    budget_pool_init(&scene->pool, UINT64_C(256) << 20);
    budget_init(&scene->budget, &scene->pool);
    scene->metrics = metrics_new();
    struct grpc_service service = {.ctx = scene,
                                   .on_call = scene_on_call,
                                   .on_drained = scene_on_drained,
                                   .on_connection_gone = scene_on_connection_gone};
    scene->endpoint = grpc_endpoint_new(scene->loop, settings != NULL ? settings : &defaults,
                                        &service, &scene->budget, scene->metrics);
}

static inline void
scene_close(struct scene *scene)
{
    grpc_call_unref(&scene->call);
    grpc_endpoint_free(&scene->endpoint);
    loop_free(&scene->loop);
    assert_int_equal(scene->budget.used_bytes, 0);
    assert_int_equal(scene->pool.gated_bytes, 0);
    assert_int_equal(metric_get(scene->metrics, METRIC_CONNECTIONS, LISTENER_GRPC), 0);
    assert_int_equal(metric_get(scene->metrics, METRIC_PAUSED, 0), 0);
    budget_fini(&scene->budget);
    metrics_free(&scene->metrics);
}

/* The client. */

static inline struct peer_stream *
peer_on(void *stream)
{
    return stream;
}

static inline void
peer_on_header(void *ctx, void *stream, struct bytes name, struct bytes value)
{
    (void)ctx;
    struct peer_stream *s = peer_on(stream);
    char text[128];
    snprintf(text, sizeof(text), "%.*s", BYTES_ARG(value));
    if (bytes_equal(name, BYTES(":status")))
        s->http_status = (int)strtol(text, NULL, 10);
    else if (bytes_equal(name, BYTES("grpc-status")))
        s->grpc_status = (int)strtol(text, NULL, 10);
    else if (bytes_equal(name, BYTES("grpc-message")))
        snprintf(s->text, sizeof(s->text), "%s", text);
    else if (bytes_equal(name, BYTES("grpc-accept-encoding")))
        snprintf(s->accept_encoding, sizeof(s->accept_encoding), "%s", text);
    else if (bytes_equal(name, BYTES("allow")))
        snprintf(s->allow, sizeof(s->allow), "%.31s", text);
}

static inline void
peer_on_headers(void *ctx, void *stream, bool is_last)
{
    (void)ctx;
    (void)stream;
    (void)is_last;
}

static inline void
peer_on_data(void *ctx, void *stream, struct bytes in)
{
    (void)ctx;
    struct peer_stream *s = peer_on(stream);
    size_t room = sizeof(s->data) - s->n_data;
    size_t n = in.n < room ? in.n : room;
    memcpy(s->data + s->n_data, in.p, n);
    s->n_data += (uint32_t)n;
}

static inline void
peer_on_end(void *ctx, void *stream)
{
    (void)ctx;
    peer_on(stream)->ended = true;
}

static inline void
peer_on_close(void *ctx, void *stream, uint32_t code, bool by_peer)
{
    (void)ctx;
    peer_on(stream)->closed = true;
    peer_on(stream)->code = code;
    peer_on(stream)->reset_by_server = by_peer;
}

static inline size_t
peer_on_take(void *ctx, void *stream, size_t room, enum h2_take *how)
{
    (void)ctx;
    struct peer_stream *s = peer_on(stream);
    size_t n = s->n_out - s->out_at;
    if (n > room) {
        *how = H2_TAKE_MORE;
        return room;
    }
    *how = s->half_closes ? H2_TAKE_LAST : H2_TAKE_MORE;
    return n;
}

static inline void
peer_on_give(void *ctx, void *stream, size_t n, struct h2_gather *gather)
{
    (void)ctx;
    struct peer_stream *s = peer_on(stream);
    h2_gather_copy(gather, s->out + s->out_at, n);
    s->out_at += n;
}

static inline void
peer_on_ready(void *ctx)
{
    ((struct peer *)ctx)->is_ready = true;
}

static inline void
peer_on_ping_ack(void *ctx, uint64_t payload)
{
    (void)ctx;
    (void)payload;
}

static inline void
peer_on_goaway(void *ctx, int32_t last_id, uint32_t code)
{
    struct peer *peer = ctx;
    peer->n_goaways++;
    peer->goaway_id = last_id;
    peer->goaway_code = code;
}

static const struct h2_events peer_events = {
    .on_header = peer_on_header,
    .on_headers = peer_on_headers,
    .on_data = peer_on_data,
    .on_end = peer_on_end,
    .on_close = peer_on_close,
    .on_take = peer_on_take,
    .on_give = peer_on_give,
    .on_ready = peer_on_ready,
    .on_ping_ack = peer_on_ping_ack,
    .on_goaway = peer_on_goaway,
};

/* A bare socket to the endpoint. */
static inline int
scene_connect(struct scene *scene)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    grpc_endpoint_accept(scene->endpoint, pair[1], NULL);
    return pair[0];
}

static inline void
peer_open(struct peer *peer, struct scene *scene)
{
    memset(peer, 0, sizeof(*peer));
    peer->scene = scene;
    peer->fd = scene_connect(scene);
    struct h2_session_settings settings = {
        .role = H2_CLIENT,
        .stream_window_bytes = 1 << 20,
        .connection_window_bytes = 1 << 20,
        .header_list_bytes = 16384,
        .events = &peer_events,
        .ctx = peer,
    };
    peer->session = h2_session_new(&settings);
    peer->gather = mem_new(struct h2_gather);
}

static inline void
peer_close(struct peer *peer)
{
    h2_session_free(&peer->session);
    mem_free(peer->gather);
    if (peer->fd >= 0)
        close(peer->fd);
}

/* Everything onto the socket, turning the loop when it is full. */
static inline void
scene_write(struct scene *scene, int fd, const void *p, size_t n)
{
    const uint8_t *at = p;
    while (n > 0) {
        ssize_t put = send(fd, at, n, MSG_NOSIGNAL);
        if (put < 0 && errno != EAGAIN)
            return;
        if (put > 0) {
            at += put;
            n -= (size_t)put;
        }
        loop_run_once(scene->loop, 0);
    }
}

static inline void
peer_send(struct peer *peer)
{
    bool is_all = false;
    while (!is_all) {
        h2_gather_reset(peer->gather);
        assert_int_equal(h2_session_gather(peer->session, peer->gather, &is_all), ERR_OK);
        for (int i = 0; i < peer->gather->n; i++) {
            const uint8_t *p = peer->gather->iov[i].iov_base;
            size_t n = peer->gather->iov[i].iov_len;
            size_t step = peer->chunk ? peer->chunk : n;
            for (size_t at = 0; at < n; at += step)
                scene_write(peer->scene, peer->fd, p + at, n - at < step ? n - at : step);
        }
    }
}

static inline void
peer_receive(struct peer *peer)
{
    static uint8_t buffer[65536];
    while (!peer->is_closed && !peer->is_deaf) {
        ssize_t n = recv(peer->fd, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            peer->is_closed = true;
        else
            (void)!h2_session_feed(peer->session, bytes_of(buffer, (size_t)n));
    }
}

/* The error code of the GOAWAY among the raw frames that are there; -1: none. */
static inline int64_t
peer_raw_goaway(struct peer *peer)
{
    static uint8_t buffer[65536];
    ssize_t n = recv(peer->fd, buffer, sizeof(buffer), 0);
    for (ssize_t at = 0; at + 17 <= n;) {
        uint32_t length =
            (uint32_t)buffer[at] << 16 | (uint32_t)buffer[at + 1] << 8 | buffer[at + 2];
        if (buffer[at + 3] == 7)
            return buffer[at + 16];
        at += 9 + (ssize_t)length;
    }
    return -1;
}

/* Some turns of everybody. */
static inline void
peer_spin(struct peer *peer)
{
    for (int i = 0; i < 6; i++) {
        if (!peer->is_closed)
            peer_send(peer);
        loop_run_once(peer->scene->loop, 0);
        peer_receive(peer);
    }
}

static inline void
scene_pass(struct scene *scene, uint64_t us)
{
    scene->now_us += us;
    clock_set(scene->now_us, 1700000000000 + (int64_t)(scene->now_us - START_US) / 1000);
    loop_run_once(scene->loop, 0);
}

struct peer_call {
    const char *path, *method, *content_type, *encoding, *timeout;
    const void *out;
    size_t n_out;
    bool half_closes;
};

static inline struct peer_stream *
peer_start(struct peer *peer, const struct peer_call *call)
{
    struct peer_stream *s = &peer->streams[peer->n_streams++];
    const char *values[] = {call->method ? call->method : "POST",
                            "http",
                            call->path ? call->path : "/a",
                            "here",
                            call->content_type ? call->content_type : "application/grpc",
                            call->encoding,
                            call->timeout};
    const char *names[] = {":method",      ":scheme",       ":path",       ":authority",
                           "content-type", "grpc-encoding", "grpc-timeout"};
    struct h2_header headers[8];
    uint32_t n = 0;
    for (int i = 0; i < 7; i++) {
        if (values[i] == NULL)
            continue;
        headers[n++] = (struct h2_header){names[i], values[i], (uint32_t)strlen(names[i]),
                                          (uint32_t)strlen(values[i]), false};
    }
    *s = (struct peer_stream){.grpc_status = -1,
                              .out = call->out,
                              .n_out = call->n_out,
                              .half_closes = call->half_closes};
    s->id = h2_stream_request(peer->session, headers, n, s);
    return s;
}

/* More to send on an open stream. */
static inline void
peer_more(struct peer *peer, struct peer_stream *s, const void *p, size_t n, bool half_closes)
{
    assert_int_equal(s->out_at, s->n_out);
    s->out = p;
    s->n_out = n;
    s->out_at = 0;
    s->half_closes = half_closes;
    h2_stream_wake(peer->session, s->id);
}

/* n messages of size bytes, each with its prefix; the caller frees. */
static inline uint8_t *
messages_new(uint32_t n, uint32_t size, size_t *n_bytes)
{
    *n_bytes = (size_t)n * (size + GRPC_PREFIX_BYTES);
    uint8_t *p = mem_alloc(*n_bytes), *at = p;
    for (uint32_t i = 0; i < n; i++) {
        grpc_put_prefix(at, size);
        memset(at + GRPC_PREFIX_BYTES, 'a' + (int)(i % 26), size);
        at += size + GRPC_PREFIX_BYTES;
    }
    return p;
}

#endif
