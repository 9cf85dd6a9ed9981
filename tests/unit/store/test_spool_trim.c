/* What leaves the disk: files that are done, old records, the oldest ones, old evidence; and what
 * is appended again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "spool_fixture.h"

enum { METHOD = 1, OTHER = 2, MINUTE_US = 60 * 1000 * 1000 };

static struct spx *
with(uint32_t n)
{
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, n, METHOD);
    return x;
}

static const char *
copy(const char *path)
{
    static char copies[4][SPOOL_PATH_BYTES];
    static int i;
    i = (i + 1) % 4;
    memcpy(copies[i], path, strlen(path) + 1);
    return copies[i];
}

/* The records first .. end - 1 of the file that holds this one. */
static void
range_of(struct spx *x, uint32_t number, uint32_t *first, uint32_t *end)
{
    struct spool_file *f = spool_files_find(x->spool, x->records[number].sequence);
    assert_non_null(f);
    *first = (uint32_t)f->base;
    *end = (uint32_t)(f->base + f->n);
}

/* Deletion. */

static void
rule_8_a_file_goes_only_behind_a_durable_cursor(void **state)
{
    (void)state;
    struct spx *x = with(100);
    uint32_t first, end;
    const char *path = copy(spx_file_of(x, 0));
    range_of(x, 0, &first, &end);
    spx_end_all(x, first, end, RUN_DONE);
    sim_disk_record(x->disk, true);
    spx_step(x, 1000000);
    assert_false(spx_exists(x, path));
    const char *p = spx_behind(sim_disk_history(x->disk), "write cursor\n");
    p = spx_behind(p, "sync cursor\n");
    p = spx_behind(p, "remove 0000000000000000\n");
    p = spx_behind(p, "sync-directory spool\n");
    assert_null(strstr(p, "remove"));
    spx_free(x);
}

static void
rule_8_no_file_goes_when_the_cursor_cannot_be_synced(void **state)
{
    (void)state;
    struct spx *x = with(100);
    uint32_t first, end;
    const char *path = copy(spx_file_of(x, 0));
    range_of(x, 0, &first, &end);
    spx_end_all(x, first, end, RUN_DONE);
    sim_disk_record(x->disk, true);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk) + 1, 1, ERR_IO, false);
    spx_step(x, 1000000);
    (void)spx_behind(sim_disk_history(x->disk), "fail-sync cursor\n");
    assert_true(spx_exists(x, path));
    spx_step(x, 1000000);
    assert_false(spx_exists(x, path));
    spx_free(x);
}

static void
rule_8_the_cursor_is_written_each_100_ms_and_synced_each_second(void **state)
{
    (void)state;
    struct spx *x = with(10);
    spx_end_all(x, 0, 1, RUN_DONE);
    spx_step(x, 2000000);
    sim_disk_record(x->disk, true);
    spx_end_all(x, 1, 2, RUN_DONE);
    spx_step(x, 99000);
    assert_string_equal(sim_disk_history(x->disk), "");
    spx_step(x, 1000);
    assert_string_equal(sim_disk_history(x->disk), "write cursor\n");
    spx_step(x, 800000);
    assert_string_equal(sim_disk_history(x->disk), "write cursor\n");
    spx_step(x, 100000);
    assert_string_equal(sim_disk_history(x->disk), "write cursor\nsync cursor\n");
    spx_free(x);
}

static void
rule_7_files_in_the_middle_go_too(void **state)
{
    (void)state;
    struct spx *x = with(200);
    uint32_t first, end;
    range_of(x, 100, &first, &end);
    assert_true(first > 0 && end < 200);
    const char *oldest = copy(spx_file_of(x, 0)), *middle = copy(spx_file_of(x, 100));
    spx_end_all(x, first, end, RUN_DONE);
    spx_step(x, 1000000);
    assert_true(spx_exists(x, oldest));
    assert_false(spx_exists(x, middle));
    spx_reopen(x);
    spx_read_all(x);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(x->records[i].n_seen, i < first || i >= end);
    spx_free(x);
}

static void
rule_7_one_leased_record_keeps_its_file(void **state)
{
    (void)state;
    struct spx *x = with(100);
    uint32_t first, end;
    const char *path = copy(spx_file_of(x, 0));
    range_of(x, 0, &first, &end);
    spx_end_all(x, first, end - 1, RUN_DONE);
    spx_step(x, 1000000);
    assert_true(spx_exists(x, path));
    spx_end_all(x, end - 1, end, RUN_DONE);
    spx_step(x, 1000000);
    assert_false(spx_exists(x, path));
    spx_free(x);
}

static void
rule_7_an_end_that_was_not_lent_changes_nothing(void **state)
{
    (void)state;
    struct spx *x = with(10);
    spx_end_all(x, 0, 5, RUN_COLD);
    struct parcel_run runs[] = {{0, 5, RUN_DONE}, {500, 10, RUN_DONE}};
    for (int i = 0; i < 2; i++)
        spool_end_run(x->spool, &runs[i]);
    assert_int_equal(spool_n_cold(x->spool), 5);
    spx_free(x);
}

static void
a_full_disk_does_not_prevent_deletion(void **state)
{
    (void)state;
    struct spx *x = with(100);
    uint32_t first, end;
    const char *path = copy(spx_file_of(x, 0));
    range_of(x, 0, &first, &end);
    spx_end_all(x, first, end, RUN_DONE);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk), 1, ERR_NO_SPACE, false);
    spx_step(x, 1000000);
    assert_false(spx_exists(x, path));
    spx_reopen(x);
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, false), 0);
    spx_free(x);
}

/* Age. */

static void
expired_records_are_dropped_and_counted(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.max_age_ms = 60000;
    assert_true(spx_open(x));
    spx_put(x, 100, METHOD);
    enum signal signal = spool_files_signal(METHOD);
    const struct spool_counts *counts = spool_counts(x->spool);
    spx_end_all(x, 0, 90, RUN_COLD); /* 90 to 99 stay leased */
    spx_step(x, MINUTE_US - 5000000);
    assert_int_equal(counts->n_dropped[signal][DROP_EXPIRED], 0);
    for (int i = 0; i < 10; i++)
        spx_step(x, 2000000);
    assert_int_equal(counts->n_dropped[signal][DROP_EXPIRED], 90);
    assert_int_equal(spool_n_cold(x->spool), 0);
    spx_end_all(x, 90, 100, RUN_COLD);
    spx_step(x, 2000000);
    assert_int_equal(counts->n_dropped[signal][DROP_EXPIRED], 100);
    spx_free(x);
}

static void
files_found_at_start_expire_by_their_records(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.max_age_ms = 60000;
    assert_true(spx_open(x));
    spx_put(x, 100, METHOD);
    spx_close(x);
    assert_true(spx_open(x));
    enum signal signal = spool_files_signal(METHOD);
    const struct spool_counts *counts = spool_counts(x->spool);
    for (int i = 0; i < 10; i++)
        spx_step(x, 2000000);
    assert_int_equal(spool_n_cold(x->spool), 100);
    for (int i = 0; i < 40; i++)
        spx_step(x, 2000000);
    assert_int_equal(counts->n_dropped[signal][DROP_EXPIRED], 100);
    assert_int_equal(counts->n_known[signal], 100);
    assert_int_equal(spool_n_bytes(x->spool), 0);
    spx_free(x);
}

/* Room. */

static void
drop_oldest_never_takes_what_is_leased(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.max_bytes = 3 * SPX_FILE_BYTES;
    x->settings.when_full = SPOOL_DROP_OLDEST;
    assert_true(spx_open(x));
    for (int i = 0; i < 60; i++)
        spx_put(x, 5, METHOD);
    assert_int_equal(spool_state(x->spool), SPOOL_FULL);
    assert_int_equal(spx_n_dropped(x), 0);
    for (uint32_t i = 0; i < x->n_records; i++)
        if (x->records[i].is_leased)
            spx_end(x, i, RUN_COLD);
    spx_step(x, 1000000);
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_true(spx_n_dropped(x) > 0);
    spx_free(x);
}

static void
damaged_files_are_kept_and_go_before_data(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.max_bytes = 4 * SPX_FILE_BYTES;
    assert_true(spx_open(x));
    spx_put(x, 70, METHOD);
    uint32_t first, end;
    range_of(x, 0, &first, &end);
    spx_end_all(x, first, end, RUN_COLD);
    spx_bytes_of(x, spx_file_of(x, 3), 3)[SPOOL_RECORD_HEAD_BYTES + 5] ^= 1;
    spx_read_all(x);
    for (uint32_t i = first; i < end; i++)
        if (x->records[i].is_leased)
            spx_end(x, i, RUN_DONE);
    uint64_t before = spool_n_bytes(x->spool);
    spx_step(x, 1000000);
    assert_true(spx_exists(x, "/spool/0000000000000000.corrupt"));
    assert_false(spx_exists(x, "/spool/0000000000000000"));
    assert_int_equal(spool_n_bytes(x->spool), before);
    while (spool_state(x->spool) == SPOOL_OK && spx_exists(x, "/spool/0000000000000000.corrupt"))
        spx_put(x, 5, METHOD);
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_true(spool_n_bytes(x->spool) <= x->settings.max_bytes);
    spx_free(x);
}

static void
evidence_counts_in_the_quota_after_a_start_too(void **state)
{
    (void)state;
    static uint8_t bytes[SPX_FILE_BYTES];
    struct spx *x = spx_new(1);
    sim_disk_put(x->disk, "/spool/0000000000000000.corrupt", bytes, sizeof(bytes));
    assert_true(spx_open(x));
    assert_int_equal(spool_n_bytes(x->spool), sizeof(bytes));
    spx_free(x);
}

/* Rule 9. */

/* Every file but the newest done, except for these few. */
static struct spx *
nearly_done(enum spool_sync sync, uint32_t n_cold)
{
    struct spx *x = spx_new(1);
    x->settings.sync = sync;
    assert_true(spx_open(x));
    spx_put(x, 120, METHOD);
    for (uint32_t i = 0; i < 120; i++)
        spx_end(x, i, i < n_cold ? RUN_UNWANTED : RUN_DONE);
    return x;
}

static void
rule_9_the_last_records_of_an_old_file_are_appended_again(void **state)
{
    (void)state;
    struct spx *x = nearly_done(SPOOL_SYNC_GROUP, 2);
    const char *path = copy(spx_file_of(x, 0));
    spx_step(x, 2000000);
    assert_true(spx_exists(x, path)); /* not yet old */
    spx_step(x, MINUTE_US);
    for (int i = 0; i < 3; i++)
        spx_step(x, 1000000);
    assert_false(spx_exists(x, path));
    assert_int_equal(spool_counts(x->spool)->n_moved, 2);
    assert_int_equal(spool_n_cold(x->spool), 2);
    uint8_t *data = mem_alloc(SPX_READ_BYTES);
    struct spool_read read = {.data = data, .size = SPX_READ_BYTES};
    spool_fill_read(x->spool, &read);
    const struct spool_record_head *head = (const void *)data;
    assert_int_equal(read.n_records, 2);
    assert_true(head->sequence >= 120);
    assert_int_equal(head->received_ms, SPX_START_MS + 1000 + 0);
    spx_take_read(x, &read);
    mem_free(data);
    assert_int_equal(x->records[0].n_seen + x->records[1].n_seen, 2);
    spx_free(x);
}

/* A reader that finds nothing must not believe that there is nothing. */
static void
rule_9_a_search_during_a_move_is_unfinished(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, 120, METHOD);
    uint8_t *data = mem_alloc(SPX_READ_BYTES);
    struct spool_read read = {.data = data, .size = SPX_READ_BYTES};
    /* A sync shortly before the second in which the move begins: it waits for its own. */
    spx_step(x, 2 * MINUTE_US - 100000 - x->now_us % 1000000);
    spx_append(x, 1, METHOD);
    spx_step(x, 99000);
    for (uint32_t i = 0; i < 120; i++)
        spx_end(x, i, i < 2 ? RUN_UNWANTED : RUN_DONE);
    spx_step(x, 1000);
    assert_int_equal(x->spool->n_moves, 1);
    spool_fill_read(x->spool, &read);
    assert_int_equal(read.n_records, 0);
    assert_true(read.is_unfinished);
    spx_step(x, 10000);
    assert_int_equal(x->spool->n_moves, 0);
    spool_fill_read(x->spool, &read);
    assert_int_equal(read.n_records, 2);
    assert_false(read.is_unfinished);
    spx_take_read(x, &read);
    mem_free(data);
    spx_free(x);
}

static void
rule_9_the_new_place_is_durable_before_the_old_one_goes(void **state)
{
    (void)state;
    for (int sync = SPOOL_SYNC_GROUP; sync <= SPOOL_SYNC_NONE; sync++) {
        struct spx *x = nearly_done((enum spool_sync)sync, 2);
        sim_disk_record(x->disk, true);
        spx_step(x, MINUTE_US + 1000000);
        for (int i = 0; i < 3; i++)
            spx_step(x, 1000000);
        const char *p = sim_disk_history(x->disk),
                   *removed = strstr(p, "remove 0000000000000000\n");
        assert_non_null(removed);
        char name[SPOOL_NAME_BYTES], line[SPOOL_NAME_BYTES + 8];
        spool_name_fill(spool_files_newest(x->spool)->base, 0, name);
        snprintf(line, sizeof(line), "write %s\n", name);
        p = spx_behind(p, line);
        snprintf(line, sizeof(line), "sync %s\n", name);
        p = spx_behind(p, line);
        p = spx_behind(p, "sync cursor\n");
        assert_true(p <= removed);
        spx_free(x);
    }
}

static void
rule_9_a_file_with_more_to_do_is_left(void **state)
{
    (void)state;
    struct spx *x = nearly_done(SPOOL_SYNC_GROUP, 12);
    const char *path = copy(spx_file_of(x, 0));
    for (int i = 0; i < 5; i++)
        spx_step(x, MINUTE_US);
    assert_true(spx_exists(x, path));
    assert_int_equal(spool_counts(x->spool)->n_moved, 0);
    spx_free(x);
}

static void
rule_9_a_failed_move_is_tried_again(void **state)
{
    (void)state;
    struct spx *x = nearly_done(SPOOL_SYNC_GROUP, 2);
    spx_step(x, 2000000);
    x->now_us += MINUTE_US;
    sim_disk_fail(x->disk, sim_disk_calls(x->disk) + 3, 60, ERR_IO, false);
    for (int i = 0; i < 8; i++)
        spx_step(x, 1000000);
    sim_disk_heal(x->disk);
    for (int i = 0; i < 20; i++)
        spx_step(x, 1000000);
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_int_equal(spool_counts(x->spool)->n_moved, 2);
    spx_read_all(x);
    assert_int_equal(x->records[0].n_seen + x->records[1].n_seen, 2);
    spx_free(x);
}

static void
rule_9_a_bad_record_does_not_hold_its_file(void **state)
{
    (void)state;
    for (int at = 0; at < 64; at += 4) {
        struct spx *x = nearly_done(SPOOL_SYNC_GROUP, 2);
        spx_bytes_of(x, spx_file_of(x, 1), 1)[at] ^= 4;
        spx_step(x, MINUTE_US + 2000000);
        for (int i = 0; i < 3; i++)
            spx_step(x, 1000000);
        assert_false(spx_exists(x, "/spool/0000000000000000"));
        assert_int_equal(spool_counts(x->spool)->n_moved, 1);
        assert_int_equal(spool_counts(x->spool)->n_corrupt, 1);
        spx_free(x);
    }
}

/* To unlink 64 MiB at once would hold up every commit meanwhile. */
static void
the_space_of_a_removed_file_comes_back_in_steps(void **state)
{
    (void)state;
    struct spx *x = with(200);
    uint32_t first, end, n_steps = 0;
    enum { LARGE = 16 * 1024 * 1024 };
    const char *path = copy(spx_file_of(x, 0));
    range_of(x, 0, &first, &end);
    struct spool_file *f = spool_files_find(x->spool, x->records[0].sequence);
    x->spool->n_bytes += LARGE - f->size;
    f->size = LARGE; /* as if */
    spx_end_all(x, first, end, RUN_DONE);
    spx_step(x, 1000000);
    assert_false(spx_exists(x, path));
    for (; x->spool->n_releases > 0; n_steps++)
        spx_step(x, 2000);
    assert_in_range(n_steps, 3, 8);
    spx_free(x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_8_a_file_goes_only_behind_a_durable_cursor),
        cmocka_unit_test(rule_8_no_file_goes_when_the_cursor_cannot_be_synced),
        cmocka_unit_test(rule_8_the_cursor_is_written_each_100_ms_and_synced_each_second),
        cmocka_unit_test(rule_7_files_in_the_middle_go_too),
        cmocka_unit_test(rule_7_one_leased_record_keeps_its_file),
        cmocka_unit_test(rule_7_an_end_that_was_not_lent_changes_nothing),
        cmocka_unit_test(a_full_disk_does_not_prevent_deletion),
        cmocka_unit_test(expired_records_are_dropped_and_counted),
        cmocka_unit_test(files_found_at_start_expire_by_their_records),
        cmocka_unit_test(drop_oldest_never_takes_what_is_leased),
        cmocka_unit_test(damaged_files_are_kept_and_go_before_data),
        cmocka_unit_test(evidence_counts_in_the_quota_after_a_start_too),
        cmocka_unit_test(rule_9_the_last_records_of_an_old_file_are_appended_again),
        cmocka_unit_test(rule_9_the_new_place_is_durable_before_the_old_one_goes),
        cmocka_unit_test(rule_9_a_file_with_more_to_do_is_left),
        cmocka_unit_test(rule_9_a_search_during_a_move_is_unfinished),
        cmocka_unit_test(rule_9_a_failed_move_is_tried_again),
        cmocka_unit_test(rule_9_a_bad_record_does_not_hold_its_file),
        cmocka_unit_test(the_space_of_a_removed_file_comes_back_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
