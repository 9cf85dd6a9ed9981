/* The cursor's two slots: in turns, torn, failing; it lags and never leads. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/spool_int.h"

/* The kernel's calls; those with a bit in `failing` fail instead. */
enum {
    FAIL_OPEN = 1 << 0,
    FAIL_WRITE = 1 << 1, /* half of it is written */
    FAIL_READ = 1 << 2,  /* of the first slot */
    FAIL_SYNC = 1 << 3,
};
static struct disk disk;
static unsigned failing;
static uint32_t n_writes, n_syncs;
static uint64_t written_at; /* offset of the last write */
static char directory[64];
static struct spool *spool;

static enum err
open_or_fail(void *ctx, const char *path, enum disk_how how, int *file)
{
    return failing & FAIL_OPEN ? ERR_IO : disk_system.open(ctx, path, how, file);
}

static enum err
write_or_fail(void *ctx, int file, const struct iovec *v, int n, uint64_t offset, size_t *n_written)
{
    n_writes++;
    written_at = offset;
    if (!(failing & FAIL_WRITE))
        return disk_system.write(ctx, file, v, n, offset, n_written);
    struct iovec half = {v->iov_base, v->iov_len / 2};
    assert_int_equal(disk_system.write(ctx, file, &half, 1, offset, n_written), ERR_OK);
    return ERR_IO;
}

static enum err
read_or_fail(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read)
{
    if (failing & FAIL_READ && offset == 0)
        return ERR_IO;
    return disk_system.read(ctx, file, out, n, offset, n_read);
}

static enum err
sync_or_fail(void *ctx, int file)
{
    n_syncs++;
    return failing & FAIL_SYNC ? ERR_IO : disk_system.sync(ctx, file);
}

static void
new_spool(void)
{
    spool = mem_new(struct spool);
    spool->disk = &disk;
    spool->seed = 77;
    spool->cursor_file = SPOOL_NO_FILE;
    TAILQ_INIT(&spool->files);
    memcpy(spool->path, directory, sizeof(directory));
}

static void
free_spool(void)
{
    spool_files_free_all(spool);
    if (spool->cursor_file != SPOOL_NO_FILE)
        disk.close(disk.ctx, spool->cursor_file);
    mem_free(spool->cursor);
    mem_free(spool);
}

/* As after a kill: nothing more is written. */
static enum err
load_again(void)
{
    free_spool();
    new_spool();
    n_writes = n_syncs = 0;
    return spool_cursor_load(spool);
}

static int
setup(void **state)
{
    (void)state;
    disk = disk_system;
    disk.open = open_or_fail;
    disk.write = write_or_fail;
    disk.read = read_or_fail;
    disk.sync = sync_or_fail;
    failing = 0;
    n_writes = n_syncs = 0;
    (void)snprintf(directory, sizeof(directory), "/tmp/test_spool_cursor.XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    new_spool();
    return 0;
}

static int
teardown(void **state)
{
    char path[SPOOL_PATH_BYTES];
    (void)state;
    spool_files_path(spool, "cursor", path);
    free_spool();
    (void)unlink(path);
    return rmdir(directory);
}

/* Records 0 .. 99, all durable. */
static struct spool_file *
add_records(void)
{
    struct spool_file *f = spool_files_add(spool, 0, 0);
    spool_files_grow(spool, f, 100, SPOOL_FILE_HEAD_BYTES, true);
    spool->next = spool->n_durable_next = 100;
    return f;
}

static void
start(void)
{
    assert_int_equal(spool_cursor_load(spool), ERR_NOT_FOUND);
    add_records();
}

static void
set_done(uint64_t sequence)
{
    spool_files_set(spool, TAILQ_FIRST(&spool->files), sequence, SPOOL_DONE);
}

/* Overwrites a slot with what a torn write could leave. */
static void
tear_slot(uint32_t slot)
{
    char path[SPOOL_PATH_BYTES];
    uint8_t bytes[24];
    size_t n;
    int file;
    memset(bytes, 0xa5, sizeof(bytes));
    spool_files_path(spool, "cursor", path);
    assert_int_equal(disk_system.open(NULL, path, DISK_UPDATE, &file), ERR_OK);
    struct iovec v = {bytes, sizeof(bytes)};
    uint64_t at = (uint64_t)slot * SPOOL_CURSOR_SLOT_BYTES + 16;
    assert_int_equal(disk_system.write(NULL, file, &v, 1, at, &n), ERR_OK);
    disk_system.close(NULL, file);
}

static void
nothing_is_found_at_first(void **state)
{
    (void)state;
    uint64_t size;
    assert_int_equal(spool_cursor_load(spool), ERR_NOT_FOUND);
    assert_non_null(spool->cursor);
    assert_int_equal(disk.size(NULL, spool->cursor_file, &size), ERR_OK);
    assert_int_equal(size, 2 * SPOOL_CURSOR_SLOT_BYTES);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    assert_int_equal(n_writes, 0); /* nothing changed */
}

static void
what_is_done_is_found_again(void **state)
{
    (void)state;
    start();
    for (uint64_t q = 0; q < 10; q++)
        set_done(q);
    set_done(20);
    set_done(21);
    set_done(99);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    assert_false(spool->is_cursor_changed);
    assert_false(spool->is_cursor_unsynced);
    assert_int_equal(load_again(), ERR_OK);
    const struct spool_cursor *c = spool->cursor;
    assert_int_equal(c->lowest, 10);
    assert_int_equal(c->next, 100);
    assert_int_equal(c->n_runs, 2);
    assert_int_equal(c->runs[0].first, 20);
    assert_int_equal(c->runs[0].n, 2);
    assert_int_equal(c->runs[1].first, 99);
    assert_int_equal(spool->epoch, c->epoch);
}

/* Rule 8. */
static void
rule_8_written_each_100_ms_and_synced_each_second(void **state)
{
    (void)state;
    start();
    uint64_t now_us = 10 * 1000000;
    assert_int_equal(spool_cursor_step(spool, now_us, false), ERR_OK);
    assert_int_equal(n_writes, 0);
    for (uint64_t ms = 0; ms < 3000; ms++) {
        if (ms % 40 == 0)
            set_done(ms / 40);
        assert_int_equal(spool_cursor_step(spool, now_us + ms * 1000, false), ERR_OK);
    }
    assert_in_range(n_writes, 24, 30);
    assert_int_equal(n_syncs, 3);
    uint32_t n_before = n_writes;
    assert_int_equal(spool_cursor_step(spool, now_us + 4000000, false), ERR_OK);
    assert_int_equal(spool_cursor_step(spool, now_us + 9000000, false), ERR_OK);
    assert_in_range(n_writes, n_before, n_before + 1);
    assert_int_equal(n_syncs, 4);
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->cursor->lowest, 75);
}

static void
a_synced_slot_is_left_alone_until_the_other_is_synced(void **state)
{
    (void)state;
    start();
    set_done(0);
    assert_int_equal(spool_cursor_step(spool, 10000000, false), ERR_OK); /* written, synced */
    uint64_t synced_at = written_at;
    for (uint64_t i = 1; i < 10; i++) {
        set_done(i);
        assert_int_equal(spool_cursor_step(spool, 10000000 + i * 100000, false), ERR_OK);
        assert_int_not_equal(written_at, synced_at);
    }
    assert_int_equal(n_writes, 10);
    assert_int_equal(n_syncs, 1);
    set_done(10);
    assert_int_equal(spool_cursor_step(spool, 11000000, false), ERR_OK); /* synced */
    set_done(11);
    assert_int_equal(spool_cursor_step(spool, 11100000, false), ERR_OK);
    assert_int_equal(written_at, synced_at);
}

static void
a_torn_slot_leaves_what_was_synced(void **state)
{
    (void)state;
    start();
    for (uint64_t i = 0; i < 20; i++) {
        set_done(i);
        spool->is_cursor_unsynced = false;
        assert_int_equal(spool_cursor_step(spool, (i + 2) * 5000000, true), ERR_OK);
        uint32_t unsynced = spool->cursor_slot;
        set_done(i + 50);
        assert_int_equal(spool_cursor_step(spool, (i + 2) * 5000000 + 100000, false), ERR_OK);
        assert_int_equal(written_at, (uint64_t)unsynced * SPOOL_CURSOR_SLOT_BYTES);
        tear_slot(unsynced);
        struct spool_file_list files = TAILQ_HEAD_INITIALIZER(files);
        TAILQ_CONCAT(&files, &spool->files, link);
        uint64_t epoch = spool->epoch;
        assert_int_equal(spool_cursor_load(spool), ERR_OK);
        assert_int_equal(spool->epoch, epoch - 1);
        assert_int_equal(spool->cursor->lowest, i + 1);
        assert_int_equal(spool->cursor_slot, unsynced); /* the whole one is not overwritten */
        TAILQ_CONCAT(&spool->files, &files, link);
    }
    tear_slot(0);
    tear_slot(1);
    assert_int_equal(load_again(), ERR_NOT_FOUND);
}

static void
a_loaded_slot_is_not_overwritten_next(void **state)
{
    (void)state;
    start();
    set_done(0);
    for (uint64_t i = 1; i < 6; i++) {
        assert_int_equal(spool_cursor_step(spool, i * 5000000, true), ERR_OK);
        uint64_t epoch = spool->epoch, at = written_at;
        assert_int_equal(load_again(), ERR_OK);
        assert_int_equal(n_syncs, 1); /* it may have been in the page cache only */
        assert_int_equal(spool->epoch, epoch);
        add_records();
        for (uint64_t q = 0; q <= i; q++)
            set_done(q);
        assert_int_equal(spool_cursor_step(spool, i * 5000000, true), ERR_OK);
        assert_int_equal(spool->epoch, epoch + 1);
        assert_int_not_equal(written_at, at);
        spool->is_cursor_changed = true;
    }
}

static void
it_never_goes_beyond_what_is_durable(void **state)
{
    (void)state;
    start();
    spool->n_durable_next = 60;
    spool_files_grow(spool, spool_files_add(spool, 200, 0), 1, SPOOL_FILE_HEAD_BYTES, true);
    spool->next = 201;
    for (uint64_t q = 50; q < 70; q++) /* with sync: none a record may be done before it is safe */
        set_done(q);
    set_done(80);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->cursor->lowest, 0);
    assert_int_equal(spool->cursor->next, 60);
    assert_int_equal(spool->cursor->n_runs, 1);
    assert_int_equal(spool->cursor->runs[0].first, 50);
    assert_int_equal(spool->cursor->runs[0].n, 10);
    add_records();
    for (uint64_t q = 0; q < 100; q++)
        set_done(q);
    spool->n_durable_next = 60;
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->cursor->lowest, 60);
    assert_int_equal(spool->cursor->n_runs, 0);
}

static void
more_runs_than_fit_are_left_out(void **state)
{
    (void)state;
    enum { N = 3 * SPOOL_CURSOR_MAX_RUNS };
    assert_int_equal(spool_cursor_load(spool), ERR_NOT_FOUND);
    struct spool_file *f = spool_files_add(spool, 0, 0);
    spool_files_grow(spool, f, N, SPOOL_FILE_HEAD_BYTES, true);
    spool->next = spool->n_durable_next = N;
    for (uint64_t q = 1; q < N; q += 2)
        set_done(q);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->cursor->lowest, 0);
    assert_int_equal(spool->cursor->n_runs, SPOOL_CURSOR_MAX_RUNS);
    assert_int_equal(spool->cursor->runs[SPOOL_CURSOR_MAX_RUNS - 1].first,
                     2 * SPOOL_CURSOR_MAX_RUNS - 1);
}

static void
a_failed_write_is_tried_again_in_the_same_slot(void **state)
{
    (void)state;
    start();
    set_done(0);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    uint64_t good_at = written_at, epoch = spool->epoch;
    set_done(1);
    failing = FAIL_WRITE;
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(spool_cursor_step(spool, 6000000 + i * 100000, false), ERR_IO);
        assert_int_not_equal(written_at, good_at);
    }
    assert_int_equal(spool_cursor_step(spool, 6250000, false), ERR_OK); /* not yet time */
    assert_int_equal(spool->counts.n_errors, 3);
    assert_true(spool->is_cursor_changed);
    failing = 0;
    assert_int_equal(spool_cursor_step(spool, 6300000, false), ERR_OK);
    assert_int_equal(spool->epoch, epoch + 1);
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->cursor->lowest, 2);
}

static void
after_a_failed_sync_the_slot_is_written_again(void **state)
{
    (void)state;
    start();
    set_done(0);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    uint64_t good_at = written_at;
    set_done(1);
    failing = FAIL_SYNC;
    assert_int_equal(spool_cursor_step(spool, 6000000, true), ERR_IO);
    assert_int_equal(spool_cursor_step(spool, 6000001, true), ERR_IO);
    assert_int_not_equal(written_at, good_at);
    uint32_t n_before = n_writes;
    failing = 0;
    assert_int_equal(spool_cursor_step(spool, 6000002, true), ERR_OK);
    assert_int_equal(n_writes, n_before + 1);
    assert_int_not_equal(written_at, good_at);
    assert_false(spool->is_cursor_changed);
    assert_int_equal(spool->counts.n_errors, 2);
}

/* A slot that cannot be read today must not come back tomorrow. */
static void
an_unreadable_slot_is_wiped(void **state)
{
    (void)state;
    start();
    set_done(0);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    set_done(1);
    assert_int_equal(spool_cursor_step(spool, 6000000, true), ERR_OK);
    if (written_at != 0) { /* the newer one is to fail */
        set_done(2);
        assert_int_equal(spool_cursor_step(spool, 7000000, true), ERR_OK);
    }
    uint64_t epoch = spool->epoch;
    failing = FAIL_READ;
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->epoch, epoch - 1);
    assert_int_equal(spool->counts.n_errors, 1);
    failing = 0;
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->epoch, epoch - 1);
}

static void
an_unusable_file_is_forgotten_and_made_again(void **state)
{
    (void)state;
    start();
    set_done(0);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    failing = FAIL_OPEN;
    assert_int_equal(load_again(), ERR_NOT_FOUND);
    add_records();
    set_done(0);
    set_done(1);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_IO);
    assert_true(spool->is_cursor_changed);
    failing = 0;
    assert_int_equal(spool_cursor_step(spool, 5100000, false), ERR_OK);
    assert_int_equal(load_again(), ERR_OK);
    assert_int_equal(spool->epoch, 1);
    assert_int_equal(spool->cursor->lowest, 2);
}

static void
another_spools_cursor_does_not_count(void **state)
{
    (void)state;
    start();
    set_done(0);
    assert_int_equal(spool_cursor_step(spool, 5000000, true), ERR_OK);
    free_spool();
    new_spool();
    spool->seed = 78;
    assert_int_equal(spool_cursor_load(spool), ERR_NOT_FOUND);
}

#define CURSOR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CURSOR_TEST(nothing_is_found_at_first),
        CURSOR_TEST(what_is_done_is_found_again),
        CURSOR_TEST(rule_8_written_each_100_ms_and_synced_each_second),
        CURSOR_TEST(a_synced_slot_is_left_alone_until_the_other_is_synced),
        CURSOR_TEST(a_torn_slot_leaves_what_was_synced),
        CURSOR_TEST(a_loaded_slot_is_not_overwritten_next),
        CURSOR_TEST(it_never_goes_beyond_what_is_durable),
        CURSOR_TEST(more_runs_than_fit_are_left_out),
        CURSOR_TEST(a_failed_write_is_tried_again_in_the_same_slot),
        CURSOR_TEST(after_a_failed_sync_the_slot_is_written_again),
        CURSOR_TEST(an_unreadable_slot_is_wiped),
        CURSOR_TEST(an_unusable_file_is_forgotten_and_made_again),
        CURSOR_TEST(another_spools_cursor_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
