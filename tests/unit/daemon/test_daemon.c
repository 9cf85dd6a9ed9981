/* Start, stop and the ledger of a whole daemon in one process. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "net/http1.h"
#include "support/temp_dir.h"

/* Where the spools of the test that runs are. */
static char directory[TEMP_DIR_BYTES];

static int
make_directory(void **state)
{
    (void)state;
    return temp_dir_make(directory);
}

static int
remove_directory(void **state)
{
    (void)state;
    return temp_dir_remove(directory);
}

static const struct conf *
conf_with(const char *grpc_address, const char *mode)
{
    char set[100], buffer[40], path[100], aside[100];
    snprintf(set, sizeof(set), "listen.grpc.address=%s", grpc_address);
    snprintf(buffer, sizeof(buffer), "buffer.mode=%s", mode);
    snprintf(path, sizeof(path), "buffer.disk.path=%s/spool", directory);
    snprintf(aside, sizeof(aside), "quarantine.path=%s/quarantine", directory);
    const char *const sets[] = {set,
                                buffer,
                                path,
                                aside,
                                "telemetry.address=127.0.0.1:0",
                                "listen.http.address=",
                                "admin.address=",
                                "upstream.kind=discard",
                                "limits.workers=2",
                                "shutdown.drain=1s",
                                "log.level=error"};
    struct conf_input input = {.sets = sets, .n_sets = sizeof(sets) / sizeof(sets[0])};
    struct conf_diags diags = {0};
    const struct conf *conf = NULL;
    assert_int_equal(conf_load(&input, &diags, &conf), ERR_OK);
    conf_diags_fini(&diags);
    return conf;
}

static const struct conf *
conf_of(const char *grpc_address)
{
    return conf_with(grpc_address, "durable");
}

/* Asks for a page while the daemon runs, then ends it. */
struct visitor {
    struct daemon *daemon;
    int live, ready, metrics;
    bool has_sample;
};

static int
get(struct visitor *visitor, const char *path, struct text *body)
{
    int status = 0;
    text_clear(body);
    if (http1_get(daemon_telemetry_address(visitor->daemon), path, 5000, &status, body) != ERR_OK)
        return 0;
    return status;
}

static void *
visit(void *ctx)
{
    struct visitor *visitor = ctx;
    struct text body = TEXT_EMPTY;
    visitor->live = get(visitor, "/livez", &body);
    visitor->ready = get(visitor, "/readyz", &body);
    visitor->metrics = get(visitor, "/metrics", &body);
    visitor->has_sample =
        body.p != NULL && strstr(body.p, "\nspangate_ledger_imbalance_items 0\n") != NULL;
    text_fini(&body);
    daemon_stop(visitor->daemon);
    return NULL;
}

static void
starts_answers_and_stops(const char *mode)
{
    struct daemon_settings settings = {.conf = conf_with("127.0.0.1:0", mode), .revision = "test"};
    struct text why = TEXT_EMPTY;
    struct visitor visitor = {.daemon = NULL};
    pthread_t thread;
    assert_int_equal(daemon_start(&settings, &why, &visitor.daemon), ERR_OK);
    assert_true(strncmp(daemon_grpc_address(visitor.daemon), "127.0.0.1:", 10) == 0);
    assert_int_equal(pthread_create(&thread, NULL, visit, &visitor), 0);
    daemon_run(visitor.daemon);
    pthread_join(thread, NULL);
    assert_int_equal(visitor.live, 200);
    assert_int_equal(visitor.ready, 200);
    assert_int_equal(visitor.metrics, 200);
    assert_true(visitor.has_sample);
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    struct daemon_ledger ledger;
    daemon_free(&visitor.daemon, sums);
    assert_null(visitor.daemon);
    daemon_ledger(sums, &ledger);
    assert_int_equal(ledger.accepted, 0);
    assert_int_equal(ledger.imbalance, 0);
    mem_free(sums);
    text_fini(&why);
    conf_unref(&settings.conf);
}

static void
a_daemon_starts_answers_and_stops(void **state)
{
    (void)state;
    starts_answers_and_stops("durable");
    starts_answers_and_stops("spill");
    starts_answers_and_stops("memory");
}

static void
a_spool_in_use_is_told_with_the_pid(void **state)
{
    (void)state;
    struct daemon_settings settings = {.conf = conf_of("127.0.0.1:0")};
    struct text why = TEXT_EMPTY;
    struct daemon *daemon, *other;
    char pid[32];
    assert_int_equal(daemon_start(&settings, &why, &daemon), ERR_OK);
    assert_int_equal(daemon_start(&settings, &why, &other), ERR_LOCKED);
    assert_null(other);
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(why.p, pid));
    daemon_free(&daemon, NULL);
    text_clear(&why);
    assert_int_equal(daemon_start(&settings, &why, &daemon), ERR_OK);
    daemon_free(&daemon, NULL);
    text_fini(&why);
    conf_unref(&settings.conf);
}

static void
a_taken_port_is_told_and_nothing_is_left(void **state)
{
    (void)state;
    struct daemon_settings first = {.conf = conf_of("127.0.0.1:0")}, second;
    struct text why = TEXT_EMPTY;
    struct daemon *daemon, *other;
    assert_int_equal(daemon_start(&first, &why, &daemon), ERR_OK);
    second = (struct daemon_settings){.conf = conf_with(daemon_grpc_address(daemon), "memory")};
    assert_int_equal(daemon_start(&second, &why, &other), ERR_IN_USE);
    assert_null(other);
    assert_non_null(strstr(why.p, daemon_grpc_address(daemon)));
    daemon_free(&daemon, NULL);
    text_fini(&why);
    conf_unref(&first.conf);
    conf_unref(&second.conf);
}

/* The end takes so long that all timers are due in the middle of it. */
static void *
start_and_end_late(void *ctx)
{
    struct daemon_settings settings = {.conf = ctx};
    struct text why = TEXT_EMPTY;
    struct daemon *daemon = NULL;
    if (daemon_start(&settings, &why, &daemon) == ERR_OK) {
        clock_set(clock_mono_us() + 60000000, clock_unix_ms() + 60000);
        daemon_free(&daemon, NULL);
        settings.conf = NULL;
    }
    text_fini(&why);
    return (void *)(uintptr_t)settings.conf;
}

static void
a_slow_end_finds_no_worker_missing(void **state)
{
    (void)state;
    const struct conf *conf = conf_of("127.0.0.1:0");
    pthread_t thread; /* whose clock is set by hand */
    void *failed = NULL;
    assert_int_equal(pthread_create(&thread, NULL, start_and_end_late, (void *)(uintptr_t)conf), 0);
    pthread_join(thread, &failed);
    assert_null(failed);
    conf_unref(&conf);
}

static void
the_ledger_is_said_in_one_line(void **state)
{
    (void)state;
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    sums[metric_row(METRIC_ITEMS_ACCEPTED)->first + SIGNAL_LOG] = 10;
    sums[metric_row(METRIC_ITEMS_ACCEPTED)->first + SIGNAL_JVM] = 5;
    sums[metric_row(METRIC_SPOOL_RECOVERED)->first] = 7;
    sums[metric_row(METRIC_ITEMS_FORWARDED)->first + SIGNAL_LOG] = 9;
    sums[metric_row(METRIC_ITEMS_DROPPED)->first + DROP_POLICY] = 1;
    sums[metric_row(METRIC_ITEMS_QUARANTINED)->first + SIGNAL_JVM] = 2;
    sums[metric_row(METRIC_ITEMS_QUEUED)->first + SIGNAL_JVM] = 3;
    sums[metric_row(METRIC_ITEMS_INFLIGHT)->first + SIGNAL_JVM] = 1;
    struct daemon_ledger ledger;
    struct text line = TEXT_EMPTY;
    daemon_ledger(sums, &ledger);
    assert_int_equal(ledger.imbalance, 6);
    daemon_ledger_line(&ledger, &line);
    assert_string_equal(line.p,
                        "accepted 15 + restored 7 = forwarded 9 + dropped 1 + quarantined 2 "
                        "+ held 4, imbalance 6");
    text_fini(&line);
    mem_free(sums);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_daemon_starts_answers_and_stops, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_spool_in_use_is_told_with_the_pid, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_taken_port_is_told_and_nothing_is_left, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_slow_end_finds_no_worker_missing, make_directory,
                                        remove_directory),
        cmocka_unit_test(the_ledger_is_said_in_one_line),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
