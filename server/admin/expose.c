/* Families in the order of tables/metrics.h, then what is computed at the scrape. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/expose.h"

#include <string.h>

#include "admin/expose_int.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "integrity/integrity.h"

enum { COLLECT_TRIES = 10 };

/* One scrape. */
struct scrape {
    const struct expose_source *source;
    bool openmetrics;
    struct text *out;
    uint64_t *sums;                                      /* all threads added up */
    char backends[METRIC_BACKENDS][EXPOSE_BACKEND_NAME]; /* "" where a slot is free */
};

static uint64_t
value_at(const struct scrape *scrape, const struct metric_row *row, uint32_t index)
{
    return scrape->sums[row->first + index * row->width];
}

/* In OpenMetrics a counter's family goes without "_total". */
static void
add_family_name(struct text *out, bool openmetrics, const char *name, bool is_counter)
{
    size_t n = strlen(name), suffix = strlen("_total");
    if (openmetrics && is_counter && n > suffix && strcmp(name + n - suffix, "_total") == 0)
        n -= suffix;
    text_add_bytes(out, bytes_of(name, n));
}

void
expose_add_header(struct text *out, bool openmetrics, const char *prefix, const char *name,
                  const char *type, const char *help)
{
    bool is_counter = strcmp(type, "counter") == 0;
    text_addf(out, "# HELP %s", prefix);
    add_family_name(out, openmetrics, name, is_counter);
    text_addf(out, " %s\n# TYPE %s", help, prefix);
    add_family_name(out, openmetrics, name, is_counter);
    text_addf(out, " %s\n", type);
}

static void
add_header(const struct scrape *scrape, const char *prefix, const char *name, const char *type,
           const char *help)
{
    expose_add_header(scrape->out, scrape->openmetrics, prefix, name, type, help);
}

static const char *
listener_label(uint32_t index)
{
    static const char *const labels[] = {"grpc", "grpc_tls", "http"};
    return labels[index];
}

static const char *
refused_label(uint32_t index)
{
    static const char *const labels[] = {"limit", "tls", "auth", "draining"};
    return labels[index];
}

static const char *
goaway_label(uint32_t index)
{
    static const char *const labels[] = {"age", "drain", "error"};
    return labels[index];
}

static const char *
retry_label(uint32_t index)
{
    static const char *const labels[] = {"status", "connection", "timeout"};
    return labels[index];
}

static const char *
replayed_label(uint32_t index)
{
    static const char *const labels[] = {"replayed", "repaired", "refused"};
    return labels[index];
}

/* As the log's worker column. */
static void
add_loop_label(struct text *out, uint32_t loop)
{
    if (loop == LOOP_CONTROL)
        text_add(out, "loop=\"control\"");
    else if (loop < METRIC_LOOPS - 1)
        text_addf(out, "loop=\"w%u\"", loop - LOOP_WORKER);
    else
        text_add(out, "loop=\"__other__\"");
}

/* "skywalking.v3.ManagementService/keepAlive"; method 0 stands for all unknown paths. */
static const char *
method_label(uint32_t method)
{
    const struct method_row *row = method_row(method);
    return row != NULL ? row->path + 1 : "unknown";
}

static void
add_rule_labels(struct text *out, uint32_t index)
{
    const struct rule_row *row = rule_row((enum rule)(index % RULE_COUNT));
    enum rule_class rule_class = index < RULE_COUNT ? row->rule_class : CLASS_HINT;
    text_addf(out, "rule=\"%s\",class=\"%s\"", row->name, rule_class_label(rule_class));
}

/* Only a rule of class strong may count as a hint as well. */
static bool
is_rule_shown(uint32_t index)
{
    return index < RULE_COUNT ||
           rule_row((enum rule)(index - RULE_COUNT))->rule_class == CLASS_STRONG;
}

static void
add_backend_label(const struct scrape *scrape, uint32_t slot)
{
    text_add(scrape->out, "backend=\"");
    text_add_label(scrape->out, bytes_str(scrape->backends[slot]));
    text_add(scrape->out, "\"");
}

/* The file of a place where TLS is spoken; NULL: clear text. */
static const char *
tls_file(const struct scrape *scrape, uint32_t use)
{
    const struct expose_source *source = scrape->source;
    return source->tls_file != NULL ? source->tls_file(source->ctx, use) : NULL;
}

static void
add_tls_labels(const struct scrape *scrape, uint32_t use)
{
    static const char *const sections[] = {"listen.grpc_tls", "upstream.tls"};
    text_add(scrape->out, "file=\"");
    text_add_label(scrape->out, bytes_str(tls_file(scrape, use)));
    text_addf(scrape->out, "\",section=\"%s\"", sections[use]);
}

static void
add_two_labels(const struct scrape *scrape, enum metric_dimension dimension, uint32_t index)
{
    struct text *out = scrape->out;
    if (dimension == BY_SIGNAL_REASON) {
        text_addf(out, "signal=\"%s\",reason=\"%s\"",
                  signal_label((enum signal)(index / DROP_COUNT)),
                  drop_reason_label((enum drop_reason)(index % DROP_COUNT)));
    } else if (dimension == BY_BACKEND_CODE) {
        add_backend_label(scrape, index / METRIC_CODES);
        text_addf(out, ",code=\"%s\"", err_status_name((int)(index % METRIC_CODES)));
    } else if (dimension == BY_BACKEND_REASON) {
        add_backend_label(scrape, index / 3);
        text_addf(out, ",reason=\"%s\"", retry_label(index % 3));
    } else if (dimension == BY_HTTP_PATH_STATUS) {
        text_addf(out, "method=\"%s\",code=\"%s\"", http_path_label(index),
                  http_path_status_label(index));
    } else {
        text_addf(out, "method=\"%s\",code=\"%s\"", method_label(index / METRIC_CODES),
                  err_status_name((int)(index % METRIC_CODES)));
    }
}

/* Without braces; nothing for BY_NONE. */
static void
add_labels(const struct scrape *scrape, enum metric_dimension dimension, uint32_t index)
{
    struct text *out = scrape->out;
    switch (dimension) {
    case BY_NONE:
        break;
    case BY_SIGNAL:
        text_addf(out, "signal=\"%s\"", signal_label((enum signal)index));
        break;
    case BY_VERDICT:
        text_addf(out, "verdict=\"%s\"", verdict_label((enum verdict)index));
        break;
    case BY_RULE:
        add_rule_labels(out, index);
        break;
    case BY_TIER:
        text_addf(out, "tier=\"%s\"", index == TIER_MEMORY ? "memory" : "disk");
        break;
    case BY_BACKEND:
        add_backend_label(scrape, index);
        break;
    case BY_LISTENER:
        text_addf(out, "listener=\"%s\"", listener_label(index));
        break;
    case BY_REFUSED:
        text_addf(out, "reason=\"%s\"", refused_label(index));
        break;
    case BY_TLS_USE:
        add_tls_labels(scrape, index);
        break;
    case BY_GOAWAY:
        text_addf(out, "reason=\"%s\"", goaway_label(index));
        break;
    case BY_EVICTED:
        text_addf(out, "reason=\"%s\"", index == EVICTED_FULL ? "full" : "expired");
        break;
    case BY_LOOP:
        add_loop_label(out, index);
        break;
    case BY_REPLAYED:
        text_addf(out, "result=\"%s\"", replayed_label(index));
        break;
    case BY_SIGNAL_REASON:
    case BY_BACKEND_CODE:
    case BY_BACKEND_REASON:
    case BY_METHOD_CODE:
    case BY_HTTP_PATH_STATUS:
        add_two_labels(scrape, dimension, index);
        break;
    }
}

static bool
is_backend_shown(const struct scrape *scrape, uint32_t slot)
{
    return scrape->backends[slot][0] != '\0';
}

/* Without a certificate of ours nothing ends. */
static bool
is_tls_shown(const struct scrape *scrape, const struct metric_row *row, uint32_t use)
{
    return tls_file(scrape, use) != NULL &&
           (value_at(scrape, row, use) != 0 || row == metric_row(METRIC_TLS_RELOAD));
}

static bool
is_usual_code(uint32_t index)
{
    uint32_t method = index / METRIC_CODES, code = index % METRIC_CODES;
    uint32_t usual = method == 0 ? 12 : 0; /* UNIMPLEMENTED, OK */
    return (method == 0 || method_row(method) != NULL) && code == usual;
}

static bool
is_usual_status(uint32_t index)
{
    bool is_known = index / HTTP_STATUS_COUNT < HTTP_PATH_COUNT;
    return index % HTTP_STATUS_COUNT == (is_known ? HTTP_STATUS_200 : HTTP_STATUS_404);
}

/* Of the backends that are there: the codes that came, and OK. */
static bool
is_backend_sample_shown(const struct scrape *scrape, const struct metric_row *row, uint32_t index)
{
    if (row->dimension == BY_BACKEND)
        return is_backend_shown(scrape, index);
    if (row->dimension == BY_BACKEND_REASON)
        return is_backend_shown(scrape, index / 3);
    return is_backend_shown(scrape, index / METRIC_CODES) &&
           (value_at(scrape, row, index) != 0 || index % METRIC_CODES == 0);
}

static bool
is_by_backend(enum metric_dimension dimension)
{
    return dimension == BY_BACKEND || dimension == BY_BACKEND_REASON ||
           dimension == BY_BACKEND_CODE;
}

/* Wide label sets: what is not zero, and one row of each known name. */
static bool
is_shown(const struct scrape *scrape, const struct metric_row *row, uint32_t index)
{
    bool is_zero = value_at(scrape, row, index) == 0;
    if (row->dimension == BY_RULE)
        return is_rule_shown(index);
    if (is_by_backend(row->dimension))
        return is_backend_sample_shown(scrape, row, index);
    if (row->dimension == BY_METHOD_CODE)
        return !is_zero || is_usual_code(index);
    if (row->dimension == BY_TLS_USE)
        return is_tls_shown(scrape, row, index);
    if (row->dimension == BY_LOOP)
        return index < scrape->source->n_loops;
    if (row->dimension == BY_HTTP_PATH_STATUS)
        return !is_zero || is_usual_status(index);
    return true;
}

void
expose_add_seconds(struct text *out, uint64_t us, bool with_point)
{
    uint64_t fraction = us % 1000000u;
    text_addf(out, "%llu", (unsigned long long)(us / 1000000u));
    if (fraction == 0) {
        text_add(out, with_point ? ".0" : "");
        return;
    }
    int n_digits = 6;
    for (; fraction % 10 == 0; fraction /= 10)
        n_digits--;
    text_addf(out, ".%0*llu", n_digits, (unsigned long long)fraction);
}

static uint64_t
age_us(const struct scrape *scrape, const struct metric_row *row, uint32_t index)
{
    int64_t oldest_ms = (int64_t)value_at(scrape, row, index), now_ms = clock_unix_ms();
    return oldest_ms > 0 && now_ms > oldest_ms ? (uint64_t)(now_ms - oldest_ms) * 1000 : 0;
}

/* A trace to look at: hints have none. */
static void
add_exemplar(const struct scrape *scrape, uint32_t index)
{
    struct instances *instances = scrape->source->instances;
    struct bytes trace_id;
    int64_t at_ms;
    if (instances == NULL || index >= RULE_COUNT ||
        !instances_exemplar(instances, (enum rule)index, &trace_id, &at_ms))
        return;
    text_add(scrape->out, " # {trace_id=\"");
    text_add_label(scrape->out, trace_id);
    text_add(scrape->out, "\"} 1 ");
    expose_add_seconds(scrape->out, (uint64_t)at_ms * 1000, false);
}

static void
add_sample(const struct scrape *scrape, const struct metric_row *row, uint32_t index)
{
    text_addf(scrape->out, "spangate_%s", row->name);
    if (row->dimension != BY_NONE) {
        text_add(scrape->out, "{");
        add_labels(scrape, row->dimension, index);
        text_add(scrape->out, "}");
    }
    if (row->kind == METRIC_OLDEST) {
        text_add(scrape->out, " ");
        expose_add_seconds(scrape->out, age_us(scrape, row, index), false);
        text_add(scrape->out, "\n");
        return;
    }
    text_addf(scrape->out, " %lld", (long long)value_at(scrape, row, index));
    if (row->dimension == BY_RULE && scrape->openmetrics)
        add_exemplar(scrape, index);
    text_add(scrape->out, "\n");
}

static void
add_histogram_name(const struct scrape *scrape, const struct metric_row *row, uint32_t index,
                   const char *suffix)
{
    text_addf(scrape->out, "spangate_%s%s", row->name, suffix);
    if (row->dimension != BY_NONE) {
        text_add(scrape->out, "{");
        add_labels(scrape, row->dimension, index);
        text_add(scrape->out, "}");
    }
    text_add(scrape->out, " ");
}

static void
add_bucket(const struct scrape *scrape, const struct metric_row *row, uint32_t index,
           uint64_t bound_us, uint64_t count)
{
    text_addf(scrape->out, "spangate_%s_bucket{", row->name);
    add_labels(scrape, row->dimension, index);
    text_add(scrape->out, row->dimension != BY_NONE ? ",le=\"" : "le=\"");
    if (bound_us == UINT64_MAX)
        text_add(scrape->out, "+Inf");
    else
        expose_add_seconds(scrape->out, bound_us, scrape->openmetrics);
    text_addf(scrape->out, "\"} %llu\n", (unsigned long long)count);
}

static void
add_histogram(const struct scrape *scrape, const struct metric_row *row, uint32_t index)
{
    const uint64_t *slots = &scrape->sums[row->first + index * row->width];
    const uint64_t *bounds_us = metric_bucket_bounds_us();
    uint64_t count = 0;
    for (uint32_t i = 0; i < METRIC_BUCKETS; i++) {
        count += slots[i];
        add_bucket(scrape, row, index, bounds_us[i], count);
    }
    add_histogram_name(scrape, row, index, "_sum");
    expose_add_seconds(scrape->out, slots[METRIC_BUCKETS], false);
    text_add(scrape->out, "\n");
    add_histogram_name(scrape, row, index, "_count");
    text_addf(scrape->out, "%llu\n", (unsigned long long)count);
}

static void
add_family(const struct scrape *scrape, const struct metric_row *row)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM_KIND] = "histogram",
        [METRIC_OLDEST] = "gauge",
    };
    add_header(scrape, "spangate_", row->name, types[row->kind], row->help);
    for (uint32_t i = 0; i < row->n; i++) {
        if (!is_shown(scrape, row, i))
            continue;
        if (row->kind == METRIC_HISTOGRAM_KIND)
            add_histogram(scrape, row, i);
        else
            add_sample(scrape, row, i);
    }
}

/* An item that one thread took and another ended may be seen to end before it came: the threads are
 * read one after the other. */
static bool
has_negative(const uint64_t *sums)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = metric_row((enum metric)i);
        for (uint32_t k = 0; row->kind == METRIC_GAUGE && k < row->n; k++)
            if ((int64_t)sums[row->first + k * row->width] < 0)
                return true;
    }
    return false;
}

uint64_t *
expose_collect(const struct expose_source *source)
{
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    for (int i = 0; i < COLLECT_TRIES; i++) {
        memset(sums, 0, metric_n_slots() * sizeof(*sums));
        for (uint32_t m = 0; m < source->n_metrics; m++)
            metrics_collect(source->metrics[m], sums);
        if (!has_negative(sums))
            break;
    }
    return sums;
}

static void
collect(struct scrape *scrape)
{
    scrape->sums = expose_collect(scrape->source);
    for (uint32_t i = 0; i < METRIC_BACKENDS; i++)
        if (!scrape->source->backend_name(scrape->source->ctx, i, scrape->backends[i]))
            scrape->backends[i][0] = '\0';
}

void
expose_text(const struct expose_source *source, bool openmetrics, struct text *out)
{
    struct scrape *scrape = mem_new(struct scrape);
    scrape->source = source;
    scrape->openmetrics = openmetrics;
    scrape->out = out;
    collect(scrape);
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        add_family(scrape, metric_row((enum metric)i));
    expose_instances(source->instances, openmetrics, out);
    expose_facts(source, scrape->sums, openmetrics, out);
    if (openmetrics)
        text_add(out, "# EOF\n");
    mem_free(scrape->sums);
    mem_free(scrape);
}
