/* A backend's connection and what is known about it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/backend.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/backend_names.h"
#include "forward/forward_int.h"
#include "grpc/grpc_stream.h"

enum { FIRST_LIMIT = 2 };
static const uint64_t FAST_US = 1000000, SLOW_US = 2000000;

static void
set_up(struct backend *backend, bool is_up)
{
    if (backend->is_up == is_up)
        return;
    backend->is_up = is_up;
    int change = backend_names_set_up(backend->shared->names, backend->slot, is_up);
    if (change > 0)
        metric_add(backend->metrics, METRIC_BACKEND_UP, backend->slot, 1);
    else if (change < 0)
        metric_sub(backend->metrics, METRIC_BACKEND_UP, backend->slot, 1);
}

/* A new connection may be to a new process: what the old one did not know is forgotten. */
static void
forget_unknown(struct backend *backend)
{
    memset(backend->unknown_until_us, 0, sizeof(backend->unknown_until_us));
    memset(backend->n_unknown, 0, sizeof(backend->n_unknown));
}

static void
tell_change(const struct backend *backend, bool was_up, enum grpc_channel_state state)
{
    if (backend->is_up && !was_up)
        log_info("forward", "backend connected", "backend=%s", backend->name);
    else if (was_up && !backend->is_up)
        log_warn("forward", "backend lost", "backend=%s", backend->name);
    else if (state == CHANNEL_BACKOFF)
        log_warn("forward", "backend not reachable", "backend=%s", backend->name);
}

static void on_channel_state(void *ctx, enum grpc_channel_state state);

static void
open_channel(struct backend *backend)
{
    const struct forward_settings *conf = &backend->shared->settings;
    struct grpc_channel_settings channel = {
        .address = backend->address,
        .authority = backend->authority,
        .auth_token = backend->auth_token,
        .tls = conf->tls,
        .tls_name = conf->tls_name,
        .connect_timeout_us = conf->connect_timeout_us,
        .backoff_initial_us = conf->reconnect_initial_us,
        .backoff_max_us = conf->reconnect_max_us,
        .ctx = backend,
        .on_state = on_channel_state,
    };
    backend->channel = grpc_channel_new(backend->loop, &channel);
}

static void
on_channel_state(void *ctx, enum grpc_channel_state state)
{
    struct backend *backend = ctx;
    CHECK_OBJ(backend, BACKEND_MAGIC);
    bool was_up = backend->is_up;
    if (state == CHANNEL_READY)
        forget_unknown(backend);
    if (state == CHANNEL_DRAINING && grpc_channel_n_streams(backend->channel) > 0) {
        /* Relayed streams may go on for hours: batches do not wait for their end. */
        grpc_channel_retire(&backend->channel);
        open_channel(backend);
        state = grpc_channel_state(backend->channel);
    }
    /* Draining: the calls on the connection go on. */
    if (state != CHANNEL_DRAINING)
        set_up(backend, state == CHANNEL_READY);
    tell_change(backend, was_up, state);
    backend->on_state(backend->ctx, backend);
}

struct backend *
backend_new(const struct backend_settings *settings)
{
    const struct forward_settings *conf = &settings->shared->settings;
    struct backend *backend = mem_new(struct backend);
    backend->magic = BACKEND_MAGIC;
    backend->id = settings->id;
    backend->shared = settings->shared;
    backend->metrics = settings->metrics;
    backend->address = settings->address;
    backend->ctx = settings->ctx;
    backend->on_state = settings->on_state;
    backend->loop = settings->loop;
    backend->authority = settings->authority;
    backend->auth_token = settings->auth_token;
    backend->max_limit = conf->max_inflight / conf->n_workers;
    if (backend->max_limit == 0)
        backend->max_limit = 1;
    backend->limit = backend->max_limit < FIRST_LIMIT ? backend->max_limit : FIRST_LIMIT;
    net_address_text(&settings->address, backend->name);
    uint64_t stale_s;
    backend->slot = backend_names_take(backend->shared->names, backend->name, &stale_s);
    metric_sub(backend->metrics, METRIC_BACKEND_LAST_SUCCESS, backend->slot, stale_s);
    backend->is_disabled = backend_names_is_disabled(backend->shared->names, backend->slot);
    open_channel(backend);
    return backend;
}

void
backend_set_token(struct backend *backend, const char *auth_token)
{
    backend->auth_token = auth_token;
    grpc_channel_set_token(backend->channel, auth_token);
}

void
backend_free(struct backend **backend)
{
    if (*backend == NULL)
        return;
    check((*backend)->n_inflight == 0 && (*backend)->n_relayed == 0);
    grpc_channel_free(&(*backend)->channel);
    set_up(*backend, false);
    backend_names_give((*backend)->shared->names, (*backend)->slot);
    (*backend)->magic = 0;
    mem_free(*backend);
    *backend = NULL;
}

static uint32_t
limit_weight(const struct backend *backend)
{
    return (uint32_t)backend->limit * BACKEND_BATCH_WEIGHT;
}

bool
backend_has_room(const struct backend *backend)
{
    return !backend->is_leaving && !backend->is_disabled &&
           backend->weight < limit_weight(backend) && grpc_channel_has_room(backend->channel);
}

static enum method
second_choice(enum method first)
{
    return first == METHOD_SEGMENT_COLLECT ? METHOD_SEGMENT_COLLECT_SYNC : METHOD_SEGMENT_COLLECT;
}

static enum method
first_choice(const struct backend *backend, enum method method)
{
    return method == METHOD_SEGMENT_COLLECT && backend->shared->settings.is_in_sync
               ? METHOD_SEGMENT_COLLECT_SYNC
               : method;
}

enum method
backend_wire(const struct backend *backend, enum method method, uint64_t now_us)
{
    enum method first = first_choice(backend, method);
    if (backend->unknown_until_us[first] <= now_us)
        return first;
    enum method second = second_choice(first);
    if (method == METHOD_SEGMENT_COLLECT && backend->unknown_until_us[second] <= now_us)
        return second;
    return METHOD_NONE;
}

uint64_t
backend_unknown_until_us(const struct backend *backend, enum method method)
{
    enum method first = first_choice(backend, method);
    uint64_t until_us = backend->unknown_until_us[first];
    if (method == METHOD_SEGMENT_COLLECT &&
        backend->unknown_until_us[second_choice(first)] < until_us)
        until_us = backend->unknown_until_us[second_choice(first)];
    return until_us;
}

void
backend_on_start(struct backend *backend, const struct backend_load *load)
{
    backend->n_inflight++;
    backend->weight += load->weight;
    backend->outstanding_bytes += load->n_bytes;
    if (backend->weight >= limit_weight(backend))
        backend->was_full = true;
    metric_add(backend->metrics, METRIC_BACKEND_INFLIGHT, backend->slot, 1);
}

void
backend_on_cancel(struct backend *backend, const struct backend_load *load)
{
    check(backend->n_inflight > 0);
    backend->n_inflight--;
    backend->weight -= load->weight;
    backend->outstanding_bytes -= load->n_bytes;
    metric_sub(backend->metrics, METRIC_BACKEND_INFLIGHT, backend->slot, 1);
}

static void
cut_limit(struct backend *backend, const struct backend_result *result, double factor)
{
    /* The same time is after it: answers come before new calls in a turn, and a turn has one time.
     */
    if (result->started_us < backend->cut_us)
        return;
    backend->cut_us = result->now_us;
    backend->round_weight = 0;
    backend->limit *= factor;
    if (backend->limit < 1)
        backend->limit = 1;
}

static void
raise_limit(struct backend *backend, uint32_t weight)
{
    backend->round_weight += weight;
    if (backend->round_weight < limit_weight(backend))
        return;
    backend->round_weight = 0;
    if (backend->was_full && backend->limit < backend->max_limit)
        backend->limit += 1;
    backend->was_full = false;
    if (backend->limit > backend->max_limit)
        backend->limit = backend->max_limit;
}

static void
note_success(struct backend *backend)
{
    uint64_t now_s = (uint64_t)clock_unix_ms() / 1000;
    if (now_s == backend->success_s)
        return;
    backend->success_s = now_s;
    metric_add(backend->metrics, METRIC_BACKEND_LAST_SUCCESS, backend->slot,
               backend_names_success(backend->shared->names, backend->slot, now_s));
}

static void
on_ok(struct backend *backend, const struct backend_result *result)
{
    uint64_t took_us = result->now_us - result->started_us;
    outlier_on_ok(&backend->outlier, result->started_us, result->now_us);
    backend->n_unknown[result->wire] = 0;
    backend->committed_us[result->method] = result->now_us;
    if (took_us > SLOW_US)
        cut_limit(backend, result, 0.9);
    else if (took_us < FAST_US)
        raise_limit(backend, result->load.weight);
    note_success(backend);
}

static void
note_unknown(struct backend *backend, enum method wire, uint64_t until_us)
{
    backend->unknown_until_us[wire] = until_us;
    if (backend->n_unknown[wire]++ == 0)
        log_warn("forward", "backend does not know a method", "backend=%s method=%s", backend->name,
                 method_row(wire)->path);
}

void
backend_on_done(struct backend *backend, const struct backend_result *result)
{
    backend_on_cancel(backend, &result->load);
    uint32_t code =
        result->status >= 0 && result->status < METRIC_CODES ? (uint32_t)result->status : 2;
    metric_add(backend->metrics, METRIC_BACKEND_REQUESTS, backend->slot * METRIC_CODES + code, 1);
    metric_observe_us(backend->metrics, METRIC_BACKEND_DURATION, backend->slot,
                      result->now_us - result->started_us);
    switch (result->outcome) {
    case OUTCOME_OK:
        on_ok(backend, result);
        break;
    case OUTCOME_UNIMPLEMENTED:
        note_unknown(backend, result->wire, result->now_us + result->unknown_us);
        break;
    case OUTCOME_HOLD:
    case OUTCOME_EXHAUSTED:
        outlier_on_failure(&backend->outlier, result->now_us);
        if (result->is_overload)
            cut_limit(backend, result, 0.5);
        break;
    case OUTCOME_FREE:
    case OUTCOME_REFUSED:
        break;
    }
}

/* Relayed calls. */

bool
backend_has_stream_room(const struct backend *backend)
{
    return !backend->is_leaving && !backend->is_disabled &&
           grpc_channel_has_stream_room(backend->channel);
}

bool
backend_knows(const struct backend *backend, enum method method, uint64_t now_us)
{
    return method == METHOD_NONE || backend_wire(backend, method, now_us) != METHOD_NONE;
}

void
backend_on_relay_start(struct backend *backend)
{
    backend->n_relayed++;
}

void
backend_on_relay_gone(struct backend *backend)
{
    check(backend->n_relayed > 0);
    backend->n_relayed--;
}

void
backend_on_relayed(struct backend *backend, const struct backend_relayed *result)
{
    backend_on_relay_gone(backend);
    metric_add(backend->metrics, METRIC_BACKEND_REQUESTS,
               backend->slot * METRIC_CODES + (uint32_t)result->status, 1);
    if (result->is_timed)
        metric_observe_us(backend->metrics, METRIC_BACKEND_DURATION, backend->slot,
                          result->now_us - result->started_us);
    if (result->unknown_us > 0)
        note_unknown(backend, result->method, result->now_us + result->unknown_us);
    if (result->status != GRPC_OK)
        return;
    backend->n_unknown[result->method] = 0;
    note_success(backend);
}
