/* The server side of a worker: its connections, pools, queues and the drain. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_endpoint.h"

#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc_server_int.h"
#include "net/tls.h"

enum { KIB = 1024, MIB = 1024 * 1024 };
#define POLL_US UINT64_C(100000)

static void on_poll(void *ctx);
static void on_drain_time(void *ctx);
static void on_resume_time(void *ctx);

void
grpc_endpoint_settings_default(struct grpc_endpoint_settings *settings)
{
    *settings = (struct grpc_endpoint_settings){
        .max_message_bytes = UINT64_C(50) * MIB,
        .max_streams = 256,
        .keepalive_idle_us = UINT64_C(60000000),
        .keepalive_timeout_us = UINT64_C(20000000),
        .stream_window_bytes = MIB,
        .connection_window_bytes = 4 * MIB,
        .drain_us = UINT64_C(20000000),
    };
}

struct grpc_endpoint *
grpc_endpoint_new(struct loop *loop, const struct grpc_endpoint_settings *settings,
                  const struct grpc_service *service, struct budget *budget,
                  struct metrics *metrics)
{
    struct grpc_endpoint *endpoint = mem_new(struct grpc_endpoint);
    endpoint->magic = ENDPOINT_MAGIC;
    endpoint->loop = loop;
    endpoint->settings = *settings;
    if (endpoint->settings.max_message_bytes > INT32_MAX)
        endpoint->settings.max_message_bytes = INT32_MAX; /* uint32 on the wire, int in libraries */
    endpoint->service = *service;
    endpoint->budget = budget;
    endpoint->metrics = metrics;
    endpoint->codec = grpc_codec_new(budget);
    grpc_frame_pool_init(&endpoint->frames, budget);
    TAILQ_INIT(&endpoint->connections);
    TAILQ_INIT(&endpoint->starved);
    TAILQ_INIT(&endpoint->resuming);
    TAILQ_INIT(&endpoint->gating);
    TAILQ_INIT(&endpoint->waiting);
    SLIST_INIT(&endpoint->spare_calls);
    endpoint->resume_alarm = loop_alarm_new(loop, on_resume_time, endpoint);
    loop_timer_init(&endpoint->poll_timer, loop, on_poll, endpoint);
    loop_timer_init(&endpoint->drain_timer, loop, on_drain_time, endpoint);
    return endpoint;
}

static void
destroy(struct grpc_endpoint *endpoint)
{
    while (!SLIST_EMPTY(&endpoint->spare_calls)) {
        struct grpc_call *call = SLIST_FIRST(&endpoint->spare_calls);
        SLIST_REMOVE_HEAD(&endpoint->spare_calls, spare);
        mem_free(call->head);
        mem_free(call);
    }
    grpc_codec_free(&endpoint->codec);
    grpc_frame_pool_fini(&endpoint->frames);
    endpoint->magic = 0;
    mem_free(endpoint);
}

void
grpc_endpoint_unhold(struct grpc_endpoint *endpoint)
{
    if (endpoint->is_closed && endpoint->n_calls == 0)
        destroy(endpoint);
}

void
grpc_endpoint_free(struct grpc_endpoint **where)
{
    struct grpc_endpoint *endpoint = *where;
    if (endpoint == NULL)
        return;
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    *where = NULL;
    endpoint->n_calls++; /* holds it until the end of this function */
    while (!TAILQ_EMPTY(&endpoint->connections))
        grpc_connection_close(TAILQ_FIRST(&endpoint->connections), GRPC_ENDED_BY_US);
    /* What waits has nobody left to offer it. */
    while (!TAILQ_EMPTY(&endpoint->waiting))
        grpc_call_finish(TAILQ_FIRST(&endpoint->waiting), GRPC_UNAVAILABLE, NULL);
    loop_timer_cancel(&endpoint->poll_timer);
    loop_timer_cancel(&endpoint->drain_timer);
    loop_alarm_free(&endpoint->resume_alarm);
    endpoint->is_closed = true;
    endpoint->n_calls--;
    grpc_endpoint_unhold(endpoint);
}

void
grpc_endpoint_accept(struct grpc_endpoint *endpoint, int descriptor, struct tls_slot *tls)
{
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    if (endpoint->drain_started_us != 0 || endpoint->is_dismissed) {
        close(descriptor);
        metric_add(endpoint->metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_DRAINING, 1);
        return;
    }
    struct tls_context *context = tls != NULL ? tls_slot_get(tls) : NULL;
    struct grpc_connection *connection = grpc_connection_new(endpoint, descriptor, context);
    tls_context_unref(&context);
    TAILQ_INSERT_TAIL(&endpoint->connections, connection, all);
    endpoint->n_connections++;
    metric_add(endpoint->metrics, METRIC_CONNECTIONS, connection->listener, 1);
    metric_add(endpoint->metrics, METRIC_CONNECTIONS_TOTAL, connection->listener, 1);
}

void
grpc_endpoint_forget(struct grpc_endpoint *endpoint, struct grpc_connection *connection,
                     enum grpc_connection_end how)
{
    TAILQ_REMOVE(&endpoint->connections, connection, all);
    endpoint->n_connections--;
    metric_sub(endpoint->metrics, METRIC_CONNECTIONS, connection->listener, 1);
    if (endpoint->service.on_connection_gone != NULL)
        endpoint->service.on_connection_gone(endpoint->service.ctx, connection->peer,
                                             connection->user, how);
    if (endpoint->service.on_connections != NULL)
        endpoint->service.on_connections(endpoint->service.ctx, endpoint->n_connections);
    if (endpoint->drain_started_us != 0 && endpoint->n_connections == 0)
        loop_timer_in(&endpoint->drain_timer, 0);
}

uint32_t
grpc_endpoint_n_connections(const struct grpc_endpoint *endpoint)
{
    return endpoint->n_connections;
}

/* Waiting calls go on. */

void
grpc_endpoint_resume(struct grpc_endpoint *endpoint, struct grpc_call *call)
{
    if (endpoint->is_closed || call->will_resume || !call->is_waiting)
        return;
    call->will_resume = true;
    TAILQ_INSERT_TAIL(&endpoint->resuming, call, resuming);
    if (endpoint->resume_alarm != NULL)
        loop_alarm_at(endpoint->resume_alarm, clock_mono_us());
}

static void
on_resume_time(void *ctx)
{
    struct grpc_endpoint *endpoint = ctx;
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    /* Who waits again and is resumed at once takes its turn after this round. */
    struct grpc_call *call;
    uint32_t n = 0;
    TAILQ_FOREACH(call, &endpoint->resuming, resuming)
    n++;
    for (; n > 0 && (call = TAILQ_FIRST(&endpoint->resuming)) != NULL; n--) {
        TAILQ_REMOVE(&endpoint->resuming, call, resuming);
        call->will_resume = false;
        grpc_intake_resume(call);
    }
    if (!TAILQ_EMPTY(&endpoint->resuming))
        loop_alarm_at(endpoint->resume_alarm, clock_mono_us() + 1);
}

/* Polling for room: the budget is the process's, and other workers give it back silently. */

void
grpc_endpoint_poll(struct grpc_endpoint *endpoint)
{
    if (!endpoint->is_closed && !loop_timer_is_armed(&endpoint->poll_timer))
        loop_timer_in(&endpoint->poll_timer, POLL_US);
}

static void
feed_starved(struct grpc_endpoint *endpoint)
{
    enum budget_level level = budget_level(endpoint->budget);
    struct grpc_connection *connection = TAILQ_FIRST(&endpoint->starved);
    while (connection != NULL) {
        struct grpc_connection *next = TAILQ_NEXT(connection, starved);
        if (level < BUDGET_STALL || (level == BUDGET_STALL && connection->n_waiting == 0))
            grpc_connection_starve(connection, false);
        connection = next;
    }
}

static void
on_poll(void *ctx)
{
    struct grpc_endpoint *endpoint = ctx;
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    grpc_endpoint_open_gate(endpoint);
    feed_starved(endpoint);
    if (!TAILQ_EMPTY(&endpoint->starved) || !TAILQ_EMPTY(&endpoint->gating))
        grpc_endpoint_poll(endpoint);
}

/* Drain: each connection goes by itself, in its grace period. */

static void
tell_all_to_go(struct grpc_endpoint *endpoint)
{
    struct grpc_connection *connection;
    TAILQ_FOREACH(connection, &endpoint->connections, all)
    grpc_connection_start_drain(connection, GOAWAY_DRAIN);
}

void
grpc_endpoint_dismiss(struct grpc_endpoint *endpoint)
{
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    endpoint->is_dismissed = true;
    tell_all_to_go(endpoint);
}

void
grpc_endpoint_welcome(struct grpc_endpoint *endpoint)
{
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    endpoint->is_dismissed = false;
    struct grpc_connection *connection;
    TAILQ_FOREACH(connection, &endpoint->connections, all) grpc_connection_stop_drain(connection);
}

void
grpc_endpoint_drain(struct grpc_endpoint *endpoint)
{
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    uint64_t grace_us = endpoint->settings.drain_us;
    if (endpoint->drain_started_us != 0)
        return;
    endpoint->drain_started_us = clock_mono_us();
    tell_all_to_go(endpoint);
    bool is_over = endpoint->n_connections == 0 || grace_us <= DRAIN_MARGIN_US;
    loop_timer_in(&endpoint->drain_timer, is_over ? 0 : grace_us - DRAIN_MARGIN_US);
}

/* The grace period is over, or there is nobody left. */
static void
on_drain_time(void *ctx)
{
    struct grpc_endpoint *endpoint = ctx;
    CHECK_OBJ(endpoint, ENDPOINT_MAGIC);
    while (!TAILQ_EMPTY(&endpoint->connections))
        grpc_connection_close(TAILQ_FIRST(&endpoint->connections), GRPC_ENDED_BY_US);
    loop_timer_cancel(&endpoint->drain_timer);
    if (!endpoint->drained_told) {
        endpoint->drained_told = true;
        endpoint->service.on_drained(endpoint->service.ctx);
    }
}
