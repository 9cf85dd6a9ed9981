/* docs/metrics.md, read off an exposition of a service that has not begun: no second list. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/expose.h"
#include "base/metric.h"
#include "command/command.h"

static uint32_t
is_never_ready(void *ctx)
{
    (void)ctx;
    return NOT_READY_DRAINING;
}

static bool
has_no_backend(void *ctx, uint32_t slot, char out[EXPOSE_BACKEND_NAME])
{
    (void)ctx;
    (void)slot;
    out[0] = '\0';
    return false;
}

static const char *
labels_of(enum metric_dimension dimension)
{
    static const char *const labels[] = {
        [BY_NONE] = "-",
        [BY_SIGNAL] = "signal",
        [BY_SIGNAL_REASON] = "signal, reason",
        [BY_VERDICT] = "verdict",
        [BY_RULE] = "rule, class",
        [BY_TIER] = "tier",
        [BY_BACKEND] = "backend",
        [BY_BACKEND_CODE] = "backend, code",
        [BY_BACKEND_REASON] = "backend, reason",
        [BY_LISTENER] = "listener",
        [BY_REFUSED] = "reason",
        [BY_GOAWAY] = "reason",
        [BY_METHOD_CODE] = "method, code",
        [BY_HTTP_PATH_STATUS] = "method, code",
        [BY_EVICTED] = "reason",
        [BY_REPLAYED] = "result",
        [BY_TLS_USE] = "file, section",
        [BY_LOOP] = "loop",
    };
    return labels[dimension];
}

static const struct metric_row *
find_row(const char *name, size_t n)
{
    static const char prefix[] = "spangate_";
    size_t n_prefix = sizeof(prefix) - 1;
    if (n < n_prefix || memcmp(name, prefix, n_prefix) != 0)
        return NULL;
    for (uint32_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = metric_row((enum metric)i);
        if (strlen(row->name) == n - n_prefix &&
            memcmp(row->name, name + n_prefix, n - n_prefix) == 0)
            return row;
    }
    return NULL;
}

/* Of the families by instance, which need not have a sample. */
static const char *
find_instance_labels(const char *name, size_t n)
{
    static const char prefix[] = "spangate_";
    size_t n_prefix = sizeof(prefix) - 1;
    const struct expose_instance_family *family;
    for (uint32_t i = 0; (family = expose_instance_family(i)) != NULL; i++)
        if (strlen(family->name) + n_prefix == n &&
            memcmp(family->name, name + n_prefix, n - n_prefix) == 0)
            return family->labels;
    return NULL;
}

/* The label names of a sample: name{a="x",b="y"} 1. */
static void
add_sample_labels(struct text *out, const char *sample)
{
    size_t n_name = strcspn(sample, "{ \n");
    const char *p = sample + n_name;
    if (*p != '{') {
        text_add(out, "-");
        return;
    }
    for (const char *comma = ""; *p == '{' || *p == ','; comma = ", ") {
        size_t n = strcspn(p + 1, "=\n");
        text_addf(out, "%s%.*s", comma, (int)n, p + 1);
        p += 1 + n;
        p += *p == '=' ? 2 : 0;
        p += strcspn(p, "\"\n");
        p += *p == '"';
    }
}

/* help: behind "# HELP "; "name words", then "# TYPE name kind", then its first sample. */
static void
add_family(struct text *out, const char *help)
{
    size_t n_name = strcspn(help, " "), n_line = strcspn(help, "\n");
    const char *type = help + n_line + 1 + strlen("# TYPE ") + n_name + 1;
    size_t n_type = strcspn(type, "\n");
    const struct metric_row *row = find_row(help, n_name);
    const char *labels =
        row != NULL ? labels_of(row->dimension) : find_instance_labels(help, n_name);
    text_addf(out, "| `%.*s` | %.*s | ", (int)n_name, help, (int)n_type, type);
    if (labels != NULL)
        text_add(out, labels);
    else
        add_sample_labels(out, type + n_type + 1);
    text_addf(out, " | %.*s |\n", (int)(n_line - n_name - 1), help + n_name + 1);
}

void
command_print_metrics(struct text *out)
{
    struct expose_source source = {
        .version = "", .not_ready = is_never_ready, .backend_name = has_no_backend};
    struct text scrape = TEXT_EMPTY;
    text_add(out,
             "# Metrics\n\nMade by `spangate print metrics` from `server/tables/metrics.h` and "
             "what is worked out at each scrape. Every\nfamily is there from the first "
             "scrape.\n\n"
             "| metric | type | labels | the question it answers |\n|---|---|---|---|\n");
    expose_text(&source, false, &scrape);
    for (const char *p = scrape.p; (p = strstr(p, "# HELP ")) != NULL;) {
        p += strlen("# HELP ");
        add_family(out, p);
    }
    text_fini(&scrape);
}
