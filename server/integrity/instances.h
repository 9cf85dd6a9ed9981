/* The registry of instances: what all workers saw of each, over time, and what that amounts to. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One struct instances per process, on the control thread; knows no thread, loop or clock but the
 * times it is given. Bounded: the instance not seen longest leaves. Owns the rules that need more
 * than one worker or more than a second (instance-churn, language-conflict, go-orphan-root-share,
 * near-known-service, stream-self-reset's rate) and the diagnoses. Source: integrity.md 2, 4. */
#ifndef INTEGRITY_INSTANCES_H
#define INTEGRITY_INSTANCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/metric.h"
#include "base/text.h"
#include "integrity/diagnosis.h"
#include "integrity/sighting.h"

struct instances;

/* As shown; the strings live until the next call of the registry. */
struct instance_info {
    struct bytes service, instance, hostname;
    enum agent_language language;
    uint32_t n_connections;
    uint64_t n_segments, n_spans, n_bad;
    int64_t first_seen_ms, last_seen_ms;
    const uint64_t *findings; /* [RULE_COUNT]; NULL: none. STATE rules included */
    /* Diagnoses that hold: bit = enum diagnosis; since when; the evidence in words. */
    uint32_t diagnoses;
    const int64_t *since_ms;      /* [DIAGNOSIS_COUNT]; NULL: none */
    struct text *const *evidence; /* [DIAGNOSIS_COUNT]; NULL: none */
};

struct instances_settings {
    uint32_t max_instances;  /* 65536 */
    int64_t window_ms;       /* integrity.window; 0: rules with memory are off */
    bool storage_jdbc;       /* upstream.storage: jdbc: what only a database loses counts for D10 */
    struct metrics *metrics; /* the control thread's slots; NULL: none */
    void *ctx;
    /* At once, from instances_take: the language of an instance became known or changed, for the
     * other workers. NULL: nobody wants to know. */
    void (*on_language)(void *ctx, uint64_t hash, enum agent_language);
    /* At once, from instances_take or _tick: a diagnosis begins to hold or ended. Once per onset
     * and end; id names the onset (16 bytes, random enough to be a uuid). */
    void (*on_diagnosis)(void *ctx, const struct instance_info *, enum diagnosis, bool holds,
                         int64_t since_ms, const struct text *evidence, const uint8_t id[16]);
};

struct instances *instances_new(const struct instances_settings *);
void instances_free(struct instances **);
void instances_set_window(struct instances *, int64_t window_ms); /* a reload */
void instances_set_storage(struct instances *, bool is_jdbc);

/* What a worker saw. */
void instances_take(struct instances *, const struct sightings *, int64_t now_ms);
/* Once a second: windows turn, churn and diagnoses are asked, those that no longer hold end. */
void instances_tick(struct instances *, int64_t now_ms);

uint32_t instances_n(const struct instances *);
uint64_t instances_n_bytes(const struct instances *); /* memory of the registry */
/* Those seen last come first; false from fn stops. */
typedef bool instances_fn(void *ctx, const struct instance_info *);
void instances_each(struct instances *, instances_fn *, void *ctx);

/* Series by instance for metrics (product.md 4): at most top_instances of them; the rest is folded
 * into one. No series' counters ever fall: an instance that gets a series late counts from then on,
 * what it had before stays in the fold; one that loses it is folded in. An instance with bad
 * segments takes the place of a healthy one. */
struct instance_series {
    struct bytes service, instance; /* "__other__" both for the fold, which comes last */
    uint64_t n_segments, n_findings, n_bad;
    bool is_fold;
};
void instances_set_series(struct instances *, uint32_t top_instances);
typedef void instance_series_fn(void *ctx, const struct instance_series *);
void instances_each_series(struct instances *, instance_series_fn *, void *ctx);
/* A trace with this finding, the latest known, and when it was told; false: none yet. For whoever
 * reads integrity_findings_total and wants to see one. The bytes live until the next call of the
 * registry. */
bool instances_exemplar(const struct instances *, enum rule, struct bytes *trace_id,
                        int64_t *at_ms);
/* Instances that found no series of their own so far: series_overflow_total. */
uint64_t instances_n_folded(const struct instances *);

#endif
