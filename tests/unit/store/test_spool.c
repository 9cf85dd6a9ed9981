/* The spool's face: group commit, sync modes, files, failing disks, full disks, the end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

enum { METHOD = 1 };

static struct spx *
opened(void)
{
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    return x;
}

static uint64_t
n_syncs(const struct spx *x)
{
    return spool_counts(x->spool)->n_syncs;
}

static bool
is_durable(const struct spx *x, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        if (!x->records[i].is_durable)
            return false;
    return true;
}

/* One record of so many payload bytes; never read back. */
static void
append_large(struct spx *x, uint32_t n_bytes)
{
    struct slice *slice = mem_new(struct slice);
    size_t n = spool_record_bytes(0, n_bytes);
    slice->data = mem_zeroed(n);
    slice->home = &x->records[x->n_records++];
    struct spool_record_head *head = (void *)slice->data;
    head->method = METHOD;
    head->payload_bytes = n_bytes;
    spool_record_fill(head, spool_seed_of(x->spool));
    slice->n_bytes = (uint32_t)n;
    slice->n_records = 1;
    spool_append(x->spool, slice);
}

/* Commit. */

static void
rule_3_a_lone_message_is_synced_at_once(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_append(x, 1, METHOD);
    assert_int_equal(spool_n_pending(x->spool), 1);
    spx_step(x, 0);
    assert_true(is_durable(x, 0, 1));
    assert_int_equal(n_syncs(x), 1);
    assert_int_equal(spool_n_pending(x->spool), 0);
    spx_free(x);
}

static void
rule_3_a_busy_spool_syncs_every_5_ms(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 1, METHOD);
    spx_append(x, 3, METHOD);
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    uint64_t next_us = spool_step(x->spool, x->now_us + 1000, SPX_START_MS, &ended);
    assert_true(STAILQ_EMPTY(&ended));
    assert_int_equal(next_us, x->now_us + 5000);
    spx_step(x, 4999);
    assert_false(x->records[1].is_durable);
    assert_int_equal(n_syncs(x), 1);
    spx_step(x, 1);
    assert_true(is_durable(x, 1, 4));
    assert_int_equal(n_syncs(x), 2);
    spx_free(x);
}

static void
rule_3_one_mebibyte_is_synced_at_once(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.file_bytes = 8 * 1024 * 1024;
    assert_true(spx_open(x));
    spx_put(x, 1, METHOD);
    for (int i = 0; i < 30; i++)
        spx_append(x, 50, METHOD);
    spx_step(x, 1);
    assert_false(x->records[1].is_durable);
    for (int i = 0; i < 30; i++)
        spx_append(x, 50, METHOD);
    spx_step(x, 1);
    assert_true(is_durable(x, 0, x->n_records));
    assert_int_equal(n_syncs(x), 2);
    spx_free(x);
}

static void
rule_3_sequences_follow_the_order_of_arrival(void **state)
{
    (void)state;
    struct spx *x = opened();
    for (uint32_t i = 0; i < 20; i++)
        spx_append(x, 1 + i % 3, METHOD);
    spx_step(x, 0);
    for (uint32_t i = 0; i < x->n_records; i++)
        assert_int_equal(x->records[i].sequence, i);
    spx_free(x);
}

static void
nothing_is_acknowledged_before_its_file_and_name_are_durable(void **state)
{
    (void)state;
    struct spx *x = opened();
    sim_disk_record(x->disk, true);
    spx_put(x, 1, METHOD);
    const char *p = sim_disk_history(x->disk);
    p = spx_behind(p, "write 0000000000000000\n"); /* its head */
    p = spx_behind(p, "sync 0000000000000000\n");
    p = spx_behind(p, "sync-directory spool\n");
    p = spx_behind(p, "write 0000000000000000\n");
    (void)spx_behind(p, "sync 0000000000000000\n");
    spx_die(x);
    sim_disk_crash(x->disk, 3);
    assert_true(spx_open(x));
    spx_read_all(x);
    assert_int_equal(x->records[0].n_seen, 1);
    spx_free(x);
}

static void
interval_ends_slices_when_written_and_syncs_each_second(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.sync = SPOOL_SYNC_INTERVAL;
    assert_true(spx_open(x));
    spx_put(x, 1, METHOD);
    spx_append(x, 4, METHOD);
    uint64_t before = n_syncs(x);
    spx_step(x, 10000);
    assert_true(is_durable(x, 0, 5));
    assert_int_equal(n_syncs(x), before);
    spx_step(x, 1000000);
    assert_int_equal(n_syncs(x), before + 1);
    spx_free(x);
}

static void
none_syncs_at_the_end_only(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.sync = SPOOL_SYNC_NONE;
    assert_true(spx_open(x));
    for (int i = 0; i < 5; i++) {
        spx_put(x, 1, METHOD);
        spx_step(x, 2000000);
    }
    assert_true(is_durable(x, 0, 5));
    assert_int_equal(n_syncs(x), 0);
    spx_close(x);
    sim_disk_crash(x->disk, 8);
    assert_true(spx_open(x));
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, true), 0);
    spx_free(x);
}

/* Files. */

static void
a_full_file_is_synced_closed_with_a_footer_and_followed(void **state)
{
    (void)state;
    struct spx *x = opened();
    sim_disk_record(x->disk, true);
    spx_put(x, 100, METHOD);
    struct spool_file *first = TAILQ_FIRST(&x->spool->files), *second = TAILQ_NEXT(first, link);
    assert_non_null(second);
    assert_true(first->is_closed);
    assert_int_equal(second->base, first->base + first->n);
    char path[SPOOL_PATH_BYTES];
    spool_files_path_of(x->spool, first, path);
    uint64_t n = 0, next = 0;
    uint8_t *p = sim_disk_bytes(x->disk, path, &n);
    assert_int_equal(n, first->end + SPOOL_RECORD_HEAD_BYTES);
    struct spool_record_head footer;
    assert_int_equal(
        spool_record_look(p + first->end, SPOOL_RECORD_HEAD_BYTES, first->seed, &footer), ERR_OK);
    next = footer.sequence;
    assert_int_equal(next, second->base);
    assert_true((footer.flags & SPOOL_FLAG_FOOTER) != 0);
    spx_free(x);
}

static void
a_record_larger_than_a_file_gets_a_larger_file(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 2, METHOD);
    append_large(x, 5 * SPX_FILE_BYTES);
    spx_step(x, 6000);
    assert_true(x->records[2].is_durable);
    struct spool_file *f = spool_files_newest(x->spool);
    assert_int_equal(f->base, 2);
    assert_true(f->size > 5 * SPX_FILE_BYTES);
    spx_put(x, 2, METHOD);
    assert_true(is_durable(x, 0, 5));
    spx_free(x);
}

static void
a_sequence_is_never_used_twice(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 10, METHOD);
    spx_end_all(x, 0, 10, RUN_DONE);
    spx_close(x);
    assert_true(spx_open(x));
    assert_int_equal(TAILQ_EMPTY(&x->spool->files), true);
    spx_put(x, 1, METHOD);
    assert_true(x->records[10].sequence >= 10);
    spx_free(x);
}

/* A failing disk. */

static void
a_failed_sync_is_final_for_its_file(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 3, METHOD);
    spx_append(x, 4, METHOD);
    sim_disk_record(x->disk, true);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk) + 1, 1, ERR_IO, false);
    spx_step(x, 6000);
    assert_false(x->records[3].is_durable);
    spx_step(x, 5000);
    assert_true(is_durable(x, 0, 7));
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(x->records[i].sequence, i);
    const char *p = spx_behind(sim_disk_history(x->disk), "fail-sync 0000000000000000\n");
    assert_null(strstr(p, "sync 0000000000000000\n"));
    p = spx_behind(p, "write 0000000000000003\n");
    (void)spx_behind(p, "sync 0000000000000003\n");
    spx_die(x);
    sim_disk_crash(x->disk, 5);
    assert_true(spx_open(x));
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, true), 0);
    spx_free(x);
}

static void
a_sync_without_space_is_as_final(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 3, METHOD);
    spx_append(x, 4, METHOD);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk) + 1, 1, ERR_NO_SPACE, false);
    spx_step(x, 6000);
    assert_false(x->records[3].is_durable);
    spx_step(x, 5000);
    assert_true(is_durable(x, 0, 7));
    assert_int_equal(spool_files_newest(x->spool)->base, 3);
    spx_free(x);
}

static void
the_first_failure_of_a_file_is_followed_by_the_same_name_with_1(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_append(x, 4, METHOD);
    /* make, reserve, head, sync, directory, write: the sync after it */
    for (uint64_t i = 0; i < 40 && !spx_exists(x, "/spool/0000000000000000-1"); i++) {
        sim_disk_fail(x->disk, sim_disk_calls(x->disk) + i, 1, ERR_IO, true);
        spx_step(x, 6000000);
        sim_disk_heal(x->disk);
        spx_step(x, 6000000);
        spx_append_held(x);
        spx_step(x, 6000000);
        assert_true(is_durable(x, 0, x->n_records));
        if (spx_exists(x, "/spool/0000000000000000-1"))
            break;
        spx_free(x);
        x = opened();
        spx_append(x, 4, METHOD);
    }
    assert_true(spx_exists(x, "/spool/0000000000000000-1"));
    spx_reopen(x);
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, false), 0);
    spx_free(x);
}

static void
a_broken_disk_gives_slices_back_and_is_tried_every_5_s(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 3, METHOD);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk), UINT64_MAX, ERR_IO, false);
    spx_append(x, 4, METHOD);
    spx_step(x, 6000);
    assert_int_equal(spool_state(x->spool), SPOOL_BROKEN);
    assert_false(STAILQ_EMPTY(&x->held));
    assert_int_equal(STAILQ_FIRST(&x->held)->end, SLICE_UNSAVED);
    assert_int_equal(spool_n_pending(x->spool), 0);
    sim_disk_heal(x->disk);
    spx_step(x, 4900000);
    assert_int_equal(spool_state(x->spool), SPOOL_BROKEN);
    spx_step(x, 100000);
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    spx_append_held(x);
    spx_step(x, 6000);
    assert_true(is_durable(x, 0, 7));
    spx_free(x);
}

static void
a_read_error_leaves_the_file_in_use_writable(void **state)
{
    (void)state;
    struct spx *x = opened();
    struct spool_read read = {0};
    spx_put(x, 3, METHOD);
    spx_end_all(x, 0, 3, RUN_COLD);
    sim_disk_spoil(x->disk, spx_file_of(x, 0));
    assert_true(spx_read(x, &read));
    assert_true(read.is_unfinished);
    spx_put(x, 3, METHOD);
    assert_true(is_durable(x, 3, 6));
    assert_int_equal(x->spool->n_files, 1);
    sim_disk_heal(x->disk);
    spx_read_all(x);
    assert_int_equal(x->records[0].n_seen, 1);
    spx_free(x);
}

/* A full disk. */

static void
without_space_slices_wait_and_the_partial_record_is_cut_off(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 3, METHOD);
    spx_append(x, 4, METHOD);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk), 1, ERR_NO_SPACE, true);
    sim_disk_limit(x->disk, 1);
    spx_step(x, 6000);
    assert_int_equal(spool_state(x->spool), SPOOL_FULL);
    assert_int_equal(spool_n_pending(x->spool), 1);
    assert_true(STAILQ_EMPTY(&x->held));
    struct spool_file *f = spool_files_newest(x->spool);
    assert_int_equal(f->n, 3);
    assert_true(f->size <= f->end + SPOOL_RECORD_HEAD_BYTES);
    sim_disk_limit(x->disk, UINT64_MAX);
    spx_step(x, 1000000);
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_true(is_durable(x, 0, 7));
    spx_free(x);
}

static struct spx *
full(enum spool_when_full when_full)
{
    struct spx *x = spx_new(1);
    x->settings.max_bytes = 3 * SPX_FILE_BYTES;
    x->settings.when_full = when_full;
    assert_true(spx_open(x));
    while (x->n_records < 250)
        spx_put(x, 5, METHOD);
    return x;
}

static void
backpressure_keeps_slices_until_there_is_room(void **state)
{
    (void)state;
    struct spx *x = full(SPOOL_BACKPRESSURE);
    assert_int_equal(spool_state(x->spool), SPOOL_FULL);
    assert_true(spool_n_pending(x->spool) > 0);
    assert_true(STAILQ_EMPTY(&x->held));
    assert_true(spool_n_bytes(x->spool) <= x->settings.max_bytes);
    for (int i = 0; i < 20; i++) {
        for (uint32_t n = 0; n < x->n_records; n++)
            if (x->records[n].is_leased)
                spx_end(x, n, RUN_DONE);
        spx_step(x, 1000000);
    }
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_int_equal(spool_n_pending(x->spool), 0);
    assert_true(is_durable(x, 0, x->n_records));
    spx_free(x);
}

static void
drop_newest_gives_slices_back_as_dropped(void **state)
{
    (void)state;
    struct spx *x = full(SPOOL_DROP_NEWEST);
    assert_int_equal(spool_state(x->spool), SPOOL_FULL);
    assert_int_equal(spool_n_pending(x->spool), 0);
    assert_false(STAILQ_EMPTY(&x->held));
    assert_int_equal(STAILQ_FIRST(&x->held)->end, SLICE_DROPPED);
    spx_free(x);
}

static void
drop_oldest_makes_room_and_counts(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.max_bytes = 3 * SPX_FILE_BYTES;
    x->settings.when_full = SPOOL_DROP_OLDEST;
    assert_true(spx_open(x));
    for (uint32_t i = 0; i < 60; i++) {
        spx_put(x, 5, METHOD);
        spx_end_all(x, x->n_records - 5, x->n_records, RUN_COLD);
    }
    assert_int_equal(spool_state(x->spool), SPOOL_OK);
    assert_true(is_durable(x, 0, x->n_records));
    enum signal signal = spool_files_signal(METHOD);
    uint64_t n_dropped = spool_counts(x->spool)->n_dropped[signal][DROP_BUFFER_FULL];
    assert_true(n_dropped > 0);
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, false), n_dropped);
    assert_int_equal(x->records[0].n_seen, 0);
    assert_int_equal(x->records[x->n_records - 1].n_seen, 1);
    spx_free(x);
}

static void
min_free_is_left_to_others(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    x->settings.min_free_bytes = 10 * SPX_FILE_BYTES;
    assert_true(spx_open(x));
    sim_disk_limit(x->disk, 16 * SPX_FILE_BYTES);
    for (int i = 0; i < 100; i++)
        spx_put(x, 5, METHOD);
    assert_int_equal(spool_state(x->spool), SPOOL_FULL);
    assert_true(spool_n_bytes(x->spool) <= 6 * SPX_FILE_BYTES);
    assert_true(spool_n_bytes(x->spool) > 0);
    spx_free(x);
}

/* The end. */

static void
what_is_given_back_is_durable_or_not_saved(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 1, METHOD);
    spx_append(x, 4, METHOD);
    spx_step(x, 10); /* written, not synced */
    spx_append(x, 2, METHOD);
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    spool_give_back(x->spool, &ended);
    spx_take_ended(x, &ended);
    assert_true(is_durable(x, 0, 5));
    assert_false(x->records[5].is_durable);
    assert_int_equal(STAILQ_FIRST(&x->held)->end, SLICE_UNSAVED);
    spx_free(x);
}

static void
give_back_with_a_failing_sync_saves_nothing(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 1, METHOD);
    spx_append(x, 4, METHOD);
    spx_step(x, 10);
    sim_disk_fail(x->disk, sim_disk_calls(x->disk), 1, ERR_IO, false);
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    spool_give_back(x->spool, &ended);
    spx_take_ended(x, &ended);
    assert_false(x->records[1].is_durable);
    assert_int_equal(STAILQ_FIRST(&x->held)->end, SLICE_UNSAVED);
    spx_free(x);
}

static void
a_close_writes_the_footer_and_syncs_the_cursor(void **state)
{
    (void)state;
    struct spx *x = opened();
    spx_put(x, 6, METHOD);
    spx_end_all(x, 0, 3, RUN_DONE);
    sim_disk_record(x->disk, true);
    spx_close(x);
    const char *p = spx_behind(sim_disk_history(x->disk), "write 0000000000000000\n");
    p = spx_behind(p, "write cursor\n");
    (void)spx_behind(p, "sync cursor\n");
    sim_disk_crash(x->disk, 9);
    assert_true(spx_open(x));
    assert_int_equal(spool_counts(x->spool)->n_recovered, 3);
    spx_free(x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_3_a_lone_message_is_synced_at_once),
        cmocka_unit_test(rule_3_a_busy_spool_syncs_every_5_ms),
        cmocka_unit_test(rule_3_one_mebibyte_is_synced_at_once),
        cmocka_unit_test(rule_3_sequences_follow_the_order_of_arrival),
        cmocka_unit_test(nothing_is_acknowledged_before_its_file_and_name_are_durable),
        cmocka_unit_test(interval_ends_slices_when_written_and_syncs_each_second),
        cmocka_unit_test(none_syncs_at_the_end_only),
        cmocka_unit_test(a_full_file_is_synced_closed_with_a_footer_and_followed),
        cmocka_unit_test(a_record_larger_than_a_file_gets_a_larger_file),
        cmocka_unit_test(a_sequence_is_never_used_twice),
        cmocka_unit_test(a_failed_sync_is_final_for_its_file),
        cmocka_unit_test(a_sync_without_space_is_as_final),
        cmocka_unit_test(the_first_failure_of_a_file_is_followed_by_the_same_name_with_1),
        cmocka_unit_test(a_broken_disk_gives_slices_back_and_is_tried_every_5_s),
        cmocka_unit_test(a_read_error_leaves_the_file_in_use_writable),
        cmocka_unit_test(without_space_slices_wait_and_the_partial_record_is_cut_off),
        cmocka_unit_test(backpressure_keeps_slices_until_there_is_room),
        cmocka_unit_test(drop_newest_gives_slices_back_as_dropped),
        cmocka_unit_test(drop_oldest_makes_room_and_counts),
        cmocka_unit_test(min_free_is_left_to_others),
        cmocka_unit_test(what_is_given_back_is_durable_or_not_saved),
        cmocka_unit_test(give_back_with_a_failing_sync_saves_nothing),
        cmocka_unit_test(a_close_writes_the_footer_and_syncs_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
