/* Quarantine in a whole daemon: replays, refusals, removals, ends in the middle. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_int.h"
#include "daemon/daemon_replay.h"
#include "support/temp_dir.h"

enum { PATIENCE_US = 60 * 1000 * 1000, MAX_ITEMS = 400 };

static char directory[TEMP_DIR_BYTES];

#define PING "\n\x04shop\x12\x06shop-1"
#define EVENT "\n\x04uuid" /* no layer */

#ifdef __SANITIZE_THREAD__
/* At the end of a worker libevent removes descriptors that are closed already; when another thread
 * has opened a file under the same number by then, the kernel says that it is not ours. */
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
    return "race:epoll_ctl";
}
#endif

struct fixture {
    const struct conf *conf;
    struct daemon *daemon;
    struct daemon_replay *replay;
    struct admin_replay_item items[MAX_ITEMS];
    struct admin_replay request;
    bool is_ended;
    uint64_t n_forwarded; /* in all lives */
    struct spool_map *map;
    uint64_t sums[4096];
};

static const struct conf *
load_conf(void)
{
    char path[100], aside[100];
    snprintf(path, sizeof(path), "buffer.disk.path=%s/spool", directory);
    snprintf(aside, sizeof(aside), "quarantine.path=%s/quarantine", directory);
    const char *const sets[] = {"listen.grpc.address=127.0.0.1:0",
                                path,
                                aside,
                                "telemetry.address=127.0.0.1:0",
                                "listen.http.address=",
                                "admin.address=",
                                "upstream.kind=discard",
                                "limits.workers=2",
                                "buffer.mode=durable",
                                "shutdown.drain=1s",
                                "log.level=error"};
    struct conf_input input = {.sets = sets, .n_sets = sizeof(sets) / sizeof(sets[0])};
    struct conf_diags diags = {0};
    const struct conf *conf = NULL;
    assert_int_equal(conf_load(&input, &diags, &conf), ERR_OK);
    conf_diags_fini(&diags);
    return conf;
}

/* What a life before set aside. */

static void
add_record(struct slice *slice, uint64_t seed, enum method method, const char *rule,
           struct bytes payload)
{
    struct spool_record_head *head = (void *)(slice->data + slice->n_bytes);
    struct bytes key = bytes_str(rule);
    *head = (struct spool_record_head){
        .method = (uint16_t)method,
        .flags = SPOOL_FLAG_SET_ASIDE,
        .payload_bytes = (uint32_t)payload.n,
        .key_bytes = (uint32_t)key.n,
        .received_ms = clock_unix_ms() - 3600 * 1000, /* a keep-alive is worth a minute */
    };
    memcpy((uint8_t *)(head + 1), key.p, key.n);
    memcpy((uint8_t *)(head + 1) + key.n, payload.p, payload.n);
    spool_record_fill(head, seed);
    slice->n_bytes += (uint32_t)spool_record_bytes(head->key_bytes, head->payload_bytes);
    slice->n_records++;
}

typedef void fill_fn(struct slice *, uint64_t seed);

static void
set_aside(const struct conf *conf, fill_fn *fill)
{
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    struct spool_settings settings = {
        .path = conf->quarantine.path, .max_bytes = 64 << 20, .is_fixed = true};
    struct text why = TEXT_EMPTY;
    struct spool *spool = NULL;
    struct slice slice = {.data = mem_zeroed(1 << 20)};
    assert_int_equal(spool_open(&settings, &disk_system, clock_unix_ms(), &why, &spool), ERR_OK);
    fill(&slice, spool_seed_of(spool));
    spool_append(spool, &slice);
    spool_step(spool, clock_fresh_us(), clock_unix_ms(), &ended);
    spool_give_back(spool, &ended);
    assert_ptr_equal(STAILQ_FIRST(&ended), &slice);
    assert_int_equal(slice.end, SLICE_DURABLE);
    struct parcel_run run = {slice.first, slice.n_records, RUN_COLD};
    spool_end_run(spool, &run);
    spool_close(&spool);
    mem_free(slice.data);
    text_fini(&why);
}

static void
fill_pings(struct slice *slice, uint64_t seed)
{
    for (int i = 0; i < 300; i++)
        add_record(slice, seed, METHOD_KEEP_ALIVE, "rejected-by-backend", BYTES(PING));
}

static void
fill_mixed(struct slice *slice, uint64_t seed)
{
    add_record(slice, seed, METHOD_KEEP_ALIVE, "rejected-by-backend", BYTES(PING));
    add_record(slice, seed, METHOD_KEEP_ALIVE, "proto-undecodable", BYTES("\n\xff"));
    add_record(slice, seed, METHOD_EVENT_COLLECT, "event-layer-empty", BYTES(EVENT));
    add_record(slice, seed, METHOD_KEEP_ALIVE, "message-oversize", BYTES(PING));
    add_record(slice, seed, 60, "rejected-by-backend", BYTES(PING));
    add_record(slice, seed, METHOD_CONFIGURATIONS, "rejected-by-backend", BYTES(PING));
    add_record(slice, seed, METHOD_KEEP_ALIVE, "string-invalid-utf8", BYTES("\n\x01\xff\x12\x01x"));
    add_record(slice, seed, METHOD_METER_COLLECT, "rejected-by-backend", BYTES("\x1a\x04shop"));
    add_record(slice, seed, METHOD_LOG_COLLECT, "rejected-by-backend", BYTES("\x12\x04shop"));
    add_record(slice, seed, METHOD_LOG_COLLECT, "log-service-missing", BYTES("\x1a\x06shop-1"));
}

/* A daemon and its control thread, which is this one. */

static void
start(struct fixture *fix)
{
    struct daemon_settings settings = {.conf = fix->conf, .revision = "test"};
    struct text why = TEXT_EMPTY;
    assert_int_equal(daemon_start(&settings, &why, &fix->daemon), ERR_OK);
    fix->replay = daemon_replay_new(fix->daemon);
    text_fini(&why);
}

static bool
turn(struct fixture *fix, uint64_t begin_us)
{
    assert_true(clock_fresh_us() - begin_us < PATIENCE_US);
    loop_run_once(fix->daemon->loop, 20);
    return true;
}

static uint64_t
sum_of(struct fixture *fix, enum metric metric, uint32_t index)
{
    memset(fix->sums, 0, sizeof(fix->sums));
    assert_true(metric_n_slots() <= sizeof(fix->sums) / sizeof(fix->sums[0]));
    daemon_collect(fix->daemon, fix->sums);
    struct daemon_ledger ledger;
    daemon_ledger(fix->sums, &ledger);
    assert_int_equal(ledger.imbalance, 0);
    return fix->sums[metric_row(metric)->first + index];
}

static void
wait_for(struct fixture *fix, enum metric metric, uint32_t index, uint64_t wanted)
{
    uint64_t begin_us = clock_fresh_us();
    while (sum_of(fix, metric, index) != wanted && turn(fix, begin_us))
        ;
}

static void
on_end(void *ctx)
{
    ((struct fixture *)ctx)->is_ended = true;
}

static void
ask(struct fixture *fix, uint64_t first, uint32_t n, bool is_repair, uint32_t rate)
{
    fix->is_ended = false;
    for (uint32_t i = 0; i < n; i++)
        fix->items[i] = (struct admin_replay_item){.sequence = first + i, .result = UINT32_MAX};
    fix->request = (struct admin_replay){.items = fix->items,
                                         .n = n,
                                         .is_repair = is_repair,
                                         .rate = rate,
                                         .on_end = on_end,
                                         .ctx = fix};
    assert_true(daemon_replay_start(fix->replay, &fix->request));
}

static void
wait_for_end(struct fixture *fix)
{
    uint64_t begin_us = clock_fresh_us();
    while (!fix->is_ended && turn(fix, begin_us))
        sum_of(fix, METRIC_ITEMS_QUEUED, 0); /* balances at every moment */
}

static void
replay(struct fixture *fix, uint64_t first, uint32_t n, bool is_repair)
{
    ask(fix, first, n, is_repair, 0);
    wait_for_end(fix);
}

static uint32_t
n_with(const struct fixture *fix, enum admin_replay_result result)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < fix->request.n; i++)
        n += fix->items[i].result == result;
    return n;
}

/* As daemon_free does with its own. */
static void
stop(struct fixture *fix)
{
    daemon_replay_close(fix->replay);
    spooler_wind_up(fix->daemon->spooler);
    for (uint32_t i = 0; i < fix->daemon->n_workers; i++)
        worker_stop(&fix->daemon->workers[i].worker);
    fix->daemon->n_workers = 0;
    spooler_stop(&fix->daemon->spooler);
    loop_run_once(fix->daemon->loop, 0);
    daemon_replay_free(&fix->replay);
    fix->daemon->n_workers = 2;
    memset(fix->sums, 0, sizeof(fix->sums));
    daemon_free(&fix->daemon, fix->sums);
    struct daemon_ledger ledger;
    daemon_ledger(fix->sums, &ledger);
    assert_int_equal(ledger.imbalance, 0);
    fix->n_forwarded += ledger.forwarded;
}

static int
set_up(void **state)
{
    struct fixture *fix = mem_new(struct fixture);
    assert_int_equal(temp_dir_make(directory), 0);
    clock_refresh();
    fix->conf = load_conf();
    *state = fix;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fix = *state;
    stop(fix);
    conf_unref(&fix->conf);
    mem_free(fix);
    return temp_dir_remove(directory);
}

static void
on_map(void *ctx, struct spool_map *map)
{
    ((struct fixture *)ctx)->map = map;
}

static uint64_t
n_kept(struct fixture *fix)
{
    uint64_t begin_us = clock_fresh_us();
    fix->map = NULL;
    spooler_map_aside(fix->daemon->spooler, fix->daemon->loop, on_map, fix);
    while (fix->map == NULL && turn(fix, begin_us))
        ;
    uint64_t n = fix->map->n_held;
    spool_map_free(&fix->map);
    return n;
}

/* Tests. */

static void
replayed_ones_are_sent_once_and_gone(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix->conf, fill_pings);
    start(fix);
    replay(fix, 0, 300, false);
    assert_int_equal(n_with(fix, ADMIN_REPLAYED), 300);
    wait_for(fix, METRIC_ITEMS_FORWARDED, SIGNAL_MANAGEMENT, 300);
    assert_int_equal(sum_of(fix, METRIC_QUARANTINE_REPLAYED, REPLAYED_AS_IS), 300);
    wait_for(fix, METRIC_QUARANTINE_SEGMENTS, 0, 0);
    assert_int_equal(n_kept(fix), 0);
    replay(fix, 0, 300, false);
    assert_int_equal(n_with(fix, ADMIN_GONE), 300);
    stop(fix);
    start(fix);
    replay(fix, 0, 300, true);
    assert_int_equal(n_with(fix, ADMIN_GONE), 300);
    assert_int_equal(sum_of(fix, METRIC_ITEMS_FORWARDED, SIGNAL_MANAGEMENT), 0);
}

static void
what_would_do_harm_is_refused(void **state)
{
    static const enum admin_replay_result as_is[] = {
        ADMIN_REPLAYED, ADMIN_REFUSED, ADMIN_REFUSED,  ADMIN_REFUSED,  ADMIN_REFUSED,
        ADMIN_REFUSED,  ADMIN_REFUSED, ADMIN_REPLAYED, ADMIN_REPLAYED, ADMIN_REPLAYED};
    static const enum admin_replay_result repair[] = {
        ADMIN_REPLAYED, ADMIN_REFUSED,  ADMIN_REFUSED,  ADMIN_REFUSED,  ADMIN_REFUSED,
        ADMIN_REFUSED,  ADMIN_REPAIRED, ADMIN_REPLAYED, ADMIN_REPLAYED, ADMIN_REFUSED};
    struct fixture *fix = *state;
    for (int is_repair = 0; is_repair < 2; is_repair++) {
        set_aside(fix->conf, fill_mixed);
        start(fix);
        /* The second time the refused ones of the first are there, too. */
        replay(fix, is_repair ? 10 : 0, 10, is_repair != 0);
        uint32_t n_refused = 0;
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(fix->items[i].result, (is_repair ? repair : as_is)[i]);
            bool is_refused = fix->items[i].result == ADMIN_REFUSED;
            assert_int_equal(is_refused, fix->items[i].why != NULL);
            n_refused += is_refused;
        }
        assert_int_equal(sum_of(fix, METRIC_QUARANTINE_REPLAYED, REPLAYED_REFUSED), n_refused);
        wait_for(fix, METRIC_ITEMS_FORWARDED, SIGNAL_METER, 1);
        stop(fix);
    }
    start(fix);
}

static void
one_at_a_time_and_not_too_fast(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix->conf, fill_pings);
    start(fix);
    uint64_t begin_us = clock_fresh_us();
    ask(fix, 0, 21, false, 100);
    struct admin_replay other = {.n = 0};
    assert_false(daemon_replay_start(fix->replay, &other));
    wait_for_end(fix);
    assert_true(clock_fresh_us() - begin_us >= 200 * 1000);
    assert_int_equal(n_with(fix, ADMIN_REPLAYED), 21);
    ask(fix, 0, 0, false, 0);
    wait_for_end(fix);
    /* The same id twice in one request is one item. */
    ask(fix, 50, 2, false, 0);
    fix->items[1].sequence = 50;
    wait_for_end(fix);
    assert_int_equal(fix->items[0].result, ADMIN_REPLAYED);
    assert_int_equal(fix->items[1].result, ADMIN_GONE);
    wait_for(fix, METRIC_ITEMS_FORWARDED, SIGNAL_MANAGEMENT, 22);
}

static void
a_cancelled_one_ends_between_two_items(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix->conf, fill_pings);
    start(fix);
    ask(fix, 0, 300, false, 200);
    uint64_t begin_us = clock_fresh_us();
    while (sum_of(fix, METRIC_QUARANTINE_REPLAYED, REPLAYED_AS_IS) < 5 && turn(fix, begin_us))
        ;
    fix->request.is_cancelled = true;
    wait_for_end(fix);
    uint32_t n = n_with(fix, ADMIN_REPLAYED);
    assert_in_range(n, 5, 299);
    assert_int_equal(n_with(fix, ADMIN_BUSY), 300 - n);
    assert_int_equal(sum_of(fix, METRIC_QUARANTINE_REPLAYED, REPLAYED_AS_IS), n);
    assert_int_equal(n_kept(fix), 300 - n);
}

/* The end of the daemon in the middle: what was sent may be sent again, nothing is lost. */
static void
an_end_in_the_middle_loses_nothing(void **state)
{
    struct fixture *fix = *state;
    uint64_t kept = 300;
    set_aside(fix->conf, fill_pings);
    for (int life = 0; life < 6; life++) {
        start(fix);
        assert_int_equal(n_kept(fix), kept);
        ask(fix, 0, 300, false, 0);
        for (int i = 0; i < life * 5; i++)
            turn(fix, clock_fresh_us());
        stop(fix);
        start(fix);
        assert_true(n_kept(fix) <= kept);
        kept = n_kept(fix);
        stop(fix);
    }
    start(fix);
    replay(fix, 0, 300, false);
    assert_int_equal(n_with(fix, ADMIN_REPLAYED), kept);
    assert_int_equal(n_with(fix, ADMIN_GONE), 300 - kept);
    wait_for(fix, METRIC_ITEMS_QUEUED, SIGNAL_MANAGEMENT, 0);
    wait_for(fix, METRIC_ITEMS_QUEUED, SIGNAL_OTHER, 0);
    stop(fix);
    assert_in_range(fix->n_forwarded, 300, 600);
    start(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replayed_ones_are_sent_once_and_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_do_harm_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_at_a_time_and_not_too_fast, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_one_ends_between_two_items, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_in_the_middle_loses_nothing, set_up, tear_down),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
