/* Metric slots: each worker writes its own without locks, a scrape reads a consistent copy. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A thread counts in plain private slots and publishes what changed at the end of a loop turn under
 * a sequence number, so that every published state balances (the ledger). Readers: any thread. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/http_path.h"
#include "base/method.h"
#include "base/rule_table.h"
#include "tables/metrics.h"

enum {
    METRIC_BACKENDS = 16,                  /* balancer slots */
    METRIC_CODES = 17,                     /* gRPC status 0..16 */
    METRIC_LOOPS = 64,                     /* control, then the workers; the last: all others */
    METRIC_VERDICTS = 6,                   /* clean observed tagged repaired quarantined dropped */
    METRIC_BUCKETS = 14,                   /* of a histogram, +Inf included */
    METRIC_HISTOGRAM = METRIC_BUCKETS + 1, /* buckets, then the sum in microseconds */
};

/* Dimensions: how many label combinations a metric has. Index arithmetic: outer * inner size +
 * inner. */
enum metric_dimension_size {
    DIMENSION_NONE = 1,
    DIMENSION_SIGNAL = SIGNAL_COUNT,
    DIMENSION_SIGNAL_REASON = SIGNAL_COUNT * DROP_COUNT,
    DIMENSION_VERDICT = METRIC_VERDICTS,
    DIMENSION_RULE = 2 * RULE_COUNT, /* the second half: rules of class strong, as hints */
    DIMENSION_TIER = 2,              /* memory disk */
    DIMENSION_BACKEND = METRIC_BACKENDS,
    DIMENSION_BACKEND_CODE = METRIC_BACKENDS * METRIC_CODES,
    DIMENSION_BACKEND_REASON = METRIC_BACKENDS * 3,      /* status connection timeout */
    DIMENSION_LISTENER = 3,                              /* grpc grpc_tls http */
    DIMENSION_REFUSED = 4,                               /* limit tls auth draining */
    DIMENSION_TLS_USE = 2,                               /* listen.grpc_tls upstream.tls */
    DIMENSION_GOAWAY = 3,                                /* age drain error */
    DIMENSION_METHOD_CODE = METHOD_COUNT * METRIC_CODES, /* method 0 = unknown */
    DIMENSION_HTTP_PATH_STATUS = (HTTP_PATH_COUNT + 1) * HTTP_STATUS_COUNT, /* last: unknown */
    DIMENSION_EVICTED = 2,                                                  /* full expired */
    DIMENSION_REPLAYED = 3, /* replayed repaired refused */
    DIMENSION_LOOP = METRIC_LOOPS,
};

enum metric_dimension {
    BY_NONE,
    BY_SIGNAL,
    BY_SIGNAL_REASON,
    BY_VERDICT,
    BY_RULE,
    BY_TIER,
    BY_BACKEND,
    BY_BACKEND_CODE,
    BY_BACKEND_REASON,
    BY_LISTENER,
    BY_REFUSED,
    BY_TLS_USE,
    BY_GOAWAY,
    BY_METHOD_CODE,
    BY_HTTP_PATH_STATUS,
    BY_EVICTED,
    BY_REPLAYED,
    BY_LOOP,
};
enum { LISTENER_GRPC, LISTENER_GRPC_TLS, LISTENER_HTTP };
enum { REFUSED_LIMIT, REFUSED_TLS, REFUSED_AUTH, REFUSED_DRAINING };
enum { TLS_LISTEN, TLS_UPSTREAM };
enum { GOAWAY_AGE, GOAWAY_DRAIN, GOAWAY_ERROR };
enum { RETRY_STATUS, RETRY_CONNECTION, RETRY_TIMEOUT };
enum { EVICTED_FULL, EVICTED_EXPIRED };
enum { REPLAYED_AS_IS, REPLAYED_REPAIRED, REPLAYED_REFUSED };
enum { TIER_MEMORY, TIER_DISK };
enum { LOOP_CONTROL, LOOP_WORKER };

/* The loop of a worker, counted from 0. */
static inline uint32_t
metric_loop(uint32_t worker)
{
    return worker + LOOP_WORKER < METRIC_LOOPS ? worker + LOOP_WORKER : METRIC_LOOPS - 1;
}

/* OLDEST: a time in Unix milliseconds, 0: none; of all threads the earliest counts. Shown as an age
 * in seconds. */
enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM_KIND, METRIC_OLDEST };

enum metric {
#define METRIC(token, name, kind, dimension, help) METRIC_##token,
    METRICS(METRIC)
#undef METRIC
        METRIC_COUNT
};

struct metric_row {
    const char *name; /* without the prefix */
    enum metric_kind kind;
    enum metric_dimension dimension;
    uint32_t n;     /* label combinations */
    uint32_t first; /* first slot */
    uint32_t width; /* slots per combination: 1, or METRIC_HISTOGRAM */
    const char *help;
};

struct metrics; /* one thread's slots */

/* Owner: daemon; outlives its thread. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics **);
/* Owner thread only. index < the metric's number of label combinations. */
void metric_add(struct metrics *, enum metric, uint32_t index, uint64_t n);
/* Gauges: what metric_add put up comes down. */
void metric_sub(struct metrics *, enum metric, uint32_t index, uint64_t n);
void metric_set(struct metrics *, enum metric, uint32_t index, uint64_t value);
/* Owner thread: what this thread counted so far (unpublished included). */
uint64_t metric_get(const struct metrics *, enum metric, uint32_t index);
/* Histograms. */
void metric_observe_us(struct metrics *, enum metric, uint32_t index, uint64_t us);
/* Owner thread, at the end of a loop turn: makes all changes visible at once. */
void metrics_publish(struct metrics *);

/* Any thread: adds this thread's last published state to sums[metric_n_slots()], which begin at
 * 0. */
uint32_t metric_n_slots(void);
void metrics_collect(struct metrics *, uint64_t *sums);
const struct metric_row *metric_row(enum metric);
/* Upper bounds in microseconds of the buckets; the last is UINT64_MAX. */
const uint64_t *metric_bucket_bounds_us(void);

#endif
