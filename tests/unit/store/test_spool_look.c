/* A look at a spool's directory: every record once, damage in its place, nothing changed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

#include <stdio.h>
#include <unistd.h>

enum { METHOD = 1, MAX_SEEN = 4096 };

/* What a look told. */
struct told {
    struct spool_summary summary;
    uint32_t n[SPOOL_RECORD_TORN + 1];
    uint64_t n_lost, n_bad_bytes, n_torn_bytes;
    uint64_t sequences[MAX_SEEN];
    uint8_t verdicts[MAX_SEEN];
    uint32_t n_records;
    uint32_t stop_after; /* records; 0: never */
    uint64_t last_offset;
    char last_file[64]; /* of the last verdict that is no sound record */
    enum err err;
};
static struct told told;

static bool
on_seen(void *ctx, const struct spool_seen *seen)
{
    struct told *t = ctx;
    t->n[seen->verdict]++;
    if (seen->verdict == SPOOL_RECORD_BAD_HEAD) {
        t->n_lost += seen->n_lost;
        t->n_bad_bytes += seen->n_bytes;
    }
    if (seen->verdict == SPOOL_RECORD_TORN)
        t->n_torn_bytes += seen->n_bytes;
    if (seen->verdict != SPOOL_FILE_BEGINS && seen->verdict != SPOOL_RECORD_HELD &&
        seen->verdict != SPOOL_RECORD_DONE) {
        t->last_offset = seen->offset;
        snprintf(t->last_file, sizeof(t->last_file), "%s", seen->file);
    }
    if (seen->verdict == SPOOL_FILE_UNREAD)
        t->err = seen->err;
    if (seen->verdict < SPOOL_RECORD_HELD || seen->verdict > SPOOL_RECORD_BAD_DATA)
        return true;
    assert_true(t->n_records < MAX_SEEN);
    t->verdicts[t->n_records] = (uint8_t)seen->verdict;
    t->sequences[t->n_records++] = seen->head.sequence;
    assert_int_equal(seen->head.payload_bytes, seen->payload.n);
    return t->stop_after == 0 || t->n_records < t->stop_after;
}

/* On a disk without the calls that change something. */
static enum err
look_at(const struct disk *disk, const char *path, uint32_t stop_after)
{
    struct disk face = *disk;
    struct text why = TEXT_EMPTY;
    face.write = NULL;
    face.sync = NULL;
    face.reserve = NULL;
    face.truncate = NULL;
    face.remove = NULL;
    face.rename = NULL;
    face.make_directory = NULL;
    face.sync_directory = NULL;
    told = (struct told){.stop_after = stop_after};
    enum err err = spool_look(path, &face, &told.summary, on_seen, &told, &why);
    assert_true((err == ERR_OK) == (why.n == 0));
    text_fini(&why);
    return err;
}

static void
look(const struct spx *x)
{
    assert_int_equal(look_at(sim_disk_face(x->disk), "/spool", 0), ERR_OK);
}

/* n durable records in several files, every third one done, and the directory as a kill leaves it.
 */
static struct spx *
killed_spool(uint32_t n)
{
    struct spx *x = spx_new(1);
    assert_true(spx_open(x));
    for (uint32_t i = 0; i < n; i += 20) {
        spx_append(x, 20, METHOD);
        spx_step(x, 10000);
    }
    for (uint32_t i = 0; i < n; i += 3)
        spx_end(x, i, RUN_DONE);
    spx_step(x, 200000);
    spx_die(x);
    sim_disk_kill(x->disk);
    return x;
}

static void
name_of(uint64_t base, char out[64])
{
    char name[SPOOL_NAME_BYTES];
    spool_name_fill(base, 0, name);
    snprintf(out, 64, "/spool/%s", name);
}

/* Turns one byte over. */
static void
damage(const struct spx *x, const char *path, uint64_t offset)
{
    const struct disk *disk = sim_disk_face(x->disk);
    uint8_t byte;
    size_t n;
    int file;
    assert_int_equal(disk->open(disk->ctx, path, DISK_UPDATE, &file), ERR_OK);
    assert_int_equal(disk->read(disk->ctx, file, &byte, 1, offset, &n), ERR_OK);
    assert_int_equal(n, 1);
    byte ^= 0x10;
    struct iovec v = {&byte, 1};
    assert_int_equal(disk->write(disk->ctx, file, &v, 1, offset, &n), ERR_OK);
    disk->close(disk->ctx, file);
}

static void
every_record_is_told_once_in_order(void **state)
{
    (void)state;
    struct spx *x = killed_spool(300);
    look(x);
    assert_int_equal(told.n_records, 300);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(told.sequences[i], x->records[i].sequence);
        assert_int_equal(told.verdicts[i],
                         x->records[i].is_done ? SPOOL_RECORD_DONE : SPOOL_RECORD_HELD);
    }
    assert_true(told.n[SPOOL_FILE_BEGINS] >= 3);
    assert_int_equal(told.summary.n_files, told.n[SPOOL_FILE_BEGINS]);
    assert_int_equal(told.n[SPOOL_RECORD_BAD_DATA] + told.n[SPOOL_RECORD_BAD_HEAD] +
                         told.n[SPOOL_RECORD_TORN] + told.n[SPOOL_FILE_UNREAD],
                     0);
    assert_true(told.summary.has_cursor);
    assert_true(told.summary.has_uuid);
    assert_int_equal(told.summary.lowest, x->records[1].sequence);
    assert_int_equal(told.summary.next, x->records[299].sequence + 1);
    assert_int_equal(told.summary.n_done_runs, 99);
    assert_in_range(told.summary.n_bytes, (told.summary.n_files - 1) * (uint64_t)SPX_FILE_BYTES / 2,
                    told.summary.n_files * (uint64_t)SPX_FILE_BYTES);
    assert_false(told.summary.is_locked);
    /* and it can be opened afterwards as if nobody had looked */
    assert_true(spx_open(x));
    assert_int_equal(spool_counts(x->spool)->n_recovered, 200);
    spx_free(x);
}

static void
a_closed_spool_has_no_end_in_doubt(void **state)
{
    (void)state;
    struct spx *x = spx_new(2);
    assert_true(spx_open(x));
    spx_append(x, 50, METHOD);
    spx_step(x, 10000);
    spx_close(x);
    look(x);
    assert_int_equal(told.n[SPOOL_RECORD_HELD], 50);
    assert_int_equal(told.n[SPOOL_RECORD_TORN], 0);
    assert_false(told.summary.is_locked);
    spx_free(x);
}

static void
who_has_it_open_is_told(void **state)
{
    (void)state;
    struct spx *x = spx_new(3);
    assert_true(spx_open(x));
    spx_append(x, 5, METHOD);
    spx_step(x, 10000);
    look(x);
    assert_true(told.summary.is_locked);
    assert_int_equal(told.summary.holder, 1); /* the simulated disk's only process */
    assert_int_equal(told.n[SPOOL_RECORD_HELD], 5);
    spx_free(x);
}

static void
a_bad_payload_is_one_record(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    char path[64];
    name_of(x->records[0].sequence, path);
    damage(x, path, SPOOL_FILE_HEAD_BYTES + SPOOL_RECORD_HEAD_BYTES + 5);
    look(x);
    assert_int_equal(told.n[SPOOL_RECORD_BAD_DATA], 1);
    assert_int_equal(told.verdicts[0], SPOOL_RECORD_BAD_DATA);
    assert_int_equal(told.last_offset, SPOOL_FILE_HEAD_BYTES);
    assert_string_equal(path + 7, told.last_file);
    assert_int_equal(told.n_records, 60);
    spx_free(x);
}

static void
a_bad_head_is_one_record_too(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    char path[64];
    uint64_t second = SPOOL_FILE_HEAD_BYTES + spool_record_bytes(0, spx_payload_bytes(0));
    name_of(x->records[0].sequence, path);
    damage(x, path, second + 16);
    look(x);
    assert_int_equal(told.n[SPOOL_RECORD_BAD_HEAD], 1);
    assert_int_equal(told.n_lost, 1);
    assert_int_equal(told.last_offset, second);
    assert_int_equal(told.n_bad_bytes, spool_record_bytes(0, spx_payload_bytes(1)));
    assert_int_equal(told.n_records, 59);
    spx_free(x);
}

static void
a_bad_file_head_costs_nothing_but_is_told(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    char path[64];
    name_of(x->records[0].sequence, path);
    damage(x, path, 20);
    look(x);
    assert_int_equal(told.n[SPOOL_RECORD_BAD_HEAD], 1);
    assert_int_equal(told.last_offset, 0);
    assert_int_equal(told.n_bad_bytes, SPOOL_FILE_HEAD_BYTES);
    assert_int_equal(told.n_lost, 0);
    assert_int_equal(told.n_records, 60);
    spx_free(x);
}

static void
a_torn_end_is_no_damage(void **state)
{
    (void)state;
    struct spx *x = spx_new(4);
    char path[64];
    assert_true(spx_open(x));
    spx_append(x, 10, METHOD);
    spx_step(x, 10000);
    uint64_t last = SPOOL_FILE_HEAD_BYTES;
    for (uint32_t i = 0; i < 9; i++)
        last += spool_record_bytes(0, spx_payload_bytes(i));
    name_of(x->records[0].sequence, path);
    spx_die(x);
    sim_disk_kill(x->disk);
    damage(x, path, last + 24);
    look(x);
    assert_int_equal(told.n_records, 9);
    assert_int_equal(told.n[SPOOL_RECORD_TORN], 1);
    assert_int_equal(told.n[SPOOL_RECORD_BAD_HEAD], 0);
    assert_int_equal(told.last_offset, last);
    /* up to the last byte that is not zero: the padding may be cut off */
    assert_in_range(told.n_torn_bytes, SPOOL_RECORD_HEAD_BYTES,
                    spool_record_bytes(0, spx_payload_bytes(9)));
    spx_free(x);
}

static void
without_a_cursor_everything_is_held(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    const struct disk *disk = sim_disk_face(x->disk);
    assert_int_equal(disk->remove(disk->ctx, "/spool/cursor"), ERR_OK);
    assert_int_equal(disk->remove(disk->ctx, "/spool/LOCK"), ERR_OK);
    look(x);
    assert_false(told.summary.has_cursor);
    assert_false(told.summary.has_uuid);
    assert_int_equal(told.n[SPOOL_RECORD_HELD], 60);
    spx_free(x);
}

static void
touch(const struct spx *x, const char *path)
{
    const struct disk *disk = sim_disk_face(x->disk);
    int file;
    assert_int_equal(disk->open(disk->ctx, path, DISK_CREATE, &file), ERR_OK);
    disk->close(disk->ctx, file);
}

static void
strangers_are_counted_and_left_alone(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    touch(x, "/spool/lost+found");
    touch(x, "/spool/0000000000000001.corrupt");
    touch(x, "/spool/ffffffffffff0000");
    look(x);
    assert_int_equal(told.summary.n_unknown_files, 1);
    assert_int_equal(told.summary.n_corrupt_files, 1);
    assert_int_equal(told.n_records, 60);
    assert_int_equal(told.n[SPOOL_RECORD_TORN], 0);
    spx_free(x);
}

static void
it_stops_when_told_to(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    assert_int_equal(look_at(sim_disk_face(x->disk), "/spool", 7), ERR_OK);
    assert_int_equal(told.n_records, 7);
    spx_free(x);
}

static void
any_call_may_fail(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    look(x);
    uint64_t before = sim_disk_calls(x->disk);
    look(x);
    uint64_t n_calls = sim_disk_calls(x->disk) - before, n_unread = 0, n_refused = 0;
    for (uint64_t i = 0; i < n_calls; i++) {
        sim_disk_fail(x->disk, sim_disk_calls(x->disk) + i, 1, ERR_IO, false);
        n_refused += look_at(sim_disk_face(x->disk), "/spool", 0) != ERR_OK;
        n_unread += told.n[SPOOL_FILE_UNREAD];
        assert_true(told.n_records <= 60);
        assert_int_equal(told.n_lost, 0);
        assert_true(told.n[SPOOL_FILE_UNREAD] == 0 || told.err == ERR_IO);
        assert_true(told.n_records == 60 || told.n[SPOOL_FILE_UNREAD] || !told.summary.n_files);
        sim_disk_heal(x->disk);
    }
    assert_int_equal(n_refused, 1); /* the list of names */
    assert_true(n_unread >= 3);
    spx_free(x);
}

static void
a_flipped_bit_costs_one_record_at_most(void **state)
{
    (void)state;
    struct spx *x = killed_spool(60);
    struct sim_disk *whole = x->disk;
    uint32_t n_damaged = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        x->disk = sim_disk_clone(whole);
        assert_true(sim_disk_flip(x->disk, seed));
        look(x);
        uint32_t n_sound = told.n[SPOOL_RECORD_HELD] + told.n[SPOOL_RECORD_DONE];
        assert_true(n_sound == 60 || n_sound == 59);
        assert_int_equal(n_sound + told.n[SPOOL_RECORD_BAD_DATA] + told.n_lost +
                             (told.n[SPOOL_RECORD_TORN] && n_sound == 59),
                         60);
        n_damaged += n_sound == 59;
        sim_disk_free(&x->disk);
    }
    assert_true(n_damaged > 200);
    x->disk = whole;
    spx_free(x);
}

static void
a_real_directory_is_read(void **state)
{
    (void)state;
    char directory[] = "/tmp/spangate-look-XXXXXX", path[128];
    static const char *const names[] = {"LOCK", "cursor", "0000000000000000"};
    assert_non_null(mkdtemp(directory));
    struct spool_settings settings = {.path = directory, .max_bytes = 64 << 20};
    struct text why = TEXT_EMPTY;
    struct spx *x = spx_new(5);
    assert_int_equal(spool_open(&settings, &disk_system, SPX_START_MS, &why, &x->spool), ERR_OK);
    spx_append(x, 8, METHOD);
    spx_step(x, 10000);
    spx_end(x, 0, RUN_DONE);
    assert_int_equal(look_at(&disk_system, directory, 0), ERR_OK);
    assert_true(told.summary.is_locked);
    assert_int_equal(told.summary.holder, getpid());
    assert_int_equal(told.n_records, 8);
    spx_step(x, 200000);
    spx_close(x);
    assert_int_equal(look_at(&disk_system, directory, 0), ERR_OK);
    assert_false(told.summary.is_locked);
    assert_int_equal(told.summary.holder, 0);
    assert_int_equal(told.n[SPOOL_RECORD_DONE], 1);
    assert_int_equal(told.n[SPOOL_RECORD_HELD], 7);
    snprintf(path, sizeof(path), "%s/missing", directory);
    assert_int_equal(look_at(&disk_system, path, 0), ERR_NOT_FOUND);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    spool_name_fill(x->records[0].sequence, 0, told.last_file);
    snprintf(path, sizeof(path), "%s/%s", directory, told.last_file);
    (void)unlink(path);
    assert_int_equal(rmdir(directory), 0);
    spx_free(x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_told_once_in_order),
        cmocka_unit_test(a_closed_spool_has_no_end_in_doubt),
        cmocka_unit_test(who_has_it_open_is_told),
        cmocka_unit_test(a_bad_payload_is_one_record),
        cmocka_unit_test(a_bad_head_is_one_record_too),
        cmocka_unit_test(a_bad_file_head_costs_nothing_but_is_told),
        cmocka_unit_test(a_torn_end_is_no_damage),
        cmocka_unit_test(without_a_cursor_everything_is_held),
        cmocka_unit_test(strangers_are_counted_and_left_alone),
        cmocka_unit_test(it_stops_when_told_to),
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(a_flipped_bit_costs_one_record_at_most),
        cmocka_unit_test(a_real_directory_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
