/* What was removed record by record, when the cursor has no room for so many runs. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A row of runs, each with its checksum. The file is made when the cursor overflows, from all that
 * is done by then, grows with every removal, and is made anew at each start and when much of it may
 * have grown together; it goes when the cursor suffices again. Only in a spool whose records are
 * fixed. */
#include "store/spool_int.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum {
    READ_ENTRIES = 4096,
    WRITE_ENTRIES = 4096,
    SPARE_BYTES = 64 * 1024, /* and as much again as it begins with: then it is made anew */
};

static const char NAME[] = SPOOL_REMOVED_NAME;
static const char NEW_NAME[] = SPOOL_REMOVED_NAME ".new";

struct entry {
    uint64_t first, n;
    uint64_t sum; /* of the 16 bytes before it */
};
_Static_assert(sizeof(struct entry) == SPOOL_REMOVED_ENTRY_BYTES, "as on disk");

static struct entry
entry_of(uint64_t first, uint64_t n, uint64_t seed)
{
    struct entry entry = {first, n, 0};
    entry.sum = hash_bytes_seeded(bytes_of(&entry, offsetof(struct entry, sum)), seed);
    return entry;
}

static bool
is_valid(const struct entry *entry, uint64_t seed)
{
    return entry->sum == hash_bytes_seeded(bytes_of(entry, offsetof(struct entry, sum)), seed) &&
           entry->first < SPOOL_SEQUENCE_END && entry->n <= SPOOL_SEQUENCE_END - entry->first;
}

enum err
spool_removed_read(const struct disk *disk, int file, uint64_t seed, spool_removed_fn *fn,
                   void *ctx)
{
    struct entry *entries = mem_new_n(struct entry, READ_ENTRIES);
    uint64_t offset = 0;
    size_t n_read = READ_ENTRIES * sizeof(*entries), n = READ_ENTRIES;
    enum err err = ERR_OK;
    while (err == ERR_OK && n == READ_ENTRIES) {
        err =
            disk->read(disk->ctx, file, entries, READ_ENTRIES * sizeof(*entries), offset, &n_read);
        n = err == ERR_OK ? n_read / sizeof(*entries) : 0;
        for (size_t i = 0; i < n; i++) {
            if (!is_valid(&entries[i], seed)) { /* the end was being written */
                n = 0;
                break;
            }
            fn(ctx, entries[i].first, entries[i].n);
        }
        offset += n * sizeof(*entries);
    }
    mem_free(entries);
    return err;
}

/* Writing. */

static enum err
write_entries(struct spool *s, const struct entry *entries, size_t n)
{
    struct iovec part = {(void *)(uintptr_t)entries, n * sizeof(*entries)};
    size_t n_written;
    enum err err =
        s->disk->write(s->disk->ctx, s->removed_file, &part, 1, s->removed_bytes, &n_written);
    if (err == ERR_OK)
        s->removed_bytes += n * sizeof(*entries);
    return err;
}

/* All that is done above the lowest, whatever the cursor has room for. */
static enum err
write_all(struct spool *s)
{
    uint32_t size = 2 * SPOOL_CURSOR_MAX_RUNS, n;
    struct spool_run *runs = NULL;
    do {
        size *= 2;
        runs = mem_resize(runs, size * sizeof(*runs));
        n = spool_files_runs(s, spool_files_lowest(s), runs, size);
    } while (n == size && size < UINT32_MAX / 4);
    struct entry *entries = mem_new_n(struct entry, WRITE_ENTRIES);
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < n && err == ERR_OK;) {
        uint32_t n_part = 0;
        while (n_part < WRITE_ENTRIES && i < n) {
            entries[n_part++] = entry_of(runs[i].first, runs[i].n, s->seed);
            i++;
        }
        err = write_entries(s, entries, n_part);
    }
    mem_free(entries);
    mem_free(runs);
    return err;
}

void
spool_removed_close(struct spool *s)
{
    if (s->removed_file != SPOOL_NO_FILE)
        s->disk->close(s->disk->ctx, s->removed_file);
    s->removed_file = SPOOL_NO_FILE;
    s->removed_bytes = 0;
}

static enum err
make_file(struct spool *s)
{
    char path[SPOOL_PATH_BYTES], new_path[SPOOL_PATH_BYTES];
    const struct disk *disk = s->disk;
    spool_files_path(s, NAME, path);
    spool_files_path(s, NEW_NAME, new_path);
    spool_removed_close(s);
    (void)disk->remove(disk->ctx, new_path); /* of a life that ended in the middle */
    enum err err = disk->open(disk->ctx, new_path, DISK_CREATE, &s->removed_file);
    if (err != ERR_OK) {
        s->removed_file = SPOOL_NO_FILE;
        return err;
    }
    err = write_all(s);
    if (err == ERR_OK)
        err = disk->sync(disk->ctx, s->removed_file);
    if (err == ERR_OK)
        err = disk->rename(disk->ctx, new_path, path);
    if (err == ERR_OK)
        err = disk->sync_directory(disk->ctx, s->path);
    s->removed_limit_bytes = 2 * s->removed_bytes + SPARE_BYTES;
    if (err != ERR_OK)
        spool_removed_close(s);
    return err;
}

static bool
has_cursor_room(const struct spool *s, uint32_t max_runs)
{
    struct spool_run *runs = mem_new_n(struct spool_run, max_runs);
    uint32_t n = spool_files_runs(s, spool_files_lowest(s), runs, max_runs);
    mem_free(runs);
    return n < max_runs;
}

static enum err
append(struct spool *s, const uint64_t *sequences, uint32_t n, const bool *was_there)
{
    struct entry *entries = mem_new_n(struct entry, n);
    uint32_t n_entries = 0;
    for (uint32_t i = 0; i < n; i++)
        if (was_there[i])
            entries[n_entries++] = entry_of(sequences[i], 1, s->seed);
    enum err err = write_entries(s, entries, n_entries);
    if (err == ERR_OK)
        err = s->disk->sync(s->disk->ctx, s->removed_file);
    mem_free(entries);
    if (err != ERR_OK) /* what it holds is not known: made anew next time */
        spool_removed_close(s);
    return err;
}

/* What the cursor says comes first: without the file it must be all. */
static enum err
give_up_file(struct spool *s)
{
    char path[SPOOL_PATH_BYTES];
    enum err err = spool_cursor_step(s, s->cursor_written_us, true);
    if (err != ERR_OK)
        return err;
    spool_removed_close(s);
    spool_files_path(s, NAME, path);
    return s->disk->remove(s->disk->ctx, path);
}

enum err
spool_removed_note(struct spool *s, const uint64_t *sequences, uint32_t n, const bool *was_there)
{
    if (!s->settings.is_fixed)
        return ERR_OK;
    if (s->removed_file == SPOOL_NO_FILE)
        return has_cursor_room(s, SPOOL_CURSOR_MAX_RUNS) ? ERR_OK : make_file(s);
    /* Much lower, or it would come and go. */
    if (has_cursor_room(s, SPOOL_CURSOR_MAX_RUNS / 2))
        return give_up_file(s);
    if (s->removed_bytes >= s->removed_limit_bytes)
        return make_file(s);
    return append(s, sequences, n, was_there);
}

/* At the start. */

static void
on_run(void *ctx, uint64_t first, uint64_t n)
{
    struct spool *s = ctx;
    if (s->next < first + n)
        s->next = s->n_durable_next = first + n;
    struct spool_file *f;
    TAILQ_FOREACH(f, &s->files, link)
    {
        uint64_t from = first > f->base ? first : f->base;
        uint64_t end = first + n < f->base + f->n ? first + n : f->base + f->n;
        for (uint64_t q = from; q < end; q++)
            spool_files_set(s, f, q, SPOOL_DONE);
    }
}

void
spool_removed_load(struct spool *s)
{
    char path[SPOOL_PATH_BYTES];
    int file;
    spool_files_path(s, NAME, path);
    if (!s->settings.is_fixed || s->disk->open(s->disk->ctx, path, DISK_LOOK, &file) != ERR_OK)
        return;
    enum err err = spool_removed_read(s->disk, file, s->seed, on_run, s);
    s->disk->close(s->disk->ctx, file);
    if (err == ERR_OK)
        err = has_cursor_room(s, SPOOL_CURSOR_MAX_RUNS) ? give_up_file(s) : make_file(s);
    if (err != ERR_OK)
        s->counts.n_errors++;
}
