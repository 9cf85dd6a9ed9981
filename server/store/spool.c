/* The spool's face: appends slices, syncs them in groups, and says what became of them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rules by the numbers of docs/spool-format.md. A slice is pending until it is written, then
 * written until the fdatasync that covers it; then it ends. A file whose write or sync failed is
 * dead: never synced again, because the kernel may report success for pages it lost. What is not
 * durable is still in memory and is written again, under the same sequences, into a new file. */
#include "store/spool.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/spool_int.h"

enum {
    GROUP_BYTES = 1024 * 1024, /* so much is synced at once */
    GROUP_US = 5000,           /* from the begin of a sync to the begin of the next */
    INTERVAL_US = 1000000,
    FULL_RETRY_US = 1000000,
    BROKEN_RETRY_US = 5000000,
    MAX_SLICES = 64,                  /* of one write */
    TELL_AGAIN_US = 10 * 1000 * 1000, /* full and not full in turns: logged so often at most */
    MAX_SUFFIX = 256, /* names for one base, when failed files cannot be removed either */
};

/* States. */

static void
tell_state(const struct spool *s, enum spool_state state)
{
    static const char *const names[] = {"ok", "full", "broken"};
    if (state == SPOOL_OK)
        log_info("store", "the spool takes records again", "path=%s was=%s", s->path,
                 names[s->state]);
    else
        log_error("store", state == SPOOL_FULL ? "the spool is full" : "the spool's disk is broken",
                  "path=%s bytes=%llu errors=%llu", s->path, (unsigned long long)s->n_bytes,
                  (unsigned long long)s->counts.n_errors);
}

static void
set_state(struct spool *s, enum spool_state state, uint64_t now_us)
{
    if (state != SPOOL_OK)
        s->retry_us = now_us + (state == SPOOL_FULL ? FULL_RETRY_US : BROKEN_RETRY_US);
    if (state == s->state)
        return;
    bool is_news = state == SPOOL_BROKEN || s->state == SPOOL_BROKEN || s->told_us == 0 ||
                   now_us - s->told_us >= TELL_AGAIN_US;
    if (is_news) {
        tell_state(s, state);
        s->told_us = now_us;
    }
    s->state = state;
}

static enum err
count(struct spool *s, enum err err)
{
    if (err != ERR_OK)
        s->counts.n_errors++;
    return err;
}

/* Ends of slices. */

static void
end_first(struct spool *s, struct slice_list *list, enum slice_end end, struct slice_list *ended)
{
    struct slice *slice = STAILQ_FIRST(list);
    STAILQ_REMOVE_HEAD(list, link);
    s->n_pending--;
    slice->end = end;
    if (slice->worker == SPOOL_OWN_SLICE)
        spool_move_on_end(s, slice);
    else
        STAILQ_INSERT_TAIL(ended, slice, link);
}

static void
end_written(struct spool *s, struct slice_list *ended)
{
    while (!STAILQ_EMPTY(&s->written))
        end_first(s, &s->written, SLICE_DURABLE, ended);
    s->n_written_bytes = 0;
    s->n_durable_next = s->next;
}

static void
end_pending(struct spool *s, enum slice_end end, struct slice_list *ended)
{
    while (!STAILQ_EMPTY(&s->pending))
        end_first(s, &s->pending, end, ended);
    s->n_pending_bytes = 0;
}

/* Files. */

static struct spool_file *
current(struct spool *s)
{
    struct spool_file *f = spool_files_newest(s);
    return f != NULL && !f->is_closed ? f : NULL;
}

static enum err
sync_file(struct spool *s, struct spool_file *f, uint64_t now_us)
{
    s->sync_began_us = now_us;
    uint64_t before_us = clock_fresh_us();
    enum err err = count(s, s->disk->sync(s->disk->ctx, f->file));
    s->counts.n_syncs++;
    s->counts.sync_us += clock_fresh_us() - before_us;
    f->is_unsynced = false;
    /* Whatever the reason, delayed allocation without space too: pages may be lost. */
    return err != ERR_OK ? ERR_IO : ERR_OK;
}

/* Nothing more is appended. The footer is a convenience of the next start: its failure is none of
 * the records'. */
void
spool_close_in_order(struct spool *s, struct spool_file *f)
{
    struct spool_record_head footer = {.flags = SPOOL_FLAG_FOOTER,
                                       .received_ms = (int64_t)f->methods};
    spool_record_fill(&footer, f->seed);
    spool_record_stamp(&footer, f->seed, f->base + f->n);
    struct iovec part = {&footer, sizeof(footer)};
    size_t n_written = 0;
    uint64_t size = f->end;
    enum err err = count(s, s->disk->write(s->disk->ctx, f->file, &part, 1, f->end, &n_written));
    if (err == ERR_OK)
        size += sizeof(footer);
    if (count(s, s->disk->truncate(s->disk->ctx, f->file, size)) == ERR_OK) {
        s->n_bytes -= f->size - size;
        f->size = size;
    }
    f->is_closed = true;
    spool_files_close(s, f);
}

/* What is not durable leaves the file, to be written elsewhere under the same sequences. */
static void
bury(struct spool *s, struct spool_file *f)
{
    struct slice *slice;
    uint64_t n = 0;
    check(f != NULL); /* something was written to it */
    STAILQ_FOREACH(slice, &s->written, link) n += slice->n_records;
    if (n > 0)
        spool_files_shrink(s, f, n, f->end - s->n_written_bytes);
    s->next -= n;
    check(s->next == s->n_durable_next);
    STAILQ_CONCAT(&s->written, &s->pending);
    STAILQ_CONCAT(&s->pending, &s->written);
    s->n_pending_bytes += s->n_written_bytes;
    s->n_written_bytes = 0;
    f->is_closed = true;
    f->is_unsynced = false;
    spool_files_close(s, f);
    log_error("store", "a spool file failed, what it did not hold safely goes to a new one",
              "path=%s file=%016llx", s->path, (unsigned long long)f->base);
}

/* The name that is free for this base. */
static enum err
create(struct spool *s, uint64_t base, uint32_t *suffix, char path[SPOOL_PATH_BYTES], int *file)
{
    enum err err = ERR_SYSTEM;
    const struct spool_file *newest = spool_files_newest(s);
    *suffix = newest != NULL && newest->base == base ? newest->suffix + 1 : 0;
    for (; *suffix < MAX_SUFFIX && err == ERR_SYSTEM; (*suffix)++) {
        char name[SPOOL_NAME_BYTES];
        spool_name_fill(base, *suffix, name);
        spool_files_path(s, name, path);
        err = s->disk->open(s->disk->ctx, path, DISK_CREATE, file);
        if (err == ERR_OK)
            break;
    }
    return err;
}

/* Rule: only after its head and its name are durable may a record in it be acknowledged. */
static enum err
write_head(struct spool *s, int file, uint64_t n_bytes, uint64_t base, int64_t now_ms)
{
    const struct disk *disk = s->disk;
    struct spool_file_head head;
    spool_file_head_fill(&head, s->uuid, base, now_ms);
    struct iovec part = {&head, sizeof(head)};
    size_t n_written;
    enum err err = disk->reserve(disk->ctx, file, n_bytes);
    if (err == ERR_OK)
        err = disk->write(disk->ctx, file, &part, 1, 0, &n_written);
    if (err == ERR_OK)
        err = disk->sync(disk->ctx, file);
    if (err == ERR_OK)
        err = disk->sync_directory(disk->ctx, s->path);
    return err;
}

static enum err
new_file(struct spool *s, uint64_t least_bytes, int64_t now_ms)
{
    uint64_t n_bytes = s->settings.file_bytes > least_bytes ? s->settings.file_bytes : least_bytes;
    if (!spool_trim_has_room(s, n_bytes))
        return ERR_NO_SPACE;
    char path[SPOOL_PATH_BYTES];
    uint32_t suffix;
    int file;
    enum err err = count(s, create(s, s->next, &suffix, path, &file));
    if (err != ERR_OK)
        return err;
    err = count(s, write_head(s, file, n_bytes, s->next, now_ms));
    if (err != ERR_OK) {
        (void)count(s, s->disk->truncate(s->disk->ctx, file, 0)); /* if it cannot be removed */
        s->disk->close(s->disk->ctx, file);
        (void)count(s, s->disk->remove(s->disk->ctx, path));
        return err;
    }
    struct spool_file *f = spool_files_add(s, s->next, suffix);
    f->file = file;
    f->size = n_bytes;
    f->end = SPOOL_FILE_HEAD_BYTES;
    f->seed = s->seed;
    f->created_ms = now_ms;
    f->newest_ms = INT64_MIN;
    s->n_bytes += n_bytes;
    return ERR_OK;
}

/* Appending. */

/* Rule 3: sequences follow the order in which slices arrive. */
static void
stamp(struct spool *s, struct spool_file *f, struct slice *slice, uint64_t sequence)
{
    uint8_t *p = slice->data;
    slice->first = sequence;
    for (uint32_t i = 0; i < slice->n_records; i++) {
        struct spool_record_head *head = (struct spool_record_head *)(void *)p;
        spool_record_stamp(head, s->seed, sequence + i);
        if (head->received_ms > f->newest_ms)
            f->newest_ms = head->received_ms;
        p += spool_record_bytes(head->key_bytes, head->payload_bytes);
    }
    check(p == slice->data + slice->n_bytes);
}

static bool
fits(const struct spool_file *f, uint64_t n_bytes)
{
    return f->end + n_bytes + SPOOL_RECORD_HEAD_BYTES <= f->size;
}

static void
grow(struct spool *s, struct spool_file *f, const struct slice *slice)
{
    const uint8_t *p = slice->data;
    uint64_t offset = f->end;
    for (uint32_t i = 0; i < slice->n_records; i++) {
        const struct spool_record_head *head = (const void *)p;
        size_t n = spool_record_bytes(head->key_bytes, head->payload_bytes);
        spool_files_grow(s, f, 1, offset, true);
        f->methods |= spool_method_bit(head->method);
        offset += n;
        p += n;
    }
    f->end = offset;
    s->next += slice->n_records;
}

/* As many pending slices as fit, in one write. ERR_OK without progress: the file has no room. */
static enum err
write_some(struct spool *s, struct spool_file *f, uint32_t *n_slices)
{
    struct iovec parts[MAX_SLICES];
    uint64_t n_bytes = 0, sequence = s->next;
    struct slice *slice;
    *n_slices = 0;
    STAILQ_FOREACH(slice, &s->pending, link)
    {
        if (*n_slices == MAX_SLICES || !fits(f, n_bytes + slice->n_bytes))
            break;
        stamp(s, f, slice, sequence);
        sequence += slice->n_records;
        parts[*n_slices] = (struct iovec){slice->data, slice->n_bytes};
        n_bytes += slice->n_bytes;
        (*n_slices)++;
    }
    if (*n_slices == 0)
        return ERR_OK;
    size_t n_written = 0;
    enum err err =
        count(s, s->disk->write(s->disk->ctx, f->file, parts, (int)*n_slices, f->end, &n_written));
    if (err != ERR_OK)
        return err;
    f->is_unsynced = true;
    for (uint32_t i = 0; i < *n_slices; i++) {
        slice = STAILQ_FIRST(&s->pending);
        STAILQ_REMOVE_HEAD(&s->pending, link);
        grow(s, f, slice);
        s->n_pending_bytes -= slice->n_bytes;
        s->n_written_bytes += slice->n_bytes;
        STAILQ_INSERT_TAIL(&s->written, slice, link);
    }
    return ERR_OK;
}

/* Syncs what is written and ends it. What is moved leaves a place where it is safe, so in every
 * mode it is synced in the new one first. */
static enum err
commit(struct spool *s, uint64_t now_us, struct slice_list *ended)
{
    struct spool_file *f = current(s);
    bool needs_sync = s->settings.sync != SPOOL_SYNC_NONE || s->n_moves > 0;
    if (f != NULL && f->is_unsynced && needs_sync) {
        enum err err = sync_file(s, f, now_us);
        if (err != ERR_OK)
            return err;
    }
    end_written(s, ended);
    return ERR_OK;
}

/* The file in use is full: it is synced before anything goes to the next one. */
static enum err
roll(struct spool *s, uint64_t now_us, int64_t now_ms, struct slice_list *ended)
{
    struct spool_file *f = current(s);
    if (f != NULL) {
        enum err err = commit(s, now_us, ended);
        if (err != ERR_OK)
            return err;
        spool_close_in_order(s, f);
    }
    const struct slice *slice = STAILQ_FIRST(&s->pending);
    return new_file(s, SPOOL_FILE_HEAD_BYTES + slice->n_bytes + SPOOL_RECORD_HEAD_BYTES, now_ms);
}

/* The disk has no room for what the file had reserved: what it holds is kept and closed. */
static enum err
on_no_space(struct spool *s, uint64_t now_us, struct slice_list *ended)
{
    struct spool_file *f = current(s);
    if (f == NULL)
        return ERR_NO_SPACE;
    (void)count(s, s->disk->truncate(s->disk->ctx, f->file, f->end));
    enum err err = commit(s, now_us, ended);
    if (err != ERR_OK)
        return err;
    spool_close_in_order(s, f);
    return ERR_NO_SPACE;
}

/* Interval and none: what is written has its end. */
static enum err
end_early(struct spool *s, uint64_t now_us, struct slice_list *ended)
{
    if (s->settings.sync == SPOOL_SYNC_GROUP)
        return ERR_OK;
    if (s->n_moves > 0)
        return commit(s, now_us, ended);
    end_written(s, ended);
    return ERR_OK;
}

static enum err
write_pending(struct spool *s, uint64_t now_us, int64_t now_ms, struct slice_list *ended)
{
    if (s->state == SPOOL_BROKEN && current(s) == NULL) {
        /* Whether the disk is well again must show before anything is trusted to it. */
        enum err err = new_file(s, 0, now_ms);
        if (err != ERR_OK)
            return err;
    }
    while (!STAILQ_EMPTY(&s->pending)) {
        struct spool_file *f = current(s);
        uint32_t n_slices = 0;
        enum err err = f != NULL ? write_some(s, f, &n_slices) : ERR_OK;
        if (err == ERR_NO_SPACE)
            return on_no_space(s, now_us, ended);
        if (err == ERR_OK && n_slices == 0)
            err = roll(s, now_us, now_ms, ended);
        if (err != ERR_OK)
            return err;
        err = end_early(s, now_us, ended);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static uint64_t
sync_due_us(const struct spool *s)
{
    uint64_t every_us = s->settings.sync == SPOOL_SYNC_GROUP ? GROUP_US : INTERVAL_US;
    return s->sync_began_us + every_us;
}

static bool
is_sync_due(struct spool *s, uint64_t now_us)
{
    const struct spool_file *f = current(s);
    if (f == NULL || !f->is_unsynced || s->settings.sync == SPOOL_SYNC_NONE)
        return false;
    return s->n_written_bytes >= GROUP_BYTES || s->sync_began_us == 0 || now_us >= sync_due_us(s);
}

static enum err
write_and_sync(struct spool *s, uint64_t now_us, int64_t now_ms, struct slice_list *ended)
{
    enum err err = write_pending(s, now_us, now_ms, ended);
    if (err == ERR_OK && is_sync_due(s, now_us))
        err = commit(s, now_us, ended);
    return err;
}

/* One failure is a file's, two are the disk's. */
static void
work(struct spool *s, uint64_t now_us, int64_t now_ms, struct slice_list *ended)
{
    enum err err = write_and_sync(s, now_us, now_ms, ended);
    for (int i = 0; i < 2 && err != ERR_OK && err != ERR_NO_SPACE; i++) {
        struct spool_file *f = current(s);
        if (f != NULL)
            bury(s, f);
        if (i == 0)
            err = write_and_sync(s, now_us, now_ms, ended);
    }
    if (err == ERR_OK)
        set_state(s, SPOOL_OK, now_us);
    else if (err == ERR_NO_SPACE)
        set_state(s, SPOOL_FULL, now_us);
    else
        set_state(s, SPOOL_BROKEN, now_us);
}

void
spool_append(struct spool *s, struct slice *slice)
{
    CHECK_OBJ(s, SPOOL_MAGIC);
    check(slice->n_records > 0);
    STAILQ_INSERT_TAIL(&s->pending, slice, link);
    s->n_pending++;
    s->n_pending_bytes += slice->n_bytes;
}

static bool
may_work(const struct spool *s, uint64_t now_us)
{
    return s->state == SPOOL_OK || now_us >= s->retry_us || s->has_trimmed;
}

static uint64_t
cursor_due_us(const struct spool *s)
{
    if (s->is_cursor_changed)
        return s->cursor_written_us + SPOOL_CURSOR_WRITE_US;
    return s->is_cursor_unsynced ? s->cursor_synced_us + SPOOL_CURSOR_SYNC_US : UINT64_MAX;
}

static uint64_t
next_step_us(struct spool *s)
{
    uint64_t next_us = spool_trim_next_us(s);
    uint64_t cursor_us = cursor_due_us(s);
    if (cursor_us < next_us)
        next_us = cursor_us;
    const struct spool_file *f = current(s);
    if (s->state != SPOOL_OK && s->retry_us < next_us)
        next_us = s->retry_us;
    else if (f != NULL && f->is_unsynced && s->settings.sync != SPOOL_SYNC_NONE &&
             sync_due_us(s) < next_us)
        next_us = sync_due_us(s);
    return next_us;
}

uint64_t
spool_step(struct spool *s, uint64_t now_us, int64_t now_ms, struct slice_list *ended)
{
    CHECK_OBJ(s, SPOOL_MAGIC);
    spool_trim_step(s, now_us, now_ms);
    if (may_work(s, now_us)) {
        s->has_trimmed = false;
        work(s, now_us, now_ms, ended);
    }
    if (s->state == SPOOL_BROKEN)
        end_pending(s, SLICE_UNSAVED, ended);
    else if (s->state == SPOOL_FULL && s->settings.when_full == SPOOL_DROP_NEWEST)
        end_pending(s, SLICE_DROPPED, ended);
    (void)spool_cursor_step(s, now_us, false);
    uint64_t release_us = spool_release_step(s, now_us), next_us = next_step_us(s);
    return release_us < next_us ? release_us : next_us;
}

void
spool_give_back(struct spool *s, struct slice_list *ended)
{
    CHECK_OBJ(s, SPOOL_MAGIC);
    struct spool_file *f = current(s);
    if (commit(s, s->sync_began_us, ended) != ERR_OK)
        bury(s, f);
    end_pending(s, SLICE_UNSAVED, ended);
}

/* Rule 7. */
void
spool_end_run(struct spool *s, const struct parcel_run *run)
{
    CHECK_OBJ(s, SPOOL_MAGIC);
    struct spool_file *f = NULL;
    for (uint64_t q = run->first; q < run->first + run->n; q++) {
        if (f == NULL || q < f->base || q >= f->base + f->n)
            f = spool_files_find(s, q);
        if (f == NULL || spool_files_kind(f, q) != SPOOL_LEASED) {
            s->n_strange_runs++;
            continue;
        }
        spool_files_set(s, f, q, run->end == RUN_DONE ? SPOOL_DONE : SPOOL_COLD);
    }
    if (s->n_strange_runs > 0)
        log_error("store", "a record ended that was not lent", "path=%s records=%llu", s->path,
                  (unsigned long long)s->n_strange_runs);
    s->n_strange_runs = 0;
}

void
spool_close(struct spool **spool)
{
    struct spool *s = *spool;
    if (s == NULL)
        return;
    CHECK_OBJ(s, SPOOL_MAGIC);
    check(STAILQ_EMPTY(&s->pending) && STAILQ_EMPTY(&s->written));
    struct spool_file *f = current(s);
    if (f != NULL) {
        /* Interval and none: a clean end is safe in every mode. */
        enum err err = f->is_unsynced ? sync_file(s, f, s->sync_began_us) : ERR_OK;
        if (err == ERR_OK)
            spool_close_in_order(s, f);
    }
    spool_trim_end(s);
    spool_release_all(s);
    (void)spool_cursor_step(s, s->cursor_written_us, true);
    spool_files_free_all(s);
    spool_removed_close(s);
    if (s->cursor_file != SPOOL_NO_FILE)
        s->disk->close(s->disk->ctx, s->cursor_file);
    s->disk->close(s->disk->ctx, s->lock_file);
    mem_free(s->cursor);
    s->magic = 0;
    mem_free(s);
    *spool = NULL;
}

uint64_t
spool_seed_of(const struct spool *s)
{
    return s->seed;
}

enum spool_state
spool_state(const struct spool *s)
{
    return s->state;
}

const struct spool_counts *
spool_counts(const struct spool *s)
{
    return &s->counts;
}

uint64_t
spool_n_cold(const struct spool *s)
{
    return s->n_cold;
}

uint64_t
spool_n_bytes(const struct spool *s)
{
    const struct spool_file *f = TAILQ_LAST(&s->files, spool_file_list);
    return s->n_bytes - (f != NULL && !f->is_closed ? f->size - f->end : 0);
}

uint64_t
spool_n_pending(const struct spool *s)
{
    return s->n_pending;
}
