/* The bare loop that acknowledgement is compared with: group commit and nothing else. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread and one file in the directory given, preallocated for all. Calls of n messages arrive
 * at a steady rate, on the clock alone; what has arrived is written with one pwritev, a vector a
 * message, and synced by fdatasync. A sync begins at once when the previous one began 5 ms ago or 1
 * MiB waits: the policy of the spool. A call's wait is from its arrival to the end of its sync. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "waits.h"

enum {
    GROUP_BYTES = 1 << 20,
    GROUP_NS = 5 * 1000 * 1000,
    VECTORS = 1024, /* IOV_MAX */
};

static struct {
    const char *directory;
    uint64_t n_message_bytes, n_per_call;
    double rate_per_s, duration_s; /* messages */

    int file;
    uint64_t offset;
    uint8_t *message;
    int64_t begin_ns;
    uint64_t n_calls, n_durable; /* of the schedule; durable */
    struct waits waits;
    uint64_t n_syncs;
    int64_t sync_ns;
} loop = {.n_message_bytes = 1200, .n_per_call = 10, .rate_per_s = 5000, .duration_s = 3};

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static _Noreturn void
fail(const char *what)
{
    perror(what);
    exit(74);
}

static void
open_file(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/group_commit.%ld", loop.directory, (long)getpid());
    loop.file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (loop.file < 0)
        fail(path);
    off_t n_bytes = (off_t)(loop.n_calls * loop.n_per_call * loop.n_message_bytes);
    if (unlink(path) < 0 || fallocate(loop.file, 0, 0, n_bytes) < 0 || fsync(loop.file) < 0)
        fail("group_commit: file");
}

static int64_t
arrival_ns(uint64_t call)
{
    return loop.begin_ns +
           (int64_t)((double)(call + 1) * (double)loop.n_per_call / loop.rate_per_s * 1e9);
}

static void
write_messages(uint64_t n)
{
    struct iovec parts[VECTORS];
    while (n > 0) {
        int n_parts = 0;
        for (; n_parts < VECTORS && n > 0; n_parts++, n--)
            parts[n_parts] = (struct iovec){loop.message, loop.n_message_bytes};
        size_t n_bytes = (size_t)n_parts * loop.n_message_bytes;
        if (pwritev(loop.file, parts, n_parts, (off_t)loop.offset) != (ssize_t)n_bytes)
            fail("group_commit: pwritev");
        loop.offset += n_bytes;
    }
}

static void
commit(uint64_t n_arrived)
{
    int64_t before_ns = now_ns();
    write_messages((n_arrived - loop.n_durable) * loop.n_per_call);
    if (fdatasync(loop.file) < 0)
        fail("group_commit: fdatasync");
    int64_t after_ns = now_ns();
    loop.n_syncs++;
    loop.sync_ns += after_ns - before_ns;
    for (; loop.n_durable < n_arrived; loop.n_durable++)
        waits_add(&loop.waits, after_ns - arrival_ns(loop.n_durable));
}

static void
sleep_until(int64_t at_ns)
{
    struct timespec until = {at_ns / 1000000000, at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static void
run(void)
{
    uint64_t call_bytes = loop.n_per_call * loop.n_message_bytes;
    int64_t sync_began_ns = 0;
    uint64_t n_arrived = 0;
    loop.begin_ns = now_ns();
    while (loop.n_durable < loop.n_calls) {
        int64_t at_ns = now_ns();
        while (n_arrived < loop.n_calls && arrival_ns(n_arrived) <= at_ns)
            n_arrived++;
        uint64_t n_waiting = n_arrived - loop.n_durable;
        int64_t due_ns = sync_began_ns + GROUP_NS;
        if (n_waiting > 0 && (at_ns >= due_ns || n_waiting * call_bytes >= GROUP_BYTES)) {
            sync_began_ns = at_ns;
            commit(n_arrived);
            continue;
        }
        int64_t next_ns = n_arrived < loop.n_calls ? arrival_ns(n_arrived) : due_ns;
        sleep_until(n_waiting > 0 && due_ns < next_ns ? due_ns : next_ns);
    }
}

static void
report(void)
{
    printf("{\"calls\": %llu, \"syncs\": %llu, \"sync_ms_mean\": %.3f, \"wait_ms_p50\": %.3f, "
           "\"wait_ms_p99\": %.3f}\n",
           (unsigned long long)loop.n_calls, (unsigned long long)loop.n_syncs,
           (double)loop.sync_ns / (double)loop.n_syncs / 1e6, waits_ms(&loop.waits, 0.5),
           waits_ms(&loop.waits, 0.99));
}

static bool
take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'D'}, {"per-call", required_argument, NULL, 'm'},
        {"size", required_argument, NULL, 'b'},      {"rate", required_argument, NULL, 'r'},
        {"duration", required_argument, NULL, 'd'},  {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'D')
            loop.directory = optarg;
        else if (c == 'm')
            loop.n_per_call = strtoull(optarg, NULL, 10);
        else if (c == 'b')
            loop.n_message_bytes = strtoull(optarg, NULL, 10);
        else if (c == 'r')
            loop.rate_per_s = strtod(optarg, NULL);
        else if (c == 'd')
            loop.duration_s = strtod(optarg, NULL);
        else
            return false;
    }
    loop.n_calls = (uint64_t)(loop.rate_per_s * loop.duration_s / (double)loop.n_per_call);
    return loop.directory && loop.n_per_call > 0 && loop.n_message_bytes > 0 && loop.n_calls > 0;
}

int
main(int argc, char **argv)
{
    if (!take_options(argc, argv)) {
        fputs("usage: group_commit --directory DIR [--per-call N --size BYTES --rate N --duration "
              "S]\n",
              stderr);
        return 64;
    }
    loop.message = mem_alloc(loop.n_message_bytes);
    open_file();
    run();
    report();
    return 0;
}
