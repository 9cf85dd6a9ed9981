/* Which instances have metrics of their own, and the fold of all others. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Everything taken is counted once, in a series or in the fold: their sum is all that ever came,
 * and neither it nor any of them falls. A place is kept until its owner is silent for ten minutes,
 * leaves the registry, or is healthy when one with bad segments needs it; it is then folded, and
 * its owner has none for ten minutes, so that no scraper takes the new series for the old one. */
#include "base/check.h"
#include "base/mem.h"
#include "integrity/instances_int.h"

static void
init_lists(struct series_set *set)
{
    TAILQ_INIT(&set->free);
    TAILQ_INIT(&set->healthy);
    TAILQ_INIT(&set->bad);
}

void
series_init(struct series_set *set)
{
    *set = (struct series_set){0};
    init_lists(set);
}

void
series_fini(struct series_set *set)
{
    mem_free(set->all);
    set->all = NULL;
}

static struct series_list *
list_of(struct series_set *set, const struct instance *instance)
{
    return instance->n_bad > 0 ? &set->bad : &set->healthy;
}

static void
take_place(struct series_set *set, struct instance *instance)
{
    struct series *series = TAILQ_FIRST(&set->free);
    TAILQ_REMOVE(&set->free, series, link);
    *series = (struct series){.instance = instance, .is_bad = instance->n_bad > 0};
    TAILQ_INSERT_HEAD(list_of(set, instance), series, link);
    instance->series = series;
}

static void
fold(struct instances *instances, struct series *series)
{
    struct series_set *set = &instances->series;
    TAILQ_REMOVE(series->is_bad ? &set->bad : &set->healthy, series, link);
    set->n_segments += series->n_segments;
    set->n_findings += series->n_findings;
    set->n_bad += series->n_bad;
    series->instance->series = NULL;
    series->instance->series_lost_ms = instances->time_ms;
    *series = (struct series){0};
    TAILQ_INSERT_HEAD(&set->free, series, link);
}

static bool
is_recent(const struct instances *instances, int64_t ms)
{
    return ms != 0 && instances->time_ms - ms < SERIES_IDLE_MS;
}

/* It lost a series, or is new since one left the registry and may be that one. */
static bool
must_wait(const struct instances *instances, const struct instance *instance)
{
    int64_t left_ms = instances->series.left_ms;
    return is_recent(instances, instance->series_lost_ms) ||
           (is_recent(instances, left_ms) && instance->first_seen_ms >= left_ms);
}

static void
find_place(struct instances *instances, struct instance *instance)
{
    struct series_set *set = &instances->series;
    if (must_wait(instances, instance))
        return;
    if (TAILQ_EMPTY(&set->free) && instance->n_bad > 0 && !TAILQ_EMPTY(&set->healthy))
        fold(instances, TAILQ_LAST(&set->healthy, series_list));
    if (!TAILQ_EMPTY(&set->free)) {
        take_place(set, instance);
    } else if ((instance->flags & FLAG_FOLDED) == 0) {
        instance->flags |= FLAG_FOLDED;
        set->n_folded++;
    }
}

void
series_count(struct instances *instances, struct instance *instance, uint32_t n_segments,
             uint64_t n_findings, uint32_t n_bad)
{
    struct series_set *set = &instances->series;
    if (instance->series == NULL)
        find_place(instances, instance);
    struct series *series = instance->series;
    if (series == NULL) {
        series_count_fold(instances, n_segments, n_findings, n_bad);
        return;
    }
    TAILQ_REMOVE(series->is_bad ? &set->bad : &set->healthy, series, link);
    series->is_bad = instance->n_bad > 0;
    TAILQ_INSERT_HEAD(list_of(set, instance), series, link);
    series->seen_ms = instances->time_ms;
    series->n_segments += n_segments;
    series->n_findings += n_findings;
    series->n_bad += n_bad;
}

void
series_count_fold(struct instances *instances, uint32_t n_segments, uint64_t n_findings,
                  uint32_t n_bad)
{
    instances->series.n_segments += n_segments;
    instances->series.n_findings += n_findings;
    instances->series.n_bad += n_bad;
}

void
series_leave(struct instances *instances, struct instance *instance)
{
    if (instance->series == NULL)
        return;
    fold(instances, instance->series);
    instances->series.left_ms = instances->time_ms;
}

static void
fold_idle(struct instances *instances, struct series_list *list)
{
    struct series *series;
    while ((series = TAILQ_LAST(list, series_list)) != NULL &&
           instances->time_ms - series->seen_ms >= SERIES_IDLE_MS)
        fold(instances, series);
}

void
series_tick(struct instances *instances)
{
    fold_idle(instances, &instances->series.healthy);
    fold_idle(instances, &instances->series.bad);
}

/* From the old places to the new ones, as far as they go; the rest is folded. */
static void
move(struct instances *instances, struct series_list *from, struct series_list *to)
{
    struct series_set *set = &instances->series;
    struct series *old;
    while ((old = TAILQ_FIRST(from)) != NULL) {
        TAILQ_REMOVE(from, old, link);
        struct series *series = TAILQ_FIRST(&set->free);
        if (series == NULL) {
            series_count_fold(instances, 0, old->n_findings, 0);
            set->n_segments += old->n_segments;
            set->n_bad += old->n_bad;
            old->instance->series = NULL;
            old->instance->series_lost_ms = instances->time_ms;
            continue;
        }
        TAILQ_REMOVE(&set->free, series, link);
        *series = *old;
        series->instance->series = series;
        TAILQ_INSERT_TAIL(to, series, link);
    }
}

void
instances_set_series(struct instances *instances, uint32_t top_instances)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    struct series_set *set = &instances->series;
    struct series *old = set->all;
    struct series_list healthy, bad;
    if (top_instances == set->n)
        return;
    TAILQ_INIT(&healthy);
    TAILQ_INIT(&bad);
    TAILQ_CONCAT(&healthy, &set->healthy, link);
    TAILQ_CONCAT(&bad, &set->bad, link);
    init_lists(set);
    set->n = top_instances;
    set->all = mem_new_n(struct series, top_instances);
    for (uint32_t i = 0; i < top_instances; i++)
        TAILQ_INSERT_TAIL(&set->free, &set->all[i], link);
    move(instances, &bad, &set->bad);
    move(instances, &healthy, &set->healthy);
    mem_free(old);
}

void
instances_each_series(struct instances *instances, instance_series_fn *fn, void *ctx)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    const struct series_set *set = &instances->series;
    for (uint32_t i = 0; i < set->n; i++) {
        const struct series *series = &set->all[i];
        if (series->instance == NULL)
            continue;
        struct instance_series shown = {
            .service = instance_service(series->instance),
            .instance = instance_name(series->instance),
            .n_segments = series->n_segments,
            .n_findings = series->n_findings,
            .n_bad = series->n_bad,
        };
        fn(ctx, &shown);
    }
    struct instance_series rest = {
        .service = BYTES("__other__"),
        .instance = BYTES("__other__"),
        .n_segments = set->n_segments,
        .n_findings = set->n_findings,
        .n_bad = set->n_bad,
        .is_fold = true,
    };
    fn(ctx, &rest);
}

uint64_t
instances_n_folded(const struct instances *instances)
{
    return instances->series.n_folded;
}
