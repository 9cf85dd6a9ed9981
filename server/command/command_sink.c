/* The verb sink: the stand-in OAP alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "command/command.h"
#include "command/standin_query.h"
#include "grpc/grpc_call.h"
#include "net/http1.h"

enum { QUERY_LIMIT = 100 };

/* What runs in the main thread: signals, the queries, and a look whether the stand-in is over. */
struct sink {
    struct loop *loop;
    struct standin *standin;
    struct http1 *http;
    struct loop_signal *on_term, *on_int;
    struct loop_timer look;
};

static void
on_signal(void *ctx)
{
    struct sink *sink = ctx;
    loop_stop(sink->loop);
}

static void
on_look(void *ctx)
{
    struct sink *sink = ctx;
    if (standin_is_over(sink->standin))
        loop_stop(sink->loop);
    else
        loop_timer_in(&sink->look, 100000);
}

/* GET /api/v1/sink/segments?limit=N and GET /api/v1/sink/trace/ID (product.md 5). */
static void
on_request(void *ctx, struct http1_request *request)
{
    struct sink *sink = ctx;
    static const char trace[] = "/api/v1/sink/trace/";
    const char *path = http1_path(request);
    struct text body = TEXT_EMPTY;
    int status = 200;
    if (strcmp(path, "/api/v1/sink/segments") == 0) {
        uint64_t n;
        if (!admin_query_number(request, "limit", 1, STANDIN_KEEP_SEGMENTS, QUERY_LIMIT, &n))
            return;
        standin_query(sink->standin, (uint32_t)n, NULL, &body);
    } else if (strncmp(path, trace, sizeof(trace) - 1) == 0) {
        standin_query(sink->standin, STANDIN_KEEP_SEGMENTS, path + sizeof(trace) - 1, &body);
    } else {
        status = 404;
        text_add(&body, "{\"error\":\"try /api/v1/sink/segments or /api/v1/sink/trace/ID\"}\n");
    }
    http1_answer(request, status, "application/json", text_bytes(&body));
    text_fini(&body);
}

static int
status_by_name(const char *name)
{
    for (int status = 1; status <= 16; status++)
        if (strcmp(err_status_name(status), name) == 0)
            return status;
    return -1;
}

static int
read_flags(const struct command_input *in, struct standin_settings *settings)
{
    uint64_t latency_ms = 0;
    const char *code = command_value(in, "fail-code");
    *settings = (struct standin_settings){
        .listen = command_value(in, "listen"),
        .store_dir = command_value(in, "store"),
        .keep = STANDIN_KEEP_SEGMENTS,
        .fail_status = GRPC_UNAVAILABLE,
        .stall = command_has(in, "stall"),
    };
    if (settings->listen == NULL)
        settings->listen = "127.0.0.1:11801";
    if (!command_duration(in, "latency", &latency_ms) ||
        !command_percent(in, "fail", &settings->fail_ratio) ||
        !command_number(in, "until", UINT64_MAX, &settings->until))
        return COMMAND_USAGE;
    settings->latency_us = latency_ms * 1000;
    if (code != NULL && (settings->fail_status = status_by_name(code)) < 0)
        return command_usage(in, "--fail-code \"%s\" is no gRPC status; try UNAVAILABLE", code);
    return COMMAND_OK;
}

static int
print_counts(struct standin *standin)
{
    struct standin_counts counts;
    struct text out = TEXT_EMPTY;
    standin_counts(standin, &counts);
    text_addf(&out, "%-52s %12s\n", "method", "items");
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (counts.n_items[i] > 0)
            text_addf(&out, "%-52s %12llu\n", method_row(i)->path,
                      (unsigned long long)counts.n_items[i]);
    text_addf(&out, "%llu calls, %llu failed on request, %llu bytes\n",
              (unsigned long long)counts.n_calls, (unsigned long long)counts.n_failed,
              (unsigned long long)counts.n_bytes);
    return command_write(&out);
}

static int
serve_queries(const struct command_input *in, struct sink *sink)
{
    const char *telemetry = command_value(in, "telemetry");
    struct text why = TEXT_EMPTY;
    if (telemetry != NULL &&
        http1_open(sink->loop, telemetry, 0, on_request, sink, &why, &sink->http) != ERR_OK) {
        command_tell(in, "%s", why.p);
        text_fini(&why);
        return COMMAND_SYSTEM;
    }
    text_fini(&why);
    return COMMAND_OK;
}

static void
say_where(const struct command_input *in, const struct sink *sink)
{
    command_tell(in, "taking SkyWalking's gRPC on %s", standin_address(sink->standin));
    if (sink->http == NULL)
        return;
    struct net_address address;
    char text[NET_ADDRESS_TEXT];
    http1_address(sink->http, &address);
    net_address_text(&address, text);
    command_tell(in, "answering http://%s/api/v1/sink/segments", text);
}

static int
run(const struct command_input *in)
{
    struct standin_settings settings;
    struct text why = TEXT_EMPTY;
    struct sink sink = {0};
    int result = read_flags(in, &settings);
    if (result != COMMAND_OK)
        return result;
    if (standin_start(&settings, &why, &sink.standin) != ERR_OK) {
        command_tell(in, "%s", why.p);
        text_fini(&why);
        return COMMAND_SYSTEM;
    }
    sink.loop = loop_new();
    sink.on_term = loop_signal_new(sink.loop, SIGTERM, on_signal, &sink);
    sink.on_int = loop_signal_new(sink.loop, SIGINT, on_signal, &sink);
    loop_timer_init(&sink.look, sink.loop, on_look, &sink);
    loop_timer_in(&sink.look, 100000);
    result = serve_queries(in, &sink);
    if (result == COMMAND_OK) {
        say_where(in, &sink);
        loop_run(sink.loop);
        result = print_counts(sink.standin);
    }
    http1_close(&sink.http);
    loop_timer_cancel(&sink.look);
    loop_signal_free(&sink.on_term);
    loop_signal_free(&sink.on_int);
    loop_free(&sink.loop);
    standin_stop(&sink.standin);
    return result;
}

static const struct command_flag flags[] = {
    {"listen", FLAG_VALUE},  {"store", FLAG_VALUE}, {"telemetry", FLAG_VALUE},
    {"latency", FLAG_VALUE}, {"fail", FLAG_VALUE},  {"fail-code", FLAG_VALUE},
    {"stall", FLAG_ALONE},   {"until", FLAG_VALUE}, {NULL, FLAG_ALONE},
};

const struct command_verb command_sink_verb = {
    .name = "sink",
    .run = run,
    .line = "a stand-in OAP that stores",
    .arguments = "",
    .flags = flags,
    .help =
        "Takes every method an OAP takes and answers OK, so that spangate and agents can be tried\n"
        "without one. Ends on SIGTERM or after --until items and prints what came.\n"
        "\n"
        "  --listen ADDRESS     gRPC, clear text (default 127.0.0.1:11801)\n"
        "  --store DIR          DIR/Service.method.bin each: 4-byte big-endian length, message;\n"
        "                       \"spangate lint\" reads them\n"
        "  --telemetry ADDRESS  GET /api/v1/sink/segments?limit=N, /api/v1/sink/trace/ID\n"
        "  --latency TIME       before each answer (50ms)\n"
        "  --fail PERCENT       so many calls fail and are not stored (5%)\n"
        "  --fail-code NAME     with which status (default UNAVAILABLE)\n"
        "  --stall              takes everything, answers nothing\n"
        "  --until N            ends after N items\n"
        "\n"
        "Examples:\n"
        "  spangate sink --store /tmp/oap\n"
        "  spangate sink --listen 127.0.0.1:0 --latency 200ms --fail 5%\n",
};
