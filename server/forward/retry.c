/* Classes of answers and waiting times. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/retry.h"

static const double EARNED_BY_COMMIT = 0.1, EARNED_BY_US = 1e-6;

enum retry_outcome
retry_classify(const struct grpc_answer *answer)
{
    if (answer->err == ERR_STREAM_REFUSED)
        return OUTCOME_FREE;
    if (answer->err != ERR_OK)
        return OUTCOME_HOLD;
    switch (answer->status) {
    case GRPC_OK:
        return OUTCOME_OK;
    case GRPC_UNIMPLEMENTED:
        return OUTCOME_UNIMPLEMENTED;
    case GRPC_RESOURCE_EXHAUSTED:
        return OUTCOME_EXHAUSTED;
    case GRPC_UNKNOWN: /* what grpc-java makes of a parse error */
    case GRPC_INTERNAL:
    case GRPC_INVALID_ARGUMENT:
    case GRPC_FAILED_PRECONDITION:
        return OUTCOME_REFUSED;
    default:
        return OUTCOME_HOLD;
    }
}

uint32_t
retry_reason(const struct grpc_answer *answer)
{
    if (answer->err == ERR_TIMEOUT || answer->status == GRPC_DEADLINE_EXCEEDED)
        return RETRY_TIMEOUT;
    return answer->err != ERR_OK ? RETRY_CONNECTION : RETRY_STATUS;
}

uint64_t
retry_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

uint64_t
retry_delay_us(const struct forward_settings *settings, uint32_t n_tries, uint64_t *random)
{
    double delay = (double)settings->retry_initial_us, max = (double)settings->retry_max_us;
    for (uint32_t i = 1; i < n_tries && delay < max; i++)
        delay *= settings->retry_multiplier;
    if (delay > max)
        delay = max;
    /* Evenly from 1 - jitter to 1 + jitter. */
    double unit = (double)(retry_random(random) >> 11) / (double)(UINT64_C(1) << 53);
    delay *= 1 + (2 * unit - 1) * settings->retry_jitter_percent / 100;
    return (uint64_t)delay;
}

void
retry_budget_init(struct retry_budget *budget, uint32_t capacity, uint64_t now_us)
{
    budget->tokens = capacity;
    budget->earned_us = now_us;
}

void
retry_budget_earn(struct retry_budget *budget, double committed)
{
    budget->tokens += committed * EARNED_BY_COMMIT;
}

bool
retry_budget_take(struct retry_budget *budget, double cost, uint32_t capacity, uint64_t now_us)
{
    budget->tokens += (double)(now_us - budget->earned_us) * EARNED_BY_US;
    budget->earned_us = now_us;
    if (budget->tokens > capacity)
        budget->tokens = capacity;
    if (budget->tokens < cost)
        return false;
    budget->tokens -= cost;
    return true;
}
