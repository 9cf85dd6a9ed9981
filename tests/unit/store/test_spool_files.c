/* The spool's bookkeeping in memory: states of records, marks, runs of what is done. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/spool_int.h"

enum { MAX_RUNS = 16 };

static struct spool *spool;

static int
setup(void **state)
{
    (void)state;
    spool = mem_new(struct spool);
    spool->disk = &disk_system;
    TAILQ_INIT(&spool->files);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    spool_files_free_all(spool);
    assert_int_equal(spool->n_files, 0);
    assert_int_equal(spool->n_cold, 0);
    mem_free(spool);
    return 0;
}

/* A file of n cold records of 64 bytes each. */
static struct spool_file *
add_file(uint64_t base, uint64_t n)
{
    struct spool_file *f = spool_files_add(spool, base, 0);
    for (uint64_t i = 0; i < n; i++)
        spool_files_grow(spool, f, 1, SPOOL_FILE_HEAD_BYTES + 64 * i, false);
    f->end = SPOOL_FILE_HEAD_BYTES + 64 * n;
    if (base + n > spool->next)
        spool->next = base + n;
    return f;
}

static void
set_done(uint64_t first, uint64_t end)
{
    for (uint64_t q = first; q < end; q++)
        spool_files_set(spool, spool_files_find(spool, q), q, SPOOL_DONE);
}

static void
assert_counts(const struct spool_file *f, uint64_t n, uint64_t n_leased, uint64_t n_done)
{
    assert_int_equal(f->n, n);
    assert_int_equal(f->n_leased, n_leased);
    assert_int_equal(f->n_done, n_done);
}

static void
files_stand_in_order_of_base_and_suffix(void **state)
{
    (void)state;
    struct spool_file *c = spool_files_add(spool, 200, 0);
    struct spool_file *a = spool_files_add(spool, 100, 0);
    struct spool_file *b = spool_files_add(spool, 100, 1);
    assert_ptr_equal(TAILQ_FIRST(&spool->files), a);
    assert_ptr_equal(TAILQ_NEXT(a, link), b);
    assert_ptr_equal(TAILQ_NEXT(b, link), c);
    assert_ptr_equal(spool_files_newest(spool), c);
    assert_int_equal(spool->n_files, 3);
}

static void
a_sequence_is_found_in_the_file_that_holds_it(void **state)
{
    (void)state;
    struct spool_file *a = add_file(10, 10), *b = add_file(30, 10);
    struct spool_file *empty = spool_files_add(spool, 30, 1);
    assert_null(spool_files_find(spool, 9));
    assert_ptr_equal(spool_files_find(spool, 10), a);
    assert_ptr_equal(spool_files_find(spool, 39), b);
    assert_ptr_equal(spool_files_find(spool, 19), a);
    assert_null(spool_files_find(spool, 20));
    assert_null(spool_files_find(spool, 40));
    spool_files_drop(spool, a); /* the last hit */
    assert_null(spool_files_find(spool, 19));
    spool_files_drop(spool, empty);
    assert_ptr_equal(spool_files_find(spool, 30), b);
}

static void
growing_counts_cold_and_leased(void **state)
{
    (void)state;
    struct spool_file *f = spool_files_add(spool, 1000, 0);
    spool_files_grow(spool, f, 70, 64, true);
    spool_files_grow(spool, f, 0, 9999, true);
    spool_files_grow(spool, f, 5000, 8000, false); /* beyond the first bitmap */
    spool_files_grow(spool, f, 3, 400000, true);
    assert_counts(f, 5073, 73, 0);
    assert_int_equal(spool->n_cold, 5000);
    assert_int_equal(spool_files_kind(f, 1069), SPOOL_LEASED);
    assert_int_equal(spool_files_kind(f, 1070), SPOOL_COLD);
    assert_int_equal(spool_files_kind(f, 6069), SPOOL_COLD);
    assert_int_equal(spool_files_kind(f, 6070), SPOOL_LEASED);
    assert_false(spool->is_cursor_changed);
}

static void
a_record_changes_state_until_it_is_done(void **state)
{
    (void)state;
    struct spool_file *f = add_file(64, 130);
    spool_files_set(spool, f, 128, SPOOL_LEASED);
    spool_files_set(spool, f, 128, SPOOL_LEASED);
    assert_counts(f, 130, 1, 0);
    assert_int_equal(spool->n_cold, 129);
    spool_files_set(spool, f, 128, SPOOL_COLD);
    assert_counts(f, 130, 0, 0);
    assert_int_equal(spool->n_cold, 130);
    assert_false(spool->is_cursor_changed);
    spool_files_set(spool, f, 128, SPOOL_LEASED);
    spool_files_set(spool, f, 128, SPOOL_DONE);
    assert_counts(f, 130, 0, 1);
    assert_true(spool->is_cursor_changed);
    spool->is_cursor_changed = false;
    spool_files_set(spool, f, 128, SPOOL_COLD);
    spool_files_set(spool, f, 128, SPOOL_LEASED);
    spool_files_set(spool, f, 128, SPOOL_DONE);
    assert_int_equal(spool_files_kind(f, 128), SPOOL_DONE);
    assert_counts(f, 130, 0, 1);
    assert_int_equal(spool->n_cold, 129);
    assert_false(spool->is_cursor_changed);
}

static void
a_record_that_becomes_cold_takes_the_reading_hint_back(void **state)
{
    (void)state;
    struct spool_file *f = add_file(0, 100);
    spool_files_set(spool, f, 20, SPOOL_LEASED);
    spool_files_set(spool, f, 60, SPOOL_LEASED);
    f->from_sequence = 50;
    spool_files_set(spool, f, 60, SPOOL_COLD);
    assert_int_equal(f->from_sequence, 50);
    spool_files_set(spool, f, 20, SPOOL_COLD);
    assert_int_equal(f->from_sequence, 20);
}

static void
shrinking_takes_back_what_growing_gave(void **state)
{
    (void)state;
    struct spool_file *f = add_file(100, 60);
    uint64_t end = f->end;
    spool_files_grow(spool, f, 80, end, true);
    spool_files_grow(spool, f, 1, end + SPOOL_INDEX_BYTES, true);
    f->end = end + 2 * SPOOL_INDEX_BYTES;
    f->from_sequence = 241;
    f->read_mark = (struct spool_mark){200, 5000};
    assert_int_equal(f->n_marks, 2);
    spool_files_shrink(spool, f, 81, end);
    assert_counts(f, 60, 0, 0);
    assert_int_equal(f->end, end);
    assert_int_equal(f->n_marks, 1);
    assert_int_equal(f->read_mark.offset, 0);
    assert_int_equal(f->from_sequence, 160);
    assert_int_equal(spool->n_cold, 60);
    assert_null(spool_files_find(spool, 160));
    spool_files_grow(spool, f, 100, end, false); /* the old bits are gone */
    for (uint64_t q = 160; q < 260; q++)
        assert_int_equal(spool_files_kind(f, q), SPOOL_COLD);
    assert_int_equal(spool->n_cold, 160);
}

static void
shrinking_to_nothing_leaves_an_empty_range(void **state)
{
    (void)state;
    struct spool_file *f = add_file(100, 10);
    spool_files_set(spool, f, 103, SPOOL_LEASED);
    spool_files_set(spool, f, 105, SPOOL_DONE);
    spool_files_shrink(spool, f, 10, SPOOL_FILE_HEAD_BYTES);
    assert_counts(f, 0, 0, 0);
    assert_int_equal(spool->n_cold, 0);
    struct spool_file *again = spool_files_add(spool, 100, 1);
    spool_files_grow(spool, again, 4, SPOOL_FILE_HEAD_BYTES, true);
    assert_ptr_equal(spool_files_find(spool, 100), again);
    assert_int_equal(spool_files_lowest(spool), 100);
}

static void
marks_are_sparse_and_never_beyond_the_sequence(void **state)
{
    (void)state;
    struct spool_file *f = spool_files_add(spool, 500, 0);
    struct spool_mark mark = spool_files_mark(f, 500);
    assert_int_equal(mark.sequence, 500);
    assert_int_equal(mark.offset, SPOOL_FILE_HEAD_BYTES);
    enum { N = 5000, BYTES = 4096 };
    for (uint64_t i = 0; i < N; i++)
        spool_files_grow(spool, f, 1, SPOOL_FILE_HEAD_BYTES + i * BYTES, false);
    assert_int_equal(f->n_marks, (N * BYTES + SPOOL_INDEX_BYTES - 1) / SPOOL_INDEX_BYTES);
    for (uint64_t i = 0; i < N; i++) {
        mark = spool_files_mark(f, 500 + i);
        assert_true(mark.sequence <= 500 + i);
        assert_int_equal(mark.offset, SPOOL_FILE_HEAD_BYTES + (mark.sequence - 500) * BYTES);
        assert_true((500 + i - mark.sequence) * BYTES < SPOOL_INDEX_BYTES);
    }
}

static void
the_lowest_is_the_first_that_is_not_done(void **state)
{
    (void)state;
    spool->next = 7;
    assert_int_equal(spool_files_lowest(spool), 7);
    add_file(100, 128);
    add_file(300, 10);
    assert_int_equal(spool_files_lowest(spool), 100);
    set_done(101, 228);
    assert_int_equal(spool_files_lowest(spool), 100);
    set_done(100, 101);
    assert_int_equal(spool_files_lowest(spool), 300);
    set_done(300, 310);
    assert_int_equal(spool_files_lowest(spool), 310);
    spool->next = 400;
    assert_int_equal(spool_files_lowest(spool), 400);
}

static void
assert_runs(uint64_t lowest, const struct spool_run *expected, uint32_t n)
{
    struct spool_run runs[MAX_RUNS];
    assert_int_equal(spool_files_runs(spool, lowest, runs, MAX_RUNS), n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(runs[i].first, expected[i].first);
        assert_int_equal(runs[i].n, expected[i].n);
    }
}

static void
runs_are_apart_and_hold_the_gaps_between_files(void **state)
{
    (void)state;
    add_file(100, 200);
    add_file(300, 10);
    struct spool_file *middle = add_file(310, 90);
    add_file(400, 10);
    assert_runs(100, NULL, 0);
    set_done(100, 103);
    set_done(110, 111);
    set_done(120, 250);
    set_done(295, 305); /* across two files */
    struct spool_run runs[] = {{110, 1}, {120, 130}, {295, 10}, {310, 92}};
    assert_runs(103, runs, 3);
    spool_files_drop(spool, middle);
    set_done(400, 402); /* continues the gap */
    assert_runs(103, runs, 4);
    struct spool_run few[2];
    assert_int_equal(spool_files_runs(spool, 103, few, 2), 2);
    assert_int_equal(few[1].first, 120);
    assert_int_equal(few[1].n, 130);
}

static void
dropping_what_is_not_done_changes_the_cursor(void **state)
{
    (void)state;
    struct spool_file *a = add_file(0, 10), *b = add_file(10, 10);
    set_done(0, 10);
    spool->is_cursor_changed = false;
    spool_files_drop(spool, a);
    assert_false(spool->is_cursor_changed);
    assert_int_equal(spool->n_cold, 10);
    spool_files_drop(spool, b);
    assert_true(spool->is_cursor_changed);
    assert_int_equal(spool->n_cold, 0);
}

/* Every step against a plain array. */
static void
random_steps_match_a_model(void **state)
{
    (void)state;
    enum { N = 700 };
    static enum spool_mark_kind model[N];
    memset(model, 0, sizeof(model));
    struct spool_file *files[] = {add_file(0, 193), add_file(193, 64), add_file(257, N - 257)};
    srand(4);
    for (int step = 0; step < 20000; step++) {
        uint64_t q = (uint64_t)rand() % N;
        enum spool_mark_kind kind = (enum spool_mark_kind)(rand() % 16 == 0 ? 2 : rand() % 2);
        struct spool_file *f = spool_files_find(spool, q);
        assert_ptr_equal(f, files[(q >= 193) + (q >= 257)]);
        spool_files_set(spool, f, q, kind);
        if (model[q] != SPOOL_DONE)
            model[q] = kind;
        assert_int_equal(spool_files_kind(f, q), model[q]);
        if (step % 100)
            continue;
        uint64_t n_cold = 0, lowest = N, n_done_above = 0, n_in_runs = 0;
        for (uint64_t i = N; i-- > 0;) {
            n_cold += model[i] == SPOOL_COLD;
            lowest = model[i] == SPOOL_DONE ? lowest : i;
        }
        for (uint64_t i = lowest; i < N; i++)
            n_done_above += model[i] == SPOOL_DONE;
        static struct spool_run runs[N];
        uint32_t n_runs = spool_files_runs(spool, lowest, runs, N);
        for (uint32_t i = 0; i < n_runs; i++) {
            n_in_runs += runs[i].n;
            assert_int_equal(model[runs[i].first], SPOOL_DONE);
            assert_int_not_equal(model[runs[i].first - 1], SPOOL_DONE);
        }
        assert_int_equal(spool->n_cold, n_cold);
        assert_int_equal(spool_files_lowest(spool), lowest);
        assert_int_equal(n_in_runs, n_done_above);
    }
}

static void
opening_makes_no_file_that_is_gone(void **state)
{
    (void)state;
    char path[SPOOL_PATH_BYTES];
    (void)snprintf(spool->path, sizeof(spool->path), "/tmp/test_spool_files.XXXXXX");
    assert_non_null(mkdtemp(spool->path));
    struct spool_file *f = spool_files_add(spool, 1000, 2);
    spool_files_path_of(spool, f, path);
    assert_string_equal(path + strlen(spool->path), "/00000000000003e8-2");
    assert_int_equal(spool_files_open(spool, f), ERR_NOT_FOUND);
    assert_int_equal(f->file, SPOOL_NO_FILE);
    assert_int_equal(access(path, F_OK), -1);
    FILE *made = fopen(path, "w");
    assert_non_null(made);
    assert_int_equal(fclose(made), 0);
    assert_int_equal(spool_files_open(spool, f), ERR_OK);
    int file = f->file;
    assert_int_equal(spool_files_open(spool, f), ERR_OK);
    assert_int_equal(f->file, file);
    assert_int_equal(spool->disk->truncate(spool->disk->ctx, f->file, 100), ERR_OK);
    spool_files_close(spool, f);
    assert_int_equal(f->file, SPOOL_NO_FILE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(spool->path), 0);
}

#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(files_stand_in_order_of_base_and_suffix),
        SPOOL_TEST(a_sequence_is_found_in_the_file_that_holds_it),
        SPOOL_TEST(growing_counts_cold_and_leased),
        SPOOL_TEST(a_record_changes_state_until_it_is_done),
        SPOOL_TEST(a_record_that_becomes_cold_takes_the_reading_hint_back),
        SPOOL_TEST(shrinking_takes_back_what_growing_gave),
        SPOOL_TEST(shrinking_to_nothing_leaves_an_empty_range),
        SPOOL_TEST(marks_are_sparse_and_never_beyond_the_sequence),
        SPOOL_TEST(the_lowest_is_the_first_that_is_not_done),
        SPOOL_TEST(runs_are_apart_and_hold_the_gaps_between_files),
        SPOOL_TEST(dropping_what_is_not_done_changes_the_cursor),
        SPOOL_TEST(random_steps_match_a_model),
        SPOOL_TEST(opening_makes_no_file_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
