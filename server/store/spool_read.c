/* Cold records back into memory, the oldest first. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Only what is lent is copied: what is leased, done or unwanted is walked over. A record that
 * cannot be read although its neighbours can is lost, counted and done. */
#include "store/spool_int.h"

#include <string.h>

#include "base/check.h"

enum {
    MOST_BYTES = 8 * 1024 * 1024, /* walked over in one call */
};

/* One file being read. */
struct reading {
    struct spool *spool;
    struct spool_file *file;
    struct spool_read *read;
    struct spool_scan scan;
    uint64_t expected; /* the sequence the scan should meet next */
    bool has_scan;
    uint64_t budget; /* bytes that may still be walked over */
    bool is_full;    /* the read takes nothing more */
    bool has_failed; /* the disk did, on this file */
};

static void
lose(struct spool *s, struct spool_file *f, uint64_t q, enum signal signal)
{
    if (spool_files_kind(f, q) != SPOOL_COLD)
        return;
    f->is_damaged = true;
    s->counts.n_corrupt++;
    spool_files_know(s, f, q, signal);
    s->counts.n_dropped[signal][DROP_SPOOL_ERROR]++;
    spool_files_set(s, f, q, SPOOL_DONE);
}

static void
lose_range(struct reading *r, uint64_t from, uint64_t to)
{
    spool_recover_lose(r->spool, r->file, from, to);
}

static void
stop_scan(struct reading *r)
{
    if (r->has_scan)
        spool_scan_fini(&r->scan);
    r->has_scan = false;
}

/* The best known place at or before q. */
static struct spool_mark
best_mark(const struct spool_file *f, uint64_t q)
{
    struct spool_mark mark = spool_files_mark(f, q);
    bool is_better =
        f->read_mark.offset && f->read_mark.sequence <= q && f->read_mark.sequence >= mark.sequence;
    return is_better ? f->read_mark : mark;
}

/* Walks from there. */
static void
aim(struct reading *r, uint64_t q)
{
    struct spool_file *f = r->file;
    struct spool_mark mark = best_mark(f, q);
    if (r->has_scan && r->expected >= mark.sequence)
        return;
    stop_scan(r);
    spool_scan_init(&r->scan, r->spool->disk, f->file, f->seed, f->end, mark.offset, mark.sequence);
    r->has_scan = true;
    r->expected = mark.sequence;
}

static void
lend(struct reading *r)
{
    const struct spool_record_head *head = &r->scan.head;
    struct spool_read *read = r->read;
    size_t n = spool_record_bytes(head->key_bytes, head->payload_bytes);
    if (n > read->size - read->n_bytes) {
        if (read->n_bytes == 0)
            read->n_needed = (uint32_t)n;
        r->is_full = true;
        return;
    }
    if (!spool_record_is_whole(r->scan.record, r->file->seed)) {
        lose(r->spool, r->file, head->sequence, spool_files_signal(head->method));
        return;
    }
    memcpy(read->data + read->n_bytes, r->scan.record, n);
    read->n_bytes += (uint32_t)n;
    read->n_records++;
    spool_files_know(r->spool, r->file, head->sequence, spool_files_signal(head->method));
    spool_files_set(r->spool, r->file, head->sequence, SPOOL_LEASED);
}

static void
on_record(struct reading *r)
{
    const struct spool_record_head *head = &r->scan.head;
    uint64_t q = head->sequence;
    if (q < r->expected)
        return;
    lose_range(r, r->expected, q < r->file->base + r->file->n ? q : r->file->base + r->file->n);
    r->expected = q;
    if (q < r->file->base + r->file->n && spool_files_kind(r->file, q) == SPOOL_COLD) {
        bool is_unwanted =
            head->method >= METHOD_COUNT || (r->read->unwanted >> head->method & 1) != 0;
        if (!is_unwanted)
            lend(r);
    }
    if (r->is_full) /* this one again next time */
        r->file->read_mark = (struct spool_mark){q, r->scan.offset};
    else
        r->expected = q + 1;
}

/* Nothing more can be read from the file, now or for good. */
static void
on_end(struct reading *r)
{
    struct spool_file *f = r->file;
    enum err err = r->scan.err;
    if (err) {
        r->has_failed = true;
        uint64_t beyond = r->scan.at + SPOOL_SKIP_BYTES;
        stop_scan(r);
        if (!spool_recover_failed(r->spool, f, err))
            return;
        f->n_read_errors = 0;
        f->is_damaged = true;
        if (beyond < f->end) { /* the next record found shows which are lost */
            f->read_mark = (struct spool_mark){r->expected, beyond};
            return;
        }
    }
    lose_range(r, r->expected, f->base + f->n);
    r->expected = f->base + f->n;
}

static void
step(struct reading *r)
{
    uint64_t before = r->scan.at;
    enum spool_scan_kind kind = spool_scan_next(&r->scan);
    uint64_t n = r->scan.at - before;
    r->budget = n < r->budget ? r->budget - n : 0;
    if (kind == SPOOL_SCAN_RECORD)
        on_record(r);
    else if (kind != SPOOL_SCAN_GAP)
        on_end(r);
}

/* The hint of the file: nothing below is cold but of those methods. */
static uint64_t
first_to_read(const struct spool_file *f, method_set unwanted)
{
    bool holds = f->from_sequence > f->base && (f->from_unwanted & ~unwanted) == 0;
    return holds ? f->from_sequence : f->base;
}

static bool
goes_on(const struct reading *r)
{
    return !r->is_full && !r->has_failed && r->budget > 0;
}

/* Where the next read of this file begins. */
static void
leave_mark(struct reading *r, uint64_t q)
{
    struct spool_file *f = r->file;
    if (r->has_scan && q == f->base + f->n)
        f->read_mark.offset = 0;
    else if (r->has_scan && !r->is_full && !r->has_failed)
        f->read_mark = (struct spool_mark){r->expected, r->scan.at};
    if (!r->has_failed)
        f->n_read_errors = 0;
    stop_scan(r);
}

static void
read_file(struct reading *r)
{
    struct spool_file *f = r->file;
    uint64_t hint = first_to_read(f, r->read->unwanted), end = f->base + f->n;
    uint64_t from = r->read->resume > hint ? r->read->resume : hint;
    uint64_t q = spool_files_cold(f, from);
    while (q < end && goes_on(r)) {
        aim(r, q);
        step(r);
        q = spool_files_cold(f, r->expected > q ? r->expected : q);
    }
    if (from == hint) { /* nothing was left out */
        f->from_sequence = q;
        f->from_unwanted = r->read->unwanted;
    }
    leave_mark(r, q);
    r->read->resume = q;
    /* The next read goes on in the last one only. */
    if (f->is_closed && !r->is_full && r->budget > 0)
        spool_files_close(r->spool, f);
}

static bool
has_wanted(const struct spool_file *f, const struct spool_read *read)
{
    uint64_t from = first_to_read(f, read->unwanted), end = f->base + f->n;
    if (f->n == f->n_done + f->n_leased)
        return false;
    if (!f->is_unread && (f->methods & ~read->unwanted) == 0)
        return false;
    from = read->resume > from ? read->resume : from;
    return from < end && spool_files_cold(f, from) < end;
}

/* False: the file cannot be read in this call. */
static bool
make_readable(struct spool *s, struct spool_file *f, struct reading *r)
{
    if (s->trimmed_us < f->retry_us)
        return false;
    if (f->is_unread) {
        r->budget = 0;
        (void)spool_recover_again(s, f, MOST_BYTES);
        return false; /* the next call looks at what it holds now */
    }
    enum err err = spool_files_open(s, f);
    if (err == ERR_OK)
        return true;
    if (spool_recover_failed(s, f, err))
        lose_range(r, f->base, f->base + f->n);
    return false;
}

/* What could not be read is older than what was: it is not passed over next time. What is on its
 * way to another place is lent meanwhile, and nobody hears when it gets there: all is looked at
 * again. */
static void
settle(const struct spool *s, struct spool_read *read, uint64_t failed, bool is_spent)
{
    read->is_unfinished = is_spent || failed != UINT64_MAX || s->n_moves > 0;
    if (s->n_moves > 0 || !read->is_unfinished)
        read->resume = 0;
    else if (failed < read->resume)
        read->resume = failed;
}

void
spool_fill_read(struct spool *s, struct spool_read *read)
{
    struct reading r = {.spool = s, .read = read, .budget = MOST_BYTES};
    uint64_t failed = UINT64_MAX;
    struct spool_file *next;
    CHECK_OBJ(s, SPOOL_MAGIC);
    read->n_bytes = read->n_records = read->n_needed = 0;
    for (r.file = TAILQ_FIRST(&s->files); r.file && r.budget > 0 && !r.is_full; r.file = next) {
        uint64_t base = r.file->base;
        next = TAILQ_NEXT(r.file, link);
        if (!has_wanted(r.file, read))
            continue;
        r.expected = 0;
        r.has_failed = !make_readable(s, r.file, &r);
        if (!r.has_failed)
            read_file(&r);
        if (r.has_failed && base < failed)
            failed = base;
    }
    settle(s, read, failed, r.budget == 0);
}

static bool
head_at(struct spool *s, struct spool_file *f, uint64_t offset, struct spool_record_head *head)
{
    uint8_t p[SPOOL_RECORD_HEAD_BYTES];
    size_t n_read = 0;
    bool was_open = f->file != SPOOL_NO_FILE;
    if (spool_files_open(s, f))
        return false;
    enum err err = s->disk->read(s->disk->ctx, f->file, p, sizeof(p), offset, &n_read);
    if (!was_open)
        spool_files_close(s, f);
    if (err || n_read < sizeof(p))
        return false;
    err = spool_record_look(p, sizeof(p), f->seed, head);
    return err == ERR_OK || err == ERR_SPOOL_SHORT; /* its payload was not asked for */
}

bool
spool_oldest(struct spool *s, int64_t *received_ms, enum signal *signal)
{
    struct spool_file *f;
    struct spool_record_head head;
    TAILQ_FOREACH(f, &s->files, link)
    {
        if (f->n > f->n_done + f->n_leased)
            break;
    }
    if (f == NULL)
        return false;
    uint64_t q = spool_files_cold(f, f->base);
    struct spool_mark mark = best_mark(f, q);
    *received_ms = f->created_ms;
    *signal = SIGNAL_OTHER;
    if (!f->is_unread && head_at(s, f, mark.offset, &head)) {
        *received_ms = head.received_ms;
        *signal = spool_files_signal(head.method);
    }
    return true;
}
