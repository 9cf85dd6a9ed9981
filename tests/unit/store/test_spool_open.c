/* Opening: nothing in the directory prevents a start, and nothing is lost that could be read. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

#include "base/hash.h"

enum { METHOD = 1 };

static struct spx *
with(uint32_t n)
{
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    spx_put(x, n, METHOD);
    return x;
}

static void
die(struct spx *x)
{
    spx_die(x);
    sim_disk_kill(x->disk);
}

static void
remove_file(struct spx *x, const char *path)
{
    const struct disk *disk = sim_disk_face(x->disk);
    assert_int_equal(disk->remove(disk->ctx, path), ERR_OK);
}

static uint64_t
size_of(struct spx *x, const char *path)
{
    uint64_t n = 0;
    assert_non_null(sim_disk_bytes(x->disk, path, &n));
    return n;
}

static void
expect_all(struct spx *x)
{
    assert_true(spx_open(x));
    spx_read_all(x);
    assert_int_equal(spx_n_lost(x, false), 0);
}

/* Directory and lock. */

static void
an_empty_directory_is_opened_and_left_clean(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    for (int i = 0; i < 20; i++) { /* many short lives leave nothing behind */
        assert_true(spx_open(x));
        spx_step(x, 1000000);
        die(x);
    }
    assert_int_equal(sim_disk_n_names(x->disk), 2); /* LOCK, cursor */
    assert_true(spx_open(x));
    assert_int_equal(spool_n_bytes(x->spool), 0);
    assert_int_equal(spool_counts(x->spool)->n_recovered, 0);
    spx_free(x);
}

static void
quick_restarts_do_not_fill_the_disk(void **state)
{
    (void)state;
    struct spx *x = spx_new(1);
    for (int i = 0; i < 20; i++) {
        assert_true(spx_open(x));
        spx_put(x, 1, METHOD);
        die(x);
    }
    expect_all(x);
    assert_true(spool_n_bytes(x->spool) < 20 * 1200);
    spx_free(x);
}

static void
a_second_holder_is_refused_and_the_first_named(void **state)
{
    (void)state;
    struct spx *x = with(3);
    struct text why = TEXT_EMPTY;
    struct spool *second = NULL;
    assert_int_equal(spool_open(&x->settings, sim_disk_face(x->disk), SPX_START_MS, &why, &second),
                     ERR_LOCKED);
    assert_null(second);
    assert_non_null(strstr(why.p, "/spool is in use by process 1"));
    text_fini(&why);
    spx_put(x, 3, METHOD); /* the first one does not notice */
    assert_true(x->records[5].is_durable);
    spx_free(x);
}

static void
a_damaged_lock_costs_nothing(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 32; at++) {
        struct spx *x = with(20);
        spx_end_all(x, 0, 10, RUN_DONE);
        spx_step(x, 2000000);
        die(x);
        uint64_t n = 0;
        sim_disk_bytes(x->disk, "/spool/LOCK", &n)[at] ^= 1;
        expect_all(x);
        assert_int_equal(spool_counts(x->spool)->n_recovered, 10); /* the cursor still counts */
        spx_free(x);
    }
}

static void
a_lost_lock_file_costs_nothing(void **state)
{
    (void)state;
    struct spx *x = with(20);
    die(x);
    remove_file(x, "/spool/LOCK");
    expect_all(x);
    spx_free(x);
}

/* Files that are not ours. */

static void
foreign_files_are_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"/spool/README", "/spool/00000000000003E8",
                                        "/spool/00000000000003e8.tmp", "/spool/3e8",
                                        "/spool/ffffffffffffffff"};
    struct spx *x = with(20);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        sim_disk_put(x->disk, names[i], "hello", 5);
    die(x);
    expect_all(x);
    spx_put(x, 20, METHOD);
    for (uint32_t i = 0; i < x->n_records; i++)
        spx_end(x, i, RUN_DONE);
    spx_step(x, 2000000);
    spx_close(x);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_int_equal(size_of(x, names[i]), 5);
    spx_free(x);
}

static void
a_file_of_a_newer_format_is_left_alone_and_counted(void **state)
{
    (void)state;
    const char *path = "/spool/0000000000000100";
    uint8_t uuid[SPOOL_UUID_BYTES] = {7}, bytes[4096] = {0};
    struct spool_file_head head;
    spool_file_head_fill(&head, uuid, 0x100, SPX_START_MS);
    head.version = SPOOL_VERSION + 1;
    head.sum = hash_bytes_seeded(
        bytes_of((const uint8_t *)&head, offsetof(struct spool_file_head, sum)), 0);
    memcpy(bytes, &head, sizeof(head));
    struct spx *x = with(20);
    sim_disk_put(x->disk, path, bytes, sizeof(bytes));
    die(x);
    expect_all(x);
    assert_int_equal(spool_counts(x->spool)->n_left_alone, 1);
    spx_put(x, 5, METHOD);
    assert_true(x->records[20].sequence > 0x100); /* its sequences are not used again */
    spx_close(x);
    assert_int_equal(size_of(x, path), sizeof(bytes));
    spx_free(x);
}

/* Damage. */

static void
a_damaged_file_head_costs_no_record(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < SPOOL_FILE_HEAD_BYTES; at += 3) {
        struct spx *x = with(150);
        char path[SPOOL_PATH_BYTES];
        uint64_t n;
        memcpy(path, spx_file_of(x, at % 2 ? 0 : 149), sizeof(path));
        die(x);
        sim_disk_bytes(x->disk, path, &n)[at] ^= 32;
        expect_all(x);
        spx_free(x);
    }
}

static void
without_a_cursor_everything_is_sent_again(void **state)
{
    (void)state;
    struct spx *x = with(60);
    spx_end_all(x, 10, 20, RUN_DONE);
    spx_step(x, 2000000);
    die(x);
    remove_file(x, "/spool/cursor");
    expect_all(x);
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(x->records[i].n_seen, 1);
    spx_free(x);
}

static void
with_both_cursor_slots_bad_everything_is_sent_again(void **state)
{
    (void)state;
    for (uint32_t n_bad = 1; n_bad <= 2; n_bad++) {
        struct spx *x = with(60);
        spx_end_all(x, 10, 15, RUN_DONE);
        spx_step(x, 2000000);
        spx_end_all(x, 15, 20, RUN_DONE);
        spx_step(x, 2000000);
        die(x);
        uint64_t n;
        uint8_t *p = sim_disk_bytes(x->disk, "/spool/cursor", &n);
        assert_int_equal(n, 2 * SPOOL_CURSOR_SLOT_BYTES);
        for (uint32_t i = 0; i < n_bad; i++)
            p[i * SPOOL_CURSOR_SLOT_BYTES + 9] ^= 1;
        expect_all(x);
        uint64_t n_recovered = spool_counts(x->spool)->n_recovered;
        assert_true(n_bad == 1 ? n_recovered < 60 : n_recovered == 60);
        spx_put(x, 3, METHOD);
        assert_int_equal(x->records[60].sequence, 60);
        spx_free(x);
    }
}

static void
an_unreadable_file_does_not_stop_the_start(void **state)
{
    (void)state;
    for (uint32_t which = 0; which < 150; which += 70) {
        struct spx *x = with(150);
        sim_disk_spoil(x->disk, spx_file_of(x, which));
        die(x);
        assert_true(spx_open(x));
        spx_put(x, 3, METHOD);
        assert_true(x->records[152].sequence >= 150);
        sim_disk_heal(x->disk);
        spx_read_all(x);
        for (uint32_t i = 0; i < 150; i++)
            assert_int_equal(x->records[i].n_seen, 1);
        spx_free(x);
    }
}

/* kept: so many bytes of the last record; a write ends anywhere when the process is killed. */
static void
a_tail_torn_there_ends_the_file(uint32_t kept)
{
    struct spx *x = with(20);
    char path[SPOOL_PATH_BYTES];
    memcpy(path, spx_file_of(x, 19), sizeof(path));
    uint64_t n = 0;
    uint8_t *p = sim_disk_bytes(x->disk, path, &n), *last = spx_bytes_of(x, path, 19);
    assert_int_equal(n, SPX_FILE_BYTES);
    memset(last + kept, 0, (size_t)(p + n - (last + kept)));
    uint64_t end = (uint64_t)(last - p);
    die(x);
    assert_true(spx_open(x));
    assert_int_equal(size_of(x, path), end);
    assert_int_equal(spool_n_bytes(x->spool), end);
    spx_read_all(x);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(x->records[i].n_seen, i < 19);
    assert_int_equal(spool_counts(x->spool)->n_recovered, 19);
    assert_int_equal(spool_counts(x->spool)->n_corrupt, 0);
    spx_free(x);
}

static void
a_torn_tail_ends_the_file_and_its_space_is_given_back(void **state)
{
    (void)state;
    a_tail_torn_there_ends_the_file(20);
    a_tail_torn_there_ends_the_file(SPOOL_RECORD_HEAD_BYTES);
    a_tail_torn_there_ends_the_file(SPOOL_RECORD_HEAD_BYTES + spx_payload_bytes(19) - 1);
}

static void
damage_before_good_records_is_passed_over_counted_and_kept(void **state)
{
    (void)state;
    struct spx *x = with(20);
    char path[SPOOL_PATH_BYTES];
    memcpy(path, spx_file_of(x, 5), sizeof(path));
    uint8_t *first = spx_bytes_of(x, path, 5), *behind = spx_bytes_of(x, path, 8);
    memset(first, 0xff, (size_t)(behind - first));
    die(x);
    assert_true(spx_open(x));
    assert_int_equal(spool_counts(x->spool)->n_corrupt, 3);
    assert_int_equal(spool_counts(x->spool)->n_dropped[SIGNAL_OTHER][DROP_SPOOL_ERROR], 3);
    spx_read_all(x);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(x->records[i].n_seen, i < 5 || i >= 8);
    for (uint32_t i = 0; i < 20; i++)
        if (x->records[i].is_leased)
            spx_end(x, i, RUN_DONE);
    spx_step(x, 2000000);
    assert_false(spx_exists(x, path));
    assert_true(spx_exists(x, "/spool/0000000000000000.corrupt"));
    spx_free(x);
}

static void
a_missing_file_is_passed_over(void **state)
{
    (void)state;
    struct spx *x = with(200);
    struct spool_file *f = spool_files_find(x->spool, x->records[100].sequence);
    uint32_t first = (uint32_t)f->base, end = (uint32_t)(f->base + f->n);
    char path[SPOOL_PATH_BYTES];
    memcpy(path, spx_file_of(x, 100), sizeof(path));
    spx_end_all(x, 0, first + 3, RUN_DONE); /* the cursor points into it */
    spx_step(x, 2000000);
    die(x);
    remove_file(x, path);
    assert_true(spx_open(x));
    spx_read_all(x);
    for (uint32_t i = first + 3; i < 200; i++)
        assert_int_equal(x->records[i].n_seen, i >= end);
    spx_free(x);
}

/* Counts. */

static void
footers_say_what_a_walk_would_find(void **state)
{
    (void)state;
    uint64_t n_calls[2];
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        struct spx *x = with(150);
        spx_end_all(x, 3, 9, RUN_DONE);
        spx_step(x, 2000000);
        if (is_closed)
            spx_close(x);
        else
            die(x);
        n_calls[is_closed] = sim_disk_calls(x->disk);
        expect_all(x);
        n_calls[is_closed] = sim_disk_calls(x->disk) - n_calls[is_closed];
        assert_int_equal(spool_counts(x->spool)->n_recovered, 144);
        spx_free(x);
    }
    assert_true(n_calls[1] <= n_calls[0]);
}

static void
with_footers_the_records_are_not_read_at_start(void **state)
{
    (void)state;
    struct spx *x = with(150);
    char path[SPOOL_PATH_BYTES];
    memcpy(path, spx_file_of(x, 0), sizeof(path));
    uint8_t *p = spx_bytes_of(x, path, 3);
    spx_close(x);
    p[SPOOL_RECORD_HEAD_BYTES - 1] ^= 1; /* its head */
    assert_true(spx_open(x));
    assert_int_equal(spool_counts(x->spool)->n_corrupt, 0);
    assert_int_equal(spool_counts(x->spool)->n_recovered, 150);
    spx_read_all(x);
    assert_int_equal(spool_counts(x->spool)->n_corrupt, 1);
    assert_int_equal(x->records[3].n_seen, 0);
    assert_int_equal(x->records[4].n_seen, 1);
    spx_free(x);
}

static void
a_disk_that_refuses_everything_is_an_error_with_words(void **state)
{
    (void)state;
    static const enum err errs[] = {ERR_PERMISSION, ERR_NO_SPACE, ERR_IO};
    for (size_t i = 0; i < sizeof(errs) / sizeof(*errs); i++) {
        struct spx *x = spx_new(1);
        sim_disk_fail(x->disk, 0, UINT64_MAX, errs[i], false);
        assert_false(spx_open(x));
        assert_int_equal(x->open_err, errs[i]);
        sim_disk_heal(x->disk);
        assert_true(spx_open(x));
        spx_free(x);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_directory_is_opened_and_left_clean),
        cmocka_unit_test(quick_restarts_do_not_fill_the_disk),
        cmocka_unit_test(a_second_holder_is_refused_and_the_first_named),
        cmocka_unit_test(a_damaged_lock_costs_nothing),
        cmocka_unit_test(a_lost_lock_file_costs_nothing),
        cmocka_unit_test(foreign_files_are_left_alone),
        cmocka_unit_test(a_file_of_a_newer_format_is_left_alone_and_counted),
        cmocka_unit_test(a_damaged_file_head_costs_no_record),
        cmocka_unit_test(without_a_cursor_everything_is_sent_again),
        cmocka_unit_test(with_both_cursor_slots_bad_everything_is_sent_again),
        cmocka_unit_test(an_unreadable_file_does_not_stop_the_start),
        cmocka_unit_test(a_torn_tail_ends_the_file_and_its_space_is_given_back),
        cmocka_unit_test(damage_before_good_records_is_passed_over_counted_and_kept),
        cmocka_unit_test(a_missing_file_is_passed_over),
        cmocka_unit_test(footers_say_what_a_walk_would_find),
        cmocka_unit_test(with_footers_the_records_are_not_read_at_start),
        cmocka_unit_test(a_disk_that_refuses_everything_is_an_error_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
