/* The families by instance, out of the registry. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Labels are cut and mended, so that two instances may come out the same: those are added up, for
 * a scrape with the same series twice would be thrown away whole. */
#include <stdlib.h>
#include <string.h>

#include "admin/expose_int.h"
#include "base/mem.h"

enum instance_metric {
#define INSTANCE_METRIC(token, name, kind, labels, help) INSTANCE_METRIC_##token,
    INSTANCE_METRICS(INSTANCE_METRIC)
#undef INSTANCE_METRIC
        INSTANCE_METRIC_COUNT
};

enum { N_BY_INSTANCE = INSTANCE_METRIC_BAD_RATIO + 1 };

#define TYPE_COUNTER "counter"
#define TYPE_GAUGE "gauge"
static const struct expose_instance_family families[] = {
#define INSTANCE_METRIC(token, name, kind, labels, help) {name, TYPE_##kind, labels, help},
    INSTANCE_METRICS(INSTANCE_METRIC)
#undef INSTANCE_METRIC
};

struct series {
    char *labels; /* without braces; owned */
    uint64_t n_segments, n_findings, n_bad;
};

struct gathered {
    struct series *items;
    uint32_t n, size;
};

const struct expose_instance_family *
expose_instance_family(uint32_t i)
{
    return i < INSTANCE_METRIC_COUNT ? &families[i] : NULL;
}

uint32_t
expose_instance_limit(uint32_t top_instances, uint32_t max_series)
{
    uint32_t most = max_series / N_BY_INSTANCE;
    most -= most > 0; /* the rest's own */
    return top_instances < most ? top_instances : most;
}

static void
gather(void *ctx, const struct instance_series *from)
{
    struct gathered *all = ctx;
    struct text labels = TEXT_EMPTY;
    text_add(&labels, "service=\"");
    text_add_label(&labels, from->service);
    text_add(&labels, "\",service_instance=\"");
    text_add_label(&labels, from->instance);
    text_add(&labels, "\"");
    if (all->n == all->size) {
        all->size = all->size > 0 ? all->size * 2 : 64;
        all->items = mem_resize(all->items, all->size * sizeof(*all->items));
    }
    all->items[all->n++] =
        (struct series){labels.p, from->n_segments, from->n_findings, from->n_bad};
}

static int
compare(const void *a, const void *b)
{
    return strcmp(((const struct series *)a)->labels, ((const struct series *)b)->labels);
}

static void
merge(struct gathered *all)
{
    uint32_t n = 0;
    if (all->n > 0)
        qsort(all->items, all->n, sizeof(*all->items), compare);
    for (uint32_t i = 0; i < all->n; i++) {
        struct series *item = &all->items[i], *before = n > 0 ? &all->items[n - 1] : NULL;
        if (before == NULL || strcmp(before->labels, item->labels) != 0) {
            all->items[n++] = *item;
            continue;
        }
        before->n_segments += item->n_segments;
        before->n_findings += item->n_findings;
        before->n_bad += item->n_bad;
        mem_free(item->labels);
    }
    all->n = n;
}

static void
add_value(struct text *out, enum instance_metric metric, const struct series *series)
{
    if (metric == INSTANCE_METRIC_SEGMENTS)
        text_addf(out, "%llu\n", (unsigned long long)series->n_segments);
    else if (metric == INSTANCE_METRIC_FINDINGS)
        text_addf(out, "%llu\n", (unsigned long long)series->n_findings);
    else
        text_addf(out, "%.6g\n",
                  series->n_segments > 0 ? (double)series->n_bad / (double)series->n_segments : 0);
}

static void
add_family(struct text *out, bool openmetrics, enum instance_metric metric,
           const struct gathered *all)
{
    const struct expose_instance_family *family = &families[metric];
    expose_add_header(out, openmetrics, "spangate_", family->name, family->type, family->help);
    for (uint32_t i = 0; i < all->n; i++) {
        text_addf(out, "spangate_%s{%s} ", family->name, all->items[i].labels);
        add_value(out, metric, &all->items[i]);
    }
}

static void
add_overflow(struct text *out, bool openmetrics, const struct instances *instances)
{
    const struct expose_instance_family *family = &families[INSTANCE_METRIC_OVERFLOW];
    uint64_t n = instances != NULL ? instances_n_folded(instances) : 0;
    expose_add_header(out, openmetrics, "spangate_", family->name, family->type, family->help);
    for (uint32_t i = 0; i < N_BY_INSTANCE; i++)
        text_addf(out, "spangate_%s{family=\"%s\"} %llu\n", family->name, families[i].name,
                  (unsigned long long)n);
}

void
expose_instances(struct instances *instances, bool openmetrics, struct text *out)
{
    struct gathered all = {.items = NULL};
    if (instances != NULL)
        instances_each_series(instances, gather, &all);
    merge(&all);
    for (uint32_t i = 0; i < N_BY_INSTANCE; i++)
        add_family(out, openmetrics, (enum instance_metric)i, &all);
    add_overflow(out, openmetrics, instances);
    for (uint32_t i = 0; i < all.n; i++)
        mem_free(all.items[i].labels);
    mem_free(all.items);
}
