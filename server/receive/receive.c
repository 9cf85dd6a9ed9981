/* Routing of calls, and what all handlers share: putting, settling, answering. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/receive.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/relay.h"
#include "receive/receive_http_int.h"
#include "receive/receive_int.h"

/* Binds the handler tokens of tables/methods.h. */
static const struct grpc_handler *const handlers[] = {
    [HANDLER_SEGMENT] = &receive_segment_handler, [HANDLER_SEGMENTS] = &receive_segments_handler,
    [HANDLER_METER] = &receive_meter_handler,     [HANDLER_LOG] = &receive_log_handler,
    [HANDLER_EVENT] = &receive_stored_handler,    [HANDLER_STORED] = &receive_stored_handler,
    [HANDLER_RELAY] = &receive_relayed_handler,   [HANDLER_HEALTH] = &receive_health_handler,
};

struct receive *
receive_new(const struct receive_parts *parts)
{
    struct receive *receive = mem_new(struct receive);
    receive->parts = *parts;
    receive->is_ready = true;
    LIST_INIT(&receive->all);
    LIST_INIT(&receive->watching);
    TAILQ_INIT(&receive->waiting);
    return receive;
}

void
receive_set_store(struct receive *receive, struct store *store)
{
    receive->store = store;
}

void
receive_set_forward(struct receive *receive, struct forward *forward)
{
    receive->forward = forward;
}

static void
call_free(struct receive_call *rc)
{
    struct receive *receive = rc->receive;
    if (rc->method->handler == HANDLER_METER)
        receive_meter_free(rc);
    else if (rc->method->handler == HANDLER_LOG)
        receive_log_free(rc);
    if (rc->is_waiting)
        TAILQ_REMOVE(&receive->waiting, rc, waiting);
    if (rc->is_watching)
        LIST_REMOVE(rc, watching);
    LIST_REMOVE(rc, all);
    receive->n_calls--;
    grpc_call_unref(&rc->call);
    rc->magic = 0;
    mem_free(rc);
}

void
receive_free(struct receive **receive)
{
    if (*receive == NULL)
        return;
    while (!LIST_EMPTY(&(*receive)->all))
        call_free(LIST_FIRST(&(*receive)->all));
    mem_free(*receive);
    *receive = NULL;
}

uint32_t
receive_n_calls(const struct receive *receive)
{
    return receive->n_calls;
}

static struct receive_call *
call_new(struct receive *receive, struct grpc_call *call, const struct method_row *method)
{
    struct receive_call *rc = mem_new(struct receive_call);
    rc->magic = RECEIVE_CALL_MAGIC;
    rc->receive = receive;
    rc->call = call;
    rc->method = method;
    grpc_call_ref(call);
    LIST_INSERT_HEAD(&receive->all, rc, all);
    receive->n_calls++;
    return rc;
}

static bool
wants_metadata(void *ctx, struct bytes path)
{
    return receive_relays(ctx, method_find(path), path);
}

static void
on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    struct receive *receive = ctx;
    const struct method_row *method = method_find(path);
    *out = (struct grpc_route){.method = method};
    if (!receive_auth_passes(receive, call, method)) {
        out->refuse = GRPC_PERMISSION_DENIED;
        out->text = "the authentication token is missing or wrong";
    } else if (receive_relays(receive, method, path)) {
        relay_begin(receive->forward, call, method, out);
    } else if (method == NULL) {
        log_debug("receive", "unknown method", "path=%s peer=%s", LOG_TEXT(path),
                  grpc_call_peer(call));
        receive_refuse_unknown(path, out);
    } else if (method->handler == HANDLER_RELAY && method->stream == STREAM_BIDI) {
        /* INTERNAL does not silence a Java agent (protocol.md 13.1). */
        out->refuse = GRPC_INTERNAL;
        out->text = "spangate does not relay this call";
    } else {
        if (method->method == METHOD_SEGMENT_COLLECT)
            receive_connection_reopen(receive, call);
        out->handler = handlers[method->handler];
        out->user = call_new(receive, call, method);
    }
}

static void
on_drained(void *ctx)
{
    struct receive *receive = ctx;
    if (receive->parts.on_drained != NULL)
        receive->parts.on_drained(receive->parts.ctx);
}

static void
on_connections(void *ctx, uint32_t n)
{
    struct receive *receive = ctx;
    if (receive->parts.on_connections != NULL)
        receive->parts.on_connections(receive->parts.ctx, n);
}

static void
on_connection_gone(void *ctx, const char *peer, void *user, enum grpc_connection_end how)
{
    struct receive *receive = ctx;
    const struct receive_watch *watch = receive->parts.watch;
    receive_connection_gone(receive, user, how);
    if (watch != NULL)
        watch->on_connection_gone(watch->ctx, peer);
}

void
receive_service(struct receive *receive, struct grpc_service *out)
{
    *out = (struct grpc_service){
        .ctx = receive,
        .wants_metadata = wants_metadata,
        .on_call = on_call,
        .on_drained = on_drained,
        .on_connections = on_connections,
        .on_connection_gone = on_connection_gone,
    };
}

struct receive_call *
receive_call_of(const struct grpc_call *call)
{
    struct receive_call *rc = grpc_call_user(call);
    CHECK_OBJ(rc, RECEIVE_CALL_MAGIC);
    return rc;
}

static void
start_waiting(struct receive_call *rc)
{
    if (rc->is_waiting)
        return;
    rc->is_waiting = true;
    TAILQ_INSERT_TAIL(&rc->receive->waiting, rc, waiting);
}

bool
receive_must_wait(struct receive_call *rc)
{
    if (!store_is_short(rc->receive->store))
        return false;
    start_waiting(rc);
    return true;
}

enum err
receive_put(struct receive_call *rc, const struct store_record *record)
{
    enum err err = store_put(rc->receive->store, record);
    if (err == ERR_OK) {
        rc->n_unsettled++;
        return ERR_OK;
    }
    start_waiting(rc);
    return ERR_WAIT;
}

void
receive_put_nothing(struct receive_call *rc, enum method method, enum drop_reason reason,
                    uint64_t credit_bytes)
{
    rc->n_unsettled++;
    store_put_nothing(rc->receive->store, method, reason, rc, credit_bytes);
}

/* The message waits and will be judged again: it counts once. */
void
receive_take_back(struct receive *receive, const struct judgement *judgement)
{
    struct metrics *metrics = receive->parts.metrics;
    if (judgement->segment != NULL) {
        metric_sub(metrics, METRIC_SEGMENTS, judgement->verdict, 1);
        metric_sub(metrics, METRIC_SPANS, 0, judgement->segment->n_spans);
    }
    for (uint64_t rules = judgement->rules; rules != 0; rules &= rules - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rules);
        metric_sub(metrics, METRIC_FINDINGS, integrity_metric_index(judgement, rule),
                   judgement->n_counts[rule]);
    }
}

void
receive_uncount(struct receive_call *rc, const struct judgement *judgement)
{
    receive_take_back(rc->receive, judgement);
}

void
receive_accept(struct receive_call *rc, enum message_type type, struct bytes message,
               const struct judgement *judgement)
{
    integrity_accept(rc->receive->parts.integrity, &rc->stream, type, message, judgement);
    if (integrity_stream_instance(&rc->stream) != rc->instance || rc->stream.is_mixed)
        receive_connection_meet(rc);
}

static void
show(const struct receive_call *rc, enum method method, const struct judgement *judgement)
{
    const struct receive_watch *watch = rc->receive->parts.watch;
    if (watch != NULL)
        watch->on_judged(watch->ctx, grpc_call_peer(rc->call), method, judgement);
}

/* A finding about a call, not about a whole message. */
static void
note(const struct receive_call *rc, enum rule rule)
{
    const struct receive_watch *watch = rc->receive->parts.watch;
    integrity_note(rc->receive->parts.integrity, rule);
    if (watch != NULL)
        watch->on_noted(watch->ctx, grpc_call_peer(rc->call), rule);
}

enum drop_reason
receive_drop_reason(const struct judgement *judgement)
{
    bool is_copy = judgement->reason == RULE_segment_duplicate_identical ||
                   judgement->reason == RULE_poison_id_again;
    return is_copy ? DROP_COPY : DROP_EMPTY;
}

static enum err
put_record(struct receive_call *rc, enum method method, const struct judgement *judgement,
           uint64_t credit_bytes)
{
    bool is_sick = judgement->verdict == VERDICT_QUARANTINED;
    struct store_record record = {
        .method = method,
        .flags =
            (uint16_t)((is_sick ? STORE_SET_ASIDE : 0) | (judgement->edited ? STORE_EDITED : 0)),
        .reason = is_sick ? judgement->reason : RULE_COUNT,
        .parts = &judgement->payload,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
        .cookie = rc,
        .credit_bytes = credit_bytes,
    };
    return receive_put(rc, &record);
}

enum err
receive_put_judged(struct receive_call *rc, enum method method, struct bytes message,
                   const struct judgement *judgement, uint64_t credit_bytes)
{
    if (judgement->verdict == VERDICT_DROPPED) {
        receive_put_nothing(rc, method, receive_drop_reason(judgement), credit_bytes);
    } else if (put_record(rc, method, judgement, credit_bytes) != ERR_OK) {
        receive_uncount(rc, judgement);
        return ERR_WAIT;
    }
    receive_accept(rc, method_row(method)->message, message, judgement);
    show(rc, method, judgement);
    return ERR_OK;
}

/* Empty Commands with OK: five zero bytes and a status. */
static void
answer(struct receive_call *rc)
{
    rc->is_answered = true;
    rc->is_answering = true;
    grpc_call_send(rc->call, BYTES_NONE);
    grpc_call_finish(rc->call, GRPC_OK, "");
    rc->is_answering = false;
}

void
receive_call_step(struct receive_call *rc)
{
    if (rc->n_unsettled > 0 || rc->has_waiting_set || rc->is_answering)
        return;
    if (rc->is_ended && !rc->is_answered)
        answer(rc);
    if (rc->is_gone)
        call_free(rc);
}

void
receive_on_settled(struct receive *receive, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    struct receive_call *rc = cookie;
    (void)receive;
    if (rc == NULL)
        return;
    if (receive_http_on_settled(cookie, n_records))
        return;
    CHECK_OBJ(rc, RECEIVE_CALL_MAGIC);
    check(n_records <= rc->n_unsettled);
    rc->n_unsettled -= n_records;
    if (credit_bytes > 0)
        grpc_call_credit(rc->call, credit_bytes);
    receive_call_step(rc);
}

/* Everybody who waits tries again, first come first; who finds no room waits anew behind them. */
void
receive_on_room(struct receive *receive)
{
    struct receive_waiting waiting = TAILQ_HEAD_INITIALIZER(waiting);
    bool http_first = receive->http != NULL && receive->is_turn_of_http;
    receive->is_turn_of_http = !receive->is_turn_of_http;
    if (http_first)
        receive_http_on_room(receive->http);
    TAILQ_CONCAT(&waiting, &receive->waiting, waiting);
    while (!TAILQ_EMPTY(&waiting)) {
        struct receive_call *rc = TAILQ_FIRST(&waiting);
        TAILQ_REMOVE(&waiting, rc, waiting);
        rc->is_waiting = false;
        grpc_call_resume(rc->call);
        if (rc->has_waiting_set)
            receive_meter_emit(rc);
        receive_call_step(rc);
    }
    if (receive->http != NULL && !http_first)
        receive_http_on_room(receive->http);
}

/* Nobody can read whose it is: it is its stream's. */
static void
accept_oversize(struct receive_call *rc)
{
    struct judgement judgement = {.verdict = VERDICT_QUARANTINED,
                                  .reason = RULE_message_oversize,
                                  .rules = UINT64_C(1) << RULE_message_oversize};
    judgement.n_counts[RULE_message_oversize] = 1;
    receive_accept(rc, MESSAGE_OPAQUE, BYTES_NONE, &judgement);
}

void
receive_on_oversize(struct grpc_call *call, struct bytes prefix, uint64_t declared_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    log_debug("receive", "message over the limit", "method=%s bytes=%llu peer=%s",
              rc->method->token, (unsigned long long)declared_bytes, grpc_call_peer(call));
    note(rc, RULE_message_oversize);
    accept_oversize(rc);
    struct store_record record = {
        .method = rc->method->method,
        .flags = STORE_SET_ASIDE,
        .reason = RULE_message_oversize,
        .parts = &prefix,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
        .cookie = rc,
    };
    if (store_put(rc->receive->store, &record) == ERR_OK)
        rc->n_unsettled++;
    else /* its bytes are skipped and will not come again */
        receive_put_nothing(rc, rc->method->method, DROP_BUFFER_FULL, 0);
}

void
receive_on_end(struct grpc_call *call)
{
    struct receive_call *rc = receive_call_of(call);
    rc->is_ended = true;
    receive_call_step(rc);
}

void
receive_on_gone(struct grpc_call *call, bool mid_message)
{
    struct receive_call *rc = receive_call_of(call);
    if (mid_message)
        note(rc, grpc_call_is_half_closed(call) ? RULE_grpc_message_truncated
                                                : RULE_conn_lost_mid_message);
    rc->is_gone = true;
    receive_call_step(rc);
}

void
receive_set_ready(struct receive *receive, bool ready)
{
    if (receive->is_ready == ready)
        return;
    receive->is_ready = ready;
    struct receive_call *rc, *next;
    for (rc = LIST_FIRST(&receive->watching); rc != NULL; rc = next) {
        next = LIST_NEXT(rc, watching);
        receive_health_tell(rc, ready);
    }
}

void
carried_set(struct receive *receive, struct carried *carried, struct bytes value)
{
    if (carried->n == value.n && (value.n == 0 || memcmp(carried->p, value.p, value.n) == 0))
        return;
    carried_free(receive, carried);
    if (value.n == 0)
        return;
    budget_take_always(receive->parts.budget, value.n);
    carried->p = mem_alloc(value.n);
    carried->n = value.n;
    memcpy(carried->p, value.p, value.n);
}

void
carried_free(struct receive *receive, struct carried *carried)
{
    if (carried->p == NULL)
        return;
    budget_give(receive->parts.budget, carried->n);
    mem_free(carried->p);
    *carried = (struct carried){NULL, 0};
}
