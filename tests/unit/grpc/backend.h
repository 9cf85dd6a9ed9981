/* A hand-driven gRPC server on a socket, and a channel to it with the clock set by hand. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_GRPC_BACKEND_H
#define TEST_GRPC_BACKEND_H

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel.h"
#include "h2/h2_session.h"
#include "h2/h2_stream.h"
#include "net/listener.h"

enum { MAX_CALLS = 400 };
#define START_US UINT64_C(1000000000)

/* A stream as the server sees it. */
struct got {
    int32_t id;
    uint64_t n_bytes;
    bool ended, closed;
    uint32_t code;
    char path[64], timeout[32], token[32], agent[64], authority[64], te[16];
    const char *answer; /* DATA */
    size_t n_answer;
    const char *status; /* trailers */
    bool trailers_given;
};

/* One call as the client sees it. */
struct result {
    uint32_t n_done;
    enum err err;
    int status;
    char text[64];
    size_t n_message;
    uint8_t *memory; /* freed at the end of the call: lent bytes must not be touched then */
    struct bytes slice;
};

static struct {
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct text why;
    int fd;
    struct h2_session *session;
    struct h2_gather *gather;
    struct got got[MAX_CALLS];
    uint32_t n_got, n_accepted;
    bool is_deaf, credits, frees_channel;
    uint32_t window;
    struct grpc_channel *channel;
    struct result results[MAX_CALLS];
    enum grpc_channel_state states[16];
    uint32_t n_states;
    uint64_t now_us;
} t;

/* The server. */

static inline void *
on_open(void *ctx, int32_t stream_id)
{
    (void)ctx;
    assert_true(t.n_got < MAX_CALLS);
    t.got[t.n_got] = (struct got){.id = stream_id};
    return &t.got[t.n_got++];
}

static inline void
on_header(void *ctx, void *stream, struct bytes name, struct bytes value)
{
    (void)ctx;
    struct got *got = stream;
    struct {
        const char *name;
        char *out;
        size_t size;
    } wanted[] = {
        {":path", got->path, sizeof(got->path)},
        {"grpc-timeout", got->timeout, sizeof(got->timeout)},
        {"authentication", got->token, sizeof(got->token)},
        {"user-agent", got->agent, sizeof(got->agent)},
        {":authority", got->authority, sizeof(got->authority)},
        {"te", got->te, sizeof(got->te)},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (bytes_equal(name, bytes_str(wanted[i].name)))
            snprintf(wanted[i].out, wanted[i].size, "%.*s", BYTES_ARG(value));
    }
}

static inline void
on_headers(void *ctx, void *stream, bool is_last)
{
    (void)ctx;
    (void)stream;
    (void)is_last;
}

static inline void
on_data(void *ctx, void *stream, struct bytes in)
{
    (void)ctx;
    struct got *got = stream;
    got->n_bytes += in.n;
    if (t.credits)
        h2_stream_credit(t.session, got->id, in.n);
}

static inline void
on_end(void *ctx, void *stream)
{
    (void)ctx;
    ((struct got *)stream)->ended = true;
}

static inline void
on_close(void *ctx, void *stream, uint32_t code, bool by_peer)
{
    (void)ctx;
    (void)by_peer;
    ((struct got *)stream)->closed = true;
    ((struct got *)stream)->code = code;
}

static inline size_t
on_take(void *ctx, void *stream, size_t room, enum h2_take *how)
{
    (void)ctx;
    struct got *got = stream;
    assert_true(got->n_answer <= room);
    struct h2_header trailers[2] = {H2_HEADER("grpc-status", ""),
                                    H2_HEADER("grpc-message", "why%20not")};
    trailers[0].value = got->status;
    trailers[0].n_value = (uint32_t)strlen(got->status);
    h2_stream_trailers(t.session, got->id, trailers, 2);
    *how = H2_TAKE_TRAILERS;
    return got->n_answer;
}

static inline void
on_give(void *ctx, void *stream, size_t n, struct h2_gather *gather)
{
    (void)ctx;
    h2_gather_copy(gather, ((struct got *)stream)->answer, n);
}

static inline void
on_ready(void *ctx)
{
    (void)ctx;
}

static inline void
on_ping_ack(void *ctx, uint64_t payload)
{
    (void)ctx;
    (void)payload;
}

static inline void
on_goaway(void *ctx, int32_t last_id, uint32_t code)
{
    (void)ctx;
    (void)last_id;
    (void)code;
}

static const struct h2_events server_events = {
    .on_open = on_open,
    .on_header = on_header,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .on_take = on_take,
    .on_give = on_give,
    .on_ready = on_ready,
    .on_ping_ack = on_ping_ack,
    .on_goaway = on_goaway,
};

static inline void
server_stop(void)
{
    if (t.session != NULL)
        h2_session_free(&t.session);
    if (t.fd >= 0)
        close(t.fd);
    t.fd = -1;
}

static inline void
on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    (void)ctx;
    (void)peer;
    server_stop();
    t.fd = descriptor;
    t.n_accepted++;
    struct h2_session_settings settings = {
        .role = H2_SERVER,
        .max_streams = 136,
        .stream_window_bytes = t.window,
        .connection_window_bytes = 64 << 20,
        .header_list_bytes = 16384,
        .events = &server_events,
    };
    t.session = h2_session_new(&settings);
}

static inline void
server_write(void)
{
    bool is_all = false;
    h2_gather_reset(t.gather);
    assert_int_equal(h2_session_gather(t.session, t.gather, &is_all), ERR_OK);
    for (int i = 0; i < t.gather->n; i++)
        assert_int_equal(write(t.fd, t.gather->iov[i].iov_base, t.gather->iov[i].iov_len),
                         t.gather->iov[i].iov_len);
}

static inline void
server_turn(void)
{
    static uint8_t buffer[65536];
    if (t.session == NULL || t.is_deaf)
        return;
    for (;;) {
        ssize_t n = read(t.fd, buffer, sizeof(buffer));
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                server_stop();
            break;
        }
        (void)!h2_session_feed(t.session, bytes_of(buffer, (size_t)n));
    }
    if (t.session != NULL)
        server_write();
}

static inline void
spin(void)
{
    for (int i = 0; i < 8; i++) {
        loop_run_once(t.loop, 1);
        server_turn();
    }
}

static inline void
pass(uint64_t us)
{
    t.now_us += us;
    clock_set(t.now_us, 1700000000000);
    spin();
}

/* The client. */

static inline void
on_state(void *ctx, enum grpc_channel_state state)
{
    (void)ctx;
    if (t.n_states < 16)
        t.states[t.n_states++] = state;
}

static inline void
on_done(void *ctx, const struct grpc_answer *answer)
{
    struct result *result = ctx;
    result->n_done++;
    result->err = answer->err;
    result->status = answer->status;
    result->n_message = answer->message.n;
    snprintf(result->text, sizeof(result->text), "%.*s", BYTES_ARG(answer->text));
    mem_free(result->memory);
    result->memory = NULL;
    if (t.frees_channel && t.channel != NULL) {
        struct grpc_channel *channel = t.channel;
        t.channel = NULL;
        grpc_channel_free(&channel);
    }
}

static inline struct grpc_request *
start(int i, size_t n, uint64_t timeout_us)
{
    struct result *result = &t.results[i];
    *result = (struct result){.memory = mem_alloc(n + 5)};
    grpc_put_prefix(result->memory, (uint32_t)n);
    memset(result->memory + 5, 'r', n);
    result->slice = bytes_of(result->memory, n + 5);
    struct grpc_request_settings settings = {.path = "/x/y",
                                             .slices = &result->slice,
                                             .n_slices = 1,
                                             .timeout_us = timeout_us,
                                             .ctx = result,
                                             .on_done = on_done};
    return grpc_channel_start(t.channel, &settings);
}

static inline void
answer(int i, const char *data, size_t n, const char *status)
{
    static const struct h2_header headers[] = {{":status", "200", 7, 3, true},
                                               {"content-type", "application/grpc", 12, 16, true}};
    t.got[i].answer = data;
    t.got[i].n_answer = n;
    t.got[i].status = status;
    h2_stream_respond(t.session, t.got[i].id, headers, 2, false);
    spin();
}

static inline int
set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.fd = -1;
    t.credits = true;
    t.window = 1 << 20;
    t.now_us = START_US;
    clock_set(t.now_us, 1700000000000);
    t.loop = loop_new();
    t.gather = mem_new(struct h2_gather);
    struct listener_callbacks callbacks = {.on_accept = on_accept};
    assert_int_equal(listener_open(t.loop, "127.0.0.1:0", &callbacks, &t.why, &t.listener), ERR_OK);
    listener_address(t.listener, &t.address);
    return 0;
}

static inline void
connect_channel(void)
{
    struct grpc_channel_settings settings = {.address = t.address,
                                             .authority = "oap:11800",
                                             .auth_token = "secret",
                                             .connect_timeout_us = 3000000,
                                             .on_state = on_state};
    t.channel = grpc_channel_new(t.loop, &settings);
    for (int i = 0; i < 100 && !grpc_channel_has_room(t.channel); i++)
        spin();
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_READY);
}

static inline int
tear_down(void **state)
{
    (void)state;
    grpc_channel_free(&t.channel);
    server_stop();
    listener_close(&t.listener);
    loop_free(&t.loop);
    mem_free(t.gather);
    text_fini(&t.why);
    for (int i = 0; i < MAX_CALLS; i++)
        mem_free(t.results[i].memory);
    return 0;
}

#endif
