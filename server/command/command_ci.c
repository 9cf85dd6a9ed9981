/* The verb ci: runs a command behind a private gate and judges what its agents reported. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread runs the daemon, as its control thread; the conductor's thread runs the command,
 * waits until what came is judged, and stops the daemon. Then one thread is left and tells. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "command/ci_report.h"
#include "command/command.h"
#include "command/lint_rules.h"
#include "command/progress.h"
#include "command/standin.h"
#include "daemon/daemon.h"

enum {
    STEP_MS = 10,
    CALM_STEPS = 30,        /* no connection, nothing new: what was under way has come */
    QUIET_US = 2 * 1000000, /* connected, but silent for so long: nothing more will come */
    RESTARTS = 3,           /* integrity.md 2, instance-churn: 4 lives */
    SETTLE_MS = 10000,
    KEPT_SEGMENTS = 1,
};

struct ci {
    const struct command_input *in;
    struct ci_run run;
    struct ci_child child;
    struct ci_watch watch;
    struct daemon *daemon;
    struct standin *standin;
    uint64_t settle_ms;
    uint64_t *sums; /* metric slots */
    const char *junit_name, *sarif_name;
    FILE *junit, *sarif;
    int start_error; /* errno of what could not be run; 0: it ran */
};

/* What the gate shows of itself. */
struct ci_look {
    uint64_t n_connections, n_messages, n_bytes;
    bool is_empty; /* nothing queued or in flight */
};

static uint64_t
sum_of(const uint64_t *sums, enum metric metric)
{
    const struct metric_row *row = metric_row(metric);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < row->n; i++)
        sum += sums[row->first + i * row->width];
    return sum;
}

static void
look(struct ci *ci, struct ci_look *out)
{
    struct daemon_ledger ledger;
    daemon_collect(ci->daemon, ci->sums);
    daemon_ledger(ci->sums, &ledger);
    *out = (struct ci_look){
        .n_connections = sum_of(ci->sums, METRIC_CONNECTIONS),
        .n_messages = ci_watch_n_messages(&ci->watch),
        .n_bytes = sum_of(ci->sums, METRIC_RECEIVED_BYTES),
        .is_empty = ledger.queued + ledger.inflight == 0,
    };
}

/* The command has ended: until all connections are gone and their messages judged, or those that
 * are left are silent; at most --settle. */
static void
settle(struct ci *ci)
{
    uint64_t until_us = clock_fresh_us() + ci->settle_ms * 1000, changed_us = clock_fresh_us();
    struct ci_look before = {0}, now;
    for (uint32_t n_calm = 0; n_calm < CALM_STEPS;) {
        look(ci, &now);
        bool is_same = now.n_connections == before.n_connections &&
                       now.n_messages == before.n_messages && now.n_bytes == before.n_bytes;
        if (!is_same)
            changed_us = clock_fresh_us();
        before = now;
        progress_tell(ci->in, "waiting for what agents still send, at most %.0f s",
                      (double)ci->settle_ms / 1000);
        n_calm = is_same && now.n_connections == 0 && now.is_empty ? n_calm + 1 : 0;
        if (now.is_empty && clock_fresh_us() - changed_us >= QUIET_US)
            break;
        if (ci_child_pause(&ci->child, STEP_MS) || clock_fresh_us() >= until_us)
            return;
    }
    ci->run.is_settled = true;
}

static void *
conduct(void *ctx)
{
    struct ci *ci = ctx;
    log_set_thread("ci");
    ci->start_error = ci_child_start(&ci->child, daemon_grpc_address(ci->daemon));
    if (ci->start_error == 0) {
        ci_child_wait(&ci->child);
        settle(ci);
    }
    daemon_stop(ci->daemon);
    return NULL;
}

static int
start_gate(struct ci *ci, const struct conf *conf)
{
    struct text why = TEXT_EMPTY;
    struct standin_settings standin = {.listen = "127.0.0.1:0", .keep = KEPT_SEGMENTS};
    enum err err = standin_start(&standin, &why, &ci->standin);
    if (err == ERR_OK) {
        struct daemon_settings daemon = {.conf = conf,
                                         .upstream = standin_address(ci->standin),
                                         .revision = "",
                                         .watch = &ci->watch.watch};
        err = daemon_start(&daemon, &why, &ci->daemon);
    }
    if (err != ERR_OK)
        command_tell(ci->in, "%s", why.p);
    text_fini(&why);
    return err == ERR_OK ? COMMAND_OK : COMMAND_SYSTEM;
}

/* Everything that arrived must have gone somewhere, or the verdict is worth nothing. */
static int
check_ledger(const struct ci *ci)
{
    struct daemon_ledger ledger;
    daemon_ledger(ci->sums, &ledger);
    if (ledger.imbalance == 0)
        return COMMAND_OK;
    struct text line = TEXT_EMPTY;
    daemon_ledger_line(&ledger, &line);
    command_tell(ci->in, "the gate lost count: %s", line.p);
    text_fini(&line);
    return COMMAND_BUG;
}

static int
run_gate(struct ci *ci, const struct conf *conf)
{
    int result = start_gate(ci, conf);
    if (result == COMMAND_OK) {
        pthread_t conductor;
        ci->sums = mem_new_n(uint64_t, metric_n_slots());
        if (ci->in->verbose > 0)
            command_tell(ci->in, "agents report to %s", daemon_grpc_address(ci->daemon));
        check(pthread_create(&conductor, NULL, conduct, ci) == 0);
        daemon_run(ci->daemon);
        check(pthread_join(conductor, NULL) == 0);
        daemon_free(&ci->daemon, ci->sums);
        result = check_ledger(ci);
        mem_free(ci->sums);
    }
    standin_stop(&ci->standin);
    return result;
}

/* Telling. */

static int
open_file(const struct ci *ci, const char *name, FILE **out)
{
    if (name == NULL)
        return COMMAND_OK;
    *out = fopen(name, "we");
    if (*out != NULL)
        return COMMAND_OK;
    int error_number = errno;
    command_tell(ci->in, "%s: %s", name, strerror(error_number));
    return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION : COMMAND_IO;
}

/* Writes, closes and frees. */
static int
write_file(const struct ci *ci, const char *name, FILE **file, struct text *content)
{
    bool is_written = fwrite(content->p, content->n, 1, *file) == 1;
    is_written = fclose(*file) == 0 && is_written;
    *file = NULL;
    text_fini(content);
    if (!is_written)
        command_tell(ci->in, "%s: cannot be written: %s", name, strerror(errno));
    return is_written ? COMMAND_OK : COMMAND_IO;
}

static int
tell_files(struct ci *ci, const struct ci_verdict *verdict)
{
    struct text content = TEXT_EMPTY;
    int result = COMMAND_OK;
    if (ci->junit != NULL) {
        ci_export_junit(&content, &ci->run, verdict);
        result = write_file(ci, ci->junit_name, &ci->junit, &content);
    }
    if (ci->sarif != NULL) {
        ci_export_sarif(&content, &ci->run, verdict);
        int written = write_file(ci, ci->sarif_name, &ci->sarif, &content);
        result = result == COMMAND_OK ? written : result;
    }
    return result;
}

static int
tell(struct ci *ci)
{
    struct ci_verdict verdict;
    struct text out = TEXT_EMPTY;
    ci_report_judge(&ci->run, &verdict);
    int result = tell_files(ci, &verdict);
    if (strcmp(ci->in->format, "junit") == 0) {
        ci_export_junit(&out, &ci->run, &verdict);
    } else if (strcmp(ci->in->format, "sarif") == 0) {
        ci_export_sarif(&out, &ci->run, &verdict);
    } else if (!ci->in->quiet || verdict.code != COMMAND_OK) {
        ci_report_text(&out, &ci->run, &verdict);
    }
    int written = command_write(&out);
    if (result != COMMAND_OK || written != COMMAND_OK)
        return result != COMMAND_OK ? result : written;
    return verdict.code;
}

static int
cannot_run(const struct ci *ci)
{
    int error_number = ci->start_error;
    command_tell(ci->in, "%s: %s", ci->in->arguments[0], strerror(error_number));
    return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION : COMMAND_NO_INPUT;
}

/* Beginning. */

static int
read_fail_on(const struct command_input *in, enum ci_fail_on *out)
{
    static const char *const words[] = {"corrupt", "poison", "any"};
    const char *word = command_value(in, "fail-on");
    *out = CI_POISON;
    for (uint32_t i = 0; word != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) != 0)
            continue;
        *out = (enum ci_fail_on)i;
        word = NULL;
    }
    if (word == NULL)
        return COMMAND_OK;
    return command_usage(in, "--fail-on %.32s: write corrupt, poison or any", word);
}

static int
read_flags(struct ci *ci, uint64_t *rules)
{
    const struct command_input *in = ci->in;
    ci->run.max_restarts = RESTARTS;
    ci->run.min_segments = 1;
    ci->settle_ms = SETTLE_MS;
    ci->junit_name = command_value(in, "junit");
    ci->sarif_name = command_value(in, "sarif");
    int result = lint_rules_read(in, rules);
    if (result == COMMAND_OK)
        result = read_fail_on(in, &ci->run.fail_on);
    if (result == COMMAND_OK &&
        (!command_number(in, "restarts", UINT32_MAX, &ci->run.max_restarts) ||
         !command_number(in, "min-segments", UINT32_MAX, &ci->run.min_segments) ||
         !command_duration(in, "settle", &ci->settle_ms)))
        result = COMMAND_USAGE;
    if (result == COMMAND_OK)
        result = open_file(ci, ci->junit_name, &ci->junit);
    if (result == COMMAND_OK)
        result = open_file(ci, ci->sarif_name, &ci->sarif);
    return result;
}

static void
close_files(struct ci *ci)
{
    if (ci->junit != NULL)
        fclose(ci->junit);
    if (ci->sarif != NULL)
        fclose(ci->sarif);
}

static void
add_command(struct text *out, const struct command_input *in)
{
    for (uint32_t i = 0; i < in->n_arguments; i++) {
        text_add(out, i > 0 ? " " : "");
        text_add_plain(out, bytes_str(in->arguments[i]), 200);
    }
}

/* A gate that nobody else sees: a port the system picks, nothing on disk. One worker, so that all
 * copies of a segment meet. */
static int
run_behind_gate(struct ci *ci, uint64_t rules)
{
    static const char *const sets[] = {
        "upstream.kind=sink",     "listen.grpc.address=127.0.0.1:0",
        "telemetry.address=",     "buffer.mode=memory",
        "integrity.mode=enforce", "limits.workers=1",
        "shutdown.delay=0s",      "shutdown.drain=1s",
        "log.level=warn",         "listen.http.address=",
        "admin.address=",         "listen.grpc_tls.address=",
    };
    const struct conf *conf;
    int result = command_load_conf(ci->in, sets, sizeof(sets) / sizeof(sets[0]), &conf);
    if (result != COMMAND_OK)
        return result;
    ci_watch_init(&ci->watch, rules);
    result = run_gate(ci, conf);
    if (result == COMMAND_OK)
        result = ci->start_error != 0 ? cannot_run(ci) : tell(ci);
    ci_watch_fini(&ci->watch);
    conf_unref(&conf);
    return result;
}

static int
run(const struct command_input *in)
{
    struct ci ci = {.in = in};
    struct text command = TEXT_EMPTY;
    uint64_t rules;
    int result = read_flags(&ci, &rules);
    if (result == COMMAND_OK) {
        /* getopt's argv ends in NULL, and so do the arguments in it */
        int error_number = ci_child_fork(&ci.child, (char *const *)(uintptr_t)in->arguments);
        if (error_number != 0)
            command_tell(in, "cannot start a process: %s", strerror(error_number));
        add_command(&command, in);
        ci.run.watch = &ci.watch;
        ci.run.child = &ci.child;
        ci.run.command = command.p;
        result = error_number == 0 ? run_behind_gate(&ci, rules) : COMMAND_SYSTEM;
        ci_child_end(&ci.child);
    }
    close_files(&ci);
    text_fini(&command);
    return result;
}

static const struct command_flag flags[] = {
    {"fail-on", FLAG_VALUE}, {"rule", FLAG_VALUE},  {"restarts", FLAG_VALUE},
    {"settle", FLAG_VALUE},  {"junit", FLAG_VALUE}, {"min-segments", FLAG_VALUE},
    {"sarif", FLAG_VALUE},   {NULL, FLAG_ALONE},
};
static const char *const formats[] = {"text", "junit", "sarif", NULL};

const struct command_verb command_ci_verb = {
    .name = "ci",
    .run = run,
    .line = "judges what a test run reports",
    .arguments = "-- COMMAND [ARGUMENT]...",
    .least = 1,
    .most = UINT32_MAX,
    .formats = formats,
    .flags = flags,
    .help = "Points SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE (Go) and "
            "SW_AGENT_COLLECTOR_BACKEND_SERVICES\n"
            "(Java, Python, Node) at a gate of its own, runs the command, judges what arrives.\n"
            "Exit 0: clean; 1: findings, a crash loop, or too few segments; else the command's\n"
            "own exit code (128 + signal); 66 or 77 where it cannot be run.\n"
            "\n"
            "  --fail-on WHAT    corrupt (classes proof and strong), poison (default: and\n"
            "                    what OAP would lose data over) or any\n"
            "  --rule LIST       +x,+y: only these rules; -x: all but this one\n"
            "  --restarts N      allowed of one service (default 3); more, each after the one\n"
            "                    before, and hardly a segment: a crash loop; 0: never\n"
            "  --min-segments N  fewer are no clean run (default 1)\n"
            "  --settle TIME     waits for agents after the command's end (default 10s)\n"
            "  --junit FILE, --sarif FILE; --format F  text (default), junit, sarif on stdout\n"
            "  -q                says nothing of a clean run\n"
            "\n"
            "Examples:\n"
            "  spangate ci -- go test ./...\n"
            "  spangate ci --junit traces.xml -- sh -c 'make test'\n",
};
