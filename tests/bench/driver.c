/* Loads a gRPC server with pre-encoded HTTP/2 frames and counts its OK answers. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread. Each connection has a fixed number of slots; a slot is one call of n segments to
 * TraceSegmentReportService/collect, its body built once, only the segments' counters and the
 * frames' stream ids are patched. Windows, SETTINGS and max concurrent streams of the server are
 * honoured. Flat out: every slot starts its next call when the last was answered. Paced: segments
 * fall due at a steady rate whatever the server does (open loop); a call that finds no slot free
 * counts as late and starts as soon as one is.
 *
 *   driver_link   one connection: frames out, frames in
 *   driver        the schedule, the loop and the report */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "driver_link.h"

struct schedule {
    uint64_t n_total;  /* segments to send; 0 = until the end of duration */
    double rate_per_s; /* 0 = flat out */
    double duration_s;
    bool spread;             /* paced: each segment at its own time, not each call */
    uint64_t n_due, n_begun; /* segments */
    int64_t begin_ns, last_answer_ns;
    uint32_t next_link;
};

static struct load load = {
    .port = 11800,
    .n_links = 4,
    .n_slots = 8,
    .n_per_call = 100,
    .n_segment_bytes = 431,
    .n_frame_bytes = 0,
};
static struct schedule plan;
static struct link **links;
static bool idle; /* one call on each connection, then silence until standard input ends */

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool
is_all_begun(void)
{
    uint64_t step = plan.spread ? 1 : load.n_per_call;
    if (plan.rate_per_s > 0)
        return plan.n_begun + step > plan.n_due &&
               (double)(now_ns() - plan.begin_ns) >= plan.duration_s * 1e9;
    return plan.n_begun >= plan.n_total;
}

/* Starts calls wherever a slot is free. */
static void
begin_flat_out(void)
{
    for (uint32_t i = 0; i < load.n_links; i++) {
        while (plan.n_begun < plan.n_total && link_begin(links[i], load.n_per_call))
            plan.n_begun += load.n_per_call;
        link_flush(links[i]);
    }
}

static void
begin_due_calls(void)
{
    while (plan.n_begun + load.n_per_call <= plan.n_due) {
        uint32_t tried = 0;
        struct link *link;
        do {
            link = links[plan.next_link++ % load.n_links];
        } while (!link_begin(link, load.n_per_call) && ++tried < load.n_links);
        if (tried == load.n_links) {
            load.n_late++;
            return;
        }
        plan.n_begun += load.n_per_call;
        link_flush(link);
    }
}

/* Each connection in turn gets one segment; a call opens with its first and ends with its last. */
static void
begin_due_segments(void)
{
    while (plan.n_begun < plan.n_due) {
        struct link *link = links[plan.next_link++ % load.n_links];
        if (!link_release(link, 1) && !link_begin(link, 1)) {
            load.n_late++;
            return;
        }
        plan.n_begun++;
        link_flush(link);
    }
}

static void
begin_due(void)
{
    double elapsed_s = (double)(now_ns() - plan.begin_ns) / 1e9;
    if (elapsed_s > plan.duration_s)
        elapsed_s = plan.duration_s;
    plan.n_due = (uint64_t)(elapsed_s * plan.rate_per_s);
    if (plan.spread)
        begin_due_segments();
    else
        begin_due_calls();
}

static void
begin_work(void)
{
    if (plan.rate_per_s > 0)
        begin_due();
    else
        begin_flat_out();
}

static int
open_timer(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    double period_s =
        plan.rate_per_s > 0 ? (plan.spread ? 1 : load.n_per_call) / plan.rate_per_s : 0.1;
    long ns = (long)(period_s * 1e9);
    struct itimerspec when = {.it_interval = {ns / 1000000000, ns % 1000000000},
                              .it_value = {ns / 1000000000, ns % 1000000000}};
    timerfd_settime(fd, 0, &when, NULL);
    return fd;
}

static void
read_timer(int fd)
{
    uint64_t n;
    if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
        perror("driver: timer");
}

/* Waits for readiness once; false when a connection is lost. */
static bool
turn(int poll, int timer)
{
    struct epoll_event events[256];
    int n = epoll_wait(poll, events, 256, 1000);
    uint64_t n_before = load.n_acknowledged + load.n_failed;
    for (int i = 0; i < n; i++) {
        struct link *link = events[i].data.ptr;
        if (!link)
            read_timer(timer);
        else if (!link_turn(link))
            return false;
    }
    if (load.n_acknowledged + load.n_failed != n_before)
        plan.last_answer_ns = now_ns();
    return true;
}

/* Runs until every begun call is answered, or 30 s pass without an answer. */
static bool
run(int poll)
{
    int timer = open_timer();
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    plan.begin_ns = plan.last_answer_ns = now_ns();
    bool ok = true;
    while (ok) {
        begin_work();
        if (is_all_begun()) {
            if (plan.spread)
                for (uint32_t i = 0; i < load.n_links; i++)
                    link_finish(links[i]);
            if (load.n_acknowledged + load.n_failed >= plan.n_begun)
                break;
        }
        ok = turn(poll, timer);
        if (now_ns() - plan.last_answer_ns > 30000000000)
            ok = false;
    }
    epoll_ctl(poll, EPOLL_CTL_DEL, timer, NULL);
    close(timer);
    return ok;
}

static bool
open_links(int poll)
{
    links = mem_new_n(struct link *, load.n_links);
    for (uint32_t i = 0; i < load.n_links; i++) {
        links[i] = link_new(&load);
        if (!links[i])
            return false;
        struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = links[i]}};
        epoll_ctl(poll, EPOLL_CTL_ADD, link_fd(links[i]), &event);
        link_flush(links[i]);
    }
    for (uint32_t i = 0; i < load.n_links; i++)
        while (!link_is_ready(links[i])) {
            struct epoll_event events[64];
            int n = epoll_wait(poll, events, 64, 10000);
            if (n == 0)
                return false;
            for (int k = 0; k < n; k++)
                if (!link_turn(events[k].data.ptr))
                    return false;
        }
    return true;
}

static void
report(bool ok)
{
    double wall_s = (double)(plan.last_answer_ns - plan.begin_ns) / 1e9;
    printf("{\"ok\": %s, \"sent\": %llu, \"acknowledged\": %llu, \"failed\": %llu, "
           "\"late\": %llu, \"wall_s\": %.3f, \"per_s\": %.0f, \"call_ms_mean\": %.2f, "
           "\"call_ms_max\": %.2f, \"wait_ms_p50\": %.3f, \"wait_ms_p99\": %.3f}\n",
           ok ? "true" : "false", (unsigned long long)plan.n_begun,
           (unsigned long long)load.n_acknowledged, (unsigned long long)load.n_failed,
           (unsigned long long)load.n_late, wall_s,
           wall_s > 0 ? (double)load.n_acknowledged / wall_s : 0,
           load.n_answers ? (double)load.sum_call_ns / (double)load.n_answers / 1e6 : 0,
           (double)load.max_call_ns / 1e6, waits_ms(&load.waits, 0.5), waits_ms(&load.waits, 0.99));
    fflush(stdout);
}

static int
usage(void)
{
    fputs("usage: driver --port P [--connections N --slots N --per-call N --size BYTES]\n"
          "              [--frame BYTES] (--total N | --rate N --duration S [--spread] | --idle)\n"
          "--frame: most bytes of a DATA frame; 0 = one frame a message, as agents send them\n"
          "--idle: one call on each connection, then wait for the end of standard input\n",
          stderr);
    return 64;
}

static bool
take_option(int c)
{
    uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;
    switch (c) {
    case 'p':
        load.port = (uint16_t)n;
        return true;
    case 'c':
        load.n_links = (uint32_t)n;
        return n > 0;
    case 's':
        load.n_slots = (uint32_t)n;
        return n > 0;
    case 'm':
        load.n_per_call = (uint32_t)n;
        return n > 0;
    case 'b':
        load.n_segment_bytes = n;
        return true;
    case 'f':
        load.n_frame_bytes = (uint32_t)n;
        return n == 0 || n >= 64;
    default:
        return false;
    }
}

static bool
take_plan(int c)
{
    switch (c) {
    case 't':
        plan.n_total = strtoull(optarg, NULL, 10);
        return true;
    case 'r':
        plan.rate_per_s = strtod(optarg, NULL);
        return plan.rate_per_s > 0;
    case 'd':
        plan.duration_s = strtod(optarg, NULL);
        return true;
    case 'S':
        plan.spread = true;
        return true;
    case 'i':
        idle = true;
        return true;
    default:
        return take_option(c);
    }
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},     {"connections", required_argument, NULL, 'c'},
        {"slots", required_argument, NULL, 's'},    {"per-call", required_argument, NULL, 'm'},
        {"size", required_argument, NULL, 'b'},     {"frame", required_argument, NULL, 'f'},
        {"total", required_argument, NULL, 't'},    {"rate", required_argument, NULL, 'r'},
        {"duration", required_argument, NULL, 'd'}, {"spread", no_argument, NULL, 'S'},
        {"idle", no_argument, NULL, 'i'},           {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take_plan(c))
            return usage();
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    if (idle) {
        load.n_slots = load.n_per_call = 1;
        plan.n_total = load.n_links;
    }
    if (!load_prepare(&load))
        return usage();
    int poll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = open_links(poll) && run(poll);
    report(ok);
    char c_in;
    while (idle && ok && read(STDIN_FILENO, &c_in, 1) > 0)
        continue;
    return ok && load.n_failed == 0 ? 0 : 1;
}
