/* A registry with a clock of its own, and a record of what it told. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_INSTANCES_FIXTURE_H
#define TEST_INSTANCES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "integrity/instances.h"
#include "integrity/sighting_int.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, MAX_TOLD = 1024 };

struct told {
    enum diagnosis diagnosis;
    bool holds;
    int64_t since_ms;
    uint8_t id[16];
    char service[64], instance[64], evidence[320];
};

struct world {
    struct instances *instances;
    struct metrics *metrics;
    int64_t now_ms;
    struct told told[MAX_TOLD];
    uint32_t n_told;
    enum agent_language language; /* the last one learned */
    uint32_t n_learned;
};

static inline void
keep_text(char *to, size_t size, struct bytes from)
{
    size_t n = from.n < size - 1 ? from.n : size - 1;
    if (n > 0)
        memcpy(to, from.p, n);
    to[n] = '\0';
}

static inline void
on_diagnosis(void *ctx, const struct instance_info *info, enum diagnosis diagnosis, bool holds,
             int64_t since_ms, const struct text *evidence, const uint8_t id[16])
{
    struct world *w = ctx;
    assert_true(w->n_told < MAX_TOLD);
    struct told *told = &w->told[w->n_told++];
    told->diagnosis = diagnosis;
    told->holds = holds;
    told->since_ms = since_ms;
    memcpy(told->id, id, sizeof(told->id));
    keep_text(told->service, sizeof(told->service), info->service);
    keep_text(told->instance, sizeof(told->instance), info->instance);
    keep_text(told->evidence, sizeof(told->evidence), text_bytes(evidence));
    assert_int_equal(info->diagnoses >> diagnosis & 1, holds);
}

static inline void
on_language(void *ctx, uint64_t hash, enum agent_language language)
{
    struct world *w = ctx;
    assert_int_not_equal(hash, 0);
    w->language = language;
    w->n_learned++;
}

static inline struct world *
world_of(uint32_t max_instances, int64_t window_ms)
{
    struct world *w = mem_new(struct world);
    w->now_ms = INT64_C(1700000000000);
    w->metrics = metrics_new();
    w->instances = instances_new(&(struct instances_settings){
        .max_instances = max_instances,
        .window_ms = window_ms,
        .metrics = w->metrics,
        .ctx = w,
        .on_language = on_language,
        .on_diagnosis = on_diagnosis,
    });
    return w;
}

static inline int
set_up(void **state)
{
    *state = world_of(1000, 300 * SECOND);
    return 0;
}

static inline int
tear_down(void **state)
{
    struct world *w = *state;
    instances_free(&w->instances);
    metrics_free(&w->metrics);
    mem_free(w);
    return 0;
}

/* The sighting's names become part of a hand-over of its own, which is taken at once. Findings:
 * pairs of rule and number, RULE_COUNT ends. */
struct found {
    enum rule rule;
    uint32_t n, n_hints;
};

static inline void
see_with(struct world *w, const char *service, const char *instance, struct sighting facts,
         const struct found *found, uint32_t n_found)
{
    struct sightings *sightings = sightings_new();
    struct bytes s = bytes_str(service), i = bytes_str(instance);
    struct sighting *sighting = sightings_add(sightings, sighting_hash(s, i));
    uint64_t hash = sighting->hash;
    *sighting = facts;
    sighting->hash = hash;
    if (facts.n_connected > 0 && facts.connected_ms == 0)
        sighting->connected_ms = w->now_ms;
    if (facts.n_disconnected > 0 && facts.disconnected_ms == 0)
        sighting->disconnected_ms = w->now_ms;
    sightings_name(sightings, 0, s, i);
    for (uint32_t k = 0; k < n_found; k++) {
        if (found[k].n > 0)
            sightings_find(sightings, 0, found[k].rule, found[k].n, false);
        if (found[k].n_hints > 0)
            sightings_find(sightings, 0, found[k].rule, found[k].n_hints, true);
    }
    instances_take(w->instances, sightings, w->now_ms);
    sightings_free(&sightings);
}

static inline void
see(struct world *w, const char *service, const char *instance, struct sighting facts)
{
    see_with(w, service, instance, facts, NULL, 0);
}

/* n findings of one rule, in as many segments. */
static inline void
see_found(struct world *w, const char *service, const char *instance, enum rule rule, uint32_t n)
{
    struct found found = {rule, n, 0};
    see_with(w, service, instance, (struct sighting){.n_segments = n}, &found, 1);
}

/* Second by second. */
static inline void
pass(struct world *w, int64_t ms)
{
    for (; ms > 0; ms -= SECOND) {
        w->now_ms += ms < SECOND ? ms : SECOND;
        instances_tick(w->instances, w->now_ms);
    }
}

static inline uint32_t
n_told(const struct world *w, enum diagnosis diagnosis, bool holds)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n_told; i++)
        n += w->told[i].diagnosis == diagnosis && w->told[i].holds == holds;
    return n;
}

static inline uint64_t
n_counted(const struct world *w, enum rule rule)
{
    return metric_get(w->metrics, METRIC_FINDINGS, rule);
}

struct wanted {
    struct bytes service, instance;
    struct instance_info info;
    uint64_t findings[RULE_COUNT];
    char evidence[DIAGNOSIS_COUNT][320];
    bool is_there;
};

static inline bool
pick(void *ctx, const struct instance_info *info)
{
    struct wanted *wanted = ctx;
    if (!bytes_equal(info->service, wanted->service) ||
        !bytes_equal(info->instance, wanted->instance))
        return true;
    wanted->is_there = true;
    wanted->info = *info;
    if (info->findings != NULL)
        memcpy(wanted->findings, info->findings, sizeof(wanted->findings));
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++)
        if ((info->diagnoses >> i & 1) != 0)
            keep_text(wanted->evidence[i], sizeof(wanted->evidence[i]),
                      text_bytes(info->evidence[i]));
    return false;
}

/* As the registry shows it; is_there false: it is gone. */
static inline struct wanted
look(struct world *w, const char *service, const char *instance)
{
    struct wanted wanted = {.service = bytes_str(service), .instance = bytes_str(instance)};
    instances_each(w->instances, pick, &wanted);
    return wanted;
}

static inline struct sighting
properties(enum agent_language language, const char *hostname)
{
    return (struct sighting){
        .language = language,
        .hostname = bytes_str(hostname),
        .ipv4 = BYTES("10.0.0.1"),
        .n_properties = 1,
        .n_others = 1,
    };
}

/* The first second of a process: its connection and its properties. */
static inline struct sighting
birth(enum agent_language language, const char *hostname)
{
    struct sighting sighting = properties(language, hostname);
    sighting.n_connected = 1;
    return sighting;
}

#define DEATH ((struct sighting){.n_disconnected = 1, .n_abrupt = 1})
#define GOODBYE ((struct sighting){.n_disconnected = 1})

#endif
