/* A backend that is away while agents report at a steady rate: nothing lost, memory within its
 * limit, agents notice nothing, and the backlog leaves at twice the rate it came in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

enum { N_LINKS = 8, SAMPLE_US = 100 * 1000 };

static struct rig_plan plan = {.name = "outage", .seed = 1, .pad_least = 950, .pad_most = 1250};
static double rate_per_s = 2000, calm_s = 1, away_s = 5;
static uint32_t memory_mib = 256, quota_mib = 8192, per_call = 10;
static enum sink_mode how = SINK_AWAY;
static bool only_report; /* speeds are told, not judged: sanitizers are slow */

static struct rig rig;
static uint64_t highest_bytes; /* resident */
static double fill_s, reconnect_s, drain_s, drain_per_s;
static uint64_t n_backlog;

static void
sample(void)
{
    uint64_t bytes = daemon_memory(&rig.daemon, "VmRSS:");
    if (bytes > highest_bytes)
        highest_bytes = bytes;
}

static bool
load_for(double s)
{
    int64_t end_us = now_us() + (int64_t)(s * 1e6);
    bool ok = true;
    while (ok && now_us() < end_us) {
        int64_t next_us = now_us() + SAMPLE_US;
        ok = rig_load_until(&rig, next_us < end_us ? next_us : end_us);
        sample();
    }
    return ok;
}

/* Accepted and not delivered; doubles count once too often, so it is a little low at worst. */
static uint64_t
backlog(void)
{
    uint64_t n_arrived = rig.ids.n_delivered - rig.ids.n_doubled;
    return rig.ids.n_answered > n_arrived ? rig.ids.n_answered - n_arrived : 0;
}

/* Until the first message arrives again. */
static bool
reconnect(void)
{
    uint64_t n_before = rig.ids.n_delivered;
    int64_t begin_us = now_us();
    while (rig.ids.n_delivered == n_before) {
        if (now_us() - begin_us > DRAIN_LIMIT_US)
            return rig_fail(&rig, "does not come back to the backend");
        if (!load_for(0.01))
            return false;
    }
    reconnect_s = (double)(now_us() - begin_us) / 1e6;
    return true;
}

/* The load goes on; half a second of it is no backlog. */
static bool
work_off(void)
{
    int64_t begin_us = now_us(), limit_us = begin_us + DRAIN_LIMIT_US * (int64_t)10;
    uint64_t n_before = rig.ids.n_delivered;
    n_backlog = backlog();
    while ((double)backlog() > rate_per_s / 2) {
        if (now_us() > limit_us)
            return rig_fail(&rig, "does not catch up");
        if (!load_for(0.1))
            return false;
    }
    drain_s = (double)(now_us() - begin_us) / 1e6;
    drain_per_s = drain_s > 0 ? (double)(rig.ids.n_delivered - n_before) / drain_s : 0;
    return true;
}

static bool
live_through(void)
{
    if (!rig_start(&rig, N_LINKS) || !load_for(calm_s))
        return false;
    sink_set(&rig.sink, how);
    int64_t begin_us = now_us();
    if (!load_for(away_s))
        return false;
    fill_s = (double)(now_us() - begin_us) / 1e6;
    sink_set(&rig.sink, SINK_ANSWERS);
    if (!reconnect() || !work_off())
        return false;
    sample();
    uint64_t peak = daemon_memory(&rig.daemon, "VmHWM:");
    highest_bytes = peak > highest_bytes ? peak : highest_bytes;
    return rig_drain(&rig);
}

static bool
judge(void)
{
    bool ok = rig_is_sound(&rig);
    if (only_report)
        return ok;
    if (rig.agents.n_failed_calls > 0)
        ok = rig_fail(&rig, "calls of agents failed");
    if (highest_bytes > (uint64_t)memory_mib << 20)
        ok = rig_fail(&rig, "more memory than limits.memory");
    if (drain_per_s < 2 * rate_per_s)
        ok = rig_fail(&rig, "the backlog left slower than twice the input");
    if (rig.agents.longest_us > 1000000)
        ok = rig_fail(&rig, "an agent waited for more than a second");
    return ok;
}

static void
report(void)
{
    printf("rate %.0f/s, away %.0f s, backlog %" PRIu64 ", ", rate_per_s, fill_s, n_backlog);
    rig_report(&rig);
    printf("\nback after %.1f s, worked off in %.1f s at %.0f/s (%.1f x the input), memory at most "
           "%" PRIu64 " MiB of %u MiB, longest call %.0f ms, failed calls %" PRIu64
           ", turns behind %" PRIu64 "\n",
           reconnect_s, drain_s, drain_per_s, drain_per_s / rate_per_s, highest_bytes >> 20,
           memory_mib, (double)rig.agents.longest_us / 1e3, rig.agents.n_failed_calls,
           rig.agents.n_late);
    fflush(stdout);
}

static int
usage(void)
{
    fputs("usage: outage --binary SPANGATE --dir DIR [--rate PER_S] [--calm S] [--away S]\n"
          "              [--stall] [--memory MIB] [--quota MIB] [--per-call N] [--seed N]\n"
          "              [--only-report] [KEY=VALUE ...]\n",
          stderr);
    return 64;
}

static bool
take_number(int c)
{
    double n = strtod(optarg, NULL);
    switch (c) {
    case 'r':
        rate_per_s = n;
        return n > 0;
    case 'c':
        calm_s = n;
        return true;
    case 'a':
        away_s = n;
        return true;
    case 'm':
        memory_mib = (uint32_t)n;
        return true;
    case 'q':
        quota_mib = (uint32_t)n;
        return true;
    case 'p':
        per_call = (uint32_t)n;
        return per_call > 0;
    case 'n':
        plan.seed = (uint64_t)n;
        return true;
    default:
        return false;
    }
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
    case 'S':
        how = SINK_STALLS;
        return true;
    case 'o':
        only_report = true;
        return true;
    case '?':
        return false;
    default:
        return take_number(c);
    }
}

static bool
take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"binary", required_argument, NULL, 'b'},   {"dir", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'r'},     {"calm", required_argument, NULL, 'c'},
        {"away", required_argument, NULL, 'a'},     {"stall", no_argument, NULL, 'S'},
        {"memory", required_argument, NULL, 'm'},   {"quota", required_argument, NULL, 'q'},
        {"per-call", required_argument, NULL, 'p'}, {"seed", required_argument, NULL, 'n'},
        {"only-report", no_argument, NULL, 'o'},    {NULL, 0, NULL, 0}};
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
    daemon_set(&rig.daemon, "limits.memory=%uMiB", memory_mib);
    daemon_set(&rig.daemon, "buffer.disk.max=%uMiB", quota_mib);
    daemon_set(&rig.daemon, "upstream.retry.initial=50ms");
    rig.agents.rate_per_s = rate_per_s;
    rig.agents.mixed = false;
    rig.agents.per_call = per_call;
    rig.agents.max_calls = 64;
    bool ok = live_through();
    report();
    ok = ok && judge();
    rig_fini(&rig);
    return ok ? 0 : 1;
}
