/* Metric slots: layout, counting, and publication under the eyes of another thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"

static uint64_t *
collect(struct metrics *metrics)
{
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    metrics_collect(metrics, sums);
    return sums;
}

static void
slots_follow_one_another_without_gap(void **state)
{
    (void)state;
    uint32_t next = 0;
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = metric_row((enum metric)i);
        assert_int_equal(row->first, next);
        assert_true(row->n > 0);
        assert_int_equal(row->width, row->kind == METRIC_HISTOGRAM_KIND ? METRIC_HISTOGRAM : 1);
        next += row->n * row->width;
        assert_true(row->help[0] != '\0');
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(metric_row((enum metric)j)->name, row->name);
        /* A counter's name ends so, and nothing else's. */
        size_t n = strlen(row->name);
        bool total = n > 6 && strcmp(row->name + n - 6, "_total") == 0;
        assert_true(total == (row->kind == METRIC_COUNTER));
    }
    assert_int_equal(next, metric_n_slots());
}

static void
nothing_shows_before_it_is_published(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    const struct metric_row *accepted = metric_row(METRIC_ITEMS_ACCEPTED);
    metric_add(metrics, METRIC_ITEMS_ACCEPTED, SIGNAL_LOG, 3);
    assert_int_equal(metric_get(metrics, METRIC_ITEMS_ACCEPTED, SIGNAL_LOG), 3);
    assert_int_equal(metric_get(metrics, METRIC_ITEMS_ACCEPTED, SIGNAL_METER), 0);
    uint64_t *before = collect(metrics);
    assert_int_equal(before[accepted->first + SIGNAL_LOG], 0);
    metrics_publish(metrics);
    uint64_t *after = collect(metrics);
    assert_int_equal(after[accepted->first + SIGNAL_LOG], 3);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < metric_n_slots(); i++)
        sum += after[i];
    assert_int_equal(sum, 3);
    /* A second thread's figures are added. */
    metrics_collect(metrics, after);
    assert_int_equal(after[accepted->first + SIGNAL_LOG], 6);
    mem_free(before);
    mem_free(after);
    metrics_free(&metrics);
    assert_null(metrics);
}

static void
gauges_go_up_and_down(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    metric_add(metrics, METRIC_ITEMS_QUEUED, SIGNAL_TRACING, 10);
    metric_sub(metrics, METRIC_ITEMS_QUEUED, SIGNAL_TRACING, 4);
    assert_int_equal(metric_get(metrics, METRIC_ITEMS_QUEUED, SIGNAL_TRACING), 6);
    metric_set(metrics, METRIC_BACKEND_UP, METRIC_BACKENDS - 1, 1);
    assert_int_equal(metric_get(metrics, METRIC_BACKEND_UP, METRIC_BACKENDS - 1), 1);
    /* A thread may take down what another put up: the sum counts. */
    struct metrics *other = metrics_new();
    metric_sub(other, METRIC_ITEMS_QUEUED, SIGNAL_TRACING, 5);
    metrics_publish(metrics);
    metrics_publish(other);
    uint64_t *sums = collect(metrics);
    metrics_collect(other, sums);
    assert_int_equal(sums[metric_row(METRIC_ITEMS_QUEUED)->first + SIGNAL_TRACING], 1);
    mem_free(sums);
    metrics_free(&metrics);
    metrics_free(&other);
}

static void
an_observation_falls_into_its_bucket(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new();
    const uint64_t *bounds = metric_bucket_bounds_us();
    const struct metric_row *row = metric_row(METRIC_DELIVERY_DURATION);
    uint32_t index = SIGNAL_LOG;
    assert_true(bounds[METRIC_BUCKETS - 1] == UINT64_MAX);
    for (uint32_t i = 1; i < METRIC_BUCKETS; i++)
        assert_true(bounds[i] > bounds[i - 1]);
    metric_observe_us(metrics, METRIC_DELIVERY_DURATION, index, 0);
    metric_observe_us(metrics, METRIC_DELIVERY_DURATION, index, bounds[0]);
    metric_observe_us(metrics, METRIC_DELIVERY_DURATION, index, bounds[0] + 1);
    metric_observe_us(metrics, METRIC_DELIVERY_DURATION, index, bounds[METRIC_BUCKETS - 2] + 1);
    metrics_publish(metrics);
    uint64_t *sums = collect(metrics);
    const uint64_t *slots = sums + row->first + index * row->width;
    assert_int_equal(slots[0], 2);
    assert_int_equal(slots[1], 1);
    assert_int_equal(slots[METRIC_BUCKETS - 1], 1);
    assert_int_equal(slots[METRIC_BUCKETS], 2 * bounds[0] + 2 + bounds[METRIC_BUCKETS - 2]);
    mem_free(sums);
    metrics_free(&metrics);
}

struct ledger {
    struct metrics *metrics;
    atomic_bool is_done;
    uint64_t n_turns;
};

/* Each turn accepts and settles: accepted = forwarded + queued, whenever it is published. */
static void *
keep_books(void *ctx)
{
    struct ledger *ledger = ctx;
    struct metrics *metrics = ledger->metrics;
    while (!atomic_load(&ledger->is_done)) {
        uint64_t n = ledger->n_turns++ % 7;
        metric_add(metrics, METRIC_ITEMS_ACCEPTED, SIGNAL_TRACING, n);
        metric_add(metrics, METRIC_GRPC_HANDLED, 0, 1);
        metric_add(metrics, METRIC_ITEMS_QUEUED, SIGNAL_TRACING, n);
        if (n == 3) {
            uint64_t queued = metric_get(metrics, METRIC_ITEMS_QUEUED, SIGNAL_TRACING);
            metric_set(metrics, METRIC_ITEMS_QUEUED, SIGNAL_TRACING, 0);
            metric_add(metrics, METRIC_ITEMS_FORWARDED, SIGNAL_TRACING, queued);
        }
        metrics_publish(metrics);
    }
    return NULL;
}

static void
every_published_state_balances(void **state)
{
    (void)state;
    struct ledger ledger = {.metrics = metrics_new()};
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots()), last = 0;
    uint32_t accepted = metric_row(METRIC_ITEMS_ACCEPTED)->first + SIGNAL_TRACING;
    uint32_t forwarded = metric_row(METRIC_ITEMS_FORWARDED)->first + SIGNAL_TRACING;
    uint32_t queued = metric_row(METRIC_ITEMS_QUEUED)->first + SIGNAL_TRACING;
    uint32_t handled = metric_row(METRIC_GRPC_HANDLED)->first;
    pthread_t thread;
    atomic_init(&ledger.is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_books, &ledger), 0);
    for (int i = 0; i < 300 || last == 0; i++) {
        memset(sums, 0, metric_n_slots() * sizeof(sums[0]));
        metrics_collect(ledger.metrics, sums);
        assert_true(sums[accepted] == sums[forwarded] + sums[queued]);
        assert_true(sums[accepted] >= last);
        assert_true(sums[accepted] <= 6 * sums[handled]);
        last = sums[accepted];
    }
    atomic_store(&ledger.is_done, true);
    pthread_join(thread, NULL);
    mem_free(sums);
    metrics_free(&ledger.metrics);
}

static void
of_an_oldest_the_earliest_of_all_threads_counts(void **state)
{
    (void)state;
    static const uint64_t held_ms[][3] = {
        {0, 0, 0}, {5000, 0, 5000}, {0, 7000, 7000}, {9000, 4000, 4000}, {4000, 9000, 4000}};
    uint32_t first = metric_row(METRIC_BUFFER_OLDEST)->first;
    for (unsigned i = 0; i < sizeof(held_ms) / sizeof(held_ms[0]); i++) {
        uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
        for (unsigned thread = 0; thread < 2; thread++) {
            struct metrics *metrics = metrics_new();
            metric_set(metrics, METRIC_BUFFER_OLDEST, SIGNAL_LOG, held_ms[i][thread]);
            metrics_publish(metrics);
            metrics_collect(metrics, sums);
            metrics_free(&metrics);
        }
        assert_int_equal(sums[first + SIGNAL_LOG], held_ms[i][2]);
        assert_int_equal(sums[first + SIGNAL_METER], 0);
        mem_free(sums);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_follow_one_another_without_gap),
        cmocka_unit_test(nothing_shows_before_it_is_published),
        cmocka_unit_test(of_an_oldest_the_earliest_of_all_threads_counts),
        cmocka_unit_test(gauges_go_up_and_down),
        cmocka_unit_test(an_observation_falls_into_its_bucket),
        cmocka_unit_test(every_published_state_balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
