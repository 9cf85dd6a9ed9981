/* What leaves the disk: files that are done, records too old, the oldest when there is no room. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Order: a cursor that lies beyond a file is durable before the file is unlinked, then the
 * directory is synced. A leased record is never dropped under its holder. */
#include "store/spool_int.h"

#include <string.h>

#include "base/log.h"

enum { TRIM_US = 100 * 1000, SLOW_TRIM_US = 1000 * 1000, RETRY_US = 10 * 1000 * 1000 };

static bool
is_removable(const struct spool_file *f)
{
    return f->is_closed && f->n_done == f->n;
}

static bool
has_removable(const struct spool *s)
{
    const struct spool_file *f;
    TAILQ_FOREACH(f, &s->files, link)
    {
        if (is_removable(f))
            return true;
    }
    return false;
}

/* A file in which bytes were lost is kept under another name. */
static enum err
take_away(struct spool *s, struct spool_file *f)
{
    char path[SPOOL_PATH_BYTES];
    spool_files_path_of(s, f, path);
    if (!f->is_damaged)
        return spool_release_take(s, f, path);
    log_error("store", "a damaged spool file is kept for a look", "file=%s" SPOOL_CORRUPT_SUFFIX,
              path);
    return spool_files_set_aside(s, f);
}

static void
remove_file(struct spool *s, struct spool_file *f)
{
    spool_files_close(s, f);
    enum err err = take_away(s, f);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        s->counts.n_errors++;
        return; /* the next step tries again */
    }
    if (f->is_damaged)
        s->n_corrupt_bytes += f->size;
    else
        s->n_bytes -= f->size;
    s->has_trimmed = true;
    spool_files_drop(s, f);
}

static void
remove_done(struct spool *s, uint64_t now_us)
{
    if (!has_removable(s))
        return;
    /* Without room for the cursor the files go all the same, or a full disk would stay full: what
     * is done and gone is not sent again, and a cursor that lags says nothing wrong. */
    enum err err = spool_cursor_step(s, now_us, true);
    if (err != ERR_OK && err != ERR_NO_SPACE)
        return;
    struct spool_file *f, *next;
    for (f = TAILQ_FIRST(&s->files); f != NULL; f = next) {
        next = TAILQ_NEXT(f, link);
        if (is_removable(f))
            remove_file(s, f);
    }
    if (s->disk->sync_directory(s->disk->ctx, s->path) != ERR_OK)
        s->counts.n_errors++;
}

static void
drop_one(struct spool *s, struct spool_file *f, uint64_t sequence, enum signal signal,
         enum drop_reason reason)
{
    if (spool_files_kind(f, sequence) != SPOOL_COLD)
        return;
    spool_files_know(s, f, sequence, signal);
    spool_files_set(s, f, sequence, SPOOL_DONE);
    s->counts.n_dropped[signal][reason]++;
}

/* Cold records that arrived before cutoff_ms end as dropped. True: the file was readable. */
static bool
drop_scanned(struct spool *s, struct spool_file *f, enum drop_reason reason, int64_t cutoff_ms)
{
    if (spool_files_open(s, f) != ERR_OK)
        return false;
    struct spool_scan scan;
    int64_t newest_ms = INT64_MIN;
    spool_scan_init(&scan, s->disk, f->file, f->seed, f->end, SPOOL_FILE_HEAD_BYTES, f->base);
    enum spool_scan_kind kind;
    while ((kind = spool_scan_next(&scan)) == SPOOL_SCAN_RECORD || kind == SPOOL_SCAN_GAP) {
        if (kind == SPOOL_SCAN_GAP || scan.head.sequence >= f->base + f->n)
            continue;
        if (scan.head.received_ms > newest_ms)
            newest_ms = scan.head.received_ms;
        if (scan.head.received_ms < cutoff_ms)
            drop_one(s, f, scan.head.sequence, spool_files_signal(scan.head.method), reason);
    }
    bool is_whole = scan.err == ERR_OK;
    spool_scan_fini(&scan);
    if (is_whole && newest_ms != INT64_MIN)
        f->newest_ms = newest_ms;
    if (f->is_closed)
        spool_files_close(s, f);
    return is_whole;
}

/* The same for records whose bytes cannot be read any more. */
static void
drop_all(struct spool *s, struct spool_file *f, enum drop_reason reason)
{
    spool_recover_assume(s, f);
    if (!drop_scanned(s, f, reason, INT64_MAX))
        s->counts.n_errors++;
    for (uint64_t q = f->base; q < f->base + f->n; q++)
        drop_one(s, f, q, SIGNAL_OTHER, reason);
}

static bool
has_cold(const struct spool_file *f)
{
    return f->n > f->n_done + f->n_leased;
}

/* One file a call: each is read. */
static void
expire(struct spool *s, int64_t now_ms)
{
    int64_t cutoff_ms = now_ms - s->settings.max_age_ms;
    struct spool_file *f;
    s->is_expiring = false;
    TAILQ_FOREACH(f, &s->files, link)
    {
        bool is_known = f->newest_ms != INT64_MIN;
        if (!has_cold(f) || (is_known ? f->newest_ms : f->created_ms) >= cutoff_ms)
            continue;
        if (is_known)
            drop_all(s, f, DROP_EXPIRED);
        else if (s->trimmed_us < f->retry_us)
            continue;
        /* Found at start: when its last record came shows in its bytes. */
        else if (!drop_scanned(s, f, DROP_EXPIRED, cutoff_ms))
            f->retry_us = s->trimmed_us + RETRY_US;
        s->is_expiring = true;
        break;
    }
}

void
spool_trim_step(struct spool *s, uint64_t now_us, int64_t now_ms)
{
    bool is_hurried = s->state == SPOOL_FULL;
    if (now_us - s->trimmed_us < TRIM_US && !is_hurried && s->trimmed_us != 0)
        return;
    bool is_slow_due = now_us / SLOW_TRIM_US != s->trimmed_us / SLOW_TRIM_US;
    s->trimmed_us = now_us;
    if ((is_slow_due || s->is_expiring) && s->settings.max_age_ms > 0)
        expire(s, now_ms);
    if (is_slow_due && !s->settings.is_fixed)
        spool_move_step(s, now_ms);
    if (is_slow_due || is_hurried)
        remove_done(s, now_us);
}

uint64_t
spool_trim_next_us(const struct spool *s)
{
    if (s->n_files == 0)
        return UINT64_MAX;
    return s->trimmed_us + (s->is_expiring ? TRIM_US : SLOW_TRIM_US);
}

void
spool_trim_end(struct spool *s)
{
    remove_done(s, s->trimmed_us);
}

/* Room. */

static bool
fits(struct spool *s, uint64_t n)
{
    uint64_t free_bytes = 0;
    if (s->n_bytes + n > s->settings.max_bytes)
        return false;
    if (s->disk->free_bytes(s->disk->ctx, s->path, &free_bytes) != ERR_OK) {
        s->counts.n_errors++;
        return true; /* the reservation itself will tell */
    }
    return free_bytes >= n && free_bytes - n >= s->settings.min_free_bytes;
}

struct oldest_name {
    char name[SPOOL_PATH_BYTES];
};

static void
on_name(void *ctx, const char *name)
{
    struct oldest_name *oldest = ctx;
    if (!spool_name_is_corrupt(name) || strlen(name) >= sizeof(oldest->name))
        return;
    if (oldest->name[0] == '\0' || strcmp(name, oldest->name) < 0)
        memcpy(oldest->name, name, strlen(name) + 1);
}

/* Evidence goes before data. */
static bool
remove_oldest_corrupt(struct spool *s)
{
    struct oldest_name oldest = {{0}};
    char path[SPOOL_PATH_BYTES];
    if (s->n_corrupt_bytes == 0 ||
        s->disk->list(s->disk->ctx, s->path, on_name, &oldest) != ERR_OK || oldest.name[0] == '\0')
        return false;
    spool_files_path(s, oldest.name, path);
    uint64_t n = spool_files_size_of(s, oldest.name);
    if (s->disk->remove(s->disk->ctx, path) != ERR_OK)
        return false;
    n = n < s->n_corrupt_bytes ? n : s->n_corrupt_bytes;
    s->n_corrupt_bytes -= n;
    s->n_bytes -= n;
    return true;
}

/* The oldest closed file with something to drop; leased records keep theirs. */
static bool
drop_oldest(struct spool *s, uint64_t now_us)
{
    struct spool_file *f;
    TAILQ_FOREACH(f, &s->files, link)
    {
        if (f->is_closed && f->n_leased == 0) {
            drop_all(s, f, DROP_BUFFER_FULL);
            remove_done(s, now_us);
            return true;
        }
    }
    return false;
}

bool
spool_trim_has_room(struct spool *s, uint64_t n)
{
    if (fits(s, n))
        return true;
    remove_done(s, s->trimmed_us);
    spool_release_all(s);
    while (!fits(s, n)) {
        if (remove_oldest_corrupt(s))
            continue;
        uint32_t n_before = s->n_files;
        if (s->settings.when_full != SPOOL_DROP_OLDEST || !drop_oldest(s, s->trimmed_us) ||
            s->n_files == n_before)
            return false;
    }
    return true;
}
