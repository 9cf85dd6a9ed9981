/* Counts of the last ten seconds, and how long to stay out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/outlier.h"

#include <string.h>

enum { DUE_IN_A_ROW = 5, DUE_CALLS = 50, DUE_PERCENT = 85 };
static const uint64_t SECOND_US = 1000000, OUT_US = 30000000, OUT_MAX_US = 300000000;

/* Empties the buckets of the seconds that passed since the youngest. */
static void
advance(struct outlier *outlier, uint64_t now_us)
{
    uint64_t now_s = now_us / SECOND_US;
    uint64_t n_passed = now_s - outlier->last_s;
    if (n_passed > OUTLIER_BUCKETS)
        n_passed = OUTLIER_BUCKETS;
    for (uint64_t i = 0; i < n_passed; i++) {
        outlier->n_calls[(now_s - i) % OUTLIER_BUCKETS] = 0;
        outlier->n_failed[(now_s - i) % OUTLIER_BUCKETS] = 0;
    }
    outlier->last_s = now_s;
}

void
outlier_on_ok(struct outlier *outlier, uint64_t started_us, uint64_t now_us)
{
    advance(outlier, now_us);
    outlier->n_calls[outlier->last_s % OUTLIER_BUCKETS]++;
    outlier->n_in_a_row = 0;
    if (outlier_is_out(outlier, now_us) && started_us > outlier->since_us)
        outlier->until_us = now_us;
    if (now_us >= outlier->until_us + OUTLIER_BUCKETS * SECOND_US)
        outlier->n_ejections = 0;
}

void
outlier_on_failure(struct outlier *outlier, uint64_t now_us)
{
    advance(outlier, now_us);
    outlier->n_calls[outlier->last_s % OUTLIER_BUCKETS]++;
    outlier->n_failed[outlier->last_s % OUTLIER_BUCKETS]++;
    outlier->n_in_a_row++;
}

bool
outlier_is_due(struct outlier *outlier, uint64_t now_us)
{
    if (outlier_is_out(outlier, now_us))
        return false;
    if (outlier->n_in_a_row >= DUE_IN_A_ROW)
        return true;
    advance(outlier, now_us);
    uint64_t n_calls = 0, n_failed = 0;
    for (uint32_t i = 0; i < OUTLIER_BUCKETS; i++) {
        n_calls += outlier->n_calls[i];
        n_failed += outlier->n_failed[i];
    }
    return n_calls >= DUE_CALLS && n_failed * 100 > n_calls * DUE_PERCENT;
}

void
outlier_eject(struct outlier *outlier, uint64_t now_us)
{
    uint64_t out_us = OUT_US * ++outlier->n_ejections;
    outlier->since_us = now_us;
    outlier->until_us = now_us + (out_us < OUT_MAX_US ? out_us : OUT_MAX_US);
    /* Afterwards it is judged by what it does then. */
    outlier->n_in_a_row = 0;
    memset(outlier->n_calls, 0, sizeof(outlier->n_calls));
    memset(outlier->n_failed, 0, sizeof(outlier->n_failed));
}

bool
outlier_is_out(const struct outlier *outlier, uint64_t now_us)
{
    return outlier->until_us > now_us;
}
