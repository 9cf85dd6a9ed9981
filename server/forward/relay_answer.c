/* What the backend of a relayed call does, and what the end of its stream means. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "forward/relay_int.h"

enum {
    TOO_LARGE_FIELDS = 431, /* RFC 6585 5 */
    DEADLINE_SLACK_US = 10000,
};

static struct relay *
relay_of(void *ctx)
{
    struct relay *relay = ctx;
    CHECK_OBJ(relay, RELAY_MAGIC);
    return relay;
}

/* From here on the agent sees this backend's answer, and no other can give one. False: it takes no
 * such headers, and the call is over. */
static bool
respond(struct relay *relay)
{
    if (!grpc_raw_takes(relay->call, &relay->headers)) {
        relay_fail(relay, GRPC_RESOURCE_EXHAUSTED, "more metadata than the client takes");
        return false;
    }
    relay->has_responded = true;
    if (!relay->response.keeps) /* else both are for the cache */
        grpc_queue_let_go(&relay->request);
    grpc_raw_respond(relay->call, &relay->headers, &relay->response);
    return true;
}

static void
on_headers(void *ctx, const struct grpc_metadata *headers)
{
    struct relay *relay = relay_of(ctx);
    relay->has_headers = true;
    grpc_metadata_clear(&relay->headers);
    relay_fields_copy(headers, relay->budget, &relay->headers);
    if (!relay->is_question)
        (void)respond(relay);
}

static void
on_data(void *ctx, struct bytes in)
{
    struct relay *relay = relay_of(ctx);
    if (!relay->has_responded && !respond(relay))
        return;
    grpc_queue_put(&relay->response, in);
    if (relay->response.end > RELAY_CACHE_ENTRY_BYTES)
        grpc_queue_let_go(&relay->response);
    grpc_raw_wake(relay->call);
    relay_note_held(relay);
    relay_make_room(relay);
}

/* Bytes of a second try were credited at the first. */
static void
on_sent(void *ctx, size_t n)
{
    struct relay *relay = relay_of(ctx);
    relay_note_held(relay);
    relay->n_sent += n;
    if (relay->n_sent <= relay->n_credited)
        return;
    uint64_t fresh = relay->n_sent - relay->n_credited;
    relay->n_credited = relay->n_sent;
    if (budget_level(relay->budget) >= BUDGET_HOLD)
        relay->owed_request += fresh;
    else
        grpc_raw_credit(relay->call, fresh);
}

/* The end. */

void
relay_tell_backend(struct relay *relay, const struct grpc_stream_end *end)
{
    struct forward *forward = relay->forward;
    struct backend *backend = relay->backend;
    enum method method = relay->method != NULL ? relay->method->method : METHOD_NONE;
    struct backend_relayed result = {
        .method = method,
        .status = end->status,
        .is_timed = relay->is_question,
        .started_us = relay->started_us,
        .now_us = clock_mono_us(),
    };
    if (end->err == ERR_OK && end->status == GRPC_UNIMPLEMENTED && method != METHOD_NONE)
        result.unknown_us = retry_delay_us(&forward->shared->settings,
                                           backend->n_unknown[method] + 1, &forward->random);
    relay->stream = NULL;
    relay->backend = NULL;
    relay->avoid = backend->id;
    backend_on_relayed(backend, &result);
    if (end->err != ERR_OK || end->status != GRPC_OK)
        log_debug("forward", "relayed call failed", "path=%s backend=%s code=%s err=%s",
                  LOG_TEXT(grpc_call_header(relay->call, ":path")), backend->name,
                  err_status_name(end->status), err_name(end->err));
}

/* Nobody worked on it, or there was nobody: an OAP that starts knows none of its methods yet. */
static bool
is_like_no_backend(const struct grpc_stream_end *end)
{
    if (end->err == ERR_STREAM_REFUSED || end->err == ERR_CLOSED)
        return true;
    return end->status == GRPC_UNAVAILABLE ||
           (end->err == ERR_OK && end->status == GRPC_UNIMPLEMENTED);
}

/* Once, while the agent has seen nothing and the request is there whole: for free when nobody
 * worked on it, a question also of another backend. */
static bool
try_again(struct relay *relay, const struct grpc_stream_end *end)
{
    struct forward *forward = relay->forward;
    enum method method = relay->method != NULL ? relay->method->method : METHOD_NONE;
    if (relay->n_tries > 1 || relay->has_responded || !relay->request.keeps)
        return false;
    bool is_free = end->err == ERR_STREAM_REFUSED;
    bool is_elsewhere = relay->is_question && is_like_no_backend(end) &&
                        balancer_has_other(forward->balancer, method, relay->avoid);
    if (!is_free && !is_elsewhere)
        return false;
    grpc_queue_rewind(&relay->request);
    relay->has_headers = false;
    relay_set_state(relay, RELAY_WAITS);
    return true;
}

static void
put_into_cache(struct relay *relay)
{
    struct relay_cache *cache = relay->forward->relays->cache;
    if (cache == NULL || !relay->response.keeps || !relay->request.keeps)
        return;
    struct bytes answer = grpc_queue_view(&relay->response);
    if (answer.n == 0 || answer.p[0] != 0)
        return; /* compressed: by what, the headers said */
    relay_cache_put(cache, relay->budget, grpc_call_header(relay->call, "authentication"),
                    grpc_queue_view(&relay->request), answer, clock_mono_us());
}

static void
pass_on(struct relay *relay, const struct grpc_stream_end *end)
{
    struct grpc_metadata trailers = {.p = NULL};
    struct budget *budget = relay->budget;
    if (relay->has_headers && !relay->has_responded && !respond(relay))
        return;
    relay_fields_copy(end->trailers, budget, &trailers);
    relay_set_state(relay, RELAY_ENDED);
    grpc_raw_finish(relay->call, end->status, &trailers);
    grpc_metadata_fini(&trailers, budget);
}

/* The backend ended it with a status. */
static void
on_status(struct relay *relay, const struct grpc_stream_end *end)
{
    bool is_unknown = end->status == GRPC_UNIMPLEMENTED && !relay->has_responded;
    if (end->status == GRPC_OK)
        put_into_cache(relay);
    if (is_unknown && relay_is_skywalking(relay))
        relay_fail(relay, GRPC_INTERNAL, "the backend does not know this method");
    else
        pass_on(relay, end);
}

static const char *
text_of(const struct grpc_stream_end *end)
{
    if (end->err == ERR_CLOSED)
        return "the connection to the backend was lost";
    if (end->err == ERR_STREAM_REFUSED)
        return "the backend took no more calls";
    if (end->err == ERR_STREAM_RESET)
        return "the backend reset the call";
    return end->http_status == TOO_LARGE_FIELDS ? "more metadata than the backend takes"
                                                : "the backend's answer is not gRPC's";
}

/* The backend keeps the deadline too. It may notice before us, whose timers are late and who told
 * it a rounded time. A reset has no better word for it than CANCEL; of a time that is ours, what it
 * says is nothing for the agent. */
static bool
is_deadline(const struct relay *relay, const struct grpc_stream_end *end)
{
    if (relay->deadline_us == 0 || clock_mono_us() + DEADLINE_SLACK_US < relay->deadline_us)
        return false;
    if (end->err == ERR_OK)
        return end->status == GRPC_DEADLINE_EXCEEDED && relay->deadline_is_ours;
    return end->err == ERR_STREAM_RESET && end->status == GRPC_CANCELLED;
}

static void
on_end(void *ctx, const struct grpc_stream_end *end)
{
    struct relay *relay = relay_of(ctx);
    struct grpc_stream_end told = *end;
    bool is_late = is_deadline(relay, end);
    if (is_late)
        told.status = GRPC_DEADLINE_EXCEEDED;
    relay_tell_backend(relay, &told);
    if (is_late) {
        relay_time_out(relay);
        return;
    }
    if (try_again(relay, end))
        return;
    bool can_stand_in = relay->is_question && !relay->has_responded;
    if (can_stand_in && is_like_no_backend(end))
        relay_answer_empty(relay);
    else if (end->err == ERR_OK)
        on_status(relay, end);
    else
        relay_fail(relay, (enum grpc_status)end->status, text_of(end));
}

const struct grpc_stream_events relay_stream_events = {
    .on_headers = on_headers,
    .on_data = on_data,
    .on_sent = on_sent,
    .on_end = on_end,
};
