/* The verb serve: the service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include <string.h>

#include "command/command.h"
#include "command/standin_query.h"
#include "daemon/daemon.h"

#ifndef SPANGATE_REVISION
#define SPANGATE_REVISION "unknown"
#endif

enum { MAX_SETS = 3 };

/* What one run holds; set up and torn down in this order. */
struct serve {
    const struct command_input *in;
    const struct conf *conf;
    struct standin *standin;     /* NULL without --sink */
    struct admin_routes queries; /* of the stand-in */
    struct daemon *daemon;
};

static void
add_upstream(const struct serve *serve, struct text *out)
{
    const struct conf *conf = serve->conf;
    if (serve->standin != NULL) {
        const char *dir = command_value(serve->in, "sink");
        text_addf(out, "built-in sink %s", standin_address(serve->standin));
        if (dir != NULL)
            text_addf(out, ", storing into %s", dir);
        return;
    }
    if (conf->upstream.kind == CONF_KIND_DISCARD) {
        text_add(out, "discard: everything is taken and nothing is sent");
        return;
    }
    if (conf->upstream.kind == CONF_KIND_KAFKA) {
        text_add(out, "kafka");
        for (uint32_t i = 0; i < conf->upstream.kafka.brokers.n; i++)
            text_addf(out, "%s %s", i > 0 ? "," : "", conf->upstream.kafka.brokers.items[i]);
        text_add(out, conf->upstream.addresses.n > 0 ? "; what has no topic: oap" : "");
    } else {
        text_add(out, "oap");
    }
    for (uint32_t i = 0; i < conf->upstream.addresses.n; i++)
        text_addf(out, "%s %s", i > 0 ? "," : "", conf->upstream.addresses.items[i]);
}

static void
add_buffer(const struct serve *serve, struct text *out)
{
    static const char *const words[] = {
        [CONF_BUFFER_DURABLE] = "durable",
        [CONF_BUFFER_SPILL] = "spill",
        [CONF_BUFFER_MEMORY] = "memory only",
    };
    const struct conf *conf = serve->conf;
    text_addf(out, "%s: ", words[conf->buffer.mode]);
    if (conf->buffer.mode != CONF_BUFFER_MEMORY) {
        text_add_size(out, conf->buffer.disk.max_bytes);
        text_addf(out, " in %s, ", conf->buffer.disk.path);
    }
    text_add_size(out, conf->buffer.memory.max_bytes);
    text_add(out, " of ");
    text_add_size(out, conf->limits.memory_bytes);
    text_add(out, " memory");
}

static const char *
or_off(const char *address)
{
    return address[0] != '\0' ? address : "off";
}

/* Six lines for whoever started it. */
static void
print_start(const struct serve *serve)
{
    struct text out = TEXT_EMPTY;
    const char *telemetry = daemon_telemetry_address(serve->daemon);
    const char *admin = daemon_admin_address(serve->daemon);
    text_add(&out, "spangate " SPANGATE_VERSION " (" SPANGATE_REVISION ")\nconfig     ");
    conf_add_origin(serve->conf, &out);
    const char *tls = daemon_grpc_tls_address(serve->daemon);
    text_addf(&out, "\nlistening  grpc %s", or_off(daemon_grpc_address(serve->daemon)));
    if (tls[0] != '\0')
        text_addf(&out, " grpc_tls %s", tls);
    text_addf(&out, "  http %s\nupstream   ", or_off(daemon_http_address(serve->daemon)));
    add_upstream(serve, &out);
    text_add(&out, "\nbuffer     ");
    add_buffer(serve, &out);
    if (telemetry[0] != '\0')
        text_addf(&out, "\ntelemetry  http://%s/metrics", telemetry);
    else
        text_add(&out, "\ntelemetry  off");
    if (admin[0] != '\0')
        text_addf(&out, ", admin http://%s%s", admin,
                  serve->conf->admin.ui ? "/ui" : "/api/v1/overview");
    text_add(&out, "\n");
    fputs(out.p, stderr);
    text_fini(&out);
}

static int
load_conf(const struct command_input *in, const struct conf **out)
{
    const char *sets[MAX_SETS];
    uint32_t n = 0;
    if (command_has(in, "sink"))
        sets[n++] = "upstream.kind=sink";
    if (in->quiet)
        sets[n++] = "log.level=warn";
    else if (in->verbose > 0)
        sets[n++] = "log.level=debug";
    return command_load_conf(in, sets, n, out);
}

/* Of what is told of a configuration: its errors, in one line. */
static void
add_errors(const struct text *told, struct text *why)
{
    struct bytes left = text_bytes(told);
    text_add(why, "the configuration is bad, every setting stays as it is");
    while (left.n > 0) {
        const uint8_t *end = memchr(left.p, '\n', left.n);
        size_t n = end != NULL ? (size_t)(end - left.p) : left.n;
        if (memmem(left.p, n, "error ", 6) != NULL) {
            text_add(why, "; ");
            text_add_bytes(why, bytes_of(left.p, n));
        }
        n += end != NULL;
        left = bytes_of(left.p + n, left.n - n);
    }
}

/* SIGHUP, or an order. */
static const struct conf *
reload(void *ctx, struct text *why)
{
    const struct serve *serve = ctx;
    const struct conf *conf = NULL;
    struct text told = TEXT_EMPTY;
    struct command_input in = *serve->in;
    in.told = &told;
    if (load_conf(&in, &conf) != COMMAND_OK)
        add_errors(&told, why);
    text_fini(&told);
    return conf;
}

static int
start_sink(struct serve *serve)
{
    if (serve->conf->upstream.kind != CONF_KIND_SINK)
        return COMMAND_OK;
    struct standin_settings settings = {
        .listen = "127.0.0.1:0",
        .store_dir = command_value(serve->in, "sink"),
        .keep = STANDIN_KEEP_SEGMENTS,
    };
    struct text why = TEXT_EMPTY;
    int result = COMMAND_OK;
    if (standin_start(&settings, &why, &serve->standin) != ERR_OK) {
        command_tell(serve->in, "the built-in sink does not start: %s", why.p);
        result = COMMAND_SYSTEM;
    }
    text_fini(&why);
    return result;
}

static int
exit_of_start(enum err err)
{
    if (err == ERR_LOCKED)
        return COMMAND_LOCKED;
    if (err == ERR_PERMISSION)
        return COMMAND_PERMISSION;
    return err == ERR_IO || err == ERR_NO_SPACE ? COMMAND_IO : COMMAND_SYSTEM;
}

static int
start_daemon(struct serve *serve)
{
    serve->queries = standin_query_routes(serve->standin);
    struct daemon_settings settings = {
        .conf = serve->conf,
        .upstream = serve->standin != NULL ? standin_address(serve->standin) : NULL,
        .revision = SPANGATE_REVISION,
        .own_signals = true,
        .reload = reload,
        .reload_ctx = serve,
        .routes = serve->standin != NULL ? &serve->queries : NULL,
    };
    struct text why = TEXT_EMPTY;
    int result = COMMAND_OK;
    enum err err = daemon_start(&settings, &why, &serve->daemon);
    if (err != ERR_OK) {
        command_tell(serve->in, "%s; %s", why.p != NULL ? why.p : err_words(err), err_advice(err));
        result = exit_of_start(err);
    }
    text_fini(&why);
    return result;
}

/* The last line: where everything went. */
static int
print_ledger(const uint64_t *sums)
{
    struct daemon_ledger ledger;
    struct text out = TEXT_EMPTY;
    daemon_ledger(sums, &ledger);
    text_add(&out, "ledger     ");
    daemon_ledger_line(&ledger, &out);
    text_add(&out, "\n");
    fputs(out.p, stderr);
    text_fini(&out);
    return ledger.imbalance == 0 ? COMMAND_OK : COMMAND_BUG;
}

static int
run(const struct command_input *in)
{
    struct serve serve = {.in = in};
    int result = load_conf(in, &serve.conf);
    if (result == COMMAND_OK)
        result = start_sink(&serve);
    if (result == COMMAND_OK)
        result = start_daemon(&serve);
    if (result == COMMAND_OK) {
        print_start(&serve);
        daemon_run(serve.daemon);
        uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
        daemon_free(&serve.daemon, sums);
        result = print_ledger(sums);
        mem_free(sums);
    }
    if (serve.standin != NULL)
        standin_stop(&serve.standin);
    if (serve.conf != NULL)
        conf_unref(&serve.conf);
    return result;
}

static const struct command_flag flags[] = {
    {"sink", FLAG_OPTIONAL_VALUE},
    {NULL, FLAG_ALONE},
};

const struct command_verb command_serve_verb = {
    .name = "serve",
    .run = run,
    .line = "the service",
    .arguments = "",
    .flags = flags,
    .help =
        "Takes SkyWalking agents' data on gRPC and HTTP, judges it, and forwards to OAP.\n"
        "\n"
        "  --sink[=DIR]   forward to a built-in stand-in for OAP; with DIR it stores what\n"
        "                 arrives, one DIR/Service.method.bin for each method\n"
        "\n"
        "SIGTERM drains: agents are told to go elsewhere, what is held is forwarded within\n"
        "shutdown.drain, the ledger is printed, exit 0. A second signal ends at once.\n"
        "SIGHUP takes up integrity.*, upstream.storage and log.* of the changed file, says what\n"
        "else needs a restart, and keeps everything as it is when the file is bad.\n"
        "\n"
        "Examples:\n"
        "  spangate serve --sink\n"
        "  spangate serve -c spangate.yaml\n",
};
