/* Metric slots and their publication under a sequence number. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include "base/check.h"
#include "base/mem.h"

#define WIDTH_COUNTER 1
#define WIDTH_GAUGE 1
#define WIDTH_OLDEST 1
#define WIDTH_HISTOGRAM METRIC_HISTOGRAM
#define METRIC_COUNTER_KIND METRIC_COUNTER
#define METRIC_GAUGE_KIND METRIC_GAUGE
#define METRIC_OLDEST_KIND METRIC_OLDEST

/* The first slot of each metric: an enum counts through the table. */
enum first_slot {
#define METRIC(token, name, kind, dimension, help) \
    FIRST_##token, LAST_##token = FIRST_##token + DIMENSION_##dimension * WIDTH_##kind - 1,
    METRICS(METRIC)
#undef METRIC
        N_SLOTS
};

enum { CHUNK = 8, N_CHUNKS = (N_SLOTS + CHUNK - 1) / CHUNK, N_DIRTY = (N_CHUNKS + 63) / 64 };

static const struct metric_row rows[METRIC_COUNT] = {
#define METRIC(token, name, kind, dimension, help) \
    {                                              \
        name,                                      \
        METRIC_##kind##_KIND,                      \
        BY_##dimension,                            \
        DIMENSION_##dimension,                     \
        FIRST_##token,                             \
        WIDTH_##kind,                              \
        help},
    METRICS(METRIC)
#undef METRIC
};

static const uint64_t bounds_us[METRIC_BUCKETS] = {
    5,     25,     100,    500,     1000,    5000,     10000,
    50000, 100000, 500000, 1000000, 5000000, 30000000, UINT64_MAX,
};

struct metrics {
    uint64_t own[N_CHUNKS * CHUNK];
    uint64_t dirty[N_DIRTY]; /* a bit per chunk of slots */
    bool any_dirty;
    _Atomic uint64_t sequence; /* odd while publishing */
    _Atomic uint64_t published[N_CHUNKS * CHUNK];
};

struct metrics *
metrics_new(void)
{
    return mem_new(struct metrics);
}

void
metrics_free(struct metrics **metrics)
{
    mem_free(*metrics);
    *metrics = NULL;
}

static uint64_t *
touch(struct metrics *metrics, enum metric metric, uint32_t index, uint32_t offset)
{
    check_slow(index < rows[metric].n);
    uint32_t slot = rows[metric].first + index * rows[metric].width + offset;
    metrics->dirty[slot / CHUNK / 64] |= UINT64_C(1) << (slot / CHUNK % 64);
    metrics->any_dirty = true;
    return &metrics->own[slot];
}

void
metric_add(struct metrics *metrics, enum metric metric, uint32_t index, uint64_t n)
{
    *touch(metrics, metric, index, 0) += n;
}

void
metric_sub(struct metrics *metrics, enum metric metric, uint32_t index, uint64_t n)
{
    *touch(metrics, metric, index, 0) -= n;
}

void
metric_set(struct metrics *metrics, enum metric metric, uint32_t index, uint64_t value)
{
    *touch(metrics, metric, index, 0) = value;
}

uint64_t
metric_get(const struct metrics *metrics, enum metric metric, uint32_t index)
{
    return metrics->own[rows[metric].first + index * rows[metric].width];
}

void
metric_observe_us(struct metrics *metrics, enum metric metric, uint32_t index, uint64_t us)
{
    uint32_t bucket = 0;
    while (us > bounds_us[bucket])
        bucket++;
    *touch(metrics, metric, index, bucket) += 1;
    *touch(metrics, metric, index, METRIC_BUCKETS) += us;
}

static void
publish_chunk(struct metrics *metrics, uint32_t chunk)
{
    for (uint32_t i = chunk * CHUNK; i < (chunk + 1) * CHUNK; i++)
        atomic_store_explicit(&metrics->published[i], metrics->own[i], memory_order_release);
}

void
metrics_publish(struct metrics *metrics)
{
    if (!metrics->any_dirty)
        return;
    uint64_t sequence = atomic_load_explicit(&metrics->sequence, memory_order_relaxed);
    atomic_store_explicit(&metrics->sequence, sequence + 1, memory_order_relaxed);
    /* Each slot is stored with release: a reader that sees a new value also sees the odd sequence.
     */
    for (uint32_t word = 0; word < N_DIRTY; word++) {
        while (metrics->dirty[word] != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(metrics->dirty[word]);
            metrics->dirty[word] &= metrics->dirty[word] - 1;
            publish_chunk(metrics, word * 64 + bit);
        }
    }
    atomic_store_explicit(&metrics->sequence, sequence + 2, memory_order_release);
    metrics->any_dirty = false;
}

uint32_t
metric_n_slots(void)
{
    return N_SLOTS;
}

static void
keep_oldest(const struct metric_row *row, const uint64_t *copy, uint64_t *sums)
{
    for (uint32_t i = row->first; i < row->first + row->n; i++) {
        uint64_t before = sums[i] - copy[i];
        bool is_older = copy[i] != 0 && (before == 0 || copy[i] < before);
        sums[i] = is_older ? copy[i] : before;
    }
}

void
metrics_collect(struct metrics *metrics, uint64_t *sums)
{
    static _Thread_local uint64_t copy[N_CHUNKS * CHUNK];
    for (;;) {
        uint64_t before = atomic_load_explicit(&metrics->sequence, memory_order_acquire);
        for (uint32_t i = 0; i < N_SLOTS; i++)
            copy[i] = atomic_load_explicit(&metrics->published[i], memory_order_acquire);
        uint64_t after = atomic_load_explicit(&metrics->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0)
            break;
    }
    for (uint32_t i = 0; i < N_SLOTS; i++)
        sums[i] += copy[i];
    for (uint32_t i = 0; i < METRIC_COUNT; i++)
        if (rows[i].kind == METRIC_OLDEST)
            keep_oldest(&rows[i], copy, sums);
}

const struct metric_row *
metric_row(enum metric metric)
{
    return &rows[metric];
}

const uint64_t *
metric_bucket_bounds_us(void)
{
    return bounds_us;
}
