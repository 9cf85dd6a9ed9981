/* Agents' streams, a forward and backends by hand, all on one loop: what relays are tested with. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_RELAY_FIXTURE_H
#define UNIT_RELAY_FIXTURE_H

#include "forward/forward_fixture.h"
#include "forward/relay.h"
#include "forward/relay_int.h"

enum { CHUNK = 64 * 1024, HANDS = 2, HAND_CALLS = 16 };

/* A backend by hand: takes every call raw and does what the test says. */
struct hand {
    struct loop *loop;
    struct budget *budget;
    struct metrics *metrics;
    struct listener *listener;
    struct grpc_endpoint *endpoint;
    char address[NET_ADDRESS_TEXT];
    struct grpc_call *calls[HAND_CALLS]; /* NULL: gone */
    struct grpc_queue answers[HAND_CALLS];
    uint32_t n_calls, n_gone, n_ends;
    uint64_t n_bytes;
    int status;      /* of every call at its end; -1: none */
    int early;       /* at its begin; -1: none */
    bool withholds;  /* credit */
    char via[3][64]; /* of the last call */
    uint32_t n_via;
};

static struct {
    struct loop *loop;
    struct budget_pool pool;
    struct budget budget;
    struct block_cache blocks;
    struct metrics *metrics;
    struct store *store;
    struct forward_shared *shared;
    struct forward *forward;
    struct hand hands[HANDS];
    uint32_t n_hands;
    struct listener *listener;
    struct grpc_endpoint *endpoint; /* the agents' */
    struct grpc_channel *agent;
    struct grpc_stream *stream;
    struct grpc_queue out;
    uint64_t n_data;
    uint32_t n_headers, n_ends;
    bool withholds; /* credit */
    int status;
    enum err err;
} t;

static uint8_t chunk[CHUNK];

static uint32_t
index_of(const struct hand *hand, const struct grpc_call *call)
{
    for (uint32_t i = 0; i < hand->n_calls; i++)
        if (hand->calls[i] == call)
            return i;
    fail();
    return 0;
}

static void
end_call(struct grpc_call *call, int status)
{
    if (status == GRPC_OK)
        grpc_call_send(call, BYTES_NONE);
    grpc_call_finish(call, (enum grpc_status)status, "by hand");
}

static void
hand_on_data(struct grpc_call *call, struct bytes in)
{
    struct hand *hand = grpc_call_service(call);
    hand->n_bytes += in.n;
    if (!hand->withholds)
        grpc_raw_credit(call, in.n);
}

static void
answer(struct hand *hand, uint32_t i, int status)
{
    struct grpc_metadata list = {.p = NULL};
    grpc_metadata_add(&list, NULL,
                      (struct grpc_field){BYTES("content-type"), BYTES("application/grpc")});
    static const uint8_t empty[5];
    if (status == GRPC_OK) {
        grpc_queue_put(&hand->answers[i], bytes_of(empty, 5));
        grpc_raw_respond(hand->calls[i], &list, &hand->answers[i]);
    }
    grpc_metadata_fini(&list, NULL);
    grpc_call_finish(hand->calls[i], (enum grpc_status)status, "by hand");
}

static void
hand_on_end(struct grpc_call *call)
{
    struct hand *hand = grpc_call_service(call);
    hand->n_ends++;
    if (hand->status >= 0)
        answer(hand, index_of(hand, call), hand->status);
}

static void
hand_on_sent(struct grpc_call *call, size_t n)
{
    (void)call;
    (void)n;
}

static void
hand_on_drain(struct grpc_call *call, uint64_t left_us)
{
    (void)left_us;
    end_call(call, GRPC_UNAVAILABLE);
}

static void
hand_on_gone(struct grpc_call *call)
{
    struct hand *hand = grpc_call_service(call);
    uint32_t i = index_of(hand, call);
    hand->calls[i] = NULL;
    grpc_queue_fini(&hand->answers[i]);
    hand->n_gone++;
}

static bool
wants_all(void *ctx, struct bytes path)
{
    (void)ctx;
    (void)path;
    return true;
}

static void
hand_on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    static const struct grpc_raw_handler handler = {hand_on_data, hand_on_end, hand_on_sent,
                                                    hand_on_drain, hand_on_gone};
    struct hand *hand = ctx;
    (void)path;
    assert_in_range(hand->n_calls, 0, HAND_CALLS - 1);
    hand->n_via = 0;
    struct grpc_field field;
    for (uint32_t at = 0; grpc_metadata_next(grpc_raw_metadata(call), &at, &field);)
        if (bytes_equal(field.name, BYTES("via")) && hand->n_via < 3)
            snprintf(hand->via[hand->n_via++], 64, "%.*s", BYTES_ARG(field.value));
    if (hand->early >= 0) {
        hand->n_calls++;
        hand->n_gone++;
        out->refuse = (enum grpc_status)hand->early;
        return;
    }
    grpc_queue_init(&hand->answers[hand->n_calls], hand->budget, false);
    hand->calls[hand->n_calls++] = call;
    out->raw = &handler;
}

static void
on_drained(void *ctx)
{
    (void)ctx;
}

static void
hand_on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    (void)peer;
    grpc_endpoint_accept(((struct hand *)ctx)->endpoint, descriptor, NULL);
}

static struct listener *
listen_for(const struct listener_callbacks *callbacks, char *address)
{
    struct text why = TEXT_EMPTY;
    struct listener *listener;
    struct net_address bound;
    assert_int_equal(listener_open(t.loop, "127.0.0.1:0", callbacks, &why, &listener), ERR_OK);
    text_fini(&why);
    listener_address(listener, &bound);
    net_address_text(&bound, address);
    return listener;
}

static void
hand_open(struct hand *hand, uint32_t max_streams)
{
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.max_streams = max_streams;
    settings.drain_us = 1000000;
    *hand = (struct hand){
        .loop = t.loop, .budget = &t.budget, .metrics = t.metrics, .status = GRPC_OK, .early = -1};
    struct grpc_service service = {.ctx = hand,
                                   .wants_metadata = wants_all,
                                   .on_call = hand_on_call,
                                   .on_drained = on_drained};
    hand->endpoint = grpc_endpoint_new(t.loop, &settings, &service, &t.budget, t.metrics);
    struct listener_callbacks callbacks = {.ctx = hand, .on_accept = hand_on_accept};
    hand->listener = listen_for(&callbacks, hand->address);
}

/* The agents' side. */

static void
agent_on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    (void)ctx;
    out->method = method_find(path);
    relay_begin(t.forward, call, out->method, out);
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
    (void)headers;
    t.n_headers++;
}

static void
on_data(void *ctx, struct bytes in)
{
    (void)ctx;
    t.n_data += in.n;
    if (!t.withholds)
        grpc_stream_credit(t.stream, in.n);
}

static void
on_sent(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
}

static void
on_end(void *ctx, const struct grpc_stream_end *end)
{
    (void)ctx;
    t.n_ends++;
    t.status = end->status;
    t.err = end->err;
    t.stream = NULL;
}

static const struct grpc_stream_events events = {on_headers, on_data, on_sent, on_end};

static void
nothing(void *ctx)
{
    (void)ctx;
}

static void
nothing_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    (void)ctx;
    (void)cookie;
    (void)credit_bytes;
    (void)n_records;
}

#define UNTIL(condition)                                  \
    do {                                                  \
        for (int i_ = 0; i_ < 4000 && !(condition); i_++) \
            loop_run_once(t.loop, 5);                     \
        assert_true(condition);                           \
    } while (0)

static void
spin(int n)
{
    for (int i = 0; i < n; i++)
        loop_run_once(t.loop, 5);
}

static void
open_forward(struct forward_settings *settings)
{
    const char *addresses[HANDS];
    for (uint32_t i = 0; i < t.n_hands; i++)
        addresses[i] = t.hands[i].address;
    settings->addresses = addresses;
    settings->n_addresses = t.n_hands;
    t.shared = forward_shared_of(settings);
    struct store_settings store = {.max_bytes = 1 << 20, .batch_items = 10, .batch_bytes = 1 << 20};
    struct store_callbacks callbacks = {
        .on_settled = nothing_settled, .on_room = nothing, .on_due = nothing};
    t.store = store_new(&store, &callbacks, &t.blocks, t.metrics);
    t.forward = forward_new(t.loop, t.store, t.shared, NULL, t.metrics);
}

static void
open_agent(void)
{
    char address[NET_ADDRESS_TEXT];
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.drain_us = 2000000;
    struct grpc_service service = {
        .wants_metadata = wants_all, .on_call = agent_on_call, .on_drained = on_drained};
    t.endpoint = grpc_endpoint_new(t.loop, &settings, &service, &t.budget, t.metrics);
    struct listener_callbacks callbacks = {.on_accept = on_accept};
    t.listener = listen_for(&callbacks, address);
    struct grpc_channel_settings channel = {
        .authority = "agent:1", .connect_timeout_us = 5000000, .auth_token = ""};
    assert_int_equal(net_address_parse(address, &channel.address), ERR_OK);
    t.agent = grpc_channel_new(t.loop, &channel);
    UNTIL(grpc_channel_has_stream_room(t.agent));
}

static void
begin(uint32_t n_hands, struct forward_settings *settings, uint32_t max_streams)
{
    memset(&t, 0, sizeof(t));
    log_set_level(LOG_ERROR);
    t.loop = loop_new();
    budget_pool_init(&t.pool, UINT64_C(64) << 20);
    budget_init(&t.budget, &t.pool);
    block_cache_init(&t.blocks, &t.budget, 1);
    t.metrics = metrics_new();
    t.n_hands = n_hands;
    for (uint32_t i = 0; i < n_hands; i++)
        hand_open(&t.hands[i], max_streams);
    open_forward(settings);
    open_agent();
    grpc_queue_init(&t.out, &t.budget, false);
    UNTIL(forward_n_up(t.forward) == n_hands);
}

static void
end(void)
{
    grpc_stream_cancel(&t.stream);
    grpc_channel_free(&t.agent);
    grpc_endpoint_free(&t.endpoint);
    listener_close(&t.listener);
    forward_free(&t.forward);
    for (uint32_t i = 0; i < t.n_hands; i++) {
        listener_close(&t.hands[i].listener);
        grpc_endpoint_free(&t.hands[i].endpoint);
        assert_int_equal(t.hands[i].n_gone, t.hands[i].n_calls);
    }
    spin(1);
    store_free(&t.store);
    forward_shared_free(&t.shared);
    grpc_queue_fini(&t.out);
    loop_free(&t.loop);
    block_cache_fini(&t.blocks);
    assert_int_equal(t.budget.used_bytes, 0);
    budget_fini(&t.budget);
    metrics_free(&t.metrics);
}

static const char ask[] = "/skywalking.v3.ProfileTask/getProfileTaskCommands";
static const char upload[] = "/skywalking.v3.ProfileTask/goProfileReport";
static const char foreign[] = "/a.b/c";

static void
call(const char *path, size_t n_bytes, bool is_last)
{
    struct grpc_metadata list = {.p = NULL};
    grpc_metadata_add(&list, NULL,
                      (struct grpc_field){BYTES("content-type"), BYTES("application/grpc")});
    grpc_metadata_add(&list, NULL, (struct grpc_field){BYTES("via"), BYTES("1.1 somebody")});
    t.n_ends = t.n_headers = 0;
    t.n_data = 0;
    for (size_t n; n_bytes > 0; n_bytes -= n) {
        n = n_bytes < CHUNK ? n_bytes : CHUNK;
        grpc_queue_put(&t.out, bytes_of(chunk, n));
    }
    struct grpc_stream_settings settings = {.path = bytes_str(path),
                                            .metadata = &list,
                                            .out = &t.out,
                                            .is_last = is_last,
                                            .budget = &t.budget,
                                            .events = &events};
    t.stream = grpc_stream_open(t.agent, &settings);
    grpc_metadata_fini(&list, NULL);
}

#endif
