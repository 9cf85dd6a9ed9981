/* A spool's directory as it stands, told record by record: for people and for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is written, and no file needs to be as it should. What counts as a record, and where a
 * file's records end, is as in spool_recover. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/spool_int.h"

struct look_file {
    char name[SPOOL_NAME_BYTES];
    uint64_t base;
    uint32_t suffix;
    uint64_t limit; /* records from this sequence on stand in a later file */
    uint64_t size, seed;
    int64_t created_ms;
    bool has_head, has_records, is_closed;
    enum err err; /* why it is not read */
};
struct look {
    const char *path;
    const struct disk *disk;
    struct spool_summary *summary;
    spool_look_fn *fn;
    void *ctx;
    struct look_file *files;
    uint32_t n, n_room;
    uint64_t seed;
    struct spool_cursor *cursor;
    struct spool_run *removed; /* besides the cursor; ascending */
    size_t n_removed, removed_room;
    bool is_stopped;
};

static bool
tell(struct look *look, const struct spool_seen *seen)
{
    if (!look->is_stopped && !look->fn(look->ctx, seen))
        look->is_stopped = true;
    return !look->is_stopped;
}

/* Names */

static enum err
open_name(const struct look *look, const char *name, int *file)
{
    char path[SPOOL_PATH_BYTES];
    size_t n_path = strlen(look->path), n_name = strlen(name);
    if (n_path + n_name + 2 > sizeof(path))
        return ERR_NOT_FOUND;
    memcpy(path, look->path, n_path);
    path[n_path] = '/';
    memcpy(path + n_path + 1, name, n_name + 1);
    return look->disk->open(look->disk->ctx, path, DISK_LOOK, file);
}

static uint64_t
size_of(const struct look *look, const char *name)
{
    int file = SPOOL_NO_FILE;
    uint64_t n_bytes = 0;
    if (open_name(look, name, &file) != ERR_OK)
        return 0;
    if (look->disk->size(look->disk->ctx, file, &n_bytes) != ERR_OK)
        n_bytes = 0;
    look->disk->close(look->disk->ctx, file);
    return n_bytes;
}

static void
on_other_name(struct look *look, const char *name)
{
    if (spool_name_is_corrupt(name)) {
        look->summary->n_corrupt_files++;
        look->summary->n_corrupt_bytes += size_of(look, name);
    } else if (strcmp(name, "LOCK") != 0 && strcmp(name, "cursor") != 0 &&
               strcmp(name, SPOOL_REMOVED_NAME) != 0) {
        look->summary->n_unknown_files++;
    }
}

static void
on_name(void *ctx, const char *name)
{
    struct look *look = ctx;
    uint64_t base;
    uint32_t suffix;
    if (!spool_name_look(name, &base, &suffix)) {
        on_other_name(look, name);
        return;
    }
    if (look->n == look->n_room) {
        look->n_room = look->n_room > 0 ? 2 * look->n_room : 64;
        look->files = mem_resize(look->files, look->n_room * sizeof(*look->files));
    }
    struct look_file *f = &look->files[look->n++];
    *f = (struct look_file){.base = base, .suffix = suffix};
    spool_name_fill(base, suffix, f->name);
}

static int
by_base(const void *a, const void *b)
{
    const struct look_file *x = a, *y = b;
    if (x->base != y->base)
        return x->base < y->base ? -1 : 1;
    return x->suffix < y->suffix ? -1 : x->suffix > y->suffix;
}

/* Heads of files */

static enum err
look_at_head(const struct look *look, struct look_file *f, int file)
{
    uint8_t p[SPOOL_FILE_HEAD_BYTES];
    struct spool_file_head head;
    size_t n_read = 0;
    enum err err = look->disk->size(look->disk->ctx, file, &f->size);
    if (err == ERR_OK)
        err = look->disk->read(look->disk->ctx, file, p, sizeof(p), 0, &n_read);
    if (err == ERR_OK)
        err = n_read < sizeof(p) ? ERR_SPOOL_HEAD : spool_file_head_look(p, &head);
    if (err == ERR_SPOOL_HEAD)
        return ERR_OK;
    if (err != ERR_OK)
        return err;
    if (head.base != f->base)
        return ERR_SPOOL_VERSION;
    f->has_head = true;
    f->seed = spool_seed(head.uuid);
    f->created_ms = head.created_ms;
    return ERR_OK;
}

/* The newest file with a valid head tells the uuid where LOCK does not. */
static void
look_at_heads(struct look *look)
{
    for (uint32_t i = 0; i < look->n; i++) {
        struct look_file *f = &look->files[i];
        int file = SPOOL_NO_FILE;
        f->err = open_name(look, f->name, &file);
        if (f->err != ERR_OK)
            continue;
        f->err = look_at_head(look, f, file);
        look->disk->close(look->disk->ctx, file);
        look->summary->n_bytes += f->size;
        look->summary->n_unknown_files += f->err == ERR_SPOOL_VERSION;
        if (f->has_head && !look->summary->has_uuid)
            look->seed = f->seed;
    }
    for (uint32_t i = 0; i < look->n; i++)
        if (!look->files[i].has_head)
            look->files[i].seed = look->seed;
}

/* A file whose head is damaged counts when it holds a record nevertheless. */
static bool
holds_record(const struct look *look, const struct look_file *f, int file)
{
    struct spool_scan scan;
    enum spool_scan_kind kind;
    spool_scan_init(&scan, look->disk, file, f->seed, f->size, SPOOL_FILE_HEAD_BYTES, f->base);
    do
        kind = spool_scan_next(&scan);
    while (kind == SPOOL_SCAN_GAP);
    bool found = kind == SPOOL_SCAN_RECORD && scan.head.sequence < f->limit;
    spool_scan_fini(&scan);
    return found;
}

/* From the newest to the oldest: records end where the next file's begin. */
static void
settle_limits(struct look *look)
{
    uint64_t limit = UINT64_MAX;
    for (uint32_t i = look->n; i-- > 0;) {
        struct look_file *f = &look->files[i];
        uint64_t next;
        int file = SPOOL_NO_FILE;
        f->limit = limit;
        if (f->err != ERR_OK)
            continue;
        f->err = open_name(look, f->name, &file);
        if (f->err != ERR_OK)
            continue;
        f->is_closed =
            spool_scan_footer(look->disk, file, f->seed, f->size, &next, &(uint64_t){0}) == ERR_OK;
        f->has_records = f->has_head || holds_record(look, f, file);
        if (f->has_records)
            limit = f->base;
        look->disk->close(look->disk->ctx, file);
    }
}

/* LOCK and cursor */

static void
look_at_lock(struct look *look)
{
    uint8_t p[SPOOL_LOCK_HEAD_BYTES], uuid[SPOOL_UUID_BYTES];
    size_t n_read = 0;
    int file = SPOOL_NO_FILE;
    const struct disk *disk = look->disk;
    if (open_name(look, "LOCK", &file) != ERR_OK)
        return;
    if (disk->read(disk->ctx, file, p, sizeof(p), 0, &n_read) == ERR_OK &&
        spool_open_uuid(p, n_read, uuid)) {
        look->summary->has_uuid = true;
        look->seed = spool_seed(uuid);
    }
    look->summary->is_locked = disk->lock(disk->ctx, file, &look->summary->holder) == ERR_LOCKED;
    if (!look->summary->is_locked)
        look->summary->holder = 0;
    disk->close(disk->ctx, file);
}

static void
look_at_cursor(struct look *look)
{
    int file = SPOOL_NO_FILE;
    if (open_name(look, "cursor", &file) != ERR_OK)
        return;
    uint8_t *slot = mem_alloc(SPOOL_CURSOR_SLOT_BYTES);
    struct spool_cursor *one = mem_new(struct spool_cursor);
    for (uint64_t i = 0; i < 2; i++) {
        size_t n_read = 0;
        memset(slot, 0, SPOOL_CURSOR_SLOT_BYTES);
        if (look->disk->read(look->disk->ctx, file, slot, SPOOL_CURSOR_SLOT_BYTES,
                             i * SPOOL_CURSOR_SLOT_BYTES, &n_read) != ERR_OK ||
            spool_cursor_look(slot, look->seed, one) != ERR_OK ||
            (look->summary->has_cursor && one->epoch <= look->cursor->epoch))
            continue;
        memcpy(look->cursor, one, sizeof(*one));
        look->summary->has_cursor = true;
    }
    mem_free(one);
    mem_free(slot);
    look->disk->close(look->disk->ctx, file);
    look->summary->lowest = look->cursor->lowest;
    look->summary->next = look->cursor->next;
    look->summary->n_done_runs = look->cursor->n_runs;
}

static void
on_removed(void *ctx, uint64_t first, uint64_t n)
{
    struct look *look = ctx;
    if (look->n_removed == look->removed_room) {
        look->removed_room = look->removed_room > 0 ? 2 * look->removed_room : 1024;
        look->removed = mem_resize(look->removed, look->removed_room * sizeof(*look->removed));
    }
    look->removed[look->n_removed++] = (struct spool_run){first, n};
}

static int
by_first(const void *a, const void *b)
{
    const struct spool_run *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Runs may overlap: each then reaches as far as those before it. */
static void
look_at_removed(struct look *look)
{
    int file = SPOOL_NO_FILE;
    if (open_name(look, SPOOL_REMOVED_NAME, &file) != ERR_OK)
        return;
    (void)!spool_removed_read(look->disk, file, look->seed, on_removed, look);
    look->disk->close(look->disk->ctx, file);
    if (look->n_removed > 0)
        qsort(look->removed, look->n_removed, sizeof(*look->removed), by_first);
    for (size_t i = 1; i < look->n_removed; i++) {
        uint64_t end = look->removed[i - 1].first + look->removed[i - 1].n;
        if (end > look->removed[i].first + look->removed[i].n)
            look->removed[i].n = end - look->removed[i].first;
    }
}

static bool
is_in_runs(const struct spool_run *runs, size_t n, uint64_t sequence)
{
    size_t low = 0, high = n;
    while (low < high) { /* the first run that ends behind it */
        size_t middle = low + (high - low) / 2;
        if (runs[middle].first + runs[middle].n <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && runs[low].first <= sequence;
}

static bool
is_done(const struct look *look, uint64_t sequence)
{
    const struct spool_cursor *c = look->cursor;
    if (look->summary->has_cursor &&
        (sequence < c->lowest || is_in_runs(c->runs, c->n_runs, sequence)))
        return true;
    return is_in_runs(look->removed, look->n_removed, sequence);
}

static bool
are_done(const struct look *look, uint64_t first, uint64_t end)
{
    while (first < end && is_done(look, first))
        first++;
    return first >= end;
}

/* The records of one file */

struct walk {
    struct look *look;
    const struct look_file *file;
    struct spool_scan scan;
    uint64_t expected; /* the next sequence */
    uint64_t gap_at, gap_bytes;
};

/* Bytes, or only sequences, that should have been records up to this one. */
static void
tell_gap(struct walk *w, uint64_t sequence)
{
    uint64_t n_lost = sequence > w->expected ? sequence - w->expected : 0;
    if (n_lost > 0 || w->gap_bytes > 0) {
        struct spool_seen seen = {
            .file = w->file->name,
            .verdict = SPOOL_RECORD_BAD_HEAD,
            .offset = w->gap_bytes > 0 ? w->gap_at : w->scan.offset,
            .n_bytes = w->gap_bytes,
            .n_lost = n_lost,
            .is_done = n_lost > 0 && are_done(w->look, w->expected, sequence),
        };
        (void)tell(w->look, &seen);
    }
    w->gap_bytes = 0;
}

static void
tell_record(struct walk *w)
{
    const uint8_t *p = w->scan.record;
    struct spool_seen seen = {
        .file = w->file->name,
        .offset = w->scan.offset,
        .head = w->scan.head,
        .key = spool_record_key(p),
        .payload = spool_record_payload(p),
        .is_done = is_done(w->look, w->scan.head.sequence),
    };
    seen.verdict = seen.is_done ? SPOOL_RECORD_DONE : SPOOL_RECORD_HELD;
    if (!spool_record_is_whole(p, w->file->seed))
        seen.verdict = SPOOL_RECORD_BAD_DATA;
    (void)tell(w->look, &seen);
}

/* False: this and what follows are no records of this file. */
static bool
on_record(struct walk *w)
{
    uint64_t sequence = w->scan.head.sequence;
    if (sequence >= w->file->limit ||
        sequence - w->expected > w->file->size / SPOOL_RECORD_HEAD_BYTES + 1)
        return false;
    tell_gap(w, sequence);
    w->expected = sequence + 1;
    tell_record(w);
    return true;
}

/* Where the last byte behind the records stands that is not zero; from: none is. */
static uint64_t
end_of_data(const struct walk *w, uint64_t from, int file)
{
    enum { CHUNK_BYTES = 1024 * 1024 };
    const struct disk *disk = w->look->disk;
    uint64_t end = from;
    uint8_t *chunk = mem_alloc(CHUNK_BYTES);
    for (uint64_t at = from; at < w->file->size;) {
        size_t n_read = 0;
        if (disk->read(disk->ctx, file, chunk, CHUNK_BYTES, at, &n_read) != ERR_OK || n_read == 0)
            break;
        for (size_t i = n_read; i > 0; i--)
            if (chunk[i - 1] != 0) {
                end = at + i;
                break;
            }
        at += n_read;
    }
    mem_free(chunk);
    return end;
}

static void
on_end(struct walk *w, int file)
{
    struct spool_seen seen = {.file = w->file->name, .offset = w->scan.offset, .err = w->scan.err};
    if (w->scan.err != ERR_OK) {
        seen.verdict = SPOOL_FILE_UNREAD;
        (void)tell(w->look, &seen);
        return;
    }
    if (!w->file->has_records)
        seen.offset = 0;
    seen.n_bytes = end_of_data(w, seen.offset, file) - seen.offset;
    seen.verdict = SPOOL_RECORD_TORN;
    if (seen.n_bytes > 0)
        (void)tell(w->look, &seen);
}

static void
walk_records(struct walk *w, int file)
{
    bool is_more = true;
    while (is_more && !w->look->is_stopped) {
        enum spool_scan_kind kind = spool_scan_next(&w->scan);
        is_more = kind == SPOOL_SCAN_GAP || (kind == SPOOL_SCAN_RECORD && on_record(w));
        if (kind == SPOOL_SCAN_GAP) {
            w->gap_at = w->scan.offset;
            w->gap_bytes = w->scan.gap_bytes;
        } else if (kind == SPOOL_SCAN_FOOTER) {
            uint64_t end = w->scan.head.sequence;
            tell_gap(w, end < w->file->limit ? end : w->file->limit);
        } else if (kind == SPOOL_SCAN_END) {
            on_end(w, file);
        }
    }
}

static void
walk_file(struct look *look, const struct look_file *f)
{
    struct walk w = {.look = look, .file = f, .expected = f->base};
    struct spool_seen seen = {
        .file = f->name,
        .verdict = SPOOL_FILE_BEGINS,
        .n_bytes = f->size,
        .created_ms = f->created_ms,
        .is_closed = f->is_closed,
    };
    int file = SPOOL_NO_FILE;
    if (!tell(look, &seen))
        return;
    seen.err = f->err != ERR_OK ? f->err : open_name(look, f->name, &file);
    if (seen.err != ERR_OK) {
        seen.verdict = SPOOL_FILE_UNREAD;
        (void)tell(look, &seen);
        return;
    }
    if (!f->has_head && f->has_records) {
        w.gap_bytes = SPOOL_FILE_HEAD_BYTES;
        tell_gap(&w, f->base);
    }
    spool_scan_init(&w.scan, look->disk, file, f->seed, f->size, SPOOL_FILE_HEAD_BYTES, f->base);
    walk_records(&w, file);
    spool_scan_fini(&w.scan);
    look->disk->close(look->disk->ctx, file);
}

/* The whole */

static enum err
list(struct look *look, struct text *why)
{
    enum err err = ERR_NOT_FOUND;
    if (strlen(look->path) <= SPOOL_PATH_BYTES / 2)
        err = look->disk->list(look->disk->ctx, look->path, on_name, look);
    if (err != ERR_OK) {
        text_addf(why, "cannot list %s: %s", look->path, err_words(err));
        return err;
    }
    if (look->n > 0)
        qsort(look->files, look->n, sizeof(*look->files), by_base);
    look->summary->n_files = look->n;
    return ERR_OK;
}

enum err
spool_look(const char *path, const struct disk *disk, struct spool_summary *summary,
           spool_look_fn *fn, void *ctx, struct text *why)
{
    struct look look = {.path = path, .disk = disk, .summary = summary, .fn = fn, .ctx = ctx};
    *summary = (struct spool_summary){0};
    enum err err = list(&look, why);
    if (err == ERR_OK) {
        look.cursor = mem_new(struct spool_cursor);
        look_at_lock(&look);
        look_at_heads(&look);
        settle_limits(&look);
        look_at_cursor(&look);
        look_at_removed(&look);
        for (uint32_t i = 0; i < look.n && !look.is_stopped; i++)
            walk_file(&look, &look.files[i]);
        mem_free(look.cursor);
        mem_free(look.removed);
    }
    mem_free(look.files);
    return err;
}
