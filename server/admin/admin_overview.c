/* Writes totals, the ledger and the backends for GET /api/v1/overview and /api/v1/backends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_overview.h"

#include "admin/expose_int.h"
#include "base/clock.h"
#include "base/mem.h"
#include "integrity/integrity.h"

struct look {
    const struct expose_source *source;
    uint64_t *sums;
    struct text *out;
};

static uint64_t
value_of(const struct look *look, enum metric metric, uint32_t index)
{
    const struct metric_row *row = metric_row(metric);
    return look->sums[row->first + index * row->width];
}

/* An object of numbers, by label. */
static void
add_counts(const struct look *look, const char *key, enum metric metric, uint32_t n, uint32_t step,
           const char *(*label)(uint32_t))
{
    text_addf(look->out, "\"%s\":{", key);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t sum = 0;
        for (uint32_t k = i; k < metric_row(metric)->n; k += step)
            sum += value_of(look, metric, k);
        text_addf(look->out, "%s\"%s\":%llu", i > 0 ? "," : "", label(i), (unsigned long long)sum);
    }
    text_add(look->out, "},\n");
}

static const char *
verdict_of(uint32_t i)
{
    return verdict_label((enum verdict)i);
}

static const char *
reason_of(uint32_t i)
{
    return drop_reason_label((enum drop_reason)i);
}

static const char *
signal_of(uint32_t i)
{
    return signal_label((enum signal)i);
}

static void
add_total(const struct look *look, const char *key, enum metric metric)
{
    text_addf(look->out, "\"%s\":%llu,", key, (unsigned long long)expose_total(look->sums, metric));
}

static void
add_ready(const struct look *look)
{
    static const char *const reasons[] = {"draining", "spool", "buffer"};
    uint32_t not_ready = look->source->not_ready(look->source->ctx);
    const char *comma = "";
    text_addf(look->out, "\"ready\":%s,\"not_ready\":[", not_ready == 0 ? "true" : "false");
    for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if ((not_ready >> i & 1) == 0)
            continue;
        text_addf(look->out, "%s\"%s\"", comma, reasons[i]);
        comma = ",";
    }
    text_add(look->out, "],\n");
}

static void
add_ledger(const struct look *look)
{
    struct expose_ledger ledger;
    expose_ledger_read(look->sums, &ledger);
    text_addf(look->out,
              "\"ledger\":{\"accepted\":%llu,\"restored\":%llu,\"forwarded\":%llu,\"dropped\":%llu,"
              "\"quarantined\":%llu,\"queued\":%llu,\"inflight\":%llu,\"imbalance\":%lld},\n",
              (unsigned long long)ledger.accepted, (unsigned long long)ledger.restored,
              (unsigned long long)ledger.forwarded, (unsigned long long)ledger.dropped,
              (unsigned long long)ledger.quarantined, (unsigned long long)ledger.queued,
              (unsigned long long)ledger.inflight, (long long)ledger.imbalance);
}

static void
add_room(const struct look *look, const char *mode)
{
    text_addf(look->out,
              "\"buffer\":{\"mode\":\"%s\",\"memory_bytes\":%llu,\"memory_capacity_bytes\":%llu,"
              "\"disk_bytes\":%llu,\"disk_capacity_bytes\":%llu},\n",
              mode, (unsigned long long)value_of(look, METRIC_BUFFER_BYTES, TIER_MEMORY),
              (unsigned long long)value_of(look, METRIC_BUFFER_CAPACITY, TIER_MEMORY),
              (unsigned long long)value_of(look, METRIC_BUFFER_BYTES, TIER_DISK),
              (unsigned long long)value_of(look, METRIC_BUFFER_CAPACITY, TIER_DISK));
    text_addf(look->out,
              "\"quarantine\":{\"items\":%llu,\"bytes\":%llu,\"capacity_bytes\":%llu,"
              "\"evicted\":%llu},\n",
              (unsigned long long)expose_total(look->sums, METRIC_QUARANTINE_SEGMENTS),
              (unsigned long long)expose_total(look->sums, METRIC_QUARANTINE_BYTES),
              (unsigned long long)expose_total(look->sums, METRIC_QUARANTINE_CAPACITY),
              (unsigned long long)expose_total(look->sums, METRIC_QUARANTINE_EVICTED));
    text_addf(look->out, "\"memory\":{\"used_bytes\":%llu,\"limit_bytes\":%llu},\n",
              (unsigned long long)expose_total(look->sums, METRIC_MEMORY_USED),
              (unsigned long long)expose_total(look->sums, METRIC_MEMORY_LIMIT));
}

/* The buckets of a histogram, label combinations from first on added up: counts that do not add up
 * the ones below, beside "le_us". */
static void
add_buckets(const struct look *look, enum metric metric, uint32_t first, uint32_t n)
{
    const struct metric_row *row = metric_row(metric);
    for (uint32_t bucket = 0; bucket < METRIC_BUCKETS; bucket++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < n; i++)
            sum += look->sums[row->first + (first + i) * row->width + bucket];
        text_addf(look->out, "%s%llu", bucket > 0 ? "," : "", (unsigned long long)sum);
    }
}

/* How late data is: reading differences gives any quantile of the time between. */
static void
add_delivery(const struct look *look)
{
    const uint64_t *bounds_us = metric_bucket_bounds_us();
    int64_t oldest_ms = 0, now_ms = clock_unix_ms();
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        int64_t one_ms = (int64_t)value_of(look, METRIC_BUFFER_OLDEST, i);
        if (one_ms > 0 && (oldest_ms == 0 || one_ms < oldest_ms))
            oldest_ms = one_ms;
    }
    text_addf(look->out, "\"oldest_item_age_ms\":%lld,\"le_us\":[",
              (long long)(oldest_ms > 0 && now_ms > oldest_ms ? now_ms - oldest_ms : 0));
    for (uint32_t i = 0; i + 1 < METRIC_BUCKETS; i++)
        text_addf(look->out, "%llu,", (unsigned long long)bounds_us[i]);
    text_add(look->out, "null],\"delivery\":[");
    add_buckets(look, METRIC_DELIVERY_DURATION, 0, SIGNAL_COUNT);
    text_add(look->out, "],\n");
}

/* Answers of a backend with a code, and with any other. */
static void
add_answers(const struct look *look, uint32_t slot)
{
    uint64_t n_ok = 0, n_failed = 0;
    for (uint32_t code = 0; code < METRIC_CODES; code++) {
        uint64_t n = value_of(look, METRIC_BACKEND_REQUESTS, slot * METRIC_CODES + code);
        *(code == 0 ? &n_ok : &n_failed) += n;
    }
    text_addf(look->out, "\"answers_ok\":%llu,\"answers_failed\":%llu,", (unsigned long long)n_ok,
              (unsigned long long)n_failed);
}

static void
add_backends(const struct look *look)
{
    char name[EXPOSE_BACKEND_NAME];
    const char *comma = "";
    text_add(look->out, "\"backends\":[");
    for (uint32_t slot = 0; slot < METRIC_BACKENDS; slot++) {
        if (!look->source->backend_name(look->source->ctx, slot, name))
            continue;
        text_addf(look->out, "%s{\"name\":", comma);
        text_add_json(look->out, bytes_str(name));
        bool is_disabled = look->source->backend_disabled(look->source->ctx, slot);
        text_addf(look->out, ",\"up\":%s,\"enabled\":%s,\"inflight_batches\":%llu,",
                  value_of(look, METRIC_BACKEND_UP, slot) > 0 ? "true" : "false",
                  is_disabled ? "false" : "true",
                  (unsigned long long)value_of(look, METRIC_BACKEND_INFLIGHT, slot));
        add_answers(look, slot);
        text_add(look->out, "\"answers\":[");
        add_buckets(look, METRIC_BACKEND_DURATION, slot, 1);
        text_add(look->out, "],\"last_success\":");
        admin_add_time(look->out,
                       (int64_t)value_of(look, METRIC_BACKEND_LAST_SUCCESS, slot) * 1000);
        text_add(look->out, "}");
        comma = ",";
    }
    text_add(look->out, "]");
}

static void
add_overview(const struct admin_overview *overview, const struct look *look)
{
    const struct expose_source *source = look->source;
    int64_t up_ms = clock_unix_ms() - overview->started_ms;
    text_add(look->out, "{\"version\":");
    text_add_json(look->out, bytes_str(source->version));
    text_add(look->out, ",\"revision\":");
    text_add_json(look->out, bytes_str(source->revision));
    text_add(look->out, ",\"started\":");
    admin_add_time(look->out, overview->started_ms);
    text_addf(look->out, ",\"uptime_s\":%lld,\"mode\":\"%s\",\n",
              (long long)(up_ms > 0 ? up_ms / 1000 : 0), overview->mode(source->ctx));
    add_ready(look);
    text_addf(look->out, "\"paused\":%s,\n", overview->is_paused(source->ctx) ? "true" : "false");
    add_ledger(look);
    add_counts(look, "accepted", METRIC_ITEMS_ACCEPTED, SIGNAL_COUNT, SIGNAL_COUNT, signal_of);
    add_counts(look, "segments", METRIC_SEGMENTS, METRIC_VERDICTS, METRIC_VERDICTS, verdict_of);
    add_counts(look, "dropped", METRIC_ITEMS_DROPPED, DROP_COUNT, DROP_COUNT, reason_of);
    add_total(look, "received_bytes", METRIC_RECEIVED_BYTES);
    add_total(look, "forwarded_bytes", METRIC_FORWARDED_BYTES);
    add_total(look, "spans", METRIC_SPANS);
    add_total(look, "connections", METRIC_CONNECTIONS);
    text_addf(look->out, "\"instances\":%u,\n",
              source->instances != NULL ? instances_n(source->instances) : 0);
    add_room(look, overview->buffer_mode);
    add_delivery(look);
    add_backends(look);
    text_add(look->out, "}\n");
}

void
admin_overview_write(void *ctx, struct text *out)
{
    const struct admin_overview *overview = ctx;
    struct look look = {overview->source, expose_collect(overview->source), out};
    add_overview(overview, &look);
    mem_free(look.sums);
}

static void
answer_overview(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)element;
    struct text out = TEXT_EMPTY;
    admin_overview_write(ctx, &out);
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

static void
answer_backends(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)element;
    const struct admin_overview *overview = ctx;
    struct text out = TEXT_EMPTY;
    struct look look = {overview->source, expose_collect(overview->source), &out};
    text_add(&out, "{");
    add_backends(&look);
    text_add(&out, "}\n");
    admin_answer_json(request, 200, &out);
    mem_free(look.sums);
    text_fini(&out);
}

struct admin_routes
admin_overview_routes(struct admin_overview *overview)
{
    static const struct admin_route routes[] = {
        {"GET", "/api/v1/overview", answer_overview},
        {"GET", "/api/v1/backends", answer_backends},
    };
    return (struct admin_routes){routes, sizeof(routes) / sizeof(routes[0]), overview};
}
