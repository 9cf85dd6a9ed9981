/* The verb load: an open-loop load of segments against any endpoint. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "command/command.h"
#include "command/loadgen.h"
#include "command/loadgen_segment.h"
#include "command/progress.h"

enum { STEP_MS = 100 };

/* Names the nearest kind of damage, or all of them. */
static int
unknown_damage(const struct command_input *in, const char *name)
{
    const char *names[RULE_COUNT];
    size_t n = 0;
    struct text all = TEXT_EMPTY;
    for (enum rule rule = 0; rule < RULE_COUNT; rule++)
        if (loadgen_can_damage(rule)) {
            names[n++] = rule_row(rule)->name;
            text_addf(&all, "\n  %s", rule_row(rule)->name);
        }
    const char *nearest = text_nearest(name, names, n);
    int result =
        nearest != NULL
            ? command_usage(in, "--corrupt: no damage of kind \"%.64s\"; did you mean \"%s\"?",
                            name, nearest)
            : command_usage(in, "--corrupt: no damage of kind \"%.64s\"; there is%s", name, all.p);
    text_fini(&all);
    return result;
}

/* "span-parent-missing:1%" */
static int
read_corrupt(const struct command_input *in, const char *value, struct loadgen_settings *settings)
{
    const char *colon = strchr(value, ':');
    char *end = NULL;
    double percent = colon != NULL ? strtod(colon + 1, &end) : -1;
    if (colon == NULL || end == colon + 1 || strcmp(end, "%") != 0 || percent < 0 || percent > 100)
        return command_usage(in, "--corrupt \"%s\": write RULE:PERCENT, as span-parent-missing:1%%",
                             value);
    char *name = mem_string_n(value, (size_t)(colon - value));
    const struct rule_row *row = rule_find(name);
    int result = COMMAND_OK;
    if (row == NULL || !loadgen_can_damage(row->rule))
        result = unknown_damage(in, name);
    else
        settings->corrupt[row->rule] = percent / 100;
    mem_free(name);
    return result;
}

/* "3..9" or "3" */
static int
read_spans(const struct command_input *in, struct loadgen_settings *settings)
{
    const char *value = command_value(in, "spans");
    if (value == NULL)
        return COMMAND_OK;
    char *end;
    unsigned long least = strtoul(value, &end, 10), most = least;
    if (strncmp(end, "..", 2) == 0)
        most = strtoul(end + 2, &end, 10);
    if (*end != '\0' || least < 1 || most > 300 || least > most)
        return command_usage(in, "--spans \"%s\": write A..B with 1 <= A <= B <= 300", value);
    settings->spans_min = (uint32_t)least;
    settings->spans_max = (uint32_t)most;
    return COMMAND_OK;
}

static int
read_flags(const struct command_input *in, struct loadgen_settings *settings)
{
    uint64_t connections = settings->connections, instances = settings->instances,
             per_call = settings->per_call, duration_ms = settings->duration_us / 1000;
    if (!command_number(in, "rate", 10000000, &settings->rate) ||
        !command_number(in, "connections", 10000, &connections) ||
        !command_number(in, "instances", 1000000, &instances) ||
        !command_number(in, "per-call", 10000, &per_call) ||
        !command_number(in, "seed", UINT32_MAX, &settings->seed) ||
        !command_duration(in, "duration", &duration_ms))
        return COMMAND_USAGE;
    if (connections == 0 || instances == 0 || per_call == 0)
        return command_usage(in, "--connections, --instances and --per-call are at least 1");
    settings->connections = (uint32_t)connections;
    settings->instances = (uint32_t)instances;
    settings->per_call = (uint32_t)per_call;
    settings->duration_us = duration_ms * 1000;
    const char *corrupt;
    for (uint32_t i = 0; (corrupt = command_value_at(in, "corrupt", i)) != NULL; i++)
        if (read_corrupt(in, corrupt, settings) != COMMAND_OK)
            return COMMAND_USAGE;
    return read_spans(in, settings);
}

static void
add_json(struct text *out, const struct loadgen_result *result)
{
    text_addf(out,
              "{\"sent\":%llu,\"acknowledged\":%llu,\"failed\":%llu,\"unsent\":%llu,"
              "\"other\":%llu,\"seconds\":%.3f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
              "\"max_ms\":%.3f,\"last_error\":",
              (unsigned long long)result->n_sent, (unsigned long long)result->n_acknowledged,
              (unsigned long long)result->n_failed, (unsigned long long)result->n_unsent,
              (unsigned long long)result->n_other, (double)result->elapsed_us / 1e6,
              (double)result->p50_us / 1e3, (double)result->p90_us / 1e3,
              (double)result->p99_us / 1e3, (double)result->max_us / 1e3);
    text_add_json(out, bytes_str(result->last_error));
    text_add(out, ",\"injected\":{");
    const char *comma = "";
    for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
        if (result->injected[rule] == 0)
            continue;
        text_addf(out, "%s\"%s\":%llu", comma, rule_row(rule)->name,
                  (unsigned long long)result->injected[rule]);
        comma = ",";
    }
    text_add(out, "}}\n");
}

static void
add_table(struct text *out, const struct loadgen_result *result)
{
    double seconds = (double)result->elapsed_us / 1e6;
    text_addf(out, "segments  %llu acknowledged of %llu sent in %.1f s (%.0f/s)\n",
              (unsigned long long)result->n_acknowledged, (unsigned long long)result->n_sent,
              seconds, seconds > 0 ? (double)result->n_acknowledged / seconds : 0);
    text_addf(out, "failed    %llu%s%s\n", (unsigned long long)result->n_failed,
              result->last_error[0] != '\0' ? "  last: " : "", result->last_error);
    text_addf(out, "unsent    %llu (due, but no connection or no room)\n",
              (unsigned long long)result->n_unsent);
    text_addf(out,
              "latency   p50 %.1f ms  p90 %.1f ms  p99 %.1f ms  max %.1f ms (from due to OK)\n",
              (double)result->p50_us / 1e3, (double)result->p90_us / 1e3,
              (double)result->p99_us / 1e3, (double)result->max_us / 1e3);
    for (enum rule rule = 0; rule < RULE_COUNT; rule++)
        if (result->injected[rule] > 0)
            text_addf(out, "injected  %-32s %llu\n", rule_row(rule)->name,
                      (unsigned long long)result->injected[rule]);
}

static int
run(const struct command_input *in)
{
    struct loadgen_settings settings;
    struct loadgen *loadgen;
    struct loadgen_result result;
    loadgen_settings_default(&settings);
    settings.address = in->address != NULL ? in->address : "127.0.0.1:11800";
    if (read_flags(in, &settings) != COMMAND_OK)
        return COMMAND_USAGE;
    if (loadgen_start(&settings, &loadgen) != ERR_OK)
        return command_usage(in, "--addr \"%s\" is no numeric HOST:PORT", settings.address);
    command_tell(in, "loading %s for %.1f s", settings.address, (double)settings.duration_us / 1e6);
    for (uint64_t start_us = clock_fresh_us(); !loadgen_is_over(loadgen); poll(NULL, 0, STEP_MS))
        progress_tell(in, "%.0f of %.0f s", (double)(clock_fresh_us() - start_us) / 1e6,
                      (double)settings.duration_us / 1e6);
    loadgen_finish(&loadgen, &result);
    struct text out = TEXT_EMPTY;
    if (strcmp(in->format, "json") == 0)
        add_json(&out, &result);
    else
        add_table(&out, &result);
    int written = command_write(&out);
    if (written != COMMAND_OK)
        return written;
    if (result.n_acknowledged == 0)
        return COMMAND_UNAVAILABLE;
    return result.n_failed + result.n_unsent == 0 ? COMMAND_OK : COMMAND_FOUND;
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {
    {"rate", FLAG_VALUE},  {"connections", FLAG_VALUE}, {"instances", FLAG_VALUE},
    {"spans", FLAG_VALUE}, {"per-call", FLAG_VALUE},    {"corrupt", FLAG_VALUE},
    {"seed", FLAG_VALUE},  {"duration", FLAG_VALUE},    {NULL, FLAG_ALONE},
};

const struct command_verb command_load_verb = {
    .name = "load",
    .run = run,
    .line = "a load of segments at a rate",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help = "Sends segments in the shapes of Go, Java, Python and Node agents at a fixed rate, "
            "whatever\n"
            "the answers do. Exit 1 when a call failed or could not be sent in time.\n"
            "\n"
            "  --addr HOST:PORT      where to (default 127.0.0.1:11800)\n"
            "  --rate N              segments a second (default 1000; 0: flat out)\n"
            "  --duration TIME       how long (default 10s)\n"
            "  --connections N       (default 4)     --instances N  (default 8)\n"
            "  --spans A..B          per segment (default 1..8)\n"
            "  --per-call N          segments a call (default 10)\n"
            "  --corrupt RULE:P%     damages P percent of the segments; repeatable\n"
            "  --seed N              the same seed makes the same segments\n"
            "\n"
            "Examples:\n"
            "  spangate load --rate 5000 --duration 30s\n"
            "  spangate load --corrupt span-parent-missing:1% --corrupt proto-undecodable:0.1%\n",
};
