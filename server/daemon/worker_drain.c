/* How a worker ends: its agents are told to go, what is held goes out or stays on disk. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/log.h"
#include "daemon/worker_int.h"

enum { LAST_BATCHES_US = 2 * 1000 * 1000 /* after the drain: for batches still on their way */ };

static void
report_drained(struct worker *worker)
{
    if (worker->state != WORKER_DRAINS)
        return;
    worker->state = WORKER_DRAINED;
    loop_timer_cancel(&worker->deadline);
    worker->settings.on_drained(worker->settings.ctx, worker);
}

/* No call begins any more; those under way get a little time, their records would go out twice. */
static void
rest(struct worker *worker)
{
    worker->is_resting = true;
    forward_rest(worker->forward);
    loop_timer_in(&worker->deadline, LAST_BATCHES_US);
}

static bool
has_to_flush(const struct worker *worker)
{
    return worker->state == WORKER_DRAINS && worker->is_endpoint_drained && !worker->has_flushed &&
           worker->settings.conf->shutdown.flush_ms != 0;
}

static void
start_flush(struct worker *worker)
{
    worker->has_flushed = true;
    worker->is_flushing = true;
    loop_timer_in(&worker->deadline, worker->settings.conf->shutdown.flush_ms * 1000);
}

void
worker_drain_on_deadline(void *ctx)
{
    struct worker *worker = ctx;
    CHECK_OBJ(worker, WORKER_MAGIC);
    if (has_to_flush(worker)) { /* a request over HTTP still arrives */
        start_flush(worker);
        return;
    }
    if (worker->is_flushing && !worker->is_resting) {
        log_info("daemon", "the time to flush is over", "held=%llu",
                 (unsigned long long)store_n_held(worker->store));
        worker->is_flushing = false;
        rest(worker);
        store_wind_up(worker->store);
        return;
    }
    log_warn("daemon", "drain ran out of time", "connections=%u held=%llu",
             grpc_endpoint_n_connections(worker->endpoint),
             (unsigned long long)store_n_held(worker->store));
    report_drained(worker);
}

void
worker_drain_start(struct worker *worker)
{
    if (worker->state != WORKER_SERVES)
        return;
    worker->state = WORKER_DRAINS;
    const struct conf *conf = worker->settings.conf;
    receive_set_ready(worker->receive, false);
    forward_flush(worker->forward);
    if (conf->shutdown.flush_ms == 0)
        store_wind_up(worker->store);
    loop_timer_in(&worker->deadline, conf->shutdown.drain_ms * 1000 + LAST_BATCHES_US);
    grpc_endpoint_drain(worker->endpoint);
    worker_http_drain(worker->http);
}

void
worker_drain_on_endpoint(void *ctx)
{
    struct worker *worker = ctx;
    worker->is_endpoint_drained = true;
    if (has_to_flush(worker) && worker_http_is_drained(worker->http))
        start_flush(worker);
}

/* Everything that would be lost with us is safe or gone; what stays on disk is for the next start,
 * unless shutdown.flush gives it time. Calls under way get a little more: their records would go
 * out twice. */
void
worker_drain_look(struct worker *worker)
{
    if (!worker->is_endpoint_drained || !worker_http_is_drained(worker->http))
        return;
    if (has_to_flush(worker))
        start_flush(worker);
    if (receive_n_calls(worker->receive) != 0 || store_n_volatile(worker->store) != 0)
        return;
    if (worker->is_flushing && !store_is_empty(worker->store))
        return;
    if (!worker->is_resting)
        rest(worker);
    if (!forward_has_calls(worker->forward))
        report_drained(worker);
}
