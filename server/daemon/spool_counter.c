/* Differences of the spool's counts, added to the metrics once a turn. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/spool_counter.h"

#include "base/clock.h"

enum { LOOK_US = 1000 * 1000 };

static uint64_t
rise(uint64_t now, uint64_t *seen)
{
    uint64_t n = now - *seen;
    *seen = now;
    return n;
}

static void
add(struct spool_counter *counter, enum metric metric, uint32_t index, uint64_t n)
{
    if (n > 0)
        metric_add(counter->metrics, metric, index, n);
}

static void
set(struct spool_counter *counter, enum metric metric, uint32_t index, uint64_t value)
{
    if (metric_get(counter->metrics, metric, index) != value)
        metric_set(counter->metrics, metric, index, value);
}

static void
count_syncs(struct spool_counter *counter, const struct spool_counts *counts)
{
    uint64_t n = rise(counts->n_syncs, &counter->seen.n_syncs);
    uint64_t us = rise(counts->sync_us, &counter->seen.sync_us);
    for (uint64_t i = 0; i < n; i++)
        metric_observe_us(counter->metrics, METRIC_SPOOL_SYNC_DURATION, 0, us / n);
}

static void
count_signal(struct spool_counter *counter, const struct spool_counts *counts, uint32_t signal)
{
    struct spool_counts *seen = &counter->seen;
    uint64_t n_known = rise(counts->n_known[signal], &seen->n_known[signal]);
    if (n_known > 0) {
        metric_sub(counter->metrics, METRIC_ITEMS_QUEUED, SIGNAL_OTHER, n_known);
        metric_add(counter->metrics, METRIC_ITEMS_QUEUED, signal, n_known);
    }
    for (uint32_t reason = 0; reason < DROP_COUNT; reason++) {
        uint64_t n = rise(counts->n_dropped[signal][reason], &seen->n_dropped[signal][reason]);
        if (n == 0)
            continue;
        metric_sub(counter->metrics, METRIC_ITEMS_QUEUED, signal, n);
        metric_add(counter->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + reason, n);
    }
}

static void
count_ledger(struct spool_counter *counter, const struct spool_counts *counts)
{
    uint64_t n = rise(counts->n_recovered, &counter->seen.n_recovered);
    add(counter, METRIC_SPOOL_RECOVERED, 0, n);
    add(counter, METRIC_ITEMS_QUEUED, SIGNAL_OTHER, n);
    for (uint32_t signal = 0; signal < SIGNAL_COUNT; signal++)
        count_signal(counter, counts, signal);
    set(counter, METRIC_BUFFER_BYTES, TIER_DISK, spool_n_bytes(counter->spool));
}

/* Evidence that left; it was counted as quarantined when it came. */
static void
count_evicted(struct spool_counter *counter, const struct spool_counts *counts)
{
    for (uint32_t signal = 0; signal < SIGNAL_COUNT; signal++) {
        for (uint32_t reason = 0; reason < DROP_COUNT; reason++) {
            uint64_t *seen = &counter->seen.n_dropped[signal][reason];
            uint32_t why = reason == DROP_EXPIRED ? EVICTED_EXPIRED : EVICTED_FULL;
            add(counter, METRIC_QUARANTINE_EVICTED, why,
                rise(counts->n_dropped[signal][reason], seen));
        }
    }
    set(counter, METRIC_QUARANTINE_SEGMENTS, 0, spool_n_cold(counter->spool));
    set(counter, METRIC_QUARANTINE_BYTES, 0, spool_n_bytes(counter->spool));
}

static void
note_oldest(struct spool_counter *counter)
{
    int64_t oldest_ms = 0;
    enum signal of = SIGNAL_OTHER;
    if (!spool_oldest(counter->spool, &oldest_ms, &of))
        oldest_ms = 0;
    for (uint32_t signal = 0; signal < SIGNAL_COUNT; signal++)
        set(counter, METRIC_BUFFER_OLDEST, signal, signal == of ? (uint64_t)oldest_ms : 0);
}

static void
look(struct spool_counter *counter)
{
    uint64_t n, now_us = clock_mono_us();
    if (counter->looked_us != 0 && now_us - counter->looked_us < LOOK_US)
        return;
    counter->looked_us = now_us;
    note_oldest(counter);
    if (disk_system.free_bytes(disk_system.ctx, counter->path, &n) == ERR_OK)
        set(counter, METRIC_SPOOL_FREE, 0, n);
}

void
spool_counter_init(struct spool_counter *counter, struct spool *spool, struct metrics *metrics,
                   const struct conf *conf, bool is_aside)
{
    *counter = (struct spool_counter){
        .spool = spool,
        .metrics = metrics,
        .path = is_aside ? conf->quarantine.path : conf->buffer.disk.path,
        .is_aside = is_aside,
    };
    if (is_aside)
        metric_set(metrics, METRIC_QUARANTINE_CAPACITY, 0, conf->quarantine.max_bytes);
    else
        metric_set(metrics, METRIC_BUFFER_CAPACITY, TIER_DISK, conf->buffer.disk.max_bytes);
}

void
spool_counter_update(struct spool_counter *counter)
{
    const struct spool_counts *counts = spool_counts(counter->spool);
    add(counter, METRIC_SPOOL_CORRUPT, 0, rise(counts->n_corrupt, &counter->seen.n_corrupt));
    add(counter, METRIC_SPOOL_ERRORS, 0, rise(counts->n_errors, &counter->seen.n_errors));
    count_syncs(counter, counts);
    if (counter->is_aside) {
        count_evicted(counter, counts);
        return;
    }
    count_ledger(counter, counts);
    look(counter);
}
