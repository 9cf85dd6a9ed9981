/* A channel and an endpoint on one loop: calls end to end over a real socket. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel.h"
#include "grpc/grpc_endpoint.h"
#include "net/listener.h"

struct world {
    struct loop *loop;
    struct budget_pool pool;
    struct budget budget;
    struct metrics *metrics;
    struct grpc_endpoint *endpoint;
    struct listener *listener;
    struct net_address address;
    struct grpc_channel *channel;
    const struct method_row *method;
    enum grpc_take take;
    struct grpc_call *held;
    uint64_t held_bytes;
    uint32_t n_messages, n_ends, n_gone, n_cut, n_oversize, n_done;
    uint64_t n_bytes, oversize_declared;
    bool credits, answers, drained;
    struct text log;
    enum err last_err;
    int last_status;
    char last_text[128];
    size_t last_message_n;
};

static enum grpc_take
on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct world *world = grpc_call_service(call);
    if (world->take == GRPC_WAIT) {
        if (world->held == NULL) {
            grpc_call_ref(call);
            world->held = call;
        }
        return GRPC_WAIT;
    }
    world->n_messages++;
    world->n_bytes += message.n;
    if (world->credits)
        grpc_call_credit(call, credit_bytes);
    else
        world->held_bytes += credit_bytes;
    return GRPC_TAKEN;
}

static void
on_oversize(struct grpc_call *call, struct bytes prefix, uint64_t declared)
{
    struct world *world = grpc_call_service(call);
    assert_true(prefix.n <= 64 * 1024);
    world->n_oversize++;
    world->oversize_declared = declared;
}

static void
on_end(struct grpc_call *call)
{
    struct world *world = grpc_call_service(call);
    world->n_ends++;
    if (!world->answers)
        return;
    grpc_call_send(call, BYTES_NONE);
    grpc_call_finish(call, GRPC_OK, NULL);
}

static void
on_gone(struct grpc_call *call, bool mid_message)
{
    struct world *world = grpc_call_service(call);
    world->n_gone++;
    world->n_cut += mid_message;
}

static const struct grpc_handler handler = {on_message, on_oversize, on_end, on_gone};

static void
on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    struct world *world = ctx;
    (void)call;
    if (bytes_equal(path, BYTES("/refused"))) {
        out->refuse = GRPC_UNIMPLEMENTED;
        out->text = "no such method: \xc3\xa4%";
        return;
    }
    out->handler = &handler;
    out->method = world->method;
}

static void
on_drained(void *ctx)
{
    ((struct world *)ctx)->drained = true;
}

static void
on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    (void)peer;
    grpc_endpoint_accept(((struct world *)ctx)->endpoint, descriptor, NULL);
}

static void
on_done(void *ctx, const struct grpc_answer *answer)
{
    struct world *world = ctx;
    world->n_done++;
    world->last_err = answer->err;
    world->last_status = answer->status;
    world->last_message_n = answer->message.n;
    snprintf(world->last_text, sizeof(world->last_text), "%.*s", BYTES_ARG(answer->text));
}

static void
spin(struct world *world)
{
    loop_run_once(world->loop, 20);
}

#define SPIN_UNTIL(world, condition)                      \
    do {                                                  \
        for (int i_ = 0; i_ < 1000 && !(condition); i_++) \
            spin(world);                                  \
        assert_true(condition);                           \
    } while (0)

static void
world_open(struct world *world, const struct grpc_endpoint_settings *settings)
{
    *world = (struct world){.take = GRPC_TAKEN, .credits = true, .answers = true};
    struct grpc_endpoint_settings defaults;
    grpc_endpoint_settings_default(&defaults);
    world->method = method_row(METHOD_SEGMENT_COLLECT);
    world->loop = loop_new();
    budget_pool_init(&world->pool, UINT64_C(256) << 20);
    budget_init(&world->budget, &world->pool);
    world->metrics = metrics_new();
    struct grpc_service service = {.ctx = world, .on_call = on_call, .on_drained = on_drained};
    world->endpoint = grpc_endpoint_new(world->loop, settings ? settings : &defaults, &service,
                                        &world->budget, world->metrics);
    struct listener_callbacks callbacks = {.ctx = world, .on_accept = on_accept};
    assert_int_equal(
        listener_open(world->loop, "127.0.0.1:0", &callbacks, &world->log, &world->listener),
        ERR_OK);
    listener_address(world->listener, &world->address);
    struct grpc_channel_settings channel = {.address = world->address,
                                            .authority = "127.0.0.1:11800",
                                            .auth_token = "secret",
                                            .connect_timeout_us = 5000000,
                                            .backoff_initial_us = 10000,
                                            .ctx = world};
    world->channel = grpc_channel_new(world->loop, &channel);
    SPIN_UNTIL(world, grpc_channel_has_room(world->channel));
}

static void
world_close(struct world *world)
{
    grpc_call_unref(&world->held);
    grpc_channel_free(&world->channel);
    grpc_endpoint_free(&world->endpoint);
    listener_close(&world->listener);
    loop_free(&world->loop);
    assert_int_equal(world->budget.used_bytes, 0);
    assert_int_equal(world->pool.gated_bytes, 0);
    budget_fini(&world->budget);
    metrics_free(&world->metrics);
    text_fini(&world->log);
}

/* n messages of size bytes each, one slice each. */
struct load {
    struct bytes *slices;
    uint8_t *message;
    uint32_t n;
};

static struct load
load_new(uint32_t n, uint32_t size)
{
    struct load load = {.n = n};
    load.message = mem_alloc(size + GRPC_PREFIX_BYTES);
    grpc_put_prefix(load.message, size);
    memset(load.message + GRPC_PREFIX_BYTES, 'x', size);
    load.slices = mem_new_n(struct bytes, n);
    for (uint32_t i = 0; i < n; i++)
        load.slices[i] = bytes_of(load.message, size + GRPC_PREFIX_BYTES);
    return load;
}

static void
load_free(struct load *load)
{
    mem_free(load->message);
    mem_free(load->slices);
}

static struct grpc_request *
start(struct world *world, const struct load *load, const char *path, uint64_t timeout_us)
{
    struct grpc_request_settings settings = {.path = path,
                                             .slices = load->slices,
                                             .n_slices = load->n,
                                             .timeout_us = timeout_us,
                                             .ctx = world,
                                             .on_done = on_done};
    return grpc_channel_start(world->channel, &settings);
}

static void
test_stream_of_messages(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    struct load load = load_new(5000, 1200);
    start(&world, &load, "/a", 20000000);
    SPIN_UNTIL(&world, world.n_done == 1);
    assert_int_equal(world.last_err, ERR_OK);
    assert_int_equal(world.last_status, GRPC_OK);
    assert_int_equal(world.n_messages, 5000);
    assert_int_equal(world.n_bytes, 5000 * 1200);
    assert_int_equal(world.n_ends, 1);
    SPIN_UNTIL(&world, world.n_gone == 1);
    assert_int_equal(
        metric_get(world.metrics, METRIC_GRPC_HANDLED, METHOD_SEGMENT_COLLECT * METRIC_CODES), 1);
    load_free(&load);
    world_close(&world);
}

static void
test_many_small_calls(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    struct load load = load_new(1, 40);
    uint32_t started = 0;
    while (world.n_done < 3000) {
        while (started < 3000 && grpc_channel_has_room(world.channel)) {
            start(&world, &load, "/a", 1000000);
            started++;
        }
        spin(&world);
    }
    assert_int_equal(world.n_messages, 3000);
    assert_int_equal(world.last_err, ERR_OK);
    load_free(&load);
    world_close(&world);
}

static void
test_refused_with_text(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, NULL);
    struct load load = load_new(100, 2000);
    start(&world, &load, "/refused", 0);
    SPIN_UNTIL(&world, world.n_done == 1);
    assert_int_equal(world.last_status, GRPC_UNIMPLEMENTED);
    assert_string_equal(world.last_text, "no such method: \xc3\xa4%");
    load_free(&load);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_of_messages),
        cmocka_unit_test(test_many_small_calls),
        cmocka_unit_test(test_refused_with_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
