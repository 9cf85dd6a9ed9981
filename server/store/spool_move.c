/* Appends the last records of an old file again, so that the file can go (rule 9). */
/* SPDX-License-Identifier: Apache-2.0 */
/* A record moved keeps its arrival and gets a new sequence. Both its places are lent to the move
 * until the new one is durable; then the old one is done and the new one cold. One move at a time,
 * at most MOVE_BYTES. */
#include "store/spool_int.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

enum { MOVE_BYTES = 1024 * 1024, MIN_AGE_MS = 60 * 1000, MIN_DONE_PERCENT = 90 };

struct move {
    struct slice slice; /* first */
    uint32_t size;
    uint64_t *sequences; /* where the records stood */
    uint32_t sequences_size;
};

static bool
is_worth_it(const struct spool_file *f, int64_t now_ms)
{
    return f->is_closed && !f->is_unread && f->n_leased == 0 && f->n_done < f->n &&
           f->n_done * 100 >= f->n * MIN_DONE_PERCENT && now_ms - f->created_ms >= MIN_AGE_MS;
}

static struct move *
new_move(void)
{
    struct move *move = mem_new(struct move);
    move->size = MOVE_BYTES;
    move->slice.data = mem_alloc(MOVE_BYTES);
    move->slice.worker = SPOOL_OWN_SLICE;
    return move;
}

static void
free_move(struct move *move)
{
    mem_free(move->slice.data);
    mem_free(move->sequences);
    mem_free(move);
}

/* False: the move is full. */
static bool
add(struct spool *s, struct spool_file *f, struct move *move, const struct spool_scan *scan)
{
    size_t n = spool_record_bytes(scan->head.key_bytes, scan->head.payload_bytes);
    if (move->slice.n_bytes + n > move->size) {
        if (move->slice.n_records > 0)
            return false;
        move->slice.data = mem_resize(move->slice.data, n);
        move->size = (uint32_t)n;
    }
    if (move->slice.n_records == move->sequences_size) {
        move->sequences_size = move->sequences_size > 0 ? move->sequences_size * 2 : 64;
        move->sequences =
            mem_resize(move->sequences, move->sequences_size * sizeof(*move->sequences));
    }
    struct spool_record_head *head = (void *)(move->slice.data + move->slice.n_bytes);
    memcpy(head, scan->record, n);
    /* The file may be of another uuid. */
    spool_record_fill(head, s->seed);
    move->sequences[move->slice.n_records++] = scan->head.sequence;
    move->slice.n_bytes += (uint32_t)n;
    spool_files_know(s, f, scan->head.sequence, spool_files_signal(head->method));
    spool_files_set(s, f, scan->head.sequence, SPOOL_LEASED);
    return true;
}

/* False: the move is full. Cold records that the walk does not meet whole are lost here, or they
 * would hold the file for ever. */
static bool
on_record(struct spool *s, struct spool_file *f, struct move *move, const struct spool_scan *scan,
          uint64_t *expected)
{
    uint64_t q = scan->head.sequence;
    if (q >= f->base + f->n)
        return true;
    if (spool_files_kind(f, q) == SPOOL_COLD) {
        if (!spool_record_is_whole(scan->record, f->seed))
            q++;
        else if (!add(s, f, move, scan))
            return false;
    }
    spool_recover_lose(s, f, *expected, q);
    *expected = scan->head.sequence + 1;
    return true;
}

static void
gather(struct spool *s, struct spool_file *f, struct move *move)
{
    struct spool_scan scan;
    struct spool_mark mark = spool_files_mark(f, spool_files_cold(f, f->base));
    uint64_t expected = mark.sequence;
    bool is_more = true;
    spool_scan_init(&scan, s->disk, f->file, f->seed, f->end, mark.offset, mark.sequence);
    while (is_more) {
        enum spool_scan_kind kind = spool_scan_next(&scan);
        if (kind == SPOOL_SCAN_RECORD)
            is_more = on_record(s, f, move, &scan, &expected);
        else if (kind != SPOOL_SCAN_GAP)
            break;
    }
    if (scan.err != ERR_OK)
        s->counts.n_errors++;
    else if (is_more)
        spool_recover_lose(s, f, expected, f->base + f->n);
    spool_scan_fini(&scan);
}

void
spool_move_step(struct spool *s, int64_t now_ms)
{
    if (s->n_moves > 0 || s->state != SPOOL_OK)
        return;
    struct spool_file *f;
    TAILQ_FOREACH(f, &s->files, link)
    {
        if (is_worth_it(f, now_ms))
            break;
    }
    if (f == NULL || spool_files_open(s, f) != ERR_OK)
        return;
    struct move *move = new_move();
    gather(s, f, move);
    spool_files_close(s, f);
    if (move->slice.n_records == 0) {
        free_move(move);
        return;
    }
    s->n_moves++;
    spool_append(s, &move->slice);
}

static void
set(struct spool *s, uint64_t sequence, enum spool_mark_kind kind)
{
    struct spool_file *f = spool_files_find(s, sequence);
    check(f != NULL);
    spool_files_set(s, f, sequence, kind);
}

void
spool_move_on_end(struct spool *s, struct slice *slice)
{
    struct move *move = (struct move *)slice;
    bool is_durable = slice->end == SLICE_DURABLE;
    for (uint32_t i = 0; i < slice->n_records; i++) {
        set(s, move->sequences[i], is_durable ? SPOOL_DONE : SPOOL_COLD);
        if (is_durable) {
            set(s, slice->first + i, SPOOL_COLD);
            s->counts.n_moved++;
        }
    }
    s->n_moves--;
    free_move(move);
}
