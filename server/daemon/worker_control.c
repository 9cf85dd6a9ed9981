/* What operators order, on a worker's thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker_int.h"

void
worker_dismiss(struct worker *worker, bool is_dismissed)
{
    if (worker->state != WORKER_SERVES)
        return;
    worker_http_dismiss(worker->http, is_dismissed);
    if (is_dismissed)
        grpc_endpoint_dismiss(worker->endpoint);
    else
        grpc_endpoint_welcome(worker->endpoint);
}

void
worker_pause(struct worker *worker, bool is_paused)
{
    if (worker->state == WORKER_SERVES)
        forward_set_paused(worker->forward, is_paused);
}

void
worker_refresh_backends(struct worker *worker)
{
    if (worker->forward != NULL)
        forward_refresh(worker->forward);
}

void
worker_open_tap(struct worker *worker, struct tap *tap)
{
    if (worker->receive != NULL && tap_open(tap, worker->settings.index, &worker->budget))
        receive_add_tap(worker->receive, tap, worker->settings.index);
}

void
worker_close_tap(struct worker *worker, struct tap *tap)
{
    if (worker->receive != NULL)
        receive_remove_tap(worker->receive, tap);
    tap_close(tap, worker->settings.index, &worker->budget);
}
