/* All metrics as text: Prometheus 0.0.4, or OpenMetrics 1.0. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every family is present from the first scrape. A closed label set small enough to read is shown
 * whole; of the wide ones (backend x code, method x code) only what is not zero, and the known
 * rows at 0 until then. */
#ifndef ADMIN_EXPOSE_H
#define ADMIN_EXPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/metric.h"
#include "base/text.h"
#include "integrity/instances.h"

enum { EXPOSE_BACKEND_NAME = 300 };

/* Why agents should not be sent here: bits. */
enum { NOT_READY_DRAINING = 1u << 0, NOT_READY_SPOOL = 1u << 1, NOT_READY_BUFFER = 1u << 2 };

struct expose_source {
    struct metrics *const *metrics; /* of all threads */
    uint32_t n_metrics;
    uint32_t n_loops;                                   /* the control thread's and the workers' */
    const char *version, *revision, *nghttp2, *openssl; /* for build_info; literals */
    int64_t started_ms; /* Unix; a sandbox may hide what /proc knows of it */
    void *ctx;
    uint32_t (*not_ready)(void *ctx); /* 0: ready */
    /* The backend in a balancer slot; false: the slot is not in use. */
    bool (*backend_name)(void *ctx, uint32_t slot, char out[EXPOSE_BACKEND_NAME]);
    bool (*backend_disabled)(void *ctx, uint32_t slot); /* by an operator */
    struct instances *instances;                        /* of the control thread; NULL: none */
    /* The file of a place where TLS is spoken (TLS_LISTEN, ...); NULL from it: clear text. May be
     * NULL. */
    const char *(*tls_file)(void *ctx, uint32_t use);
    /* Of the settings taken up last, for config_info. May be NULL. */
    void (*add_config_hash)(void *ctx, struct text *out);
};

/* Every item accepted or restored is forwarded, dropped, quarantined or held; what is missing is
 * the imbalance. */
struct expose_ledger {
    uint64_t accepted, restored, forwarded, dropped, quarantined, queued, inflight;
    int64_t imbalance;
};
/* sums: of all threads, metric_n_slots of them. */
void expose_ledger_read(const uint64_t *sums, struct expose_ledger *out);

/* The control thread. */
void expose_text(const struct expose_source *, bool openmetrics, struct text *out);

/* The families by instance, which come from the registry and not from slots. */
struct expose_instance_family {
    const char *name; /* without the prefix */
    const char *type, *labels, *help;
};
const struct expose_instance_family *expose_instance_family(uint32_t i); /* NULL: no more */
/* How many instances get series of their own, for instances_set_series: telemetry.top_instances,
 * and so few that all their series and those of the rest stay within telemetry.max_series. */
uint32_t expose_instance_limit(uint32_t top_instances, uint32_t max_series);

#endif
