/* What the files found at start still hold: by their footers, else by walking them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Files are looked at from the newest to the oldest, because a file's records end at the latest
 * where the next file's base begins. A file that cannot be read stays in the list as if it were as
 * full as it can be, all cold, so that the cursor never passes it; reading tries it again. */
#include "store/spool_int.h"

#include <string.h>

#include "base/log.h"

enum {
    MOST_FILE_BYTES = 64 * 1024 * 1024,
    READ_TRIES = 3, /* failures in a row, over so long, and what was not read is given up */
    GIVE_UP_US = 10 * 1000 * 1000,
    READ_RETRY_US = 1000 * 1000,
};

struct walk {
    struct spool *spool;
    struct spool_file *file;
    uint64_t limit;                    /* the next file's base */
    const struct spool_cursor *cursor; /* NULL: the bits are right already */
    bool has_head;                     /* a valid one */
    bool has_footer;
    bool is_limit_sure; /* the next file was read */
};

static uint64_t
most_records(uint64_t n_bytes)
{
    return n_bytes / SPOOL_RECORD_HEAD_BYTES + 1;
}

static void
raise_next(struct spool *s, uint64_t next)
{
    if (next > s->next)
        s->next = next;
}

/* What the cursor says of the records first .. end - 1. */
static void
apply_done(struct walk *w, uint64_t first, uint64_t end)
{
    const struct spool_cursor *c = w->cursor;
    if (c == NULL)
        return;
    uint32_t low = 0, high = c->n_runs;
    while (low < high) { /* the first run that ends behind first */
        uint32_t middle = low + (high - low) / 2;
        if (c->runs[middle].first + c->runs[middle].n <= first)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint64_t q = first; q < end; q++) {
        while (low < c->n_runs && c->runs[low].first + c->runs[low].n <= q)
            low++;
        if (q < c->lowest || (low < c->n_runs && q >= c->runs[low].first))
            spool_files_set(w->spool, w->file, q, SPOOL_DONE);
    }
}

static void
grow(struct walk *w, uint64_t n_wanted, uint64_t offset)
{
    struct spool_file *f = w->file;
    uint64_t n = f->n;
    if (n_wanted <= n)
        return;
    spool_files_grow(w->spool, f, n_wanted - n, offset, false);
    apply_done(w, f->base + n, f->base + n_wanted);
}

/* n more records are known to stand here. */
static void
confirm(struct walk *w, uint64_t n, uint64_t offset)
{
    struct spool_file *f = w->file;
    uint64_t first = f->base + f->n_sure;
    grow(w, f->n_sure + n, offset);
    f->n_sure += n;
    for (uint64_t q = first; q < first + n; q++)
        w->spool->counts.n_recovered += spool_files_kind(f, q) != SPOOL_DONE;
}

void
spool_recover_lose(struct spool *s, struct spool_file *f, uint64_t from, uint64_t end)
{
    for (uint64_t q = from; q < end; q++) {
        if (spool_files_kind(f, q) != SPOOL_COLD)
            continue;
        f->is_damaged = true;
        s->counts.n_corrupt++;
        s->counts.n_dropped[SIGNAL_OTHER][DROP_SPOOL_ERROR]++;
        spool_files_set(s, f, q, SPOOL_DONE);
    }
}

/* One that is not whole is left out: the next whole one shows that it was lost. When none follows
 * it is a torn tail: a kill in the middle of a write leaves a good head before half a payload. */
static bool
on_record(struct walk *w, const struct spool_scan *scan)
{
    struct spool_file *f = w->file;
    const struct spool_record_head *head = &scan->head;
    uint64_t expected = f->base + f->n_sure;
    if (head->sequence < expected || head->sequence >= w->limit)
        return false;
    uint64_t n_missing = head->sequence - expected;
    if (n_missing > most_records(f->size)) /* no room for so many in the file */
        return false;
    if (!spool_record_is_whole(scan->record, f->seed))
        return true;
    if (n_missing) {
        confirm(w, n_missing, f->end);
        spool_recover_lose(w->spool, f, expected, head->sequence);
    }
    confirm(w, 1, scan->offset);
    f->methods |= spool_method_bit(head->method);
    if (head->received_ms > f->newest_ms)
        f->newest_ms = head->received_ms;
    f->end = scan->at;
    return true;
}

/* Everything is known: what was only supposed is no record. */
static void
finish(struct walk *w)
{
    struct spool_file *f = w->file;
    if (f->n > f->n_sure)
        spool_files_shrink(w->spool, f, f->n - f->n_sure, f->end);
    f->is_unread = false;
    f->n_read_errors = 0;
}

/* From the last known record on; is_unread says whether it came to the end. */
static enum err
scan_some(struct walk *w, uint64_t max_bytes)
{
    struct spool_scan scan;
    struct spool_file *f = w->file;
    uint64_t from = f->end;
    bool is_more = true;
    spool_scan_init(&scan, w->spool->disk, f->file, f->seed, f->size, from, f->base + f->n_sure);
    while (is_more && f->end - from < max_bytes) {
        enum spool_scan_kind kind = spool_scan_next(&scan);
        if (kind != SPOOL_SCAN_GAP)
            is_more = kind == SPOOL_SCAN_RECORD && on_record(w, &scan);
    }
    enum err err = scan.err;
    spool_scan_fini(&scan);
    if (err == ERR_OK && !is_more)
        finish(w);
    return err;
}

/* ERR_OK; ERR_SPOOL_HEAD: damaged; ERR_SPOOL_VERSION: not ours to touch; or what the disk said. */
static enum err
look_at_head(struct walk *w)
{
    struct spool *s = w->spool;
    struct spool_file *f = w->file;
    uint8_t p[SPOOL_FILE_HEAD_BYTES];
    struct spool_file_head head;
    uint64_t size = 0;
    size_t n_read = 0;
    enum err err = s->disk->size(s->disk->ctx, f->file, &size);
    if (err)
        return err;
    s->n_bytes += size - f->size;
    f->size = size;
    err = s->disk->read(s->disk->ctx, f->file, p, sizeof(p), 0, &n_read);
    if (err)
        return err;
    err = n_read < sizeof(p) ? ERR_SPOOL_HEAD : spool_file_head_look(p, &head);
    w->has_head = err == ERR_OK;
    if (err)
        return err;
    f->seed = spool_seed(head.uuid);
    f->created_ms = head.created_ms;
    return head.base == f->base ? ERR_OK : ERR_SPOOL_VERSION;
}

/* The records of a file that was closed in order, without reading them. ERR_SPOOL_HEAD: it was
 * not. */
static enum err
take_footer(struct walk *w)
{
    struct spool_file *f = w->file;
    uint64_t next = 0, methods = 0;
    enum err err = spool_scan_footer(w->spool->disk, f->file, f->seed, f->size, &next, &methods);
    if (err)
        return err;
    if (next < f->base || next - f->base > most_records(f->size))
        return ERR_SPOOL_HEAD;
    confirm(w, (next < w->limit ? next : w->limit) - f->base, SPOOL_FILE_HEAD_BYTES);
    f->end = f->size - SPOOL_RECORD_HEAD_BYTES;
    f->methods = methods ? methods : ~(method_set)0;
    w->has_footer = true;
    finish(w);
    return ERR_OK;
}

static enum err
read_through(struct walk *w, uint64_t max_bytes)
{
    struct spool_file *f = w->file;
    enum err err = spool_files_open(w->spool, f);
    if (err)
        return err;
    if (f->n_sure == 0) {
        err = look_at_head(w);
        if (err && err != ERR_SPOOL_HEAD)
            return err;
        f->is_damaged |= !w->has_head;
        if (take_footer(w) == ERR_OK)
            return ERR_OK;
    }
    return scan_some(w, max_bytes);
}

/* As many as there can be, none of them done but what the cursor says. */
static void
suppose(struct walk *w)
{
    struct spool *s = w->spool;
    struct spool_file *f = w->file;
    uint64_t n_bytes = f->size;
    if (n_bytes == 0)
        n_bytes = s->settings.file_bytes > MOST_FILE_BYTES ? s->settings.file_bytes
                                                           : (uint64_t)MOST_FILE_BYTES;
    uint64_t n = most_records(n_bytes);
    grow(w, n < w->limit - f->base ? n : w->limit - f->base, f->end);
    f->methods = ~(method_set)0;
    s->counts.n_errors++;
    log_error("store", "a spool file cannot be read now, it is tried again", "path=%s file=%016llx",
              s->path, (unsigned long long)f->base);
}

/* Out of the list, left on disk. */
static void
leave_alone(struct spool *s, struct spool_file *f)
{
    log_warn("store", "a file in the spool is left alone", "path=%s file=%016llx", s->path,
             (unsigned long long)f->base);
    s->counts.n_left_alone++;
    s->n_corrupt_bytes += f->size;
    spool_files_drop(s, f);
}

static void
give_back_space(struct walk *w)
{
    struct spool *s = w->spool;
    struct spool_file *f = w->file;
    if (f->size <= f->end || w->has_footer || !w->is_limit_sure)
        return;
    if (s->disk->truncate(s->disk->ctx, f->file, f->end)) {
        s->counts.n_errors++;
        return;
    }
    s->n_bytes -= f->size - f->end;
    f->size = f->end;
}

/* Bytes behind a damaged head that are no zeros: perhaps records under a uuid we do not know. */
static bool
has_strange_bytes(struct walk *w)
{
    uint8_t p[SPOOL_FILE_HEAD_BYTES + SPOOL_RECORD_HEAD_BYTES] = {0};
    size_t n_read = 0;
    const struct disk *disk = w->spool->disk;
    if (w->has_head)
        return false;
    if (disk->read(disk->ctx, w->file->file, p, sizeof(p), 0, &n_read))
        return true;
    for (size_t i = SPOOL_FILE_HEAD_BYTES; i < n_read; i++)
        if (p[i])
            return true;
    return false;
}

static void
discard_empty(struct walk *w)
{
    char path[SPOOL_PATH_BYTES];
    struct spool *s = w->spool;
    struct spool_file *f = w->file;
    bool is_strange = has_strange_bytes(w);
    spool_files_path_of(s, f, path);
    enum err err = is_strange ? spool_files_set_aside(s, f) : s->disk->remove(s->disk->ctx, path);
    if (err)
        s->counts.n_errors++;
    if (err || is_strange)
        s->n_corrupt_bytes += f->size;
    else
        s->n_bytes -= f->size;
    spool_files_drop(s, f);
}

static void
recover_file(struct walk *w)
{
    struct spool_file *f = w->file;
    enum err err = read_through(w, UINT64_MAX);
    uint64_t base = f->base;
    if (err == ERR_SPOOL_VERSION) {
        raise_next(w->spool, base + most_records(f->size));
        leave_alone(w->spool, f);
        return;
    }
    if (err)
        suppose(w);
    raise_next(w->spool, f->n || w->has_head ? base + f->n : 0);
    bool is_file = f->n || w->has_head;
    if (f->n) {
        if (!err) /* else valid records may stand behind what was read */
            give_back_space(w);
        spool_files_close(w->spool, f);
    } else if (w->is_limit_sure && !err) {
        discard_empty(w);
    } else {
        leave_alone(w->spool, f);
    }
    if (is_file) {
        w->limit = base;
        w->is_limit_sure = err == ERR_OK;
    }
}

static void
begin_file(struct spool *s, struct spool_file *f, int64_t now_ms)
{
    f->seed = s->seed;
    f->newest_ms = INT64_MIN;
    f->created_ms = now_ms;
    f->end = SPOOL_FILE_HEAD_BYTES;
    f->is_closed = true;
    f->is_unread = true;
    f->is_found = true;
}

/* A lost cursor only sends records again. Its slots may become readable later: what is written from
 * now on must count more than they do, and epochs rise slower than milliseconds. */
static void
load_cursor(struct spool *s, int64_t now_ms)
{
    struct spool_cursor *c = s->cursor;
    enum err err = spool_cursor_load(s);
    if (err) {
        memset(c, 0, sizeof(*c));
        if (now_ms > 0 && s->epoch < (uint64_t)now_ms)
            s->epoch = (uint64_t)now_ms;
    }
    if (err && err != ERR_NOT_FOUND)
        s->counts.n_errors++;
    raise_next(s, c->next > c->lowest ? c->next : c->lowest);
    if (c->n_runs)
        raise_next(s, c->runs[c->n_runs - 1].first + c->runs[c->n_runs - 1].n);
}

void
spool_recover(struct spool *s, int64_t now_ms)
{
    struct walk w = {.spool = s, .limit = UINT64_MAX, .cursor = s->cursor, .is_limit_sure = true};
    struct spool_file *before;
    load_cursor(s, now_ms);
    s->n_bytes += s->n_corrupt_bytes;
    for (w.file = TAILQ_LAST(&s->files, spool_file_list); w.file; w.file = before) {
        before = TAILQ_PREV(w.file, spool_file_list, link);
        w.has_head = w.has_footer = false;
        begin_file(s, w.file, now_ms);
        recover_file(&w);
    }
    s->n_durable_next = s->next;
}

/* Later */

static struct walk
walk_of(struct spool *s, struct spool_file *f)
{
    const struct spool_file *next = TAILQ_NEXT(f, link);
    return (struct walk){.spool = s, .file = f, .limit = next ? next->base : s->next};
}

void
spool_recover_assume(struct spool *s, struct spool_file *f)
{
    struct walk w = walk_of(s, f);
    if (!f->is_unread)
        return;
    confirm(&w, f->n - f->n_sure, f->end);
    f->methods = ~(method_set)0;
    finish(&w);
}

bool
spool_recover_failed(struct spool *s, struct spool_file *f, enum err err)
{
    uint64_t now_us = s->trimmed_us;
    s->counts.n_errors++;
    if (f->is_closed) /* else it is being written to */
        spool_files_close(s, f);
    if (f->n_read_errors++ == 0)
        f->failed_us = now_us;
    f->retry_us = f->n_read_errors > 1 ? now_us + READ_RETRY_US : 0;
    if (err == ERR_NOT_FOUND)
        return true;
    return f->n_read_errors >= READ_TRIES && now_us - f->failed_us >= GIVE_UP_US;
}

/* One place of the disk, or all of the file when that does not help. */
static void
give_up(struct walk *w)
{
    struct spool_file *f = w->file;
    uint64_t n_sure = f->n_sure;
    f->is_damaged = true;
    if ((w->has_head || n_sure) && f->end + SPOOL_SKIP_BYTES < f->size) {
        f->end += SPOOL_SKIP_BYTES;
        f->n_read_errors = 0;
        return;
    }
    spool_recover_assume(w->spool, f);
    spool_recover_lose(w->spool, f, f->base + n_sure, f->base + f->n);
}

bool
spool_recover_again(struct spool *s, struct spool_file *f, uint64_t max_bytes)
{
    struct walk w = walk_of(s, f);
    enum err err = read_through(&w, max_bytes);
    if (err == ERR_SPOOL_VERSION) {
        leave_alone(s, f);
        return false;
    }
    if (err && spool_recover_failed(s, f, err))
        give_up(&w);
    return true;
}
