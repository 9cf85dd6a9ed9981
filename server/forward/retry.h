/* What the answer to a batch means, and how long to wait before it goes out again. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARD_RETRY_H
#define FORWARD_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "forward/forward.h"
#include "grpc/grpc_channel.h"

enum retry_outcome {
    OUTCOME_OK,            /* grpc-status 0: committed */
    OUTCOME_FREE,          /* not processed: goes out again at once */
    OUTCOME_HOLD,          /* the backend or the way to it is ill: never the batch's fault */
    OUTCOME_EXHAUSTED,     /* OAP's overload breaker, or a message over its limit */
    OUTCOME_UNIMPLEMENTED, /* not ready, or too old for the method */
    OUTCOME_REFUSED,       /* perhaps a record is at fault */
};

enum retry_outcome retry_classify(const struct grpc_answer *);
/* RETRY_* of the metric. */
uint32_t retry_reason(const struct grpc_answer *);
/* The wait before try n_tries + 1: initial x multiplier^(n_tries - 1), at most max, jittered.
 * *random is the state of the caller's generator. */
uint64_t retry_delay_us(const struct forward_settings *, uint32_t n_tries, uint64_t *random);
/* xorshift64*: for jitter and choices, nothing secret. The state is never 0. */
uint64_t retry_random(uint64_t *state);

/* Resends beside the calls that go well: each commit earns a tenth of what it weighs, time earns
 * one batch a second so that nothing stalls for good. Amounts are in batches. */
struct retry_budget {
    double tokens;
    uint64_t earned_us;
};
void retry_budget_init(struct retry_budget *, uint32_t capacity, uint64_t now_us);
void retry_budget_earn(struct retry_budget *, double committed);
/* False, and nothing taken, when there is not enough. */
bool retry_budget_take(struct retry_budget *, double cost, uint32_t capacity, uint64_t now_us);

#endif
