/* One agent's connection: events of its session, its timers, its part of a drain. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "grpc/grpc_server_int.h"
#include "h2/h2_guard.h"

enum { HEADER_LIST_BYTES = 16 * 1024 };
static const uint64_t ping_keepalive = UINT64_C(0x6b656570616c6976);
static const uint64_t ping_drain = UINT64_C(0x64726169646f7765);
#define RECHECK_US UINT64_C(1000000)

static void
count_goaway(struct grpc_connection *connection, uint32_t why)
{
    if (connection->goaway_counted)
        return;
    connection->goaway_counted = true;
    metric_add(connection->endpoint->metrics, METRIC_GOAWAYS, why, 1);
}

/* Events of the session. */

static void *
on_open(void *ctx, int32_t stream_id)
{
    struct grpc_connection *connection = ctx;
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    return grpc_call_new(connection, stream_id);
}

static void
on_header(void *ctx, void *stream, struct bytes name, struct bytes value)
{
    (void)ctx;
    grpc_head_take(stream, name, value);
}

static void
on_headers(void *ctx, void *stream, bool is_last)
{
    (void)ctx;
    struct grpc_call *call = stream;
    CHECK_OBJ(call, CALL_MAGIC);
    if (call->has_begun)
        return;
    call->half_closed = is_last; /* so that refusals do not wait for the client */
    grpc_call_begin(call);
}

static void
on_data(void *ctx, void *stream, struct bytes in)
{
    (void)ctx;
    struct grpc_call *call = stream;
    CHECK_OBJ(call, CALL_MAGIC);
    grpc_intake_data(call, in);
}

static void
on_end(void *ctx, void *stream)
{
    (void)ctx;
    grpc_intake_half_close(stream);
}

/* Whether a reset of this call can only be the client's own idea. */
static bool
is_left_to_peer(const struct grpc_call *call)
{
    const struct grpc_connection *connection = call->connection;
    return !call->half_closed && !call->is_finished && !call->reset_sent &&
           call->deadline_us == 0 && connection->drain == DRAIN_NONE && !connection->told_to_go;
}

static void
on_close(void *ctx, void *stream, uint32_t code, bool by_peer)
{
    struct grpc_connection *connection = ctx;
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    struct grpc_call *call = stream;
    CHECK_OBJ(call, CALL_MAGIC);
    call->was_cancelled = by_peer && code == H2_CANCEL && is_left_to_peer(call);
    if (by_peer && call->n_messages == 0 && !call->is_finished)
        h2_session_add_glitches(h2_link_session(connection->link), GUARD_WEIGHT_RESET);
    grpc_call_lose(call);
}

static size_t
on_take(void *ctx, void *stream, size_t room, enum h2_take *how)
{
    (void)ctx;
    return grpc_call_take(stream, room, how);
}

static void
on_give(void *ctx, void *stream, size_t n, struct h2_gather *gather)
{
    (void)ctx;
    grpc_call_give(stream, n, gather);
}

static void
on_ready(void *ctx)
{
    struct grpc_connection *connection = ctx;
    connection->is_ready = true;
}

static void
on_goaway(void *ctx, int32_t last_id, uint32_t code)
{
    struct grpc_connection *connection = ctx;
    (void)last_id;
    (void)code;
    connection->said_goodbye = true; /* it closes when its calls are done */
}

static void
on_told_to_go(void *ctx)
{
    struct grpc_connection *connection = ctx;
    connection->told_to_go = true;
    count_goaway(connection, GOAWAY_ERROR);
}

static void
second_goaway(struct grpc_connection *connection)
{
    if (connection->drain != DRAIN_NOTICE)
        return;
    connection->drain = DRAIN_SERVING;
    h2_session_goaway(h2_link_session(connection->link), H2_NO_ERROR);
}

static void
on_ping_ack(void *ctx, uint64_t payload)
{
    if (payload == ping_drain)
        second_goaway(ctx);
}

static const struct h2_events session_events = {
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
    .on_told_to_go = on_told_to_go,
};

/* Events of the link. */

/* TLS: the time for preface and SETTINGS begins. */
static void
on_link_open(void *ctx)
{
    struct grpc_connection *connection = ctx;
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    connection->is_shaking = false;
    connection->accepted_us = clock_mono_us();
    grpc_connection_due(connection, connection->accepted_us + SETUP_US);
}

static void
on_fed(void *ctx)
{
    struct grpc_connection *connection = ctx;
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    connection->ping_sent_us = 0; /* alive, whatever it says */
    if (!h2_session_is_in_headers(h2_link_session(connection->link))) {
        connection->in_headers_since_us = 0;
    } else if (connection->in_headers_since_us == 0) {
        connection->in_headers_since_us = clock_mono_us();
        grpc_connection_due(connection, connection->in_headers_since_us + HEADER_BLOCK_US);
    }
    enum budget_level level = budget_level(connection->endpoint->budget);
    if (level >= BUDGET_FULL || (level == BUDGET_STALL && connection->n_waiting > 0))
        grpc_connection_starve(connection, true);
}

static void
on_blocked(void *ctx)
{
    struct grpc_connection *connection = ctx;
    grpc_connection_due(connection, clock_mono_us() + STALLED_US);
}

static bool
has_open_call(const struct grpc_connection *connection)
{
    const struct grpc_call *call;
    LIST_FOREACH(call, &connection->calls, link)
    {
        if (!call->half_closed && !call->is_finished)
            return true;
    }
    return false;
}

/* Whose doing the end of the link is. */
static enum grpc_connection_end
how_ended(const struct grpc_connection *connection, enum err err)
{
    bool is_broken = err == ERR_H2_PREFACE || err == ERR_H2_PROTOCOL || err == ERR_H2_FLOOD;
    if (is_broken || connection->told_to_go || connection->drain != DRAIN_NONE)
        return GRPC_ENDED_BY_US;
    if (connection->said_goodbye)
        return GRPC_ENDED_ORDERLY;
    return has_open_call(connection) ? GRPC_ENDED_IN_CALL : GRPC_ENDED_SILENTLY;
}

static void
on_closed(void *ctx, enum err err)
{
    struct grpc_connection *connection = ctx;
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    if (connection->is_shaking)
        metric_add(connection->endpoint->metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_TLS, 1);
    if (err != ERR_CLOSED)
        log_debug("grpc", "connection ended", "peer=%s error=%s", connection->peer, err_name(err));
    grpc_connection_close(connection, how_ended(connection, err));
}

static const struct h2_link_events link_events = {
    .on_open = on_link_open,
    .on_fed = on_fed,
    .on_blocked = on_blocked,
    .on_closed = on_closed,
};

/* Timers: one per connection, that looks at everything which may fall due. */

static const char why_dead[] = "no answer to PING";

static void
give_up(struct grpc_connection *connection, const char *why)
{
    log_debug("grpc", "connection given up", "peer=%s why=%s", connection->peer, why);
    bool is_dead = why == why_dead && connection->drain == DRAIN_NONE;
    grpc_connection_close(connection, is_dead ? GRPC_ENDED_DEAD : GRPC_ENDED_BY_US);
}

static void
earlier(uint64_t *next_us, uint64_t due_us)
{
    if (due_us < *next_us)
        *next_us = due_us;
}

/* True when due; else notes when it will be. */
static bool
is_due(uint64_t now, uint64_t since_us, uint64_t after_us, uint64_t *next_us)
{
    if (now >= since_us + after_us)
        return true;
    earlier(next_us, since_us + after_us);
    return false;
}

/* False when it is dead. */
static bool
check_keepalive(struct grpc_connection *connection, uint64_t now, uint64_t *next_us)
{
    const struct grpc_endpoint_settings *settings = &connection->endpoint->settings;
    uint64_t last_us = h2_link_last_read_us(connection->link);
    if (settings->keepalive_idle_us == 0)
        return true;
    if (h2_link_is_paused(connection->link)) {
        /* We do not listen: its silence says nothing. */
        connection->ping_sent_us = 0;
        earlier(next_us, now + settings->keepalive_idle_us);
        return true;
    }
    if (connection->ping_sent_us != 0)
        return !is_due(now, connection->ping_sent_us, settings->keepalive_timeout_us, next_us);
    if (is_due(now, last_us, settings->keepalive_idle_us, next_us)) {
        connection->ping_sent_us = now;
        h2_session_ping(h2_link_session(connection->link), ping_keepalive);
        earlier(next_us, now + settings->keepalive_timeout_us);
    }
    return true;
}

/* What is wrong with it, or NULL. */
static const char *
check_link(struct grpc_connection *connection, uint64_t now, uint64_t *next_us)
{
    if (!connection->is_ready && !connection->is_shaking &&
        is_due(now, connection->accepted_us, SETUP_US, next_us))
        return "no preface and SETTINGS";
    if (connection->in_headers_since_us != 0 &&
        is_due(now, connection->in_headers_since_us, HEADER_BLOCK_US, next_us))
        return "slow header block";
    uint64_t blocked_since_us = h2_link_blocked_since_us(connection->link);
    if (blocked_since_us != 0 && is_due(now, blocked_since_us, STALLED_US, next_us))
        return "stalled write";
    if (!check_keepalive(connection, now, next_us))
        return why_dead;
    return NULL;
}

/* We read its connection; or nobody is read because memory is full, and it holds some of that: half
 * messages alone could fill the budget, and none of them could ever go on. */
static bool
is_clock_running(const struct grpc_call *call)
{
    if (!h2_link_is_paused(call->connection->link))
        return true;
    return budget_level(call->endpoint->budget) >= BUDGET_FULL &&
           grpc_frame_n_bytes(&call->frame) >= HOLDER_LEAST_BYTES;
}

static bool
may_send(const struct grpc_call *call)
{
    return call->unsettled_bytes == 0 && call->gate != GATE_WAITING && !call->is_waiting &&
           is_clock_running(call);
}

static void
check_message(struct grpc_call *call, uint64_t now, uint64_t *next_us)
{
    if (call->partial_since_us == 0)
        return;
    if (!may_send(call)) {
        call->partial_since_us = now;
        call->gate_check_us = now + GATE_CHECK_US;
        call->gate_seen_bytes = grpc_frame_n_bytes(&call->frame);
        earlier(next_us, now + GATE_CHECK_US);
        return;
    }
    if (call->gate != GATE_INSIDE) {
        if (is_due(now, call->partial_since_us, PARTIAL_US, next_us))
            grpc_call_finish(call, GRPC_DEADLINE_EXCEEDED, "a message did not go on for 60 s");
        return;
    }
    if (!is_due(now, call->gate_check_us, 0, next_us))
        return;
    uint64_t seen = grpc_frame_n_bytes(&call->frame);
    if (seen < call->gate_seen_bytes + GATE_LEAST_BYTES) {
        grpc_call_finish(call, GRPC_DEADLINE_EXCEEDED, "a message came slower than 64 KiB/s");
        return;
    }
    call->gate_seen_bytes = seen;
    call->gate_check_us = now + GATE_CHECK_US;
    earlier(next_us, call->gate_check_us);
}

static void
check_call(struct grpc_call *call, uint64_t now, uint64_t *next_us)
{
    if (!call->is_finished && call->deadline_us != 0 && !call->reset_sent &&
        is_due(now, call->deadline_us, 0, next_us))
        grpc_call_cut(call, GRPC_DEADLINE_EXCEEDED); /* of grpc-timeout */
    if (call->is_finished && !call->half_closed && !call->reset_sent &&
        is_due(now, call->last_data_us, SILENCE_US, next_us)) {
        if (call->trailers_sent && h2_link_blocked_since_us(call->connection->link) == 0)
            grpc_call_hang_up(call);
        else
            earlier(next_us, now + RECHECK_US); /* the answer is still on its way out */
    }
    if (!call->is_over)
        check_message(call, now, next_us);
}

/* Its part of a drain: half of the grace period it is served as before, then its calls are
 * answered. False: the period is over and it is closed. */
static bool
check_drain(struct grpc_connection *connection, uint64_t now, uint64_t *next_us)
{
    uint64_t grace_us = connection->endpoint->settings.drain_us;
    uint64_t end_us = grace_us > DRAIN_MARGIN_US ? grace_us - DRAIN_MARGIN_US : 0;
    if (connection->age_due_us != 0 && is_due(now, connection->age_due_us, 0, next_us)) {
        connection->age_due_us = 0;
        grpc_connection_start_drain(connection, GOAWAY_AGE);
    }
    if (connection->drain == DRAIN_NOTICE &&
        is_due(now, connection->notice_us, GOAWAY_ACK_US, next_us))
        second_goaway(connection);
    if (connection->drain_started_us == 0)
        return true;
    if (connection->drain != DRAIN_ENDING &&
        is_due(now, connection->drain_started_us, grace_us / 2, next_us))
        grpc_connection_end_calls(connection);
    if (!is_due(now, connection->drain_started_us, end_us, next_us))
        return true;
    give_up(connection, "the grace period is over");
    return false;
}

static void
on_time(void *ctx)
{
    struct grpc_connection *connection = ctx;
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    uint64_t now = clock_mono_us(), next_us = UINT64_MAX;
    const char *why = check_link(connection, now, &next_us);
    if (why != NULL) {
        give_up(connection, why);
        return;
    }
    /* A handler told of an end may end others. */
    struct grpc_call *call = LIST_FIRST(&connection->calls);
    while (call != NULL) {
        struct grpc_call *next = LIST_NEXT(call, link);
        check_call(call, now, &next_us);
        call = next;
    }
    if (!check_drain(connection, now, &next_us))
        return;
    if (next_us != UINT64_MAX)
        grpc_connection_due(connection, next_us);
}

void
grpc_connection_due(struct grpc_connection *connection, uint64_t due_us)
{
    struct loop_timer *timer = &connection->timer;
    if (connection->link == NULL || (timer->due_us != 0 && timer->due_us <= due_us))
        return;
    uint64_t now = clock_mono_us();
    loop_timer_in(timer, due_us > now ? due_us - now : 0);
}

/* Room. */

void
grpc_connection_starve(struct grpc_connection *connection, bool is_starved)
{
    struct grpc_endpoint *endpoint = connection->endpoint;
    if (connection->is_starved == is_starved)
        return;
    connection->is_starved = is_starved;
    if (is_starved) {
        TAILQ_INSERT_TAIL(&endpoint->starved, connection, starved);
        metric_add(endpoint->metrics, METRIC_PAUSED, 0, 1);
        h2_link_pause(connection->link, H2_PAUSE_MEMORY);
        grpc_endpoint_poll(endpoint);
        return;
    }
    TAILQ_REMOVE(&endpoint->starved, connection, starved);
    metric_sub(endpoint->metrics, METRIC_PAUSED, 0, 1);
    if (connection->link == NULL)
        return;
    h2_link_resume(connection->link, H2_PAUSE_MEMORY);
    struct grpc_call *call;
    LIST_FOREACH(call, &connection->calls, link)
    {
        call->last_data_us = clock_mono_us();
        if (call->partial_since_us != 0)
            call->partial_since_us = call->last_data_us;
    }
}

/* Drain. */

void
grpc_connection_start_drain(struct grpc_connection *connection, uint32_t why)
{
    struct h2_session *session = h2_link_session(connection->link);
    if (connection->drain_started_us == 0)
        connection->drain_started_us = clock_mono_us();
    grpc_connection_due(connection, connection->drain_started_us);
    if (connection->drain != DRAIN_NONE)
        return;
    connection->drain = DRAIN_NOTICE;
    connection->notice_us = clock_mono_us();
    count_goaway(connection, why);
    h2_session_notice(session);
    h2_session_ping(session, ping_drain);
}

void
grpc_connection_stop_drain(struct grpc_connection *connection)
{
    connection->drain_started_us = 0;
}

void
grpc_connection_end_calls(struct grpc_connection *connection)
{
    second_goaway(connection);
    connection->drain = DRAIN_ENDING;
    struct grpc_call *call = LIST_FIRST(&connection->calls);
    while (call != NULL) {
        struct grpc_call *next = LIST_NEXT(call, link);
        if (grpc_raw_is_routed(call))
            call->raw->handler->on_drain(call, connection->endpoint->settings.drain_us / 4);
        else if (call->method != NULL && call->method->stream == STREAM_BIDI)
            grpc_call_finish(call, GRPC_UNAVAILABLE, "the server is shutting down");
        else if (call->method == NULL || call->method->stream == STREAM_CLIENT)
            grpc_call_answer(call);
        call = next;
    }
}

/* Life. */

/* Of those that came together not all go together: +-10 %. */
static uint64_t
age_us(const struct grpc_connection *connection)
{
    uint64_t most_us = connection->endpoint->settings.max_connection_age_us;
    struct {
        uint64_t accepted_us;
        const void *self;
    } seed = {connection->accepted_us, connection};
    uint64_t spread_us = most_us / 5;
    return most_us - spread_us / 2 + hash_bytes(bytes_of(&seed, sizeof(seed))) % (spread_us + 1);
}

static uint64_t
shake_us(const struct grpc_endpoint *endpoint)
{
    uint64_t timeout_us = endpoint->settings.keepalive_timeout_us;
    return timeout_us != 0 && timeout_us < SHAKE_US ? timeout_us : SHAKE_US;
}

struct grpc_connection *
grpc_connection_new(struct grpc_endpoint *endpoint, int descriptor, struct tls_context *tls)
{
    struct grpc_connection *connection = mem_new(struct grpc_connection);
    connection->magic = CONNECTION_MAGIC;
    connection->refs = 1;
    connection->endpoint = endpoint;
    LIST_INIT(&connection->calls);
    loop_timer_init(&connection->timer, endpoint->loop, on_time, connection);
    connection->accepted_us = clock_mono_us();
    struct h2_session_settings settings = {
        .role = H2_SERVER,
        .max_streams = endpoint->settings.max_streams,
        .stream_window_bytes = grpc_raw_window(endpoint),
        .connection_window_bytes = endpoint->settings.connection_window_bytes,
        .header_list_bytes = HEADER_LIST_BYTES,
        .budget = endpoint->budget,
        .events = &session_events,
        .ctx = connection,
    };
    struct conn_tls over = {.context = tls, .timeout_us = shake_us(endpoint)};
    connection->is_shaking = tls != NULL;
    connection->listener = tls != NULL ? LISTENER_GRPC_TLS : LISTENER_GRPC;
    if (tls != NULL)
        budget_take_always(endpoint->budget, TLS_BYTES);
    connection->link = h2_link_accept(endpoint->loop, descriptor, tls != NULL ? &over : NULL,
                                      &settings, &link_events, connection);
    memccpy(connection->peer, h2_link_peer(connection->link), '\0', sizeof(connection->peer) - 1);
    grpc_connection_due(connection, connection->accepted_us + SETUP_US);
    if (endpoint->settings.max_connection_age_us != 0) {
        connection->age_due_us = connection->accepted_us + age_us(connection);
        grpc_connection_due(connection, connection->age_due_us);
    }
    return connection;
}

void
grpc_connection_unref(struct grpc_connection *connection)
{
    CHECK_OBJ(connection, CONNECTION_MAGIC);
    if (--connection->refs > 0)
        return;
    check(connection->link == NULL && connection->gate_holder == NULL);
    connection->magic = 0;
    mem_free(connection);
}

void
grpc_connection_close(struct grpc_connection *connection, enum grpc_connection_end how)
{
    if (connection->link == NULL)
        return;
    struct h2_link *link = connection->link;
    connection->link = NULL;
    loop_timer_cancel(&connection->timer);
    h2_link_free(&link);
    if (connection->listener == LISTENER_GRPC_TLS)
        budget_give(connection->endpoint->budget, TLS_BYTES);
    grpc_connection_starve(connection, false);
    while (!LIST_EMPTY(&connection->calls))
        grpc_call_lose(LIST_FIRST(&connection->calls));
    grpc_endpoint_forget(connection->endpoint, connection, how);
    grpc_connection_unref(connection);
}

struct h2_session *
grpc_connection_session(struct grpc_connection *connection)
{
    return connection->link != NULL ? h2_link_session(connection->link) : NULL;
}
