/* The life of a relayed call: what its agent does, which backend gets it, how it is given up. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/relay.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/relay_int.h"
#include "grpc/grpc.h"

/* In microseconds. */
static const uint64_t WAIT_US = 1000000;        /* for a backend that is being connected */
static const uint64_t LAST_ANSWER_US = 2000000; /* draining: for the backend's own answer */
static const uint64_t SWEEP_US = 1000000;
static const uint64_t STALLED_US = 10000000; /* while memory is short */

static struct relay *
relay_of(struct grpc_call *call)
{
    struct relay *relay = grpc_call_user(call);
    CHECK_OBJ(relay, RELAY_MAGIC);
    return relay;
}

bool
relay_is_skywalking(const struct relay *relay)
{
    return relay->method != NULL ||
           bytes_starts(grpc_call_header(relay->call, ":path"), BYTES("/skywalking."));
}

static void
earlier(uint64_t *next_us, uint64_t due_us)
{
    if (due_us != 0 && due_us < *next_us)
        *next_us = due_us;
}

/* The client's own deadline of a stream is kept by its call. */
static void
arm(struct relay *relay)
{
    uint64_t next_us = UINT64_MAX, now_us = clock_mono_us();
    if (relay->is_question)
        earlier(&next_us, relay->deadline_us);
    if (relay->state == RELAY_WAITS)
        earlier(&next_us, relay->wait_until_us);
    earlier(&next_us, relay->last_us);
    if (relay->state == RELAY_ENDED || next_us == UINT64_MAX)
        loop_timer_cancel(&relay->timer);
    else
        loop_timer_in(&relay->timer, next_us > now_us ? next_us - now_us : 0);
}

void
relay_set_state(struct relay *relay, enum relay_state state)
{
    static const uint8_t allowed[] = {
        [RELAY_GATHERS] = 1 << RELAY_WAITS | 1 << RELAY_ENDED,
        [RELAY_WAITS] = 1 << RELAY_FLOWS | 1 << RELAY_ENDED,
        [RELAY_FLOWS] = 1 << RELAY_WAITS | 1 << RELAY_ENDED,
        [RELAY_ENDED] = 0,
    };
    check(allowed[relay->state] & 1 << state);
    struct relays *relays = relay->forward->relays;
    if (relay->state == RELAY_WAITS)
        TAILQ_REMOVE(&relays->waiting, relay, waiting);
    relay->state = state;
    if (state == RELAY_WAITS) {
        relay->wait_until_us = clock_mono_us() + WAIT_US;
        TAILQ_INSERT_TAIL(&relays->waiting, relay, waiting);
        forward_wake(relay->forward);
    }
    if (state == RELAY_ENDED)
        grpc_queue_fini(&relay->request);
    relay_note_held(relay);
    arm(relay);
}

void
relay_cut_off(struct relay *relay)
{
    if (relay->stream == NULL)
        return;
    grpc_stream_cancel(&relay->stream);
    backend_on_relay_gone(relay->backend);
    relay->backend = NULL;
}

/* Its end. */

/* A status that OAP did not give: of SkyWalking's own calls it must not be one of those that make a
 * Java agent drop everything until its next check, or stop to ask (protocol.md 13.1). */
static enum grpc_status
made_up(const struct relay *relay, enum grpc_status status)
{
    const uint32_t silencing = 1u << GRPC_UNKNOWN | 1u << GRPC_UNAVAILABLE |
                               1u << GRPC_RESOURCE_EXHAUSTED | 1u << GRPC_UNAUTHENTICATED |
                               1u << GRPC_PERMISSION_DENIED | 1u << GRPC_UNIMPLEMENTED;
    return relay_is_skywalking(relay) && silencing & 1u << status ? GRPC_INTERNAL : status;
}

void
relay_fail(struct relay *relay, enum grpc_status status, const char *text)
{
    relay_cut_off(relay);
    relay_set_state(relay, RELAY_ENDED);
    grpc_call_finish(relay->call, made_up(relay, status), text);
}

void
relay_answer_with(struct relay *relay, struct bytes framed)
{
    struct grpc_metadata headers = {.p = NULL};
    relay_set_state(relay, RELAY_ENDED);
    grpc_metadata_add(&headers, NULL,
                      (struct grpc_field){BYTES("content-type"), BYTES("application/grpc")});
    grpc_queue_put(&relay->response, framed);
    relay_note_held(relay);
    grpc_raw_respond(relay->call, &headers, &relay->response);
    grpc_metadata_fini(&headers, NULL);
    grpc_call_finish(relay->call, GRPC_OK, NULL);
}

void
relay_answer_empty(struct relay *relay)
{
    static const uint8_t empty[GRPC_PREFIX_BYTES];
    relay_cut_off(relay);
    relay_answer_with(relay, bytes_of(empty, sizeof(empty)));
}

void
relay_give_up(struct relay *relay, const char *why)
{
    log_debug("forward", "call not relayed", "path=%s why=%s",
              LOG_TEXT(grpc_call_header(relay->call, ":path")), why);
    if (relay->is_question && !relay->has_responded)
        relay_answer_empty(relay);
    else
        relay_fail(relay, GRPC_UNAVAILABLE, why);
}

/* Draining, and the backend's own answer did not come in time. */
static void
end_by_drain(struct relay *relay)
{
    const struct method_row *method = relay->method;
    bool has_one_answer = method != NULL && method->stream != STREAM_BIDI;
    if (has_one_answer && !relay->has_responded)
        relay_answer_empty(relay);
    else
        relay_fail(relay, GRPC_UNAVAILABLE, "the server is shutting down");
}

void
relay_time_out(struct relay *relay)
{
    if (relay->deadline_is_ours && !relay->has_responded && relay->state != RELAY_GATHERS)
        relay_give_up(relay, "no answer from the backend in time");
    else
        relay_fail(relay, GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
}

/* The backend is counted with what it would have been told. */
static void
stop_asking(struct relay *relay)
{
    struct grpc_stream_end end = {.err = ERR_TIMEOUT, .status = GRPC_DEADLINE_EXCEEDED};
    if (relay->stream != NULL) {
        grpc_stream_cancel(&relay->stream);
        relay_tell_backend(relay, &end);
    }
    relay_time_out(relay);
}

static void
on_time(void *ctx)
{
    struct relay *relay = ctx;
    CHECK_OBJ(relay, RELAY_MAGIC);
    uint64_t now_us = clock_mono_us();
    if (relay->last_us != 0 && relay->last_us <= now_us)
        end_by_drain(relay);
    else if (relay->state == RELAY_WAITS && relay->wait_until_us <= now_us)
        relay_give_up(relay, "no backend is connected");
    else if (relay->is_question && relay->deadline_us <= now_us)
        stop_asking(relay);
    else
        arm(relay);
}

/* What the agent does. */

static bool
is_cacheable(const struct relay *relay)
{
    return relay->forward->relays->cache != NULL && relay->method != NULL &&
           relay->method->method == METHOD_CONFIGURATIONS;
}

static bool
answer_from_cache(struct relay *relay)
{
    struct bytes answer;
    if (!is_cacheable(relay) ||
        !relay_cache_find(relay->forward->relays->cache,
                          grpc_call_header(relay->call, "authentication"),
                          grpc_queue_view(&relay->request), clock_mono_us(), &answer))
        return false;
    relay_answer_with(relay, answer);
    return true;
}

static void
on_data(struct grpc_call *call, struct bytes in)
{
    struct relay *relay = relay_of(call);
    relay->n_received += in.n;
    if (relay->n_received > RELAY_KEEP_BYTES)
        grpc_queue_let_go(&relay->request);
    grpc_queue_put(&relay->request, in);
    if (relay->state == RELAY_FLOWS)
        grpc_stream_wake(relay->stream);
    else if (relay->state == RELAY_GATHERS && relay->n_received >= RELAY_KEEP_BYTES)
        relay_set_state(relay, RELAY_WAITS);
    relay_note_held(relay);
    relay_make_room(relay);
}

static void
on_end(struct grpc_call *call)
{
    struct relay *relay = relay_of(call);
    relay->is_half_closed = true;
    if (relay->state == RELAY_FLOWS)
        grpc_stream_half_close(relay->stream);
    else if (relay->state == RELAY_GATHERS && !answer_from_cache(relay))
        relay_set_state(relay, RELAY_WAITS);
}

static void
on_sent(struct grpc_call *call, size_t n)
{
    struct relay *relay = relay_of(call);
    relay_note_held(relay);
    if (relay->stream == NULL)
        return;
    if (budget_level(relay->budget) >= BUDGET_HOLD)
        relay->owed_response += n;
    else
        grpc_stream_credit(relay->stream, n);
}

static void
on_drain(struct grpc_call *call, uint64_t left_us)
{
    struct relay *relay = relay_of(call);
    if (relay->state == RELAY_ENDED)
        return;
    relay->last_us = clock_mono_us() + (left_us < LAST_ANSWER_US ? left_us : LAST_ANSWER_US);
    if (relay->state == RELAY_FLOWS)
        grpc_stream_half_close(relay->stream);
    arm(relay);
}

static void
on_gone(struct grpc_call *call)
{
    struct relay *relay = relay_of(call);
    grpc_call_set_user(call, NULL);
    relay_cut_off(relay);
    if (relay->state != RELAY_ENDED)
        relay_set_state(relay, RELAY_ENDED);
    TAILQ_REMOVE(&relay->forward->relays->all, relay, all);
    grpc_queue_fini(&relay->response);
    relay_note_held(relay);
    grpc_metadata_fini(&relay->headers, relay->budget);
    relay->magic = 0;
    mem_free(relay);
}

static const struct grpc_raw_handler raw_handler = {
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_drain = on_drain,
    .on_gone = on_gone,
};

static void
set_deadline(struct relay *relay)
{
    relay->deadline_us = grpc_raw_deadline_us(relay->call);
    if (!relay->is_question)
        return;
    uint64_t ours_us = clock_mono_us() + relay->forward->shared->settings.unary_timeout_us;
    relay->deadline_is_ours = relay->deadline_us == 0 || relay->deadline_us > ours_us;
    if (relay->deadline_is_ours)
        relay->deadline_us = ours_us;
}

void
relay_begin(struct forward *forward, struct grpc_call *call, const struct method_row *method,
            struct grpc_route *out)
{
    CHECK_OBJ(forward, FORWARD_MAGIC);
    if (relay_fields_is_loop(grpc_raw_metadata(call), forward->shared->via)) {
        out->refuse = GRPC_INTERNAL;
        out->text = "the call came back to where it was: upstream.addresses lead in a circle";
        return;
    }
    struct relay *relay = mem_new(struct relay);
    relay->magic = RELAY_MAGIC;
    relay->forward = forward;
    relay->budget = grpc_raw_budget(call);
    relay->call = call;
    relay->method = method;
    relay->is_question =
        method != NULL && method->method_class == KIND_B && method->stream == STREAM_UNARY;
    grpc_queue_init(&relay->request, relay->budget, true);
    grpc_queue_init(&relay->response, relay->budget, is_cacheable(relay));
    loop_timer_init(&relay->timer, forward->loop, on_time, relay);
    set_deadline(relay);
    TAILQ_INSERT_TAIL(&forward->relays->all, relay, all);
    if (!loop_timer_is_armed(&forward->relays->sweep))
        loop_timer_in(&forward->relays->sweep, SWEEP_US);
    if (!relay->is_question)
        relay_set_state(relay, RELAY_WAITS);
    else
        arm(relay);
    out->raw = &raw_handler;
    out->user = relay;
}

/* Which backend gets it. */

static uint64_t
time_left(const struct relay *relay, uint64_t now_us)
{
    if (relay->deadline_us == 0)
        return 0;
    return relay->deadline_us > now_us ? relay->deadline_us - now_us : 1;
}

static void
open_stream(struct relay *relay, struct backend *backend, const struct grpc_metadata *fields,
            uint64_t now_us)
{
    struct grpc_stream_settings settings = {
        .path = grpc_call_header(relay->call, ":path"),
        .metadata = fields,
        .timeout_us = time_left(relay, now_us),
        .out = &relay->request,
        .is_last = relay->is_half_closed || relay->last_us != 0,
        .budget = relay->budget,
        .events = &relay_stream_events,
        .ctx = relay,
    };
    relay->n_tries++;
    relay->n_sent = 0;
    relay->started_us = now_us;
    relay->backend = backend;
    backend_on_relay_start(backend);
    relay->stream = grpc_stream_open(backend->channel, &settings);
    relay_set_state(relay, RELAY_FLOWS);
    log_debug("forward", "call relayed", "path=%s backend=%s try=%u", LOG_TEXT(settings.path),
              backend->name, relay->n_tries);
}

static void
start(struct relay *relay, struct backend *backend, uint64_t now_us)
{
    struct grpc_metadata fields = {.p = NULL};
    struct budget *budget = relay->budget;
    struct bytes via = bytes_str(relay->forward->shared->via);
    relay_fields_copy(grpc_raw_metadata(relay->call), budget, &fields);
    grpc_metadata_add(&fields, budget, (struct grpc_field){BYTES("via"), via});
    if (grpc_channel_takes_metadata(backend->channel, grpc_call_header(relay->call, ":path"),
                                    &fields))
        open_stream(relay, backend, &fields, now_us);
    else
        relay_fail(relay, GRPC_RESOURCE_EXHAUSTED, "more metadata than the backend takes");
    grpc_metadata_fini(&fields, budget);
}

void
relays_turn(struct forward *forward)
{
    struct relay *relay, *next;
    uint64_t now_us = clock_mono_us();
    for (relay = TAILQ_FIRST(&forward->relays->waiting); relay != NULL; relay = next) {
        next = TAILQ_NEXT(relay, waiting);
        enum method method = relay->method != NULL ? relay->method->method : METHOD_NONE;
        struct backend *backend = NULL;
        if (budget_level(relay->budget) >= BUDGET_HOLD)
            relay_give_up(relay, "memory is short");
        else if ((backend = balancer_pick_stream(forward->balancer, method, relay->avoid)) != NULL)
            start(relay, backend, now_us);
        else if (!balancer_may_take_stream(forward->balancer, method))
            relay_give_up(relay, "no backend is connected");
    }
}

/* Memory. */

static void
give_owed(struct relay *relay)
{
    if (relay->owed_request > 0)
        grpc_raw_credit(relay->call, relay->owed_request);
    if (relay->owed_response > 0 && relay->stream != NULL)
        grpc_stream_credit(relay->stream, relay->owed_response);
    relay->owed_request = 0;
    relay->owed_response = 0;
}

/* An agent that does not read its answer would not read a status behind it either. */
static void
drive_out(struct relay *relay)
{
    log_debug("forward", "call gives way", "path=%s",
              LOG_TEXT(grpc_call_header(relay->call, ":path")));
    if (grpc_queue_n(&relay->response) > 0) {
        struct relay_list *holding = &relay->forward->relays->holding;
        grpc_raw_reset(relay->call, GRPC_RESOURCE_EXHAUSTED);
        /* It goes at the end of the turn: until then the next one is the oldest. */
        relay->held_us = clock_mono_us();
        TAILQ_REMOVE(holding, relay, holding);
        TAILQ_INSERT_TAIL(holding, relay, holding);
    } else if (relay->state != RELAY_ENDED && relay->is_question && !relay->has_responded) {
        relay_answer_empty(relay);
    } else if (relay->state != RELAY_ENDED) {
        relay_fail(relay, GRPC_RESOURCE_EXHAUSTED, "memory is short and the call stands still");
    }
}

void
relay_note_held(struct relay *relay)
{
    struct relays *relays = relay->forward->relays;
    bool holds = grpc_queue_n(&relay->request) + grpc_queue_n(&relay->response) > 0;
    if (holds == relay->is_holding)
        return;
    relay->is_holding = holds;
    relay->held_us = clock_mono_us();
    if (holds)
        TAILQ_INSERT_TAIL(&relays->holding, relay, holding);
    else
        TAILQ_REMOVE(&relays->holding, relay, holding);
}

/* Not whose bytes came in this turn: they may leave at its end. */
void
relay_make_room(struct relay *relay)
{
    if (budget_level(relay->budget) < BUDGET_FULL)
        return;
    struct relay *oldest = TAILQ_FIRST(&relay->forward->relays->holding);
    if (oldest != NULL && oldest->held_us < clock_mono_us())
        drive_out(oldest);
}

/* Held bytes that nobody takes must not fill the memory that others need to go on. Credit is not
 * given meanwhile, so who reads at all soon holds nothing. */
static void
end_stalled(struct relays *relays, uint64_t now_us)
{
    struct relay *relay, *next;
    if (relays->short_us == 0)
        relays->short_us = now_us;
    if (now_us - relays->short_us < STALLED_US)
        return;
    for (relay = TAILQ_FIRST(&relays->holding); relay != NULL; relay = next) {
        next = TAILQ_NEXT(relay, holding);
        if (now_us - relay->held_us >= STALLED_US)
            drive_out(relay);
    }
}

static void
on_sweep(void *ctx)
{
    struct forward *forward = ctx;
    CHECK_OBJ(forward, FORWARD_MAGIC);
    struct relays *relays = forward->relays;
    struct relay *relay = TAILQ_FIRST(&relays->all);
    bool is_short = relay != NULL && budget_level(relay->budget) >= BUDGET_HOLD;
    TAILQ_FOREACH(relay, &relays->all, all)
    {
        if (!is_short)
            give_owed(relay);
        else if (relay->state == RELAY_FLOWS)
            grpc_queue_let_go(&relay->request); /* what a second try would need */
    }
    if (is_short)
        end_stalled(relays, clock_mono_us());
    else
        relays->short_us = 0;
    if (!TAILQ_EMPTY(&relays->all))
        loop_timer_in(&relays->sweep, SWEEP_US);
}

struct relays *
relays_new(struct forward *forward)
{
    struct relays *relays = mem_new(struct relays);
    uint64_t keep_us = forward->shared->settings.cds_cache_us;
    TAILQ_INIT(&relays->all);
    TAILQ_INIT(&relays->waiting);
    TAILQ_INIT(&relays->holding);
    relays->cache = keep_us > 0 ? relay_cache_new(keep_us) : NULL;
    loop_timer_init(&relays->sweep, forward->loop, on_sweep, forward);
    return relays;
}

void
relays_free(struct relays **relays)
{
    if (*relays == NULL)
        return;
    check(TAILQ_EMPTY(&(*relays)->all));
    loop_timer_cancel(&(*relays)->sweep);
    relay_cache_free(&(*relays)->cache);
    mem_free(*relays);
    *relays = NULL;
}
