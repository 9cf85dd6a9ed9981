/* Families worked out at the scrape: ledger, readiness, build, settings, log lines, process. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/expose_int.h"

/* One scrape. */
struct facts {
    const struct expose_source *source;
    const uint64_t *sums;
    bool openmetrics;
    struct text *out;
};

static uint64_t
value_at(const struct facts *facts, enum metric metric, uint32_t index)
{
    return facts->sums[metric_row(metric)->first + index];
}

static void
add_header(const struct facts *facts, const char *prefix, const char *name, const char *type,
           const char *help)
{
    expose_add_header(facts->out, facts->openmetrics, prefix, name, type, help);
}

static void
add_single(const struct facts *facts, const char *name, const char *help, int64_t value)
{
    add_header(facts, "spangate_", name, "gauge", help);
    text_addf(facts->out, "spangate_%s %lld\n", name, (long long)value);
}

static void
add_ledger(const struct facts *facts)
{
    struct expose_ledger ledger;
    expose_ledger_read(facts->sums, &ledger);
    add_single(facts, "ledger_imbalance_items",
               "Accepted or restored items that ended nowhere and are not held. Was anything lost "
               "in silence?",
               ledger.imbalance);
    add_header(facts, "spangate_", "buffer_items", "gauge",
               "Items held, queued or in flight. Is the buffer filling?");
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++)
        text_addf(facts->out, "spangate_buffer_items{signal=\"%s\"} %llu\n",
                  signal_label((enum signal)i),
                  (unsigned long long)(value_at(facts, METRIC_ITEMS_QUEUED, i) +
                                       value_at(facts, METRIC_ITEMS_INFLIGHT, i)));
}

static void
add_readiness(const struct facts *facts)
{
    uint32_t not_ready = facts->source->not_ready(facts->source->ctx);
    add_single(facts, "ready", "1 while agents may be sent here. Does this replica serve?",
               not_ready == 0);
    add_header(facts, "spangate_", "not_ready_reason", "gauge",
               "1 for what keeps it from being ready. Why does this replica not serve?");
    static const char *const reasons[] = {"draining", "spool", "buffer"};
    for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        text_addf(facts->out, "spangate_not_ready_reason{reason=\"%s\"} %d\n", reasons[i],
                  not_ready >> i & 1);
}

static void
add_build_info(const struct facts *facts)
{
    const struct expose_source *source = facts->source;
    add_header(facts, "spangate_", "build_info", "gauge",
               "Always 1; what was built. Which version runs?");
    text_addf(
        facts->out,
        "spangate_build_info{version=\"%s\",revision=\"%s\",openssl=\"%s\",nghttp2=\"%s\"} 1\n",
        source->version, source->revision != NULL ? source->revision : "",
        source->openssl != NULL ? source->openssl : "",
        source->nghttp2 != NULL ? source->nghttp2 : "");
}

static void
add_log_counts(const struct facts *facts)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    add_header(facts, "spangate_", "log_messages_total", "counter",
               "Log lines written, by level. Is something shouting?");
    for (unsigned i = LOG_ERROR; i <= LOG_DEBUG; i++)
        text_addf(facts->out, "spangate_log_messages_total{level=\"%s\"} %llu\n", levels[i],
                  (unsigned long long)log_count((enum log_level)i));
}

static void
add_process(const struct facts *facts)
{
    struct expose_process process;
    expose_process_read(&process);
    add_header(facts, "", "process_cpu_seconds_total", "counter",
               "User and system time used. How much work does it do?");
    text_add(facts->out, "process_cpu_seconds_total ");
    expose_add_seconds(facts->out, process.cpu_us, false);
    const struct {
        const char *name, *help;
        uint64_t value;
    } gauges[] = {
        {"process_resident_memory_bytes", "Resident memory. How much does it hold?",
         process.resident_bytes},
        {"process_open_fds", "Open descriptors. Is the limit near?", process.n_open_fds},
        {"process_max_fds", "Descriptors it may open. Where is the limit?", process.max_fds},
        {"process_start_time_seconds", "When it started (Unix). Since when does it run?",
         (uint64_t)(facts->source->started_ms / 1000)},
    };
    text_add(facts->out, "\n");
    for (unsigned i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
        add_header(facts, "", gauges[i].name, "gauge", gauges[i].help);
        text_addf(facts->out, "%s %llu\n", gauges[i].name, (unsigned long long)gauges[i].value);
    }
}

static void
add_config_info(const struct facts *facts)
{
    const struct expose_source *source = facts->source;
    add_header(facts, "spangate_", "config_info", "gauge",
               "Always 1; a hash of the settings taken up last. Do all replicas have the same?");
    text_add(facts->out, "spangate_config_info{hash=\"");
    if (source->add_config_hash != NULL)
        source->add_config_hash(source->ctx, facts->out);
    text_add(facts->out, "\"} 1\n");
}

void
expose_facts(const struct expose_source *source, const uint64_t *sums, bool openmetrics,
             struct text *out)
{
    const struct facts facts = {source, sums, openmetrics, out};
    add_ledger(&facts);
    add_readiness(&facts);
    add_build_info(&facts);
    add_config_info(&facts);
    add_log_counts(&facts);
    add_process(&facts);
}
