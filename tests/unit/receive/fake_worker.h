/* What a worker has around receive/, without sockets: store, integrity, budget, a loop for timers.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FAKE_WORKER_H
#define TESTS_FAKE_WORKER_H

#include "base/clock.h"
#include "base/text.h"
#include "message/message.h"
#include "receive/receive.h"

#include "receive/fake_call.h"

enum { NOW_MS = 1700000000 };

struct fake_worker {
    struct budget_pool pool;
    struct budget budget;
    struct block_cache blocks;
    struct metrics *metrics;
    struct loop *loop;
    struct integrity *integrity;
    struct receive *receive;
    struct store *store;
    struct grpc_service service;
    void *connection_user; /* of the one connection all streams are on */
};

/* One call as the endpoint drives it. */
struct fake_stream {
    struct fake_worker *worker;
    struct grpc_call *call;
    struct grpc_route route;
};

static inline void
worker_on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    struct fake_worker *worker = ctx;
    receive_on_settled(worker->receive, cookie, credit_bytes, n_records);
}

static inline void
worker_on_room(void *ctx)
{
    struct fake_worker *worker = ctx;
    receive_on_room(worker->receive);
}

static inline void
worker_on_due(void *ctx)
{
    (void)ctx;
}

static inline void
worker_init(struct fake_worker *worker, uint64_t max_bytes)
{
    clock_set(1000000, NOW_MS);
    worker->connection_user = NULL;
    budget_pool_init(&worker->pool, 64u << 20);
    budget_init(&worker->budget, &worker->pool);
    block_cache_init(&worker->blocks, &worker->budget, 2);
    worker->metrics = metrics_new();
    worker->loop = loop_new();
    struct integrity_settings integrity;
    integrity_settings_default(&integrity);
    worker->integrity = integrity_new(&integrity, worker->metrics);
    struct receive_parts parts = {.loop = worker->loop,
                                  .budget = &worker->budget,
                                  .metrics = worker->metrics,
                                  .integrity = worker->integrity};
    worker->receive = receive_new(&parts);
    struct store_settings store = {.max_bytes = max_bytes,
                                   .quarantine_bytes = 1 << 20,
                                   .batch_items = 500,
                                   .batch_bytes = 1 << 20,
                                   .batch_delay_ms = 200,
                                   .max_age_s = 3600};
    struct store_callbacks callbacks = {.ctx = worker,
                                        .on_settled = worker_on_settled,
                                        .on_room = worker_on_room,
                                        .on_due = worker_on_due};
    worker->store = store_new(&store, &callbacks, &worker->blocks, worker->metrics);
    receive_set_store(worker->receive, worker->store);
    receive_service(worker->receive, &worker->service);
}

static inline void
worker_lose_connection(struct fake_worker *worker, enum grpc_connection_end how)
{
    void *user = worker->connection_user;
    worker->connection_user = NULL;
    worker->service.on_connection_gone(worker->service.ctx, "127.0.0.1:1", user, how);
}

/* Nothing may be left behind. */
static inline void
worker_fini(struct fake_worker *worker)
{
    worker_lose_connection(worker, GRPC_ENDED_ORDERLY);
    store_turn(worker->store);
    assert_int_equal(receive_n_calls(worker->receive), 0);
    receive_free(&worker->receive);
    store_free(&worker->store);
    integrity_free(&worker->integrity);
    loop_free(&worker->loop);
    assert_int_equal(worker->blocks.n_live, 0);
    block_cache_fini(&worker->blocks);
    assert_int_equal(worker->budget.used_bytes, 0);
    budget_fini(&worker->budget);
    metrics_free(&worker->metrics);
}

static inline uint64_t
count_of(const struct fake_worker *worker, enum metric metric)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < metric_row(metric)->n; i++)
        sum += metric_get(worker->metrics, metric, i);
    return sum;
}

static inline uint64_t
n_findings(const struct fake_worker *worker, enum rule rule)
{
    return metric_get(worker->metrics, METRIC_FINDINGS, rule);
}

static inline struct fake_stream
stream_open(struct fake_worker *worker, const char *path)
{
    struct fake_stream stream = {.worker = worker, .call = fake_call_new(worker->receive)};
    stream.call->connection_user = &worker->connection_user;
    worker->service.on_call(worker->service.ctx, stream.call, bytes_str(path), &stream.route);
    stream.call->user = stream.route.user;
    return stream;
}

static inline enum grpc_take
stream_send(struct fake_stream *stream, struct bytes message)
{
    return stream->route.handler->on_message(stream->call, message, message.n + 5);
}

static inline void
stream_end(struct fake_stream *stream)
{
    stream->call->is_half_closed = true;
    stream->route.handler->on_end(stream->call);
}

static inline void
stream_gone(struct fake_stream *stream, bool mid_message)
{
    stream->route.handler->on_gone(stream->call, mid_message);
}

static inline void
stream_unref(struct fake_stream *stream)
{
    grpc_call_unref(&stream->call);
}

/* Takes and acknowledges everything; every payload goes to the function. */
static inline uint32_t
worker_forward(struct fake_worker *worker, void (*on_record)(enum method, struct bytes))
{
    uint32_t n = 0;
    uint64_t next_us;
    struct store_lane *lane;
    while ((lane = store_due(worker->store, clock_mono_us(), true, &next_us)) != NULL) {
        struct store_batch *batch = store_take(worker->store, lane);
        if (batch == NULL)
            continue;
        for (uint32_t i = 0; i < batch->n && on_record != NULL; i++)
            on_record(batch->method, bytes_of(batch->items[i].payload, batch->items[i].n));
        n += batch->n;
        store_ack(worker->store, &batch);
    }
    return n;
}

/* Messages. */

static inline void
add_string(struct text *out, uint32_t field, struct bytes value)
{
    uint8_t head[2 * WIRE_VARINT_MAX];
    text_add_bytes(out, bytes_of(head, wire_put_length(head, field, value.n)));
    text_add_bytes(out, value);
}

static inline void
add_number(struct text *out, uint32_t field, uint64_t value)
{
    uint8_t head[2 * WIRE_VARINT_MAX];
    size_t n = wire_put_varint(head, (uint64_t)field << 3);
    n += wire_put_varint(head + n, value);
    text_add_bytes(out, bytes_of(head, n));
}

#endif
