/* Cold records are read back: which, in what order, around damage. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

enum { METHOD = 1, OTHER = 2 };

static struct spx *
with_cold(uint32_t n)
{
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, n, METHOD);
    spx_end_all(x, 0, n, RUN_COLD);
    return x;
}

/* Sequences of one read into a buffer of so many bytes. */
static uint32_t
sequences_of(struct spx *x, struct spool_read *read, uint32_t size, uint64_t *out, uint32_t max)
{
    uint8_t *data = mem_alloc(size);
    uint32_t n = 0, at = 0;
    read->data = data;
    read->size = size;
    spool_fill_read(x->spool, read);
    for (uint32_t i = 0; i < read->n_records; i++) {
        const struct spool_record_head *head = (const void *)(data + at);
        at += (uint32_t)spool_record_bytes(head->key_bytes, head->payload_bytes);
        if (n < max)
            out[n++] = head->sequence;
    }
    spx_take_read(x, read);
    mem_free(data);
    return n;
}

static void
rule_6_the_oldest_come_first(void **state)
{
    (void)state;
    struct spx *x = with_cold(200);
    struct spool_read read = {0};
    uint64_t sequences[500], next = 0;
    assert_int_equal(spool_n_cold(x->spool), 200);
    for (int i = 0; i < 100 && next < 200; i++) {
        uint32_t n = sequences_of(x, &read, 8192, sequences, 500);
        assert_true(n > 0);
        for (uint32_t j = 0; j < n; j++)
            assert_int_equal(sequences[j], next++);
    }
    assert_int_equal(next, 200);
    assert_int_equal(spool_n_cold(x->spool), 0);
    spx_free(x);
}

static void
rule_6_what_is_leased_or_done_is_not_read(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, 90, METHOD);
    spx_end_all(x, 0, 30, RUN_DONE);
    spx_end_all(x, 30, 60, RUN_COLD);
    spx_read_all(x);
    for (uint32_t i = 0; i < 90; i++)
        assert_int_equal(x->records[i].n_seen, i >= 30 && i < 60);
    spx_read_all(x);
    for (uint32_t i = 0; i < 90; i++)
        assert_int_equal(x->records[i].n_seen, i >= 30 && i < 60);
    spx_free(x);
}

static void
rule_6_at_start_everything_not_done_is_cold(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, 120, METHOD);
    spx_end_all(x, 10, 20, RUN_DONE);
    spx_step(x, 2000000);
    spx_reopen(x);
    assert_int_equal(spool_n_cold(x->spool), 110);
    assert_int_equal(spool_counts(x->spool)->n_recovered, 110);
    spx_read_all(x);
    for (uint32_t i = 0; i < 120; i++)
        assert_int_equal(x->records[i].n_seen, i < 10 || i >= 20);
    spx_free(x);
}

static void
unwanted_methods_stay_on_disk_until_they_are_wanted(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    struct spool_read read = {.unwanted = 1u << METHOD};
    assert_true(spx_open(x));
    for (int i = 0; i < 20; i++) {
        spx_put(x, 5, METHOD);
        spx_put(x, 5, OTHER);
    }
    spx_end_all(x, 0, 200, RUN_COLD);
    while (spx_read(x, &read))
        ;
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(x->records[i].n_seen, i / 5 % 2);
    for (uint32_t i = 5; i < 10; i++)
        spx_end(x, i, RUN_UNWANTED);
    spx_read_all(x);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(x->records[i].n_seen, i >= 5 && i < 10 ? 2 : 1);
    spx_free(x);
}

static void
methods_that_no_program_knows_yet_stay_on_disk(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, 5, METHOD);
    spx_put(x, 5, METHOD_COUNT);
    spx_end_all(x, 0, 10, RUN_COLD);
    spx_read_all(x);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(x->records[i].n_seen, i < 5);
    assert_int_equal(spool_n_cold(x->spool), 5);
    spx_free(x);
}

static void
a_record_that_does_not_fit_says_what_it_needs(void **state)
{
    (void)state;
    struct spx *x = with_cold(3);
    struct spool_read read = {0};
    uint64_t sequence = 9;
    uint32_t need = (uint32_t)spool_record_bytes(0, spx_payload_bytes(0));
    assert_int_equal(sequences_of(x, &read, need - 8, &sequence, 1), 0);
    assert_int_equal(read.n_needed, need);
    assert_int_equal(sequences_of(x, &read, need, &sequence, 1), 1);
    assert_int_equal(sequence, 0);
    assert_int_equal(read.n_needed, 0);
    spx_free(x);
}

/* 1 MiB of payload. */
static void
append_large(struct spx *x)
{
    struct slice *slice = mem_new(struct slice);
    size_t n = spool_record_bytes(0, 1024 * 1024);
    slice->data = mem_zeroed(n);
    slice->home = &x->records[x->n_records++];
    struct spool_record_head *head = (void *)slice->data;
    head->method = METHOD;
    head->payload_bytes = 1024 * 1024;
    spool_record_fill(head, spool_seed_of(x->spool));
    slice->n_bytes = (uint32_t)n;
    slice->n_records = 1;
    spool_append(x->spool, slice);
    spx_step(x, 6000);
}

static void
a_long_search_stops_and_goes_on_where_it_was(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    struct spool_read read = {.unwanted = 1u << METHOD};
    uint64_t sequence = 0;
    x->settings.file_bytes = 64 * 1024 * 1024;
    x->settings.max_bytes = 1024 * 1024 * 1024;
    assert_true(spx_open(x));
    for (int i = 0; i < 20; i++)
        append_large(x);
    spx_put(x, 1, OTHER);
    spx_end_all(x, 0, 21, RUN_COLD);
    uint32_t n_calls = 0, n = 0;
    uint64_t resume = 0;
    do {
        n = sequences_of(x, &read, 4096, &sequence, 1);
        n_calls++;
        assert_true(n == 1 || read.is_unfinished);
        assert_true(read.resume > resume || n == 1);
        resume = read.resume;
    } while (n == 0 && n_calls < 10);
    assert_int_equal(sequence, 20);
    assert_true(n_calls >= 3);
    spx_free(x);
}

/* Damage */

static void
a_bad_payload_costs_one_record(void **state)
{
    (void)state;
    struct spx *x = with_cold(60);
    enum signal signal = spool_files_signal(METHOD);
    spx_bytes_of(x, spx_file_of(x, 17), 17)[SPOOL_RECORD_HEAD_BYTES + 5] ^= 1;
    spx_read_all(x);
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(x->records[i].n_seen, i != 17);
    assert_int_equal(spool_counts(x->spool)->n_corrupt, 1);
    assert_int_equal(spool_counts(x->spool)->n_dropped[signal][DROP_SPOOL_ERROR], 1);
    assert_int_equal(spool_n_cold(x->spool), 0);
    spx_free(x);
}

static void
a_bad_head_costs_one_record(void **state)
{
    (void)state;
    for (int where = 0; where < SPOOL_RECORD_HEAD_BYTES; where += 4) {
        struct spx *x = with_cold(60);
        spx_bytes_of(x, spx_file_of(x, 17), 17)[where] ^= 64;
        spx_read_all(x);
        for (uint32_t i = 0; i < 60; i++)
            assert_int_equal(x->records[i].n_seen, i != 17);
        assert_int_equal(spool_counts(x->spool)->n_corrupt, 1);
        spx_free(x);
    }
}

static void
a_file_that_cannot_be_read_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct spx *x = with_cold(200);
    struct spool_file *first = TAILQ_FIRST(&x->spool->files);
    uint32_t n_first = (uint32_t)first->n;
    struct spool_read read = {0};
    sim_disk_spoil(x->disk, spx_file_of(x, 0));
    for (int i = 0; i < 20; i++)
        (void)spx_read(x, &read);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(x->records[i].n_seen, i >= n_first);
    assert_true(read.is_unfinished);
    assert_int_equal(spool_counts(x->spool)->n_corrupt, 0);
    sim_disk_heal(x->disk);
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, false), 0);
    spx_free(x);
}

static void
what_cannot_be_read_for_long_is_given_up_and_counted(void **state)
{
    (void)state;
    struct spx *x = with_cold(200);
    uint32_t n_first = (uint32_t)TAILQ_FIRST(&x->spool->files)->n;
    sim_disk_spoil(x->disk, spx_file_of(x, 0));
    spx_read_all(x);
    assert_int_equal(spool_counts(x->spool)->n_corrupt, n_first);
    assert_int_equal(spool_counts(x->spool)->n_dropped[SIGNAL_OTHER][DROP_SPOOL_ERROR], n_first);
    assert_int_equal(spx_n_lost(x, false), n_first);
    spx_step(x, 2000000);
    assert_true(spx_exists(x, "/spool/0000000000000000.corrupt"));
    spx_free(x);
}

static void
signals_of_recovered_records_become_known_once(void **state)
{
    (void)state;
    struct spx *x = with_cold(60);
    enum signal signal = spool_files_signal(METHOD);
    spx_read_all(x);
    assert_int_equal(spool_counts(x->spool)->n_known[signal], 0);
    spx_reopen(x);
    spx_read_all(x);
    assert_int_equal(spool_counts(x->spool)->n_known[signal], 60);
    spx_end_all(x, 0, 60, RUN_COLD);
    spx_read_all(x);
    assert_int_equal(spool_counts(x->spool)->n_known[signal], 60);
    spx_free(x);
}

static void
the_oldest_cold_record_is_known_without_reading_it(void **state)
{
    (void)state;
    struct spx *x = with_cold(60);
    int64_t oldest_ms = 0;
    enum signal signal = SIGNAL_OTHER;
    assert_true(spool_oldest(x->spool, &oldest_ms, &signal));
    assert_int_equal(signal, spool_files_signal(METHOD));
    assert_in_range(oldest_ms, SPX_START_MS, SPX_START_MS + (int64_t)(x->now_us / 1000));
    sim_disk_spoil(x->disk, spx_file_of(x, 0));
    assert_true(spool_oldest(x->spool, &oldest_ms, &signal)); /* the file's own time */
    sim_disk_heal(x->disk);
    spx_read_all(x);
    assert_false(spool_oldest(x->spool, &oldest_ms, &signal));
    spx_free(x);
}

static void
expect_no_walk(struct spx *x)
{
    struct spool_read read = {.unwanted = (method_set)1 << METHOD};
    sim_disk_record(x->disk, true);
    assert_false(spx_read(x, &read));
    assert_string_equal(sim_disk_history(x->disk), "");
    sim_disk_record(x->disk, false);
}

/* Else each read of a rare method would walk the whole spool. */
static void
files_without_a_wanted_method_are_not_walked(void **state)
{
    (void)state;
    struct spx *x = with_cold(200);
    assert_true(x->spool->n_files > 2);
    expect_no_walk(x);
    spx_reopen(x); /* by their footers; the last one was scanned */
    expect_no_walk(x);
    spx_put(x, 1, METHOD + 1);
    spx_end_all(x, 200, 201, RUN_COLD);
    struct spool_read read = {.unwanted = (method_set)1 << METHOD};
    assert_true(spx_read(x, &read));
    assert_int_equal(x->records[200].n_seen, 1);
    spx_free(x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_6_the_oldest_come_first),
        cmocka_unit_test(rule_6_what_is_leased_or_done_is_not_read),
        cmocka_unit_test(rule_6_at_start_everything_not_done_is_cold),
        cmocka_unit_test(unwanted_methods_stay_on_disk_until_they_are_wanted),
        cmocka_unit_test(methods_that_no_program_knows_yet_stay_on_disk),
        cmocka_unit_test(a_record_that_does_not_fit_says_what_it_needs),
        cmocka_unit_test(a_long_search_stops_and_goes_on_where_it_was),
        cmocka_unit_test(a_bad_payload_costs_one_record),
        cmocka_unit_test(a_bad_head_costs_one_record),
        cmocka_unit_test(a_file_that_cannot_be_read_does_not_hold_up_the_others),
        cmocka_unit_test(what_cannot_be_read_for_long_is_given_up_and_counted),
        cmocka_unit_test(signals_of_recovered_records_become_known_once),
        cmocka_unit_test(files_without_a_wanted_method_are_not_walked),
        cmocka_unit_test(the_oldest_cold_record_is_known_without_reading_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
