/* The verb demo: gate, stand-in OAP and damaged load in one process; found must equal injected. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "command/command.h"
#include "command/demo_diagnoses.h"
#include "command/loadgen.h"
#include "command/loadgen_segment.h"
#include "command/progress.h"
#include "command/standin.h"
#include "daemon/daemon.h"
#include "integrity/integrity.h"

enum { SETTLE_STEPS = 1000, SETTLE_STEP_MS = 10, DEMO_RATE = 2000 };
static const double damaged_share = 0.002; /* of each kind */

/* The main thread runs the daemon; the conductor's thread runs the show. */
struct demo {
    const struct command_input *in;
    struct daemon *daemon;
    struct standin *standin;
    struct loadgen_settings load;
    uint32_t n_kinds; /* of damage */
    bool keep;
    uint64_t *sums; /* metric slots once everything has settled */
    struct loadgen_result result;
    struct standin_counts counts;
    _Atomic bool interrupted; /* a signal ended the daemon before the load was over */
    int exit_code;
};

static uint64_t
slot(const struct demo *demo, enum metric metric, uint32_t index)
{
    const struct metric_row *row = metric_row(metric);
    return demo->sums[row->first + index * row->width];
}

static bool
is_alarm(enum rule rule)
{
    return rule_row(rule)->rule_class != CLASS_HINT && rule_row(rule)->rule_class != CLASS_STRONG;
}

/* The kinds of damage that are injected: all that can be made and raise an alarm. */
static bool
is_shown(enum rule rule)
{
    return is_alarm(rule) && loadgen_can_damage(rule);
}

static void
pause_a_step(void)
{
    struct timespec step = {0, SETTLE_STEP_MS * 1000000L};
    nanosleep(&step, NULL);
}

/* Until nothing is queued or in flight, at most 10 s; the sums are of that moment. */
static void
settle(struct demo *demo)
{
    struct daemon_ledger ledger;
    for (int i = 0; i < SETTLE_STEPS && !atomic_load(&demo->interrupted); i++) {
        memset(demo->sums, 0, metric_n_slots() * sizeof(*demo->sums));
        daemon_collect(demo->daemon, demo->sums);
        daemon_ledger(demo->sums, &ledger);
        if (ledger.queued + ledger.inflight == 0)
            break;
        pause_a_step();
    }
    standin_counts(demo->standin, &demo->counts);
}

/* The table of kinds; gives how many kinds were not found exactly as often as injected. */
static uint32_t
add_kinds(const struct demo *demo, struct text *out)
{
    uint32_t wrong = 0;
    text_addf(out, "%-32s %9s %9s  %s\n", "DAMAGE", "INJECTED", "FOUND", "DONE ABOUT IT");
    for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
        if (!is_shown(rule))
            continue;
        const struct rule_row *row = rule_row(rule);
        uint64_t injected = demo->result.injected[row->rule];
        uint64_t found = slot(demo, METRIC_FINDINGS, row->rule);
        text_addf(out, "%-32s %9llu %9llu  %s%s\n", row->name, (unsigned long long)injected,
                  (unsigned long long)found, rule_action_label(row->action),
                  found == injected ? "" : "   <-- differs");
        wrong += found != injected;
    }
    return wrong;
}

static uint64_t
n_false_alarms(const struct demo *demo)
{
    uint64_t n = 0;
    for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
        uint64_t found = slot(demo, METRIC_FINDINGS, rule), injected = demo->result.injected[rule];
        if (is_alarm(rule) && found > injected)
            n += found - injected;
    }
    return n;
}

static void
add_verdicts(const struct demo *demo, struct text *out)
{
    text_add(out, "VERDICTS ");
    for (enum verdict verdict = VERDICT_CLEAN; verdict <= VERDICT_DROPPED; verdict++)
        text_addf(out, " %s %llu", verdict_label(verdict),
                  (unsigned long long)slot(demo, METRIC_SEGMENTS, verdict));
    text_add(out, "\n");
}

static void
add_next_steps(const struct demo *demo, struct text *out)
{
    text_add(out,
             "\nNext: spangate serve --set upstream.addresses=OAP_HOST:11800, and point an "
             "agent at port "
             "11800:\n"
             "  Go            SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE=THIS_HOST:11800\n"
             "  Java, Python, Node  SW_AGENT_COLLECTOR_BACKEND_SERVICES=THIS_HOST:11800\n"
             "What each finding and diagnosis (D1 ...) means: docs/rules.md, docs/diagnoses.md\n");
    if (demo->keep)
        text_addf(out,
                  "Staying up: agents %s, metrics http://%s/metrics, instances "
                  "http://%s/api/v1/instances. End with Ctrl-C.\n",
                  daemon_grpc_address(demo->daemon), daemon_telemetry_address(demo->daemon),
                  daemon_admin_address(demo->daemon));
}

static int
report(struct demo *demo)
{
    struct text out = TEXT_EMPTY;
    struct daemon_ledger ledger;
    daemon_ledger(demo->sums, &ledger);
    uint32_t wrong = add_kinds(demo, &out);
    uint64_t false_alarms = n_false_alarms(demo);
    text_addf(&out, "false alarms %llu\n\n", (unsigned long long)false_alarms);
    text_addf(&out, "LOAD      %llu segments answered OK of %llu sent, %llu failed, p99 %.1f ms\n",
              (unsigned long long)demo->result.n_acknowledged,
              (unsigned long long)demo->result.n_sent, (unsigned long long)demo->result.n_failed,
              (double)demo->result.p99_us / 1e3);
    add_verdicts(demo, &out);
    text_addf(&out, "BACKEND   %llu segments, %llu other messages arrived\n",
              (unsigned long long)demo->counts.n_items[METHOD_SEGMENT_COLLECT],
              (unsigned long long)(demo->counts.n_items[METHOD_INSTANCE_PROPERTIES] +
                                   demo->counts.n_items[METHOD_KEEP_ALIVE]));
    uint64_t n_told = 0; /* what cannot be decoded tells no instance */
    for (enum verdict verdict = VERDICT_CLEAN; verdict <= VERDICT_DROPPED; verdict++)
        n_told += slot(demo, METRIC_SEGMENTS, verdict);
    demo_diagnoses_add(daemon_admin_address(demo->daemon),
                       n_told - slot(demo, METRIC_FINDINGS, RULE_proto_undecodable), &out);
    text_add(&out, "LEDGER    ");
    daemon_ledger_line(&ledger, &out);
    text_add(&out, "\n");
    bool good = wrong == 0 && false_alarms == 0 && ledger.imbalance == 0 &&
                ledger.queued + ledger.inflight == 0 && demo->result.n_failed == 0 &&
                demo->result.n_acknowledged > 0;
    text_addf(&out, "%s\n",
              good ? "RESULT    good: found = injected, no false alarm, ledger 0"
                   : "RESULT    NOT GOOD: see above");
    add_next_steps(demo, &out);
    int written = command_write(&out);
    return written != COMMAND_OK ? written : good ? COMMAND_OK : COMMAND_FOUND;
}

static void *
conduct(void *ctx)
{
    struct demo *demo = ctx;
    struct loadgen *loadgen;
    log_set_thread("demo");
    demo->load.address = daemon_grpc_address(demo->daemon);
    check(loadgen_start(&demo->load, &loadgen) == ERR_OK); /* an address we bound ourselves */
    uint64_t start_us = clock_fresh_us();
    while (!loadgen_is_over(loadgen)) {
        progress_tell(demo->in, "%.0f of %.0f s", (double)(clock_fresh_us() - start_us) / 1e6,
                      (double)demo->load.duration_us / 1e6);
        if (atomic_load(&demo->interrupted))
            loadgen_cancel(loadgen);
        pause_a_step();
    }
    loadgen_finish(&loadgen, &demo->result);
    settle(demo);
    demo->exit_code = atomic_load(&demo->interrupted) ? COMMAND_FOUND : report(demo);
    if (!demo->keep)
        daemon_stop(demo->daemon);
    return NULL;
}

static int
start_parts(struct demo *demo, const struct conf *conf)
{
    struct text why = TEXT_EMPTY;
    struct standin_settings standin = {.listen = "127.0.0.1:0", .keep = 1000};
    enum err err = standin_start(&standin, &why, &demo->standin);
    if (err == ERR_OK) {
        struct daemon_settings daemon = {.conf = conf,
                                         .upstream = standin_address(demo->standin),
                                         .revision = "",
                                         .own_signals = true};
        err = daemon_start(&daemon, &why, &demo->daemon);
    }
    if (err != ERR_OK)
        command_tell(demo->in, "%s", why.p);
    text_fini(&why);
    return err == ERR_OK ? COMMAND_OK : COMMAND_SYSTEM;
}

static int
read_flags(const struct command_input *in, struct demo *demo)
{
    uint64_t duration_ms = 15000;
    loadgen_settings_default(&demo->load);
    demo->load.rate = DEMO_RATE;
    if (!command_duration(in, "duration", &duration_ms) ||
        !command_number(in, "seed", UINT32_MAX, &demo->load.seed))
        return COMMAND_USAGE;
    demo->load.duration_us = duration_ms * 1000;
    for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
        if (!is_shown(rule))
            continue;
        demo->load.corrupt[rule] = damaged_share;
        demo->n_kinds++;
    }
    demo->keep = command_has(in, "keep");
    return COMMAND_OK;
}

static int
run(const struct command_input *in)
{
    /* Ports the system picks: the demo works beside anything; --set still has the last word. */
    static const char *const sets[] = {"upstream.kind=sink",
                                       "listen.grpc.address=127.0.0.1:0",
                                       "listen.http.address=127.0.0.1:0",
                                       "telemetry.address=127.0.0.1:0",
                                       "admin.address=127.0.0.1:0",
                                       "log.level=error"};
    struct demo demo = {.in = in};
    const struct conf *conf;
    int result = read_flags(in, &demo);
    if (result == COMMAND_OK)
        result = command_load_conf(in, sets, sizeof(sets) / sizeof(sets[0]), &conf);
    if (result != COMMAND_OK)
        return result;
    result = start_parts(&demo, conf);
    if (result == COMMAND_OK) {
        pthread_t conductor;
        demo.sums = mem_new_n(uint64_t, metric_n_slots());
        command_tell(in, "%u segments a second for %.1f s, %u kinds of damage, through %s",
                     DEMO_RATE, (double)demo.load.duration_us / 1e6, demo.n_kinds,
                     daemon_grpc_address(demo.daemon));
        check(pthread_create(&conductor, NULL, conduct, &demo) == 0);
        daemon_run(demo.daemon);
        atomic_store(&demo.interrupted, true);
        check(pthread_join(conductor, NULL) == 0);
        daemon_free(&demo.daemon, NULL);
        result = demo.exit_code;
        mem_free(demo.sums);
    }
    standin_stop(&demo.standin);
    conf_unref(&conf);
    return result;
}

static const struct command_flag flags[] = {
    {"duration", FLAG_VALUE},
    {"seed", FLAG_VALUE},
    {"keep", FLAG_ALONE},
    {NULL, FLAG_ALONE},
};

const struct command_verb command_demo_verb = {
    .name = "demo",
    .run = run,
    .line = "service, OAP stand-in and load",
    .arguments = "",
    .flags = flags,
    .help = "Sends healthy and damaged segments through a gate into a stand-in OAP, then compares "
            "what\n"
            "was injected with what was found and prints the ledger. Exit 0 only when found =\n"
            "injected, nothing healthy was accused, and the ledger is 0.\n"
            "\n"
            "  --duration TIME  of the load (default 15s)\n"
            "  --seed N         the same seed damages the same segments\n"
            "  --keep           stays up afterwards, to look at /metrics\n"
            "\n"
            "Examples:\n"
            "  spangate demo\n"
            "  spangate demo --duration 5s --keep\n",
};
