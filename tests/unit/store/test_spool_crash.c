/* What was acknowledged survives power cuts, flipped bits and failing calls. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

enum {
    STEPS = 40,
    METHOD = 1,
    LIVES = 4,  /* of one directory */
    STATES = 4, /* of the disk at the end of a life */
};

/* One thread: a search for races has little to find here. */
#ifdef __SANITIZE_THREAD__
enum { N_CRASHES = 2000, N_FLIPS = 500 };
#else
enum { N_CRASHES = 20000, N_FLIPS = 5000 };
#endif

static uint64_t
number_of(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

/* Workload. */

static void
end_some(struct spx *x)
{
    uint32_t first = (uint32_t)(sim_random(&x->random) % (x->n_records + 1));
    uint32_t n = (uint32_t)(sim_random(&x->random) % 40);
    for (uint32_t i = first; i < x->n_records && i < first + n; i++)
        if (x->records[i].is_leased)
            spx_end(x, i, sim_random(&x->random) % 4 ? RUN_DONE : RUN_COLD);
}

/* So that the last records of old files are appended again. */
static void
grow_old(struct spx *x)
{
    for (uint32_t i = 0; i < x->n_records; i++)
        if (x->records[i].is_leased)
            spx_end(x, i, sim_random(&x->random) % 32 ? RUN_DONE : RUN_UNWANTED);
    spx_step(x, 61000000);
    for (int i = 0; i < 3; i++)
        spx_step(x, 1000000);
}

static void
append_some(struct spx *x)
{
    uint16_t method = (uint16_t)(1 + sim_random(&x->random) % 2);
    uint32_t n = 1 + (uint32_t)(sim_random(&x->random) % 20);
    if (x->n_records + n <= SPX_MAX_RECORDS)
        spx_append(x, n, method);
}

static void
read_some(struct spx *x)
{
    struct spool_read read = {.unwanted = sim_random(&x->random) % 4 ? 0 : 1u << 1};
    (void)spx_read(x, &read);
}

static void
do_something(struct spx *x)
{
    uint64_t what = sim_random(&x->random) % 32;
    if (what < 12)
        append_some(x);
    else if (what < 20)
        spx_step(x, sim_random(&x->random) % 8000);
    else if (what < 24)
        spx_step(x, sim_random(&x->random) % 1500000);
    else if (what < 27)
        end_some(x);
    else if (what < 30)
        read_some(x);
    else if (what == 30)
        spx_append_held(x);
    else
        grow_old(x);
}

static void
work(struct spx *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        do_something(x);
}

static void
expect_nothing_lost(struct spx *x, uint64_t seed)
{
    spx_read_all(x);
    uint32_t n = spx_n_lost(x, true);
    if (n)
        print_error("seed %llu: %u lost\n", (unsigned long long)seed, n);
    assert_int_equal(n, 0);
}

/* Lives. */

static struct spx *
new_life(uint64_t seed)
{
    struct spx *x = spx_new(seed);
    uint64_t kind = sim_random(&x->random);
    x->settings.sync = kind % 4 ? SPOOL_SYNC_GROUP : SPOOL_SYNC_INTERVAL;
    x->settings.when_full = (enum spool_when_full)(kind / 4 % 3);
    if (kind / 16 % 3 == 0)
        x->settings.max_bytes = 6 * SPX_FILE_BYTES;
    return x;
}

/* Some lives meet a disk that fails now and then, or stops at any call for good. */
static bool
spoil(struct spx *x)
{
    uint64_t how = sim_random(&x->random) % 8;
    uint64_t at = sim_disk_calls(x->disk) + sim_random(&x->random) % 60;
    enum err err = sim_random(&x->random) % 2 ? ERR_IO : ERR_NO_SPACE;
    bool is_short = sim_random(&x->random) % 2;
    if (how > 4 || x->settings.sync != SPOOL_SYNC_GROUP)
        return false;
    x->is_cut = how < 3;
    sim_disk_fail(x->disk, at, x->is_cut ? UINT64_MAX : 1 + how, err, is_short);
    return !x->is_cut;
}

static void
live(struct spx *x, bool *is_unwell)
{
    x->is_cut = false;
    assert_true(spx_open(x));
    work(x, (uint32_t)(sim_random(&x->random) % STEPS));
    *is_unwell = spoil(x);
    work(x, (uint32_t)(sim_random(&x->random) % (STEPS / 4)));
    if (sim_random(&x->random) % 8 == 0)
        spx_close(x);
    else
        spx_die(x);
    sim_disk_heal(x->disk);
}

/* Everything that was promised, of one state the disk may be in. */
static void
check_state(struct spx *x, bool is_power_cut, bool is_unwell, uint64_t seed)
{
    struct spx_record *before = mem_new_n(struct spx_record, x->n_records + 1);
    memcpy(before, x->records, x->n_records * sizeof(*before));
    /* A cursor slot that was cut off in the middle leaves the one synced before it. */
    uint64_t bound_us = is_power_cut || x->is_cut ? 1100000 : 100000;
    x->is_cut = true; /* what happens from now on is no part of that life */
    assert_true(spx_open(x));
    spx_read_all(x);
    spx_die(x);
    sim_disk_kill(x->disk);
    uint32_t n_lost = spx_n_lost(x, is_power_cut);
    uint32_t n_doubled = spx_n_doubled(x, before, bound_us);
    mem_free(before);
    if (n_lost > x->n_dropped || (n_doubled && !is_unwell))
        print_error("seed %llu: %u lost, %u doubled, %llu dropped\n", (unsigned long long)seed,
                    n_lost, n_doubled, (unsigned long long)x->n_dropped);
    assert_true(n_lost <= x->n_dropped);
    assert_true(n_doubled == 0 || is_unwell);
}

static void
add_tally(struct sim_tally *all, struct sim_tally one)
{
    all->n_lost += one.n_lost;
    all->n_torn_512 += one.n_torn_512;
    all->n_torn_4096 += one.n_torn_4096;
    all->n_reordered += one.n_reordered;
    all->n_names_lost += one.n_names_lost;
}

/* The same workload ends in several states; the last one is where the next life begins. State 0 is
 * a kill: all bytes stay. */
static void
crash_states(struct spx *x, bool is_unwell, struct sim_tally *tally, uint64_t seed)
{
    struct sim_disk *whole = x->disk;
    size_t n_bytes = x->n_records * sizeof(*x->records);
    struct spx_record *records = mem_alloc(n_bytes + 1);
    struct spx then = {.now_us = x->now_us, .n_dropped = x->n_dropped};
    memcpy(records, x->records, n_bytes);
    for (uint32_t i = 0; i < STATES; i++) {
        if (i > 0)
            sim_disk_free(&x->disk);
        memcpy(x->records, records, n_bytes);
        x->now_us = then.now_us;
        x->n_dropped = then.n_dropped;
        x->disk = sim_disk_fork(whole);
        if (i > 0)
            sim_disk_crash(x->disk, sim_random(&x->random));
        struct sim_tally one = sim_disk_tally(x->disk);
        add_tally(tally, one);
        check_state(x, i > 0, is_unwell, seed);
    }
    mem_free(records);
    sim_disk_free(&whole);
}

/* What this state lost, as it may, is no concern of the next life. */
static void
settle(struct spx *x)
{
    for (uint32_t i = 0; i < x->n_records; i++)
        x->records[i].is_durable &= x->records[i].is_done || x->records[i].n_seen > 0;
    x->n_dropped = 0;
}

static void
one_life_after_another(uint64_t seed, struct sim_tally *tally, uint64_t *n_moved)
{
    struct spx *x = new_life(seed);
    for (uint32_t life = 0; life < LIVES; life++) {
        bool is_unwell = false;
        live(x, &is_unwell);
        crash_states(x, is_unwell, tally, seed);
        settle(x);
    }
    *n_moved += x->n_moved;
    spx_free(x);
}

/* Tests. */

static void
power_cuts(void **state)
{
    (void)state;
    struct sim_tally tally = {0};
    uint64_t n = number_of("SPOOL_CRASH_STATES", N_CRASHES),
             from = number_of("SPOOL_CRASH_SEED", 1);
    uint64_t n_lives = (n + STATES * LIVES - 1) / (STATES * LIVES), n_moved = 0;
    for (uint64_t seed = from; seed < from + n_lives; seed++)
        one_life_after_another(seed, &tally, &n_moved);
    if (n < 1000)
        return;
    assert_true(tally.n_lost > 0 && tally.n_reordered > 0 && tally.n_names_lost > 0);
    assert_true(tally.n_torn_512 > 0 && tally.n_torn_4096 > 0);
    assert_true(n_moved > 0);
}

/* A power cut in the middle of a start, of a read and of an end. */
static void
power_cuts_at_every_call(void **state)
{
    (void)state;
    for (uint64_t call = 0; call < 400; call++) {
        struct spx *x = spx_new(99);
        sim_disk_fail(x->disk, call, UINT64_MAX, ERR_IO, call % 2 == 0);
        if (spx_open(x)) {
            work(x, STEPS);
            spx_die(x);
        }
        sim_disk_crash(x->disk, call);
        sim_disk_heal(x->disk);
        assert_true(spx_open(x));
        expect_nothing_lost(x, call);
        spx_free(x);
    }
}

static struct spx *
filled(uint64_t seed)
{
    struct spx *x = spx_new(seed);
    assert_true(spx_open(x));
    while (x->n_records < 300) {
        spx_append(x, 1 + (uint32_t)(sim_random(&x->random) % 9), METHOD);
        spx_step(x, 6000);
    }
    for (uint32_t i = 0; i < 20; i++)
        spx_end(x, 3 * i, RUN_DONE);
    if (seed % 2 == 0)
        spx_close(x);
    else
        spx_die(x);
    sim_disk_kill(x->disk);
    return x;
}

static void
flipped_bits(void **state)
{
    (void)state;
    uint64_t n = number_of("SPOOL_BIT_FLIPS", N_FLIPS);
    for (uint64_t kind = 0; kind < 2; kind++) {
        struct spx *x = filled(kind);
        struct sim_disk *whole = x->disk;
        for (uint64_t i = kind; i < n; i += 2) {
            x->disk = sim_disk_clone(whole);
            assert_true(sim_disk_flip(x->disk, i));
            assert_true(spx_open(x));
            spx_read_all(x);
            if (spx_n_lost(x, true) > 1)
                print_error("flip %llu: %u lost\n", (unsigned long long)i, spx_n_lost(x, true));
            assert_true(spx_n_lost(x, true) <= 1);
            spx_die(x);
            sim_disk_free(&x->disk);
        }
        x->disk = whole;
        spx_free(x);
    }
}

/* Opens, fills three files, reads, ends, trims; a failed open is tried again. */
static void
scenario(struct spx *x)
{
    for (int i = 0; i < 3 && !spx_open(x); i++)
        ;
    assert_non_null(x->spool);
    for (int i = 0; i < 30; i++) {
        spx_append(x, 6, METHOD);
        spx_step(x, 7000);
        if (i % 10 == 9)
            end_some(x);
    }
    for (uint32_t i = 0; i < 60; i++)
        if (x->records[i].is_leased)
            spx_end(x, i, i % 3 ? RUN_DONE : RUN_COLD);
    struct spool_read read = {0};
    (void)spx_read(x, &read);
    spx_step(x, 2000000);
}

/* The disk is well: within seconds everything is durable, without a new open. */
static void
recovers(struct spx *x)
{
    for (int i = 0; i < 10; i++) {
        spx_append_held(x);
        spx_step(x, 6000000);
    }
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_int_equal(spool_n_pending(x->spool), 0);
    for (uint32_t i = 0; i < x->n_records; i++)
        assert_true(x->records[i].is_durable);
}

static void
fail_every_call(enum err err, bool is_short, uint64_t n_calls, bool is_reopened)
{
    for (uint64_t call = 0;; call++) {
        struct spx *x = spx_new(7);
        if (is_reopened) {
            scenario(x);
            spx_die(x);
            sim_disk_crash(x->disk, call);
            call = call ? call : sim_disk_calls(x->disk);
        }
        sim_disk_fail(x->disk, call, n_calls, err, is_short);
        scenario(x);
        bool is_over = sim_disk_calls(x->disk) <= call;
        sim_disk_heal(x->disk);
        recovers(x);
        spx_die(x);
        sim_disk_crash(x->disk, call);
        assert_true(spx_open(x));
        expect_nothing_lost(x, call);
        spx_free(x);
        if (is_over)
            break;
    }
}

static void
failed_calls(void **state)
{
    (void)state;
    fail_every_call(ERR_IO, false, 1, false);
    fail_every_call(ERR_NO_SPACE, false, 1, false);
    fail_every_call(ERR_IO, true, 1, false);
    fail_every_call(ERR_NO_SPACE, true, 1, false);
}

static void
failed_calls_after_a_crash(void **state)
{
    (void)state;
    fail_every_call(ERR_IO, false, 1, true);
    fail_every_call(ERR_NO_SPACE, true, 1, true);
}

static void
failed_pairs_of_calls(void **state)
{
    (void)state;
    fail_every_call(ERR_IO, false, 2, false);
    fail_every_call(ERR_NO_SPACE, true, 2, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cuts),
        cmocka_unit_test(power_cuts_at_every_call),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(failed_calls),
        cmocka_unit_test(failed_calls_after_a_crash),
        cmocka_unit_test(failed_pairs_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
