/* A store with hand-set time and a spool played by hand, and what its tests ask of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_STORE_FIXTURE_H
#define UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/spool_format.h"
#include "store/store.h"

enum { FIX_MAX_COOKIES = 8, FIX_MAX_RUNS = 4096 };
enum { FIX_SEED = 7, FIX_ASIDE_SEED = 9 };

struct fix {
    struct budget_pool pool;
    struct budget budget;
    struct block_cache blocks;
    struct metrics *metrics;
    struct store *store;
    uint64_t now_us;
    int64_t now_ms;
    uint64_t credit[FIX_MAX_COOKIES];
    uint32_t n_records[FIX_MAX_COOKIES];
    uint32_t n_settled_calls, n_room, n_due;
    uint32_t n_kept[FIX_MAX_COOKIES], n_not_kept[FIX_MAX_COOKIES]; /* restored */
    /* What the store gave to the spool. */
    struct slice_list slices;
    struct spool_read_list reads;
    struct parcel_run runs[FIX_MAX_RUNS];
    uint32_t n_runs;
    uint64_t next_sequence;
};

static inline void
fix_on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    struct fix *fix = ctx;
    uintptr_t i = (uintptr_t)cookie;
    assert_in_range(i, 1, FIX_MAX_COOKIES - 1);
    fix->credit[i] += credit_bytes;
    fix->n_records[i] += n_records;
    fix->n_settled_calls++;
}

static inline void
fix_on_restored(void *ctx, void *cookie, bool is_kept)
{
    struct fix *fix = ctx;
    uintptr_t i = (uintptr_t)cookie;
    assert_in_range(i, 1, FIX_MAX_COOKIES - 1);
    if (is_kept)
        fix->n_kept[i]++;
    else
        fix->n_not_kept[i]++;
}

static inline void
fix_on_room(void *ctx)
{
    ((struct fix *)ctx)->n_room++;
}

static inline void
fix_on_due(void *ctx)
{
    ((struct fix *)ctx)->n_due++;
}

static inline void
fix_on_parcel(void *ctx, struct parcel *parcel)
{
    struct fix *fix = ctx;
    assert_false(parcel_is_empty(parcel));
    STAILQ_CONCAT(&fix->slices, &parcel->slices);
    STAILQ_CONCAT(&fix->reads, &parcel->reads);
    for (uint32_t i = 0; i < parcel->n_runs; i++) {
        assert_true(fix->n_runs < FIX_MAX_RUNS);
        fix->runs[fix->n_runs++] = parcel->runs[i];
    }
    parcel->n_runs = 0;
    parcel_free(&parcel);
}

static inline void
fix_pass(struct fix *fix, uint64_t ms)
{
    fix->now_us += ms * 1000;
    fix->now_ms += (int64_t)ms;
    clock_set(fix->now_us, fix->now_ms);
}

static inline struct store_settings
fix_settings(void)
{
    return (struct store_settings){
        .max_bytes = 64u << 20,
        .quarantine_bytes = 64 * 1024,
        .batch_items = 500,
        .batch_bytes = 1u << 20,
        .batch_delay_ms = 200,
        .max_age_s = 86400,
        .when_full = STORE_BACKPRESSURE,
        .seed = FIX_SEED,
        .aside_seed = FIX_ASIDE_SEED,
        .undurable_bytes = 8u << 20,
    };
}

static inline void
fix_init(struct fix *fix, const struct store_settings *settings)
{
    *fix = (struct fix){.now_us = 1000000, .now_ms = 1700000000000};
    clock_set(fix->now_us, fix->now_ms);
    budget_pool_init(&fix->pool, 512u << 20);
    budget_init(&fix->budget, &fix->pool);
    block_cache_init(&fix->blocks, &fix->budget, 4);
    fix->metrics = metrics_new();
    STAILQ_INIT(&fix->slices);
    STAILQ_INIT(&fix->reads);
    fix->next_sequence = 1000;
    struct store_callbacks callbacks = {.ctx = fix,
                                        .on_settled = fix_on_settled,
                                        .on_room = fix_on_room,
                                        .on_due = fix_on_due,
                                        .on_restored = fix_on_restored,
                                        .on_parcel = fix_on_parcel};
    fix->store = store_new(settings, &callbacks, &fix->blocks, fix->metrics);
}

static inline uint64_t
fix_sum(const struct fix *fix, enum metric metric)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < metric_row(metric)->n; i++)
        sum += metric_get(fix->metrics, metric, i);
    return sum;
}

static inline uint64_t
fix_dropped(const struct fix *fix, enum signal signal, enum drop_reason reason)
{
    return metric_get(fix->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + reason);
}

/* accepted + restored = forwarded + dropped + quarantined + queued + inflight. */
static inline void
fix_assert_balance(const struct fix *fix)
{
    assert_int_equal(fix_sum(fix, METRIC_ITEMS_ACCEPTED) + fix_sum(fix, METRIC_QUARANTINE_REPLAYED),
                     fix_sum(fix, METRIC_ITEMS_FORWARDED) + fix_sum(fix, METRIC_ITEMS_DROPPED) +
                         fix_sum(fix, METRIC_ITEMS_QUARANTINED) +
                         fix_sum(fix, METRIC_ITEMS_QUEUED) + fix_sum(fix, METRIC_ITEMS_INFLIGHT));
}

/* Nothing is on disk only. */
static inline void
fix_assert_held(const struct fix *fix)
{
    fix_assert_balance(fix);
    if (fix->store != NULL)
        assert_int_equal(fix_sum(fix, METRIC_ITEMS_QUEUED) + fix_sum(fix, METRIC_ITEMS_INFLIGHT),
                         store_n_held(fix->store));
}

/* Records that stay on disk stay in the gauge: nobody else takes them out of it here. */
static inline void
fix_fini_cold(struct fix *fix, uint64_t n_cold)
{
    uint32_t n_settled_calls = fix->n_settled_calls;
    store_free(&fix->store);
    fix_assert_balance(fix);
    assert_int_equal(fix->n_settled_calls, n_settled_calls); /* who waited is gone by then */
    assert_int_equal(fix_sum(fix, METRIC_ITEMS_QUEUED), n_cold);
    assert_true(STAILQ_EMPTY(&fix->slices));
    assert_true(STAILQ_EMPTY(&fix->reads));
    assert_int_equal(fix->blocks.n_live, 0);
    assert_int_equal(fix->budget.used_bytes, 0);
    block_cache_fini(&fix->blocks);
    budget_fini(&fix->budget);
    metrics_free(&fix->metrics);
}

static inline void
fix_fini(struct fix *fix)
{
    fix_assert_held(fix);
    fix_fini_cold(fix, 0);
}

static inline enum err
fix_put_key(struct fix *fix, enum method method, struct bytes key, struct bytes payload,
            uintptr_t cookie)
{
    struct store_record record = {
        .method = method,
        .reason = RULE_COUNT,
        .key = key,
        .parts = &payload,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
        .cookie = (void *)cookie,
        .credit_bytes = payload.n + 5,
    };
    return store_put(fix->store, &record);
}

static inline enum err
fix_put(struct fix *fix, enum method method, struct bytes payload, uintptr_t cookie)
{
    return fix_put_key(fix, method, BYTES_NONE, payload, cookie);
}

static inline void
fix_put_n(struct fix *fix, enum method method, struct bytes payload, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(fix_put(fix, method, payload, 0), ERR_OK);
}

/* The next batch that is due, NULL when none is. */
static inline struct store_batch *
fix_take(struct fix *fix)
{
    uint64_t next_us;
    struct store_lane *lane = store_due(fix->store, fix->now_us, false, &next_us);
    return lane != NULL ? store_take(fix->store, lane) : NULL;
}

#endif
