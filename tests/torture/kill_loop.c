/* Kills spangate under load again and again, and counts what was answered and did not arrive. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread is agents, backend and parent. Each life: start on the same spool, load, SIGKILL after
 * 20 to 200 ms (one in twenty lives longer), the backend in a random mode that may change on the
 * way. Every so many kills a life drains: all calls are answered, the buffer is empty, SIGTERM.
 * Then every message that was answered OK or credited must have been delivered, bytes equal, and
 * none of those sent so far may come again.
 *
 * Twice may come, by docs/spool-format.md: what was delivered in the last 100 ms of a life, or
 * whose answer a cut connection swallowed. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

enum {
    CURSOR_LAG_US = 150 * 1000, /* 100 ms, and the turn that was just due */
    OLDEST_DOUBLED_MS = 1000,   /* as docs/durability.md says; 100 ms on a disk with time */
    LOST_ANSWER_US = 50 * 1000, /* written by us, on its way when the connection was cut */
    N_LINKS = 4,
};

static struct rig_plan plan = {.name = "kill_loop", .seed = 1, .pad_least = 20, .pad_most = 3000};
static uint32_t n_wanted = 300, drain_every = 100;
static double rate_per_s = 8000;
static bool is_gentle; /* SIGTERM where SIGKILL would be, for buffer.mode: memory */

static struct rig rig;
static uint64_t random_state;
static uint64_t n_allowed; /* messages that may come twice */
static uint32_t n_kills, n_starts;
static double slowest_start_ms, sum_start_ms;

static bool
start(void)
{
    int64_t begin_us = now_us();
    if (!rig_start(&rig, N_LINKS))
        return false;
    double took_ms = (double)(now_us() - begin_us) / 1e3;
    n_starts++;
    sum_start_ms += took_ms;
    if (took_ms > slowest_start_ms)
        slowest_start_ms = took_ms;
    sink_forget(&rig.sink);
    return true;
}

static void
set_mode(enum sink_mode mode)
{
    if (mode == SINK_AWAY && rig.sink.mode != SINK_AWAY)
        n_allowed += sink_delivered_since(&rig.sink, now_us() - LOST_ANSWER_US);
    sink_set(&rig.sink, mode);
}

/* Half of the time the backend works. */
static enum sink_mode
random_mode(void)
{
    if (is_gentle || random_between(&random_state, 0, 1))
        return SINK_ANSWERS;
    return (enum sink_mode)random_between(&random_state, SINK_STALLS, SINK_AWAY);
}

static bool
kill_and_read_the_rest(void)
{
    int64_t killed_us = now_us();
    if (is_gentle) {
        agents_finish(&rig.agents);
        if (daemon_end(&rig.daemon, START_LIMIT_MS) != 0)
            return rig_fail(&rig, "did not end well on SIGTERM");
    } else {
        daemon_kill(&rig.daemon);
    }
    if (!rig_turn_until(&rig, rig_is_gone, "connections outlive the process"))
        return false;
    ids_end_life(&rig.ids);
    n_allowed += sink_delivered_since(&rig.sink, killed_us - CURSOR_LAG_US);
    n_kills++;
    return true;
}

static bool
live_and_die(void)
{
    uint32_t life_ms = random_between(&random_state, 0, 19) == 0
                           ? random_between(&random_state, 400, 800)
                           : random_between(&random_state, 20, 200);
    set_mode(random_mode());
    if (!start())
        return false;
    int64_t end_us = now_us() + (int64_t)life_ms * 1000;
    if (random_between(&random_state, 0, 1)) {
        if (!rig_load_until(&rig, now_us() + random_between(&random_state, 0, life_ms) * 1000))
            return false;
        set_mode(random_mode());
    }
    return rig_load_until(&rig, end_us) && kill_and_read_the_rest();
}

static bool
drain(void)
{
    set_mode(SINK_ANSWERS);
    return start() && rig_load_until(&rig, now_us() + 100000) && rig_drain(&rig);
}

static void
report(int64_t took_us)
{
    printf("kills %u, ", n_kills);
    rig_report(&rig);
    printf(", bound of doubled %" PRIu64 ", oldest %u ms before its kill\n", n_allowed,
           rig.ids.oldest_doubled_ms);
    printf("%.0f s, %.0f ms a kill, start to listening %.1f ms, slowest %.1f ms, backend calls "
           "%" PRIu64 ", failed by us %" PRIu64 "\n",
           (double)took_us / 1e6, n_kills ? (double)took_us / 1e3 / n_kills : 0,
           n_starts ? sum_start_ms / n_starts : 0, slowest_start_ms, rig.sink.n_calls,
           rig.sink.n_failed);
    fflush(stdout);
}

static bool
is_within_bounds(void)
{
    if (rig.ids.n_doubled > n_allowed || rig.ids.oldest_doubled_ms > OLDEST_DOUBLED_MS)
        return rig_fail(&rig, "more came twice than docs/spool-format.md allows");
    return rig_is_sound(&rig);
}

static int
run(void)
{
    int64_t begin_us = now_us();
    bool ok = true;
    while (ok && n_kills < n_wanted) {
        ok = live_and_die();
        if (ok && (n_kills % drain_every == 0 || n_kills == n_wanted))
            ok = drain();
        if (ok && n_kills % 1000 == 0 && n_kills < n_wanted)
            report(now_us() - begin_us);
    }
    report(now_us() - begin_us);
    return ok && is_within_bounds() ? 0 : 1;
}

static int
usage(void)
{
    fputs("usage: kill_loop --binary SPANGATE --dir DIR [--kills N] [--drain-every N]\n"
          "                 [--rate PER_S] [--seed N] [--gentle] [KEY=VALUE ...]\n",
          stderr);
    return 64;
}

static bool
take_option(int c)
{
    switch (c) {
    case 'b':
        plan.binary = optarg;
        return true;
    case 's':
        plan.directory = optarg;
        return true;
    case 'k':
        n_wanted = (uint32_t)strtoul(optarg, NULL, 10);
        return true;
    case 'd':
        drain_every = (uint32_t)strtoul(optarg, NULL, 10);
        return drain_every > 0;
    case 'r':
        rate_per_s = strtod(optarg, NULL);
        return true;
    case 'n':
        plan.seed = strtoull(optarg, NULL, 10);
        return true;
    case 'g':
        is_gentle = true;
        return true;
    default:
        return false;
    }
}

static bool
take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"binary", required_argument, NULL, 'b'}, {"dir", required_argument, NULL, 's'},
        {"kills", required_argument, NULL, 'k'},  {"drain-every", required_argument, NULL, 'd'},
        {"rate", required_argument, NULL, 'r'},   {"seed", required_argument, NULL, 'n'},
        {"gentle", no_argument, NULL, 'g'},       {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take_option(c))
            return false;
    plan.settings = argv + optind;
    plan.n_settings = argc - optind;
    return plan.binary && plan.directory;
}

int
main(int argc, char **argv)
{
    if (!take_options(argc, argv))
        return usage();
    rig_init(&rig, &plan);
    daemon_set(&rig.daemon, "batch.max_delay=5ms");
    daemon_set(&rig.daemon, "upstream.retry.initial=10ms");
    rig.agents.rate_per_s = rate_per_s;
    random_state = plan.seed;
    int code = run();
    rig_fini(&rig);
    return code;
}
