/* The spool's files in memory: which records they hold, what state each is in, where it stands. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The files ascend by base and their ranges never overlap. Bits beyond a file's last record are
 * clear in both bitmaps; no record is leased and done at once. */
#include "store/spool_int.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    WORD_BITS = 64,
    FIRST_WORDS = 64,
    FIRST_MARKS = 16,
};

/* Bitmaps */

/* The bits of a word that stand for records from .. to - 1, counted from the file's first. */
static uint64_t
word_mask(uint64_t word, uint64_t from, uint64_t to)
{
    uint64_t mask = UINT64_MAX, first = word * WORD_BITS;
    if (from > first)
        mask &= UINT64_MAX << (from - first);
    if (to < first + WORD_BITS)
        mask &= ~(UINT64_MAX << (to - first));
    return mask;
}

static void
set_bits(uint64_t *bits, uint64_t from, uint64_t to)
{
    for (uint64_t w = from / WORD_BITS; w * WORD_BITS < to; w++)
        bits[w] |= word_mask(w, from, to);
}

/* Clears them; returns how many were set. */
static uint64_t
take_bits(uint64_t *bits, uint64_t from, uint64_t to)
{
    uint64_t n = 0;
    for (uint64_t w = from / WORD_BITS; w * WORD_BITS < to; w++) {
        uint64_t mask = word_mask(w, from, to);
        n += (uint64_t)__builtin_popcountll(bits[w] & mask);
        bits[w] &= ~mask;
    }
    return n;
}

/* The first record from i on whose bit is as wanted; n when there is none. */
static uint64_t
find_bit(const uint64_t *bits, uint64_t i, uint64_t n, bool wanted)
{
    while (i < n) {
        uint64_t word = wanted ? bits[i / WORD_BITS] : ~bits[i / WORD_BITS];
        word &= UINT64_MAX << (i % WORD_BITS);
        i -= i % WORD_BITS;
        if (word) {
            i += (uint64_t)__builtin_ctzll(word);
            break;
        }
        i += WORD_BITS;
    }
    return i < n ? i : n;
}

static void
need_words(struct spool_file *f, uint64_t n_records)
{
    uint64_t need = (n_records + WORD_BITS - 1) / WORD_BITS, n = f->n_words;
    if (need <= n)
        return;
    n = n ? 2 * n : FIRST_WORDS;
    n = n < need ? need : n;
    f->leased = mem_resize(f->leased, n * sizeof(*f->leased));
    f->done = mem_resize(f->done, n * sizeof(*f->done));
    memset(f->leased + f->n_words, 0, (n - f->n_words) * sizeof(*f->leased));
    memset(f->done + f->n_words, 0, (n - f->n_words) * sizeof(*f->done));
    if (f->is_found) {
        f->known = mem_resize(f->known, n * sizeof(*f->known));
        memset(f->known + f->n_words, 0, (n - f->n_words) * sizeof(*f->known));
    }
    f->n_words = n;
}

/* The list */

static bool
is_before(const struct spool_file *f, uint64_t base, uint32_t suffix)
{
    return f->base < base || (f->base == base && f->suffix < suffix);
}

struct spool_file *
spool_files_add(struct spool *s, uint64_t base, uint32_t suffix)
{
    struct spool_file *f = mem_new(struct spool_file), *before;
    f->base = base;
    f->suffix = suffix;
    f->file = SPOOL_NO_FILE;
    f->newest_ms = INT64_MIN;
    f->seed = s->seed;
    f->from_sequence = base;
    TAILQ_FOREACH_REVERSE(before, &s->files, spool_file_list, link)
    {
        if (is_before(before, base, suffix))
            break;
    }
    if (before)
        TAILQ_INSERT_AFTER(&s->files, before, f, link);
    else
        TAILQ_INSERT_HEAD(&s->files, f, link);
    s->n_files++;
    return f;
}

void
spool_files_drop(struct spool *s, struct spool_file *f)
{
    spool_files_close(s, f);
    TAILQ_REMOVE(&s->files, f, link);
    s->n_files--;
    s->n_cold -= f->n - f->n_done - f->n_leased;
    if (f->n_done < f->n) /* what was not done is a gap now */
        s->is_cursor_changed = true;
    if (s->found == f)
        s->found = NULL;
    mem_free(f->leased);
    mem_free(f->done);
    mem_free(f->known);
    mem_free(f->marks);
    mem_free(f);
}

void
spool_files_free_all(struct spool *s)
{
    struct spool_file *f;
    while ((f = TAILQ_FIRST(&s->files)))
        spool_files_drop(s, f);
}

static bool
holds(const struct spool_file *f, uint64_t sequence)
{
    return sequence >= f->base && sequence - f->base < f->n;
}

struct spool_file *
spool_files_find(struct spool *s, uint64_t sequence)
{
    struct spool_file *f;
    if (s->found && holds(s->found, sequence))
        return s->found;
    TAILQ_FOREACH_REVERSE(f, &s->files, spool_file_list, link)
    {
        if (f->n == 0 || sequence < f->base)
            continue;
        if (!holds(f, sequence))
            return NULL;
        s->found = f;
        return f;
    }
    return NULL;
}

struct spool_file *
spool_files_newest(struct spool *s)
{
    return TAILQ_LAST(&s->files, spool_file_list);
}

/* Records and marks */

static void
add_mark(struct spool_file *f, uint64_t sequence, uint64_t offset)
{
    if (f->n_marks && offset < f->marks[f->n_marks - 1].offset + SPOOL_INDEX_BYTES)
        return;
    if (f->n_marks == f->marks_size) {
        f->marks_size = f->marks_size ? 2 * f->marks_size : FIRST_MARKS;
        f->marks = mem_resize(f->marks, f->marks_size * sizeof(*f->marks));
    }
    f->marks[f->n_marks++] = (struct spool_mark){sequence, offset};
}

void
spool_files_grow(struct spool *s, struct spool_file *f, uint64_t n, uint64_t offset, bool is_leased)
{
    if (n == 0)
        return;
    need_words(f, f->n + n);
    add_mark(f, f->base + f->n, offset);
    if (is_leased) {
        set_bits(f->leased, f->n, f->n + n);
        f->n_leased += n;
    } else {
        s->n_cold += n;
    }
    f->n += n;
}

void
spool_files_shrink(struct spool *s, struct spool_file *f, uint64_t n, uint64_t offset)
{
    check(n <= f->n);
    uint64_t kept = f->n - n, end = f->base + kept;
    uint64_t n_leased = take_bits(f->leased, kept, f->n);
    uint64_t n_done = take_bits(f->done, kept, f->n);
    s->n_cold -= n - n_leased - n_done;
    f->n_leased -= n_leased;
    f->n_done -= n_done;
    f->n = kept;
    f->end = offset;
    if (n_done)
        s->is_cursor_changed = true;
    while (f->n_marks && f->marks[f->n_marks - 1].sequence >= end)
        f->n_marks--;
    if (f->read_mark.sequence >= end)
        f->read_mark.offset = 0;
    if (f->from_sequence > end)
        f->from_sequence = end;
}

struct spool_mark
spool_files_mark(const struct spool_file *f, uint64_t sequence)
{
    uint32_t low = 0, high = f->n_marks; /* marks below low stand at or before it */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (f->marks[middle].sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? f->marks[low - 1] : (struct spool_mark){f->base, SPOOL_FILE_HEAD_BYTES};
}

enum spool_mark_kind
spool_files_kind(const struct spool_file *f, uint64_t sequence)
{
    check(holds(f, sequence));
    uint64_t i = sequence - f->base, word = i / WORD_BITS, bit = UINT64_C(1) << (i % WORD_BITS);
    if (f->done[word] & bit)
        return SPOOL_DONE;
    return f->leased[word] & bit ? SPOOL_LEASED : SPOOL_COLD;
}

void
spool_files_set(struct spool *s, struct spool_file *f, uint64_t sequence, enum spool_mark_kind kind)
{
    enum spool_mark_kind was = spool_files_kind(f, sequence);
    uint64_t i = sequence - f->base, word = i / WORD_BITS, bit = UINT64_C(1) << (i % WORD_BITS);
    if (was == SPOOL_DONE || was == kind)
        return;
    if (was == SPOOL_LEASED) {
        f->leased[word] &= ~bit;
        f->n_leased--;
    } else {
        s->n_cold--;
    }
    if (kind == SPOOL_DONE) {
        f->done[word] |= bit;
        f->n_done++;
        s->is_cursor_changed = true;
    } else if (kind == SPOOL_LEASED) {
        f->leased[word] |= bit;
        f->n_leased++;
    } else {
        s->n_cold++;
        if (sequence < f->from_sequence)
            f->from_sequence = sequence;
    }
}

uint64_t
spool_files_cold(const struct spool_file *f, uint64_t sequence)
{
    uint64_t i = sequence - f->base;
    while (i < f->n) {
        uint64_t word = i / WORD_BITS;
        uint64_t cold = ~(f->leased[word] | f->done[word]) & (UINT64_MAX << (i % WORD_BITS));
        if (cold) {
            i = word * WORD_BITS + (uint64_t)__builtin_ctzll(cold);
            break;
        }
        i = (word + 1) * WORD_BITS;
    }
    return f->base + (i < f->n ? i : f->n);
}

enum signal
spool_files_signal(uint16_t method)
{
    const struct method_row *row = method < METHOD_COUNT ? method_row((enum method)method) : NULL;
    return row != NULL ? row->signal : SIGNAL_OTHER;
}

void
spool_files_know(struct spool *s, struct spool_file *f, uint64_t sequence, enum signal signal)
{
    uint64_t i = sequence - f->base, bit = UINT64_C(1) << (i % WORD_BITS);
    check(holds(f, sequence));
    if (f->known == NULL || (f->known[i / WORD_BITS] & bit) != 0)
        return;
    f->known[i / WORD_BITS] |= bit;
    s->counts.n_known[signal]++;
}

/* What is done */

uint64_t
spool_files_lowest(const struct spool *s)
{
    const struct spool_file *f;
    TAILQ_FOREACH(f, &s->files, link)
    {
        if (f->n_done < f->n)
            return f->base + find_bit(f->done, 0, f->n, false);
    }
    return s->next;
}

struct runs {
    struct spool_run *p;
    uint32_t n, max;
};

/* False when there is no room for it. */
static bool
add_run(struct runs *runs, uint64_t first, uint64_t end)
{
    if (first >= end)
        return true;
    struct spool_run *last = runs->n ? &runs->p[runs->n - 1] : NULL;
    if (last && last->first + last->n == first) {
        last->n = end - last->first;
        return true;
    }
    if (runs->n == runs->max)
        return false;
    runs->p[runs->n++] = (struct spool_run){first, end - first};
    return true;
}

static bool
add_runs_of(struct runs *runs, const struct spool_file *f, uint64_t from)
{
    uint64_t i = from - f->base;
    if (f->n_done == 0)
        return true;
    while ((i = find_bit(f->done, i, f->n, true)) < f->n) {
        uint64_t end = find_bit(f->done, i, f->n, false);
        if (!add_run(runs, f->base + i, f->base + end))
            return false;
        i = end;
    }
    return true;
}

uint32_t
spool_files_runs(const struct spool *s, uint64_t lowest, struct spool_run *out, uint32_t max)
{
    struct runs runs = {out, 0, max};
    const struct spool_file *f;
    uint64_t at = lowest; /* all below is looked at */
    TAILQ_FOREACH(f, &s->files, link)
    {
        uint64_t end = f->base + f->n;
        if (end <= at)
            continue;
        /* Below the first file nothing is known: lowest is never there but by a clamp. */
        if (f->base > at && !add_run(&runs, at, f->base))
            break;
        at = at > f->base ? at : f->base;
        if (!add_runs_of(&runs, f, at))
            break;
        at = end;
    }
    return runs.n;
}

/* Paths and descriptors */

void
spool_files_path(const struct spool *s, const char *name, char out[SPOOL_PATH_BYTES])
{
    size_t n = strlen(s->path), n_name = strlen(name);
    check(n + n_name + 2 <= SPOOL_PATH_BYTES);
    memcpy(out, s->path, n);
    out[n] = '/';
    memcpy(out + n + 1, name, n_name + 1);
}

void
spool_files_path_of(const struct spool *s, const struct spool_file *f, char out[SPOOL_PATH_BYTES])
{
    char name[SPOOL_NAME_BYTES];
    spool_name_fill(f->base, f->suffix, name);
    spool_files_path(s, name, out);
}

uint64_t
spool_files_size_of(const struct spool *s, const char *name)
{
    char path[SPOOL_PATH_BYTES];
    int file;
    uint64_t n = 0;
    spool_files_path(s, name, path);
    if (s->disk->open(s->disk->ctx, path, DISK_LOOK, &file))
        return 0;
    if (s->disk->size(s->disk->ctx, file, &n))
        n = 0;
    s->disk->close(s->disk->ctx, file);
    return n;
}

enum err
spool_files_set_aside(struct spool *s, const struct spool_file *f)
{
    char path[SPOOL_PATH_BYTES], aside[SPOOL_PATH_BYTES + sizeof(SPOOL_CORRUPT_SUFFIX)];
    spool_files_path_of(s, f, path);
    size_t n = strlen(path);
    memcpy(aside, path, n);
    memcpy(aside + n, SPOOL_CORRUPT_SUFFIX, sizeof(SPOOL_CORRUPT_SUFFIX));
    return s->disk->rename(s->disk->ctx, path, aside);
}

/* DISK_UPDATE would make a file that somebody removed: looked at first. What we may only read stays
 * readable. */
enum err
spool_files_open(struct spool *s, struct spool_file *f)
{
    char path[SPOOL_PATH_BYTES];
    int look, update;
    if (f->file != SPOOL_NO_FILE)
        return ERR_OK;
    spool_files_path_of(s, f, path);
    enum err err = s->disk->open(s->disk->ctx, path, DISK_LOOK, &look);
    if (err)
        return err;
    if (s->disk->open(s->disk->ctx, path, DISK_UPDATE, &update)) {
        f->file = look;
        return ERR_OK;
    }
    s->disk->close(s->disk->ctx, look);
    f->file = update;
    return ERR_OK;
}

void
spool_files_close(struct spool *s, struct spool_file *f)
{
    if (f->file == SPOOL_NO_FILE)
        return;
    s->disk->close(s->disk->ctx, f->file);
    f->file = SPOOL_NO_FILE;
}
