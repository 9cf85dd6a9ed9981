/* Reading a spool that is written to: newest first, in steps, only what is held. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fixture.h"

#include "store/quarantine_reader.h"

enum { MAX_SEEN = 4096 };

struct fixture {
    struct spx *x;
    struct quarantine_reader *reader;
    uint64_t seen[MAX_SEEN];
    uint32_t n_seen, limit;
};

static int
set_up(void **state)
{
    struct fixture *fix = mem_new(struct fixture);
    fix->x = spx_new(7);
    fix->x->settings.is_fixed = true;
    fix->x->settings.when_full = SPOOL_DROP_OLDEST;
    assert_true(spx_open(fix->x));
    fix->reader = quarantine_reader_new(sim_disk_face(fix->x->disk), "/spool");
    fix->limit = MAX_SEEN;
    *state = fix;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fix = *state;
    quarantine_reader_free(&fix->reader);
    spx_free(fix->x);
    mem_free(fix);
    return 0;
}

static void
set_aside(struct fixture *fix, uint32_t n)
{
    uint32_t first = fix->x->n_records;
    spx_put(fix->x, n, METHOD_SEGMENT_COLLECT);
    spx_step(fix->x, 6000);
    for (uint32_t i = first; i < fix->x->n_records; i++)
        spx_end(fix->x, i, RUN_COLD);
}

static bool
on_record(void *ctx, const struct quarantine_record *record)
{
    struct fixture *fix = ctx;
    uint32_t number;
    static uint8_t expected[1024];
    memcpy(&number, record->payload.p, sizeof(number));
    spx_payload_fill(number, expected);
    assert_int_equal(record->payload.n, spx_payload_bytes(number));
    assert_memory_equal(record->payload.p, expected, record->payload.n);
    assert_int_equal(record->sequence, fix->x->records[number].sequence);
    assert_int_equal(record->method, METHOD_SEGMENT_COLLECT);
    assert_true(fix->n_seen < MAX_SEEN);
    fix->seen[fix->n_seen++] = record->sequence;
    return fix->n_seen < fix->limit;
}

static uint32_t
read_by(struct fixture *fix, struct spool_map *map, struct quarantine_range range)
{
    struct quarantine_walk *walk = quarantine_walk_new(fix->reader, &map, range, on_record, fix);
    uint32_t n_steps = 1;
    fix->n_seen = 0;
    while (quarantine_walk_step(walk))
        n_steps++;
    assert_false(quarantine_walk_step(walk) && fix->n_seen >= fix->limit);
    quarantine_walk_free(&walk);
    return n_steps;
}

static const struct quarantine_range ALL = {0, UINT64_MAX, INT64_MIN};

static void
read_all(struct fixture *fix)
{
    read_by(fix, spool_map_new(fix->x->spool), ALL);
}

/* The n newest that are not done, by what the test knows. */
static void
expect_newest_first(struct fixture *fix)
{
    uint32_t n = 0;
    for (uint32_t i = fix->x->n_records; i-- > 0;) {
        if (fix->x->records[i].is_done || !fix->x->records[i].is_durable)
            continue;
        assert_true(n < fix->n_seen);
        assert_int_equal(fix->seen[n++], fix->x->records[i].sequence);
    }
    assert_int_equal(n, fix->n_seen);
}

static void
an_empty_one_tells_nothing(void **state)
{
    read_all(*state);
    assert_int_equal(((struct fixture *)*state)->n_seen, 0);
}

static void
all_are_told_newest_first(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 600); /* several files, one of them open */
    assert_true(fix->x->spool->n_files > 3);
    read_all(fix);
    assert_int_equal(fix->n_seen, 600);
    expect_newest_first(fix);
}

static void
what_comes_later_is_found_by_the_next_walk(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 10);
    read_all(fix);
    assert_int_equal(fix->n_seen, 10);
    struct spool_map *before = spool_map_new(fix->x->spool);
    set_aside(fix, 300);
    read_all(fix);
    expect_newest_first(fix);
    read_by(fix, before, ALL); /* knows less than the index by now */
    assert_int_equal(fix->n_seen, 10);
    set_aside(fix, 7);
    read_all(fix);
    expect_newest_first(fix);
}

static void
what_is_lent_or_on_its_way_is_not_told(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 3);
    spx_append(fix->x, 2, METHOD_SEGMENT_COLLECT);
    spx_step(fix->x, 6000);
    read_all(fix);
    assert_int_equal(fix->n_seen, 3);
    spx_end(fix->x, 3, RUN_COLD);
    read_all(fix);
    assert_int_equal(fix->n_seen, 4);
}

static void
a_range_and_a_limit_hold(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 500);
    uint64_t middle = fix->x->records[250].sequence;
    read_by(fix, spool_map_new(fix->x->spool), (struct quarantine_range){middle, middle + 1, 0});
    assert_int_equal(fix->n_seen, 1);
    assert_int_equal(fix->seen[0], middle);
    fix->limit = 20;
    read_by(fix, spool_map_new(fix->x->spool), (struct quarantine_range){0, middle, 0});
    assert_int_equal(fix->n_seen, 20);
    assert_int_equal(fix->seen[0], middle - 1);
    fix->limit = MAX_SEEN;
    read_by(fix, spool_map_new(fix->x->spool),
            (struct quarantine_range){middle - 3, middle + 2, 0});
    assert_int_equal(fix->n_seen, 5);
    assert_int_equal(fix->seen[4], middle - 3);
}

static void
old_files_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 200);
    int64_t since_ms = SPX_START_MS + (int64_t)(fix->x->now_us / 1000) + 5000;
    fix->x->now_us += 10 * 1000 * 1000;
    set_aside(fix, 200);
    read_by(fix, spool_map_new(fix->x->spool), (struct quarantine_range){0, UINT64_MAX, since_ms});
    assert_true(fix->n_seen >= 200);
    assert_true(fix->n_seen < 300);
}

static void
power_cut(struct fixture *fix, uint64_t seed)
{
    spx_die(fix->x);
    sim_disk_crash(fix->x->disk, seed);
    assert_true(spx_open(fix->x));
}

static void
removed_ones_are_gone_for_good(void **state)
{
    struct fixture *fix = *state;
    bool was_there[3];
    set_aside(fix, 100);
    uint64_t sequences[] = {fix->x->records[10].sequence, fix->x->records[50].sequence, 12345678};
    assert_int_equal(spool_remove(fix->x->spool, sequences, 3, fix->x->now_us, was_there), ERR_OK);
    assert_true(was_there[0] && was_there[1] && !was_there[2]);
    fix->x->records[10].is_done = fix->x->records[50].is_done = true;
    read_all(fix);
    expect_newest_first(fix);
    assert_int_equal(spool_remove(fix->x->spool, sequences, 2, fix->x->now_us, was_there), ERR_OK);
    assert_true(!was_there[0] && !was_there[1]);
    /* The answer came after the sync: a cut at once loses nothing of it. */
    power_cut(fix, 1);
    read_all(fix);
    expect_newest_first(fix);
    assert_int_equal(spx_n_dropped(fix->x), 0);
}

/* Every second one: more runs than the cursor can hold. */
static void
remove_every_other(struct fixture *fix, uint32_t from, uint32_t end)
{
    uint64_t sequences[40];
    bool was_there[40];
    uint32_t n = 0;
    for (uint32_t i = from; i < end; i += 2) {
        fix->x->records[i].is_done = true;
        sequences[n++] = fix->x->records[i].sequence;
        if (n < 40 && i + 2 < end)
            continue;
        assert_int_equal(spool_remove(fix->x->spool, sequences, n, fix->x->now_us, was_there),
                         ERR_OK);
        for (uint32_t j = 0; j < n; j++)
            assert_true(was_there[j]);
        n = 0;
    }
}

static uint64_t
n_held(struct fixture *fix)
{
    return spool_n_cold(fix->x->spool);
}

static bool
count_held(void *ctx, const struct spool_seen *seen)
{
    *(uint64_t *)ctx += seen->verdict == SPOOL_RECORD_HELD;
    return true;
}

/* As people see it, from the files alone. */
static uint64_t
n_seen_held(struct fixture *fix)
{
    struct spool_summary summary;
    struct text why = TEXT_EMPTY;
    uint64_t n = 0;
    assert_int_equal(
        spool_look("/spool", sim_disk_face(fix->x->disk), &summary, count_held, &n, &why), ERR_OK);
    assert_int_equal(summary.n_unknown_files, 0);
    text_fini(&why);
    return n;
}

static void
more_removals_than_the_cursor_holds_are_kept_too(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 8192);
    remove_every_other(fix, 1, 7800);
    assert_true(fix->x->spool->removed_file == SPOOL_NO_FILE);
    remove_every_other(fix, 7801, 8192); /* still within */
    uint64_t held = n_held(fix);
    assert_int_equal(held, 4096);
    assert_true(fix->x->spool->removed_file != SPOOL_NO_FILE);
    assert_int_equal(n_seen_held(fix), held);
    for (int life = 0; life < 2; life++) {
        power_cut(fix, (uint64_t)life);
        assert_int_equal(n_held(fix), held);
        for (uint32_t i = 0; i < 8192; i++) {
            struct spool_file *f = spool_files_find(fix->x->spool, fix->x->records[i].sequence);
            assert_non_null(f);
            assert_int_equal(spool_files_kind(f, fix->x->records[i].sequence),
                             fix->x->records[i].is_done ? SPOOL_DONE : SPOOL_COLD);
        }
    }
    /* When the holes close, the cursor is enough again. */
    remove_every_other(fix, 0, 8000);
    remove_every_other(fix, 8000, 8192);
    assert_true(fix->x->spool->removed_file == SPOOL_NO_FILE);
    assert_int_equal(n_held(fix), 0);
    spx_close(fix->x);
    assert_true(spx_open(fix->x));
    assert_int_equal(n_held(fix), 0);
}

/* Runs that have grown together need one entry, not one for each removal. */
static void
the_file_of_removals_is_made_anew_before_it_is_large(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 20000);
    remove_every_other(fix, 1, 20000);
    uint64_t most = 0;
    for (uint32_t i = 0; i < 12000; i += 400) {
        remove_every_other(fix, i, i + 400);
        if (fix->x->spool->removed_bytes > most)
            most = fix->x->spool->removed_bytes;
    }
    assert_true(fix->x->spool->removed_file != SPOOL_NO_FILE);
    assert_true(most < 15000 * SPOOL_REMOVED_ENTRY_BYTES); /* of 16000 */
    assert_int_equal(n_held(fix), 4000);
    assert_int_equal(n_seen_held(fix), 4000);
    power_cut(fix, 3);
    assert_int_equal(n_held(fix), 4000);
}

/* Whatever a power cut leaves of the disk, an answered removal is among it. */
static void
every_cut_keeps_what_was_answered(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 8192);
    remove_every_other(fix, 1, 7900);
    for (uint32_t i = 7901; i < 8190; i += 10) {
        remove_every_other(fix, i, i + 10);
        for (uint64_t seed = 0; seed < 2; seed++) {
            struct spx *after = spx_new(seed);
            sim_disk_free(&after->disk);
            after->disk = sim_disk_fork(fix->x->disk);
            sim_disk_crash(after->disk, seed + i);
            after->settings = fix->x->settings;
            assert_true(spx_open(after));
            assert_int_equal(spool_n_cold(after->spool), n_held(fix));
            spx_free(after);
        }
    }
    assert_true(fix->x->spool->removed_file != SPOOL_NO_FILE);
}

static void
damaged_records_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    char path[SPOOL_PATH_BYTES];
    set_aside(fix, 20);
    const struct spool_file *f = TAILQ_FIRST(&fix->x->spool->files);
    spool_files_path_of(fix->x->spool, f, path);
    const struct disk *disk = sim_disk_face(fix->x->disk);
    uint8_t wrong = 0xEE;
    size_t n;
    int file;
    struct iovec part = {&wrong, 1};
    assert_int_equal(disk->open(disk->ctx, path, DISK_UPDATE, &file), ERR_OK);
    assert_int_equal(disk->write(disk->ctx, file, &part, 1,
                                 SPOOL_FILE_HEAD_BYTES + SPOOL_RECORD_HEAD_BYTES + 9, &n),
                     ERR_OK);
    disk->close(disk->ctx, file);
    read_all(fix);
    assert_int_equal(fix->n_seen, 19);
}

/* Pages that a power cut lost, more of them than one step reads. */
static void
a_wide_gap_ends_no_walk(void **state)
{
    struct fixture *fix = *state;
    char path[SPOOL_PATH_BYTES];
    fix->x->settings.file_bytes = 8 * 1024 * 1024;
    spx_close(fix->x);
    assert_true(spx_open(fix->x));
    set_aside(fix, 4000);
    struct spool_map *map = spool_map_new(fix->x->spool);
    const struct spool_file *f = TAILQ_FIRST(&fix->x->spool->files);
    spool_files_path_of(fix->x->spool, f, path);
    enum { FROM = 8192, ZEROS = 1200 * 1024 };
    assert_true(f->end > FROM + ZEROS + 8192);
    const struct disk *disk = sim_disk_face(fix->x->disk);
    uint8_t *zeros = mem_zeroed(ZEROS);
    struct iovec part = {zeros, ZEROS};
    size_t n;
    int file;
    assert_int_equal(disk->open(disk->ctx, path, DISK_UPDATE, &file), ERR_OK);
    assert_int_equal(disk->write(disk->ctx, file, &part, 1, FROM, &n), ERR_OK);
    disk->close(disk->ctx, file);
    mem_free(zeros);
    struct quarantine_walk *walk = quarantine_walk_new(fix->reader, &map, ALL, on_record, fix);
    uint32_t n_steps = 1;
    fix->n_seen = 0;
    while (quarantine_walk_step(walk))
        assert_true(++n_steps < 100);
    quarantine_walk_free(&walk);
    assert_in_range(fix->n_seen, 100, 3999);
    assert_int_equal(fix->seen[0], fix->x->records[3999].sequence);
    assert_int_equal(fix->seen[fix->n_seen - 1], fix->x->records[0].sequence);
}

static void
files_that_went_meanwhile_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    char path[SPOOL_PATH_BYTES];
    set_aside(fix, 300);
    struct spool_map *map = spool_map_new(fix->x->spool);
    const struct spool_file *f = TAILQ_NEXT(TAILQ_FIRST(&fix->x->spool->files), link);
    uint64_t n = f->n;
    spool_files_path_of(fix->x->spool, f, path);
    const struct disk *disk = sim_disk_face(fix->x->disk);
    assert_int_equal(disk->remove(disk->ctx, path), ERR_OK);
    read_by(fix, map, ALL);
    assert_int_equal(fix->n_seen, 300 - n);
}

static void
ids_stay_when_files_grow_old(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 200);
    /* Nearly all of the first file is done: elsewhere the rest would be appended again. */
    const struct spool_file *f = TAILQ_FIRST(&fix->x->spool->files);
    bool was_there;
    for (uint64_t q = f->base + 1; q < f->base + f->n; q++) {
        assert_int_equal(spool_remove(fix->x->spool, &q, 1, fix->x->now_us, &was_there), ERR_OK);
        assert_true(was_there);
    }
    uint64_t left = f->base;
    for (int i = 0; i < 200; i++)
        spx_step(fix->x, 1000 * 1000);
    assert_int_equal(spool_counts(fix->x->spool)->n_moved, 0);
    struct spool_file *found = spool_files_find(fix->x->spool, left);
    assert_non_null(found);
    assert_int_equal(spool_files_kind(found, left), SPOOL_COLD);
}

static void
an_emptied_file_goes_at_once(void **state)
{
    struct fixture *fix = *state;
    set_aside(fix, 5);
    uint64_t sequences[5];
    bool was_there[5];
    for (uint32_t i = 0; i < 5; i++)
        sequences[i] = fix->x->records[i].sequence;
    assert_int_equal(spool_remove(fix->x->spool, sequences, 5, fix->x->now_us, was_there), ERR_OK);
    spx_step(fix->x, 2 * 1000 * 1000);
    assert_int_equal(spool_n_bytes(fix->x->spool), 0);
    set_aside(fix, 1);
    read_all(fix);
    assert_int_equal(fix->n_seen, 1);
    assert_true(fix->seen[0] > sequences[4]);
}

static void
a_failing_disk_is_told_to_who_removes(void **state)
{
    struct fixture *fix = *state;
    bool was_there;
    set_aside(fix, 3);
    uint64_t sequence = fix->x->records[0].sequence;
    sim_disk_fail(fix->x->disk, sim_disk_calls(fix->x->disk), 100, ERR_IO, false);
    assert_int_equal(spool_remove(fix->x->spool, &sequence, 1, fix->x->now_us, &was_there), ERR_IO);
    sim_disk_heal(fix->x->disk);
}

/* A hundred thousand records, and a disk that counts what a step reads. */

enum { N_MANY = 100 * 1000, SLICE_RECORDS = 1000, MANY_BYTES = 300 };

static struct disk counting;
static uint64_t n_bytes_read;

static enum err
count_read(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read)
{
    const struct disk *disk = ctx;
    enum err err = disk->read(disk->ctx, file, out, n, offset, n_read);
    n_bytes_read += *n_read;
    return err;
}

static enum err
count_open(void *ctx, const char *path, enum disk_how how, int *file)
{
    const struct disk *disk = ctx;
    return disk->open(disk->ctx, path, how, file);
}

static void
count_close(void *ctx, int file)
{
    const struct disk *disk = ctx;
    disk->close(disk->ctx, file);
}

static void
append_many(struct fixture *fix)
{
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    struct slice slice = {.data = mem_zeroed(SLICE_RECORDS * (size_t)(MANY_BYTES + 64))};
    uint64_t seed = spool_seed_of(fix->x->spool);
    for (uint32_t i = 0; i < SLICE_RECORDS; i++) {
        struct spool_record_head *head = (void *)(slice.data + slice.n_bytes);
        *head = (struct spool_record_head){.method = METHOD_SEGMENT_COLLECT,
                                           .payload_bytes = MANY_BYTES};
        spool_record_fill(head, seed);
        slice.n_bytes += (uint32_t)spool_record_bytes(0, MANY_BYTES);
    }
    slice.n_records = SLICE_RECORDS;
    spool_append(fix->x->spool, &slice);
    fix->x->now_us += 6000;
    (void)spool_step(fix->x->spool, fix->x->now_us, SPX_START_MS, &ended);
    assert_ptr_equal(STAILQ_FIRST(&ended), &slice);
    struct parcel_run run = {slice.first, slice.n_records, RUN_COLD};
    spool_end_run(fix->x->spool, &run);
    mem_free(slice.data);
}

struct many {
    uint64_t next; /* that must not come: newest first, none twice */
    uint32_t n;
};

static bool
on_many(void *ctx, const struct quarantine_record *record)
{
    struct many *many = ctx;
    assert_true(record->sequence < many->next);
    assert_int_equal(record->payload.n, MANY_BYTES);
    many->next = record->sequence;
    many->n++;
    return true;
}

static void
a_hundred_thousand_in_small_steps(void **state)
{
    struct fixture *fix = *state;
    struct many many = {.next = UINT64_MAX};
    spx_close(fix->x);
    fix->x->settings.file_bytes = 8 * 1024 * 1024;
    assert_true(spx_open(fix->x));
    for (uint32_t i = 0; i < N_MANY / SLICE_RECORDS; i++)
        append_many(fix);
    const struct disk *disk = sim_disk_face(fix->x->disk);
    counting = (struct disk){.ctx = (void *)(uintptr_t)disk,
                             .open = count_open,
                             .close = count_close,
                             .read = count_read};
    struct quarantine_reader *reader = quarantine_reader_new(&counting, "/spool");
    struct spool_map *map = spool_map_new(fix->x->spool);
    uint64_t n_bytes = map->n_bytes, n_all = 0;
    struct quarantine_walk *walk = quarantine_walk_new(reader, &map, ALL, on_many, &many);
    bool is_more = true;
    uint32_t most = 0;
    while (is_more) {
        uint32_t n_before = many.n;
        n_bytes_read = 0;
        is_more = quarantine_walk_step(walk);
        assert_true(n_bytes_read <= 2 * 1024 * 1024);
        n_all += n_bytes_read;
        most = many.n - n_before > most ? many.n - n_before : most;
    }
    assert_int_equal(many.n, N_MANY);
    assert_true(most < 1000);
    /* Once to find its way, once to tell. */
    assert_true(n_all < 5 * n_bytes / 2);
    quarantine_walk_free(&walk);
    quarantine_reader_free(&reader);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_one_tells_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_are_told_newest_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_later_is_found_by_the_next_walk, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_lent_or_on_its_way_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_range_and_a_limit_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_files_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removed_ones_are_gone_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_removals_than_the_cursor_holds_are_kept_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_file_of_removals_is_made_anew_before_it_is_large,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_cut_keeps_what_was_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_records_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wide_gap_ends_no_walk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_went_meanwhile_are_passed_over, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ids_stay_when_files_grow_old, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_emptied_file_goes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_in_small_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_disk_is_told_to_who_removes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
