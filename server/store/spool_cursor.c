/* The spool's cursor: which records are done, on disk in two slots. */
/* SPDX-License-Identifier: Apache-2.0 */
/* It may lag, never lead: what it says was true when it was filled, and done is final. One slot is
 * always synced and left alone; the other one is written, over and over until a sync has succeeded,
 * then they change places. So neither a torn write nor a power cut costs both. */
#include "store/spool_int.h"

#include <string.h>

#include "base/mem.h"

enum {
    N_SLOTS = 2,
    FILE_BYTES = N_SLOTS * SPOOL_CURSOR_SLOT_BYTES,
};

static enum err
open_file(struct spool *s)
{
    char path[SPOOL_PATH_BYTES];
    if (s->cursor_file != SPOOL_NO_FILE)
        return ERR_OK;
    spool_files_path(s, "cursor", path);
    enum err err = s->disk->open(s->disk->ctx, path, DISK_UPDATE, &s->cursor_file);
    if (err) {
        s->cursor_file = SPOOL_NO_FILE;
        return err;
    }
    if (s->disk->reserve(s->disk->ctx, s->cursor_file, FILE_BYTES))
        s->counts.n_errors++; /* the slots take their space when they are written */
    return ERR_OK;
}

/* The name must be durable too when the file was not there at the start. */
static enum err
open_late(struct spool *s)
{
    if (s->cursor_file != SPOOL_NO_FILE)
        return ERR_OK;
    enum err err = open_file(s);
    if (!err)
        err = s->disk->sync_directory(s->disk->ctx, s->path);
    if (err && s->cursor_file != SPOOL_NO_FILE) {
        s->disk->close(s->disk->ctx, s->cursor_file);
        s->cursor_file = SPOOL_NO_FILE;
    }
    return err;
}

/* What is not durable has no end yet, whatever the runs say. */
static void
cut_runs(struct spool_cursor *c)
{
    while (c->n_runs && c->runs[c->n_runs - 1].first >= c->next)
        c->n_runs--;
    if (c->n_runs == 0)
        return;
    struct spool_run *last = &c->runs[c->n_runs - 1];
    if (last->n > c->next - last->first)
        last->n = c->next - last->first;
}

static void
fill(struct spool *s)
{
    struct spool_cursor *c = s->cursor;
    uint64_t lowest = spool_files_lowest(s);
    c->epoch = s->epoch + 1;
    c->next = s->n_durable_next;
    c->lowest = lowest < c->next ? lowest : c->next;
    c->n_runs = spool_files_runs(s, c->lowest, c->runs, SPOOL_CURSOR_MAX_RUNS);
    cut_runs(c);
}

static enum err
write_slot(struct spool *s)
{
    size_t n_written;
    enum err err = open_late(s);
    if (err)
        return err;
    uint8_t *slot = mem_alloc(SPOOL_CURSOR_SLOT_BYTES);
    fill(s);
    struct iovec v = {slot, spool_cursor_fill(s->cursor, s->seed, slot)};
    uint64_t offset = (uint64_t)s->cursor_slot * SPOOL_CURSOR_SLOT_BYTES;
    err = s->disk->write(s->disk->ctx, s->cursor_file, &v, 1, offset, &n_written);
    mem_free(slot);
    if (err)
        return err;
    s->epoch = s->cursor->epoch;
    s->is_cursor_changed = false;
    s->is_cursor_unsynced = true;
    return ERR_OK;
}

/* After a failed sync the kernel may hold lost pages for clean ones: the slot is written again. */
static enum err
sync_slot(struct spool *s)
{
    enum err err = s->disk->sync(s->disk->ctx, s->cursor_file);
    s->is_cursor_unsynced = false;
    if (err)
        s->is_cursor_changed = true;
    else
        s->cursor_slot ^= 1;
    return err;
}

enum err
spool_cursor_step(struct spool *s, uint64_t now_us, bool force)
{
    enum err err = ERR_OK;
    if (s->is_cursor_changed && (force || now_us - s->cursor_written_us >= SPOOL_CURSOR_WRITE_US)) {
        s->cursor_written_us = now_us;
        err = write_slot(s);
    }
    if (!err && s->is_cursor_unsynced &&
        (force || now_us - s->cursor_synced_us >= SPOOL_CURSOR_SYNC_US)) {
        s->cursor_synced_us = now_us;
        err = sync_slot(s);
    }
    if (err)
        s->counts.n_errors++;
    return err;
}

/* A slot that could not be read may be readable at the next start, and then be newer than the
 * sequences given out meanwhile: it would lead. So it is wiped before anything is appended. */
static enum err
wipe_slot(struct spool *s, uint32_t i)
{
    uint8_t zeros[SPOOL_FILE_HEAD_BYTES] = {0};
    struct iovec v = {zeros, sizeof(zeros)};
    size_t n_written;
    enum err err = s->disk->write(s->disk->ctx, s->cursor_file, &v, 1,
                                  (uint64_t)i * SPOOL_CURSOR_SLOT_BYTES, &n_written);
    return err ? err : s->disk->sync(s->disk->ctx, s->cursor_file);
}

/* For the same reason a whole file that cannot be used is removed. */
static enum err
forget(struct spool *s)
{
    char path[SPOOL_PATH_BYTES];
    if (s->cursor_file != SPOOL_NO_FILE)
        s->disk->close(s->disk->ctx, s->cursor_file);
    s->cursor_file = SPOOL_NO_FILE;
    spool_files_path(s, "cursor", path);
    enum err err = s->disk->remove(s->disk->ctx, path);
    if (!err || err == ERR_NOT_FOUND)
        err = s->disk->sync_directory(s->disk->ctx, s->path);
    return err;
}

/* ERR_OK, ERR_SPOOL_HEAD, or what the disk said when the slot could not even be wiped. */
static enum err
read_slot(struct spool *s, uint32_t i, uint8_t *slot, struct spool_cursor *out)
{
    size_t n_read;
    memset(slot, 0, SPOOL_CURSOR_SLOT_BYTES);
    enum err err = s->disk->read(s->disk->ctx, s->cursor_file, slot, SPOOL_CURSOR_SLOT_BYTES,
                                 (uint64_t)i * SPOOL_CURSOR_SLOT_BYTES, &n_read);
    if (!err)
        return spool_cursor_look(slot, s->seed, out);
    s->counts.n_errors++;
    err = wipe_slot(s, i);
    return err ? err : ERR_SPOOL_HEAD;
}

/* better: the slot that counts; SPOOL_NO_FILE: neither is valid. */
static enum err
load_better(struct spool *s, int *better)
{
    uint8_t *slot = mem_alloc(SPOOL_CURSOR_SLOT_BYTES);
    struct spool_cursor *c = mem_new(struct spool_cursor);
    enum err err = ERR_OK;
    *better = SPOOL_NO_FILE;
    for (uint32_t i = 0; i < N_SLOTS && (!err || err == ERR_SPOOL_HEAD); i++) {
        err = read_slot(s, i, slot, c);
        if (err || (*better != SPOOL_NO_FILE && s->cursor->epoch >= c->epoch))
            continue;
        memcpy(s->cursor, c, sizeof(*c));
        *better = (int)i;
    }
    mem_free(c);
    mem_free(slot);
    return err == ERR_SPOOL_HEAD ? ERR_OK : err;
}

enum err
spool_cursor_load(struct spool *s)
{
    int better = SPOOL_NO_FILE;
    if (!s->cursor)
        s->cursor = mem_new(struct spool_cursor);
    s->epoch = 0;
    s->cursor_slot = 0;
    enum err err = open_file(s);
    if (!err)
        err = load_better(s, &better);
    if (err) {
        s->counts.n_errors++;
        err = forget(s);
        return err ? err : ERR_NOT_FOUND; /* made again by the first step */
    }
    if (better == SPOOL_NO_FILE)
        return ERR_NOT_FOUND;
    s->epoch = s->cursor->epoch;
    s->cursor_slot = (uint32_t)better ^ 1;
    /* A killed process may have left it in the page cache only: durable before the other slot is
     * written. */
    if (s->disk->sync(s->disk->ctx, s->cursor_file)) {
        s->counts.n_errors++;
        s->is_cursor_changed = true;
    }
    return ERR_OK;
}
