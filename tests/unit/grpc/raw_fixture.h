/* An endpoint of raw calls and a channel on one loop: what raw calls and streams are tested with.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_RAW_FIXTURE_H
#define UNIT_RAW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "grpc/grpc_channel_int.h"
#include "grpc/grpc_endpoint.h"
#include "grpc/grpc_raw.h"
#include "grpc/grpc_server_int.h"
#include "grpc/grpc_stream.h"
#include "h2/h2_session_int.h"
#include "h2/h2_stream.h"
#include "net/listener.h"

enum { CHUNK = 10000 };

static struct {
    struct loop *loop;
    struct budget_pool pool;
    struct budget budget;
    struct metrics *metrics;
    struct text why;
    struct listener *listener;
    struct grpc_endpoint *endpoint;
    struct grpc_channel *channel;
    uint8_t chunk[CHUNK];

    /* The server's call. */
    struct grpc_call *call;
    struct grpc_queue answer;
    bool credits;
    uint64_t n_server_data, n_server_sent;
    uint32_t n_server_ends, n_server_gone, n_drains;
    struct grpc_metadata request; /* as it was in on_call */

    /* The client's stream. */
    struct grpc_stream *stream;
    struct grpc_queue out;
    uint64_t n_data, n_sent;
    uint32_t n_headers, n_ends;
    struct grpc_stream_end end;
    struct grpc_metadata headers, trailers;
} t;

static void
copy(const struct grpc_metadata *in, struct grpc_metadata *out)
{
    struct grpc_field field;
    grpc_metadata_clear(out);
    for (uint32_t at = 0; grpc_metadata_next(in, &at, &field);)
        grpc_metadata_add(out, NULL, field);
}

static void
server_on_data(struct grpc_call *call, struct bytes in)
{
    t.n_server_data += in.n;
    if (t.credits)
        grpc_raw_credit(call, in.n);
}

static void
server_on_end(struct grpc_call *call)
{
    (void)call;
    t.n_server_ends++;
}

static void
server_on_sent(struct grpc_call *call, size_t n)
{
    (void)call;
    t.n_server_sent += n;
}

static void
server_on_drain(struct grpc_call *call, uint64_t left_us)
{
    assert_true(left_us > 0);
    t.n_drains++;
    grpc_call_finish(call, GRPC_UNAVAILABLE, "draining");
}

static void
server_on_gone(struct grpc_call *call)
{
    assert_ptr_equal(call, t.call);
    t.call = NULL;
    t.n_server_gone++;
    grpc_queue_fini(&t.answer);
}

static const struct grpc_raw_handler handler = {server_on_data, server_on_end, server_on_sent,
                                                server_on_drain, server_on_gone};

static bool
wants_metadata(void *ctx, struct bytes path)
{
    (void)ctx;
    return !bytes_equal(path, BYTES("/not/wanted"));
}

static void
on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    (void)ctx;
    if (bytes_equal(path, BYTES("/is/refused"))) {
        out->refuse = GRPC_PERMISSION_DENIED;
        out->text = "no";
        return;
    }
    copy(grpc_raw_metadata(call), &t.request);
    grpc_queue_init(&t.answer, grpc_raw_budget(call), false);
    t.call = call;
    out->raw = &handler;
}

static void
on_drained(void *ctx)
{
    (void)ctx;
}

static void
on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    (void)ctx;
    (void)peer;
    grpc_endpoint_accept(t.endpoint, descriptor, NULL);
}

static void
on_headers(void *ctx, const struct grpc_metadata *headers)
{
    (void)ctx;
    t.n_headers++;
    copy(headers, &t.headers);
}

static void
on_data(void *ctx, struct bytes in)
{
    (void)ctx;
    t.n_data += in.n;
    if (t.credits)
        grpc_stream_credit(t.stream, in.n);
}

static void
on_sent(void *ctx, size_t n)
{
    (void)ctx;
    t.n_sent += n;
}

static void
on_end(void *ctx, const struct grpc_stream_end *end)
{
    (void)ctx;
    t.n_ends++;
    t.end = *end;
    t.stream = NULL;
    copy(end->trailers, &t.trailers);
}

static const struct grpc_stream_events events = {on_headers, on_data, on_sent, on_end};

#define UNTIL(condition)                                  \
    do {                                                  \
        for (int i_ = 0; i_ < 2000 && !(condition); i_++) \
            loop_run_once(t.loop, 5);                     \
        assert_true(condition);                           \
    } while (0)

static int
set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.credits = true;
    t.loop = loop_new();
    budget_pool_init(&t.pool, UINT64_C(64) << 20);
    budget_init(&t.budget, &t.pool);
    t.metrics = metrics_new();
    struct grpc_service service = {
        .wants_metadata = wants_metadata, .on_call = on_call, .on_drained = on_drained};
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.drain_us = 1000000;
    t.endpoint = grpc_endpoint_new(t.loop, &settings, &service, &t.budget, t.metrics);
    struct listener_callbacks callbacks = {.on_accept = on_accept};
    assert_int_equal(listener_open(t.loop, "127.0.0.1:0", &callbacks, &t.why, &t.listener), ERR_OK);
    struct grpc_channel_settings channel = {.authority = "oap:11800",
                                            .auth_token = "",
                                            .connect_timeout_us = 5000000,
                                            .backoff_initial_us = 10000};
    listener_address(t.listener, &channel.address);
    t.channel = grpc_channel_new(t.loop, &channel);
    grpc_queue_init(&t.out, &t.budget, false);
    UNTIL(grpc_channel_has_stream_room(t.channel));
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    grpc_stream_cancel(&t.stream);
    grpc_channel_free(&t.channel);
    grpc_endpoint_free(&t.endpoint);
    listener_close(&t.listener);
    grpc_queue_fini(&t.out);
    loop_free(&t.loop);
    grpc_metadata_fini(&t.headers, NULL);
    grpc_metadata_fini(&t.trailers, NULL);
    grpc_metadata_fini(&t.request, NULL);
    assert_int_equal(t.budget.used_bytes, 0);
    budget_fini(&t.budget);
    metrics_free(&t.metrics);
    text_fini(&t.why);
    return 0;
}

static struct grpc_field
field(const char *name, const char *value)
{
    return (struct grpc_field){bytes_str(name), bytes_str(value)};
}

static void
open_stream(const char *path, struct grpc_metadata *more)
{
    struct grpc_metadata list = {.p = NULL};
    grpc_metadata_add(&list, NULL, field("content-type", "application/grpc+proto"));
    struct grpc_field one;
    for (uint32_t at = 0; more != NULL && grpc_metadata_next(more, &at, &one);)
        grpc_metadata_add(&list, NULL, one);
    struct grpc_stream_settings settings = {.path = bytes_str(path),
                                            .metadata = &list,
                                            .timeout_us = 30000000,
                                            .out = &t.out,
                                            .budget = &t.budget,
                                            .events = &events};
    assert_true(grpc_channel_takes_metadata(t.channel, settings.path, &list));
    t.stream = grpc_stream_open(t.channel, &settings);
    grpc_metadata_fini(&list, NULL);
}

static void
send_chunks(uint32_t n_chunks)
{
    for (uint32_t i = 0; i < n_chunks; i++)
        grpc_queue_put(&t.out, bytes_of(t.chunk, CHUNK));
    grpc_stream_wake(t.stream);
}

static void
respond(void)
{
    struct grpc_metadata list = {.p = NULL};
    grpc_metadata_add(&list, NULL, field("content-type", "application/grpc"));
    grpc_metadata_add(&list, NULL, field("x-h", "1"));
    grpc_raw_respond(t.call, &list, &t.answer);
    grpc_metadata_fini(&list, NULL);
}

static void
finish(const char *status)
{
    struct grpc_metadata list = {.p = NULL};
    grpc_metadata_add(&list, NULL, field("grpc-status", status));
    grpc_metadata_add(&list, NULL, field("x-t", "1"));
    grpc_metadata_add(&list, NULL, field("x-t", "2"));
    grpc_raw_finish(t.call, status[0] - '0', &list);
    grpc_metadata_fini(&list, NULL);
}

#endif
