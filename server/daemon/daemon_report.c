/* telemetry.oap: our own metrics as meters to OAP, through our own buffer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_admin.h"
#include "daemon/daemon_int.h"
#include "message/message_report.h"
#include "store/store.h"

enum { PROPERTIES_US = 60 * 1000 * 1000, HOST_BYTES = 256, PROPERTIES = 4 };

struct daemon_report {
    struct daemon *daemon;
    const char *service, *instance; /* the settings', or host */
    char host[HOST_BYTES], pid[24];
    uint64_t properties_us; /* when they went last; 0: never */
    struct loop_timer timer;
};

/* On its way to a worker. */
struct report_letter {
    enum method method;
    struct text payload;
};

/* The worker's thread. */
static void
put(void *ctx, struct worker *worker)
{
    struct report_letter *letter = ctx;
    struct store *store = worker_store(worker);
    struct bytes payload = text_bytes(&letter->payload);
    struct store_record record = {
        .method = letter->method,
        .reason = RULE_COUNT,
        .parts = &payload,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
    };
    if (store == NULL || store_put(store, &record) != ERR_OK)
        log_debug("daemon", "report left out: the buffer has no room", "%s", "");
    text_fini(&letter->payload);
    mem_free(letter);
}

static void
send_payload(struct daemon_report *report, enum method method, struct text *payload)
{
    struct report_letter *letter = mem_new(struct report_letter);
    letter->method = method;
    letter->payload = *payload; /* ownership passes */
    worker_run(daemon_pick_worker(report->daemon), put, letter);
}

static bool
is_left_out(const char *name)
{
    static const char *const wide[] = {
        "spangate_grpc_server_handled_total",
        "spangate_http_requests_total",
        "spangate_instance_",
        "spangate_build_info",
        "spangate_config_info",
        "spangate_series_overflow_total",
    };
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
        if (strncmp(name, wide[i], strlen(wide[i])) == 0)
            return true;
    return strstr(name, "_bucket{") != NULL;
}

/* Cuts the value of a label out of a="x",...; gives what is behind its quote. The escapes of the
 * page (backslash, quote, line end) are taken back. */
static char *
cut_value(char *p)
{
    char *to = p;
    for (; *p != '\0' && *p != '"'; p++) {
        if (*p == '\\' && p[1] != '\0')
            *to++ = *++p == 'n' ? '\n' : *p;
        else
            *to++ = *p;
    }
    char *rest = *p == '"' ? p + 1 : p;
    *to = '\0';
    return rest;
}

/* One line of the page, which is cut up in place: name{a="x",b="y"} value. */
static void
read_sample(char *line, struct report_meter *out)
{
    *out = (struct report_meter){.name = line};
    char *p = line + strcspn(line, "{ ");
    bool has_labels = *p == '{';
    *p++ = '\0';
    while (has_labels && out->n_labels < REPORT_LABELS && *p != '}' && *p != '\0') {
        struct report_pair *label = &out->labels[out->n_labels++];
        char *equals = p + strcspn(p, "=");
        label->key = p;
        *equals = '\0';
        label->value = equals + 2;
        p = cut_value(equals + 2);
        p += *p == ',';
    }
    p += *p == '}' ? 1 : 0;
    out->value = strtod(p, NULL);
}

static void
send_meters(struct daemon_report *report, const struct report_source *source)
{
    struct text page = TEXT_EMPTY, payload = TEXT_EMPTY;
    uint32_t n = 0, size = 0;
    struct report_meter *meters = NULL;
    daemon_admin_expose(report->daemon, &page);
    for (char *line = page.p, *next; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next == '\n')
            *next++ = '\0';
        if (line[0] == '#' || is_left_out(line))
            continue;
        if (n == size) {
            size = size > 0 ? size * 2 : 256;
            meters = mem_resize(meters, size * sizeof(*meters));
        }
        read_sample(line, &meters[n++]);
    }
    message_report_meters(source, meters, n, &payload);
    send_payload(report, METHOD_METER_COLLECT_BATCH, &payload);
    mem_free(meters);
    text_fini(&page);
}

static void
send_properties(struct daemon_report *report, const struct report_source *source)
{
    struct text payload = TEXT_EMPTY;
    const struct report_pair pairs[PROPERTIES] = {
        {"Process No.", report->pid},
        {"hostname", report->host},
        {"OS Name", "linux"},
        {"version", SPANGATE_VERSION},
    };
    message_report_properties(source, pairs, PROPERTIES, &payload);
    send_payload(report, METHOD_INSTANCE_PROPERTIES, &payload);
}

static void
on_time(void *ctx)
{
    struct daemon_report *report = ctx;
    const struct report_source source = {report->service, report->instance, clock_unix_ms()};
    uint64_t now_us = clock_mono_us();
    loop_timer_in(&report->timer, report->daemon->conf->telemetry.oap.interval_ms * 1000);
    if (report->daemon->state != DAEMON_SERVES)
        return; /* what is held goes out, and nothing comes after it */
    if (report->properties_us == 0 || now_us - report->properties_us >= PROPERTIES_US) {
        send_properties(report, &source);
        report->properties_us = now_us;
    }
    send_meters(report, &source);
}

struct daemon_report *
daemon_report_new(struct daemon *daemon)
{
    const struct conf *conf = daemon->conf;
    if (!conf->telemetry.oap.enabled)
        return NULL;
    struct daemon_report *report = mem_new(struct daemon_report);
    report->daemon = daemon;
    if (gethostname(report->host, sizeof(report->host) - 1) != 0)
        memcpy(report->host, "unknown", sizeof("unknown"));
    snprintf(report->pid, sizeof(report->pid), "%d", (int)getpid());
    report->service = conf->telemetry.oap.service;
    report->instance =
        conf->telemetry.oap.instance[0] != '\0' ? conf->telemetry.oap.instance : report->host;
    loop_timer_init(&report->timer, daemon->loop, on_time, report);
    loop_timer_in(&report->timer, conf->telemetry.oap.interval_ms * 1000);
    return report;
}

void
daemon_report_free(struct daemon_report **report)
{
    if (*report == NULL)
        return;
    loop_timer_cancel(&(*report)->timer);
    mem_free(*report);
    *report = NULL;
}
