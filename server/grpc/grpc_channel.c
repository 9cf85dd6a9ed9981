/* A channel: one connection to a backend, kept up. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_channel.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "grpc/grpc_channel_int.h"
#include "net/tls.h"

enum { WINDOW_BYTES = 1 << 20, HEADER_LIST_BYTES = 16 * 1024 };
enum { JITTER_PERCENT = 20, HOST_BYTES = 256 };

static void
set_state(struct grpc_channel *channel, enum grpc_channel_state state)
{
    static const uint8_t allowed[] = {
        [CHANNEL_CONNECTING] = 1 << CHANNEL_READY | 1 << CHANNEL_BACKOFF,
        [CHANNEL_READY] = 1 << CHANNEL_DRAINING | 1 << CHANNEL_BACKOFF | 1 << CHANNEL_CONNECTING,
        [CHANNEL_BACKOFF] = 1 << CHANNEL_CONNECTING,
        [CHANNEL_DRAINING] = 1 << CHANNEL_CONNECTING | 1 << CHANNEL_BACKOFF,
    };
    check(allowed[channel->state] & 1 << state);
    channel->state = state;
    log_debug("grpc", "channel", "authority=%s state=%d", channel->authority, (int)state);
    if (channel->settings.on_state != NULL)
        channel->settings.on_state(channel->settings.ctx, state);
}

void
grpc_channel_due(struct grpc_channel *channel, uint64_t due_us)
{
    struct loop_timer *timer = &channel->timer;
    if (timer->due_us != 0 && timer->due_us <= due_us)
        return;
    uint64_t now = clock_mono_us();
    loop_timer_in(timer, due_us > now ? due_us - now : 0);
}

/* Connecting. */

static void
lose_connection(struct grpc_channel *channel)
{
    h2_link_free(&channel->link);
    channel->ready_by_us = 0;
    /* Calls started by on_done find no room, so the list only shrinks. */
    struct grpc_request *request;
    while ((request = TAILQ_FIRST(&channel->requests)) != NULL)
        grpc_request_fail(request, ERR_CLOSED, GRPC_UNAVAILABLE);
    struct grpc_stream *stream;
    while ((stream = TAILQ_FIRST(&channel->streams)) != NULL)
        grpc_stream_lose(stream);
}

/* The wait before the next attempt, spread so that many channels do not come at once. */
static uint64_t
next_backoff(struct grpc_channel *channel)
{
    uint64_t max_us = channel->settings.backoff_max_us, wait_us = channel->backoff_us;
    struct {
        const void *channel;
        uint64_t now_us, n_attempts;
    } salt = {channel, clock_mono_us(), ++channel->n_attempts};
    uint64_t dice = hash_bytes(bytes_of(&salt, sizeof(salt))) % (2 * JITTER_PERCENT + 1);
    channel->backoff_us = wait_us * 8 / 5 < max_us ? wait_us * 8 / 5 : max_us;
    return wait_us * (100 - JITTER_PERCENT + dice) / 100;
}

static void connect_now(struct grpc_channel *channel);

static void
on_closed(void *ctx, enum err err)
{
    struct grpc_channel *channel = ctx;
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    uint64_t now = clock_mono_us();
    /* A backend that ends its connections after a few calls is no reason to wait. */
    bool was_good =
        channel->has_served ||
        (channel->ready_us != 0 && now - channel->ready_us >= channel->settings.backoff_initial_us);
    log_debug("grpc", "channel lost", "authority=%s error=%s", channel->authority, err_name(err));
    channel->ready_us = 0;
    lose_connection(channel);
    if (channel->is_dead)
        return;
    if (was_good) {
        channel->backoff_us = channel->settings.backoff_initial_us;
        connect_now(channel);
        set_state(channel, CHANNEL_CONNECTING);
        return;
    }
    channel->retry_us = now + next_backoff(channel);
    grpc_channel_due(channel, channel->retry_us);
    set_state(channel, CHANNEL_BACKOFF);
}

static const struct h2_link_events link_events = {.on_closed = on_closed};

/* The context of each connection is the newest. */
static void
start_link(struct grpc_channel *channel, const struct h2_session_settings *settings)
{
    uint64_t timeout_us = channel->settings.connect_timeout_us;
    struct tls_slot *slot = channel->settings.tls;
    struct conn_tls over = {.context = slot != NULL ? tls_slot_get(slot) : NULL,
                            .name = channel->tls_name,
                            .timeout_us = timeout_us};
    channel->link = h2_link_connect(channel->loop, &channel->settings.address, timeout_us,
                                    slot != NULL ? &over : NULL, settings, &link_events, channel);
    tls_context_unref(&over.context);
}

static void
connect_now(struct grpc_channel *channel)
{
    struct h2_session_settings settings = {
        .role = H2_CLIENT,
        .stream_window_bytes = GRPC_STREAM_WINDOW_BYTES,
        .connection_window_bytes = WINDOW_BYTES,
        .header_list_bytes = HEADER_LIST_BYTES,
        .events = &grpc_channel_events,
        .ctx = channel,
    };
    channel->ready_us = 0;
    channel->retry_us = 0;
    channel->is_worn = false;
    channel->has_served = false;
    channel->ready_by_us = clock_mono_us() + channel->settings.connect_timeout_us;
    start_link(channel, &settings);
    grpc_channel_due(channel, channel->ready_by_us);
}

static void
expire_calls(struct grpc_channel *channel, uint64_t now)
{
    struct grpc_request *request = TAILQ_FIRST(&channel->requests);
    uint64_t next_us = UINT64_MAX;
    /* on_done may cancel others, so after each the search begins anew. */
    while (request != NULL && !channel->is_dead) {
        if (request->deadline_us != 0 && request->deadline_us <= now) {
            grpc_request_expire(request);
            request = TAILQ_FIRST(&channel->requests);
            next_us = UINT64_MAX;
            continue;
        }
        if (request->deadline_us != 0 && request->deadline_us < next_us)
            next_us = request->deadline_us;
        request = TAILQ_NEXT(request, link);
    }
    if (next_us != UINT64_MAX && !channel->is_dead)
        grpc_channel_due(channel, next_us);
}

/* Stream ids are used up after a billion calls: it ends and begins anew. */
static void
retire(struct grpc_channel *channel, uint64_t now)
{
    if (channel->state == CHANNEL_READY)
        set_state(channel, CHANNEL_DRAINING);
    if (channel->is_dead)
        return;
    if (channel->n_calls == 0 && channel->n_streams == 0)
        h2_link_close_when_flushed(channel->link);
    else
        grpc_channel_due(channel, now + UINT64_C(1000000));
}

static void
on_time(void *ctx)
{
    struct grpc_channel *channel = ctx;
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    uint64_t now = clock_mono_us();
    if (channel->retry_us != 0 && now >= channel->retry_us) {
        connect_now(channel);
        set_state(channel, CHANNEL_CONNECTING);
    } else if (channel->retry_us != 0) {
        grpc_channel_due(channel, channel->retry_us);
    }
    if (channel->ready_by_us != 0 && now >= channel->ready_by_us)
        on_closed(channel, ERR_TIMEOUT);
    else if (channel->ready_by_us != 0)
        grpc_channel_due(channel, channel->ready_by_us);
    if (!channel->is_dead)
        expire_calls(channel, now);
    if (!channel->is_dead && channel->is_worn && channel->link != NULL)
        retire(channel, now);
}

/* The face. */

static char *
name_of(const struct grpc_channel_settings *settings)
{
    char host[HOST_BYTES] = "";
    uint16_t port;
    if (settings->tls_name != NULL && settings->tls_name[0] != '\0')
        return mem_string(settings->tls_name);
    if (!net_split_host_port(settings->authority, host, sizeof(host), &port))
        host[0] = '\0';
    return mem_string(host);
}

struct grpc_channel *
grpc_channel_new(struct loop *loop, const struct grpc_channel_settings *settings)
{
    struct grpc_channel *channel = mem_new(struct grpc_channel);
    channel->magic = CHANNEL_MAGIC;
    channel->loop = loop;
    channel->settings = *settings;
    channel->authority = mem_string(settings->authority);
    channel->auth_token = mem_string(settings->auth_token != NULL ? settings->auth_token : "");
    channel->tls_name = name_of(settings);
    if (channel->settings.backoff_initial_us == 0)
        channel->settings.backoff_initial_us = UINT64_C(1000000);
    if (channel->settings.backoff_max_us == 0)
        channel->settings.backoff_max_us = UINT64_C(30000000);
    channel->backoff_us = channel->settings.backoff_initial_us;
    channel->state = CHANNEL_CONNECTING;
    TAILQ_INIT(&channel->requests);
    TAILQ_INIT(&channel->spares);
    TAILQ_INIT(&channel->streams);
    loop_timer_init(&channel->timer, loop, on_time, channel);
    connect_now(channel);
    return channel;
}

void
grpc_channel_set_token(struct grpc_channel *channel, const char *auth_token)
{
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    mem_free(channel->auth_token);
    channel->auth_token = mem_string(auth_token);
}

static void
destroy(void *object)
{
    struct grpc_channel *channel = object;
    grpc_request_free_spares(channel);
    mem_free(channel->authority);
    mem_free(channel->auth_token);
    mem_free(channel->tls_name);
    channel->magic = 0;
    mem_free(channel);
}

void
grpc_channel_free(struct grpc_channel **where)
{
    struct grpc_channel *channel = *where;
    if (channel == NULL)
        return;
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    *where = NULL;
    channel->is_dead = true;
    lose_connection(channel);
    loop_timer_cancel(&channel->timer);
    loop_free_later(channel->loop, destroy, channel);
}

void
grpc_channel_retire(struct grpc_channel **where)
{
    struct grpc_channel *channel = *where;
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    check(channel->n_calls + channel->n_streams > 0);
    *where = NULL;
    channel->is_retired = true;
    channel->settings.on_state = NULL;
}

void
grpc_channel_on_call_gone(struct grpc_channel *channel)
{
    if (channel->is_retired && !channel->is_dead && channel->n_calls + channel->n_streams == 0)
        grpc_channel_free(&channel);
}

enum grpc_channel_state
grpc_channel_state(const struct grpc_channel *channel)
{
    return channel->state;
}

uint32_t
grpc_channel_max_calls(const struct grpc_channel *channel)
{
    if (channel->state != CHANNEL_READY || channel->is_dead || channel->link == NULL ||
        channel->is_worn)
        return 0;
    return h2_session_peer_max_streams(h2_link_session(channel->link));
}

bool
grpc_channel_has_room(const struct grpc_channel *channel)
{
    uint32_t max = grpc_channel_max_calls(channel);
    return channel->n_calls < max - max / 4 && channel->n_calls + channel->n_streams < max;
}

bool
grpc_channel_has_stream_room(const struct grpc_channel *channel)
{
    uint32_t max = grpc_channel_max_calls(channel);
    return channel->n_streams < max - max / 2 && channel->n_calls + channel->n_streams < max;
}

uint32_t
grpc_channel_n_calls(const struct grpc_channel *channel)
{
    return channel->n_calls;
}

uint32_t
grpc_channel_n_streams(const struct grpc_channel *channel)
{
    return channel->n_streams;
}

/* Events of the session: each of its streams has its own. */

static const struct h2_events *
events_of(void *stream)
{
    const struct h2_events *const *events = stream;
    return *events;
}

static void
on_header(void *ctx, void *stream, struct bytes name, struct bytes value)
{
    events_of(stream)->on_header(ctx, stream, name, value);
}

static void
on_headers(void *ctx, void *stream, bool is_last)
{
    events_of(stream)->on_headers(ctx, stream, is_last);
}

static void
on_data(void *ctx, void *stream, struct bytes in)
{
    events_of(stream)->on_data(ctx, stream, in);
}

static void
on_end(void *ctx, void *stream)
{
    events_of(stream)->on_end(ctx, stream);
}

static void
on_stream_close(void *ctx, void *stream, uint32_t code, bool by_peer)
{
    events_of(stream)->on_close(ctx, stream, code, by_peer);
}

static size_t
on_take(void *ctx, void *stream, size_t room, enum h2_take *how)
{
    return events_of(stream)->on_take(ctx, stream, room, how);
}

static void
on_give(void *ctx, void *stream, size_t n, struct h2_gather *gather)
{
    events_of(stream)->on_give(ctx, stream, n, gather);
}

static void
on_ready(void *ctx)
{
    struct grpc_channel *channel = ctx;
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    channel->ready_by_us = 0;
    channel->ready_us = clock_mono_us();
    if (channel->state == CHANNEL_CONNECTING)
        set_state(channel, CHANNEL_READY);
}

static void
on_ping_ack(void *ctx, uint64_t payload)
{
    (void)ctx;
    (void)payload;
}

static void
on_goaway(void *ctx, int32_t last_id, uint32_t code)
{
    struct grpc_channel *channel = ctx;
    (void)last_id; /* nghttp2 closes the streams above it as refused */
    (void)code;
    CHECK_OBJ(channel, CHANNEL_MAGIC);
    if (channel->state == CHANNEL_READY)
        set_state(channel, CHANNEL_DRAINING);
}

const struct h2_events grpc_channel_events = {
    .on_header = on_header,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_stream_close,
    .on_take = on_take,
    .on_give = on_give,
    .on_ready = on_ready,
    .on_ping_ack = on_ping_ack,
    .on_goaway = on_goaway,
};
