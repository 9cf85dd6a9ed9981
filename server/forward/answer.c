/* What becomes of a batch when its call has ended. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "forward/forward_int.h"

enum { LARGE_BYTES = 1024 * 1024, LARGE_AFTER = 3, FREE_STEP_US = 10000, FREE_MAX_US = 1000000 };

static bool
is_overload(const struct grpc_answer *answer)
{
    return answer->err == ERR_TIMEOUT || answer->err == ERR_CLOSED ||
           (answer->err == ERR_OK &&
            (answer->status == GRPC_UNAVAILABLE || answer->status == GRPC_RESOURCE_EXHAUSTED ||
             answer->status == GRPC_DEADLINE_EXCEEDED));
}

/* Lets go of the backend and tells it how the call went. */
static enum retry_outcome
tell_backend(struct sending *sending, const struct grpc_answer *answer)
{
    struct forward *forward = sending->forward;
    struct backend *backend = sending->backend;
    struct backend_result result = {
        .method = sending->method,
        .wire = sending->wire,
        .outcome = retry_classify(answer),
        .status = answer->err == ERR_OK || answer->status != GRPC_OK ? answer->status
                                                                     : err_grpc_status(answer->err),
        .is_overload = is_overload(answer),
        .load = sending->load,
        .started_us = sending->started_us,
        .now_us = clock_mono_us(),
    };
    if (result.outcome == OUTCOME_UNIMPLEMENTED)
        result.unknown_us = retry_delay_us(&forward->shared->settings,
                                           backend->n_unknown[sending->wire] + 1, &forward->random);
    sending->request = NULL;
    sending->backend = NULL;
    backend_on_done(backend, &result);
    if (result.outcome != OUTCOME_OK) {
        metric_add(forward->metrics, METRIC_BACKEND_RETRIES,
                   backend->slot * 3 + retry_reason(answer), 1);
        log_warn("forward", "call failed", "backend=%s method=%s records=%u code=%s err=%s text=%s",
                 backend->name, method_row(sending->wire)->path, sending->batch->n,
                 err_status_name(result.status), err_name(answer->err), LOG_TEXT(answer->text));
    }
    return result.outcome;
}

/* The backend or the way to it is ill: at once elsewhere the first time, else later. */
static void
hold(struct sending *sending, const struct backend *backend)
{
    struct forward *forward = sending->forward;
    sending->n_tries++;
    sending->must_pay = true;
    if (sending->n_tries == 1 &&
        balancer_has_other(forward->balancer, sending->method, backend->id))
        sending_wait(sending, 0);
    else
        sending_wait(sending, retry_delay_us(&forward->shared->settings, sending->n_tries,
                                             &forward->random));
}

/* OAP's overload breaker, but also what it says of a message over its limit: told apart by size,
 * and by whether others pass. */
static void
exhausted(struct sending *sending, const struct backend *backend)
{
    sending->n_exhausted++;
    if (sending->failed_us == 0)
        sending->failed_us = sending->started_us;
    if (sending->batch->n == 1 && sending->batch->n_bytes > LARGE_BYTES &&
        sending->n_exhausted >= LARGE_AFTER && isolate_has_proof(sending, backend)) {
        log_warn("forward", "a large record is set aside: the backend has no room for it alone",
                 "backend=%s bytes=%llu", backend->name,
                 (unsigned long long)sending->batch->n_bytes);
        store_set_aside(sending->forward->store, &sending->batch);
        sending_end(sending);
        return;
    }
    hold(sending, backend);
}

/* Where nobody knows the method, the store keeps its records until somebody might. */
static void
unimplemented(struct sending *sending, const struct backend *backend)
{
    struct balancer *balancer = sending->forward->balancer;
    uint64_t now_us = clock_mono_us();
    bool is_known = backend_wire(backend, sending->method, now_us) != METHOD_NONE ||
                    balancer_has_other(balancer, sending->method, backend->id);
    if (!is_known) {
        sending_give_back(sending);
        return;
    }
    sending->avoid = 0;
    sending_wait(sending, 0);
}

static void
not_processed(struct sending *sending)
{
    uint64_t delay_us = (uint64_t)sending->n_free++ * FREE_STEP_US;
    sending_wait(sending, delay_us < FREE_MAX_US ? delay_us : FREE_MAX_US);
}

void
answer_on_done(void *ctx, const struct grpc_answer *answer)
{
    struct sending *sending = ctx;
    CHECK_OBJ(sending, SENDING_MAGIC);
    struct forward *forward = sending->forward;
    struct backend *backend = sending->backend;
    enum retry_outcome outcome = tell_backend(sending, answer);
    sending->avoid = backend->id;
    switch (outcome) {
    case OUTCOME_OK:
        isolate_on_commit(forward, sending->method);
        retry_budget_earn(&forward->budget, (double)sending->load.weight / BACKEND_BATCH_WEIGHT);
        store_ack(forward->store, &sending->batch);
        sending_end(sending);
        break;
    case OUTCOME_FREE:
        not_processed(sending);
        break;
    case OUTCOME_HOLD:
        balancer_judge(forward->balancer, backend);
        hold(sending, backend);
        break;
    case OUTCOME_EXHAUSTED:
        balancer_judge(forward->balancer, backend);
        exhausted(sending, backend);
        break;
    case OUTCOME_UNIMPLEMENTED:
        unimplemented(sending, backend);
        break;
    case OUTCOME_REFUSED:
        isolate_on_refused(sending, backend);
        break;
    }
    forward_wake(forward);
}
