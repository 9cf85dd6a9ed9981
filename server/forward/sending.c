/* A batch's states on its way out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "forward/forward_int.h"
#include "forward/kafka.h"
#include "forward/upstream.h"

enum { KEEP_SPARE = 64, SINGLE_BYTES = 64 * 1024 };

struct sending *
sending_new(struct forward *forward, struct store_batch *batch)
{
    struct sending *sending = TAILQ_FIRST(&forward->spare);
    struct bytes *slices = NULL;
    uint32_t n_slices = 0;
    if (sending != NULL) {
        TAILQ_REMOVE(&forward->spare, sending, link);
        forward->n_spare--;
        slices = sending->slices;
        n_slices = sending->n_slices;
    } else {
        sending = mem_new(struct sending);
    }
    *sending = (struct sending){
        .magic = SENDING_MAGIC,
        .state = SENDING_PARKED,
        .forward = forward,
        .batch = batch,
        .method = batch->method,
        .slices = slices,
        .n_slices = n_slices,
    };
    batch->owner = sending;
    TAILQ_INSERT_TAIL(&forward->lists[SENDING_PARKED], sending, link);
    forward->n_sendings++;
    return sending;
}

/* Counts what the state and the suspicion mean for the method; by is 1 or -1. */
static void
count(const struct sending *sending, int by)
{
    struct forward *forward = sending->forward;
    bool is_queued = sending->state == SENDING_READY || sending->state == SENDING_WAITING;
    bool is_active = sending->state == SENDING_READY || sending->state == SENDING_FLYING;
    if (sending->is_suspect) {
        forward->isolation[sending->method].n_members += (uint32_t)by;
        forward->n_suspects += (uint32_t)by;
        if (is_active)
            forward->isolation[sending->method].n_active += (uint32_t)by;
    } else if (is_queued) {
        forward->n_waiting[sending->method] += (uint32_t)by;
    }
}

void
sending_end(struct sending *sending)
{
    struct forward *forward = sending->forward;
    check(sending->magic == SENDING_MAGIC && sending->batch == NULL && sending->request == NULL &&
          sending->delivery == NULL);
    count(sending, -1);
    TAILQ_REMOVE(&forward->lists[sending->state], sending, link);
    forward->n_sendings--;
    sending->magic = 0;
    if (forward->n_spare < KEEP_SPARE) {
        TAILQ_INSERT_HEAD(&forward->spare, sending, link);
        forward->n_spare++;
        return;
    }
    mem_free(sending->slices);
    mem_free(sending);
}

void
sending_give_back(struct sending *sending)
{
    store_nack(sending->forward->store, &sending->batch);
    sending_end(sending);
}

void
sending_fini_spare(struct forward *forward)
{
    struct sending *sending;
    while ((sending = TAILQ_FIRST(&forward->spare)) != NULL) {
        TAILQ_REMOVE(&forward->spare, sending, link);
        mem_free(sending->slices);
        mem_free(sending);
    }
    forward->n_spare = 0;
}

static void
insert(struct sending *sending)
{
    struct sending_list *list = &sending->forward->lists[sending->state];
    struct sending *before = TAILQ_LAST(list, sending_list);
    if (sending->state == SENDING_WAITING)
        while (before != NULL && before->not_before_us > sending->not_before_us)
            before = TAILQ_PREV(before, sending_list, link);
    if (before != NULL)
        TAILQ_INSERT_AFTER(list, before, sending, link);
    else
        TAILQ_INSERT_HEAD(list, sending, link);
}

void
sending_set_state(struct sending *sending, enum sending_state state)
{
    /* From PARKED everything may follow; a call ends before its batch is queued again. */
    check(sending->request == NULL || state == SENDING_FLYING);
    count(sending, -1);
    TAILQ_REMOVE(&sending->forward->lists[sending->state], sending, link);
    sending->state = state;
    count(sending, 1);
    insert(sending);
}

void
sending_set_suspect(struct sending *sending, bool is_suspect)
{
    count(sending, -1);
    sending->is_suspect = is_suspect;
    count(sending, 1);
}

void
sending_wait(struct sending *sending, uint64_t delay_us)
{
    sending->not_before_us = clock_mono_us() + delay_us;
    sending_set_state(sending, delay_us > 0 ? SENDING_WAITING : SENDING_READY);
}

void
sending_start(struct sending *sending, struct backend *backend)
{
    const struct forward_settings *settings = &sending->forward->shared->settings;
    struct store_batch *batch = sending->batch;
    if (sending->n_slices < batch->n) {
        sending->slices = mem_resize(sending->slices, batch->n * sizeof(struct bytes));
        sending->n_slices = batch->n;
    }
    sending->wire = backend_wire(backend, sending->method, clock_mono_us());
    sending->load.n_bytes = upstream_frame(batch, sending->wire, sending->slices);
    sending->load.weight = batch->n == 1 && batch->n_bytes < SINGLE_BYTES ? BACKEND_SINGLE_WEIGHT
                                                                          : BACKEND_BATCH_WEIGHT;
    sending->backend = backend;
    sending->started_us = clock_mono_us();
    struct grpc_request_settings request = {
        .path = method_row(sending->wire)->path,
        .slices = sending->slices,
        .n_slices = batch->n,
        .timeout_us = settings->ack_timeout_us,
        .ctx = sending,
        .on_done = answer_on_done,
    };
    sending->must_pay = false;
    backend_on_start(backend, &sending->load);
    sending_set_state(sending, SENDING_FLYING);
    sending->request = grpc_channel_start(backend->channel, &request);
}

/* What the backends can carry at once is also what one lost connection may bring back. */
bool
sending_pay(struct sending *sending)
{
    struct forward *forward = sending->forward;
    if (!sending->must_pay || forward->is_flushing)
        return true;
    uint32_t least = forward->shared->settings.retry_budget;
    uint32_t most = balancer_max_batches(forward->balancer);
    double cost = (double)sending->load.weight / BACKEND_BATCH_WEIGHT;
    return retry_budget_take(&forward->budget, cost, most > least ? most : least, clock_mono_us());
}

void
sending_cancel(struct sending *sending)
{
    if (sending->delivery != NULL)
        kafka_cancel(sending);
    if (sending->request == NULL)
        return;
    grpc_request_cancel(&sending->request);
    backend_on_cancel(sending->backend, &sending->load);
    sending->backend = NULL;
}

bool
sending_is_fresh(struct sending *sending)
{
    if (store_expire(sending->forward->store, &sending->batch))
        return true;
    sending_end(sending);
    return false;
}
