/* A spool on a simulated disk, and what its tests know of every record they gave it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_STORE_SPOOL_FIXTURE_H
#define UNIT_STORE_SPOOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/spool_int.h"
#include "support/sim_disk.h"

enum {
    SPX_READ_BYTES = 64 * 1024,
    SPX_MAX_RECORDS = 20480,
    SPX_FILE_BYTES = 32 * 1024,
    SPX_START_MS = 1000000,
};

/* What became of a record, by the number in its payload. */
struct spx_record {
    uint32_t n_bytes;
    uint64_t sequence;
    bool is_durable, is_leased, is_done; /* done: told to the spool */
    uint64_t durable_us, done_us;        /* since when; seen again after its end: UINT64_MAX */
    uint32_t n_seen;                     /* since the last open */
};

struct spx {
    struct sim_disk *disk;
    struct spool *spool;
    struct spool_settings settings;
    uint64_t now_us;
    uint64_t sure_us;            /* of the last step before the disk stopped working */
    bool is_cut;                 /* it did */
    uint64_t n_dropped, n_moved; /* by the spool, in the lives before this one */
    uint64_t random;
    struct spx_record records[SPX_MAX_RECORDS];
    uint32_t n_records;
    struct slice_list held; /* came back UNSAVED or DROPPED: ours to append again */
    enum err open_err;
};

static inline struct spx *
spx_new(uint64_t seed)
{
    struct spx *x = mem_new(struct spx);
    x->disk = sim_disk_new();
    x->settings = (struct spool_settings){
        .path = "/spool",
        .max_bytes = 64 * 1024 * 1024,
        .file_bytes = SPX_FILE_BYTES,
    };
    x->now_us = 1000000;
    x->random = seed;
    STAILQ_INIT(&x->held);
    return x;
}

static inline bool
spx_open(struct spx *x)
{
    struct text why = TEXT_EMPTY;
    x->open_err = spool_open(&x->settings, sim_disk_face(x->disk),
                             SPX_START_MS + (int64_t)(x->now_us / 1000), &why, &x->spool);
    assert_true(x->open_err == ERR_OK || why.n > 0);
    text_fini(&why);
    for (uint32_t i = 0; i < x->n_records; i++)
        x->records[i].n_seen = x->records[i].is_leased = 0;
    return x->open_err == ERR_OK;
}

static inline uint32_t
spx_payload_bytes(uint32_t number)
{
    uint64_t state = number;
    return 8 + (uint32_t)(sim_random(&state) % 900);
}

static inline void
spx_payload_fill(uint32_t number, uint8_t *p)
{
    uint64_t state = number * UINT64_C(77);
    uint32_t n = spx_payload_bytes(number);
    memcpy(p, &number, sizeof(number));
    for (uint32_t i = sizeof(number); i < n; i++)
        p[i] = (uint8_t)sim_random(&state);
}

/* A slice of n new records. */
static inline struct slice *
spx_slice(struct spx *x, uint32_t n, uint16_t method)
{
    struct slice *slice = mem_new(struct slice);
    uint32_t first = x->n_records;
    assert_true(first + n <= SPX_MAX_RECORDS);
    slice->data = mem_zeroed(n * (size_t)1024);
    slice->home = &x->records[first];
    for (uint32_t i = first; i < first + n; i++) {
        struct spool_record_head *head = (void *)(slice->data + slice->n_bytes);
        head->method = method;
        head->payload_bytes = spx_payload_bytes(i);
        head->received_ms = SPX_START_MS + (int64_t)(x->now_us / 1000);
        spx_payload_fill(i, (uint8_t *)(head + 1));
        spool_record_fill(head, spool_seed_of(x->spool));
        slice->n_bytes += (uint32_t)spool_record_bytes(0, head->payload_bytes);
    }
    slice->n_records = n;
    x->n_records += n;
    return slice;
}

static inline void
spx_free_slice(struct slice *slice)
{
    mem_free(slice->data);
    mem_free(slice);
}

static inline void
spx_append(struct spx *x, uint32_t n, uint16_t method)
{
    spool_append(x->spool, spx_slice(x, n, method));
}

static inline void
spx_take_ended(struct spx *x, struct slice_list *ended)
{
    struct slice *slice;
    while ((slice = STAILQ_FIRST(ended))) {
        struct spx_record *r = slice->home;
        STAILQ_REMOVE_HEAD(ended, link);
        if (slice->end != SLICE_DURABLE) {
            STAILQ_INSERT_TAIL(&x->held, slice, link);
            continue;
        }
        for (uint32_t i = 0; i < slice->n_records; i++) {
            r[i].is_durable = r[i].is_leased = true;
            r[i].durable_us = x->now_us;
            r[i].sequence = slice->first + i;
        }
        spx_free_slice(slice);
    }
}

static inline void
spx_step(struct spx *x, uint64_t later_us)
{
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    x->now_us += later_us;
    (void)spool_step(x->spool, x->now_us, SPX_START_MS + (int64_t)(x->now_us / 1000), &ended);
    spx_take_ended(x, &ended);
    if (!x->is_cut)
        x->sure_us = x->now_us;
}

/* What came back is given again. */
static inline void
spx_append_held(struct spx *x)
{
    struct slice *slice;
    while ((slice = STAILQ_FIRST(&x->held))) {
        STAILQ_REMOVE_HEAD(&x->held, link);
        spool_append(x->spool, slice);
    }
}

static inline void
spx_end(struct spx *x, uint32_t number, enum run_end end)
{
    struct spx_record *r = &x->records[number];
    struct parcel_run run = {r->sequence, 1, end};
    spool_end_run(x->spool, &run);
    r->is_leased = false;
    if (end != RUN_DONE)
        return;
    r->is_done = true;
    r->done_us = x->now_us;
}

/* A second copy (moved, and the end of the first one was not durable) ends at once. */
static inline void
spx_see(struct spx *x, struct spx_record *r, uint64_t sequence)
{
    struct parcel_run run = {sequence, 1, RUN_DONE};
    r->n_seen++;
    if (r->is_done)
        r->done_us = UINT64_MAX;
    if (r->is_leased) {
        spool_end_run(x->spool, &run);
        return;
    }
    r->sequence = sequence;
    r->is_leased = true;
}

/* Checks the bytes of every record in the read and takes them as leased. */
static inline void
spx_take_read(struct spx *x, const struct spool_read *read)
{
    static uint8_t expected[1024];
    uint32_t at = 0;
    for (uint32_t i = 0; i < read->n_records; i++) {
        const struct spool_record_head *head = (const void *)(read->data + at);
        uint32_t number;
        memcpy(&number, head + 1, sizeof(number));
        at += (uint32_t)spool_record_bytes(head->key_bytes, head->payload_bytes);
        if (head->flags & SPOOL_FLAG_SKIP)
            continue;
        assert_true(number < x->n_records);
        assert_int_equal(head->payload_bytes, spx_payload_bytes(number));
        spx_payload_fill(number, expected);
        assert_memory_equal(head + 1, expected, head->payload_bytes);
        spx_see(x, &x->records[number], head->sequence);
    }
    assert_int_equal(at, read->n_bytes);
}

/* One read; true: something came or the search goes on. */
static inline bool
spx_read(struct spx *x, struct spool_read *read)
{
    uint8_t *data = mem_alloc(SPX_READ_BYTES);
    read->data = data;
    read->size = SPX_READ_BYTES;
    spool_fill_read(x->spool, read);
    spx_take_read(x, read);
    mem_free(data);
    read->data = NULL;
    return read->n_bytes > 0 || read->is_unfinished;
}

static inline void
spx_read_all(struct spx *x)
{
    struct spool_read read = {0};
    for (int i = 0; i < 1000 && spx_read(x, &read); i++)
        if (read.n_bytes == 0)
            spx_step(x, 1000000);
    assert_false(read.is_unfinished);
}

static inline void
spx_drop_held(struct spx *x)
{
    struct slice *slice;
    while ((slice = STAILQ_FIRST(&x->held))) {
        STAILQ_REMOVE_HEAD(&x->held, link);
        spx_free_slice(slice);
    }
}

static inline uint64_t
spx_n_dropped(const struct spx *x)
{
    uint64_t n = 0;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        for (int j = 0; j < DROP_COUNT; j++)
            n += spool_counts(x->spool)->n_dropped[i][j];
    return n;
}

static inline void
spx_count_dropped(struct spx *x)
{
    x->n_dropped += spx_n_dropped(x);
    x->n_moved += spool_counts(x->spool)->n_moved;
}

/* The process dies: nothing more is written, slices in its memory are lost. */
static inline void
spx_die(struct spx *x)
{
    struct spool *s = x->spool;
    struct slice *slice;
    struct slice_list *lists[] = {&s->pending, &s->written};
    for (int i = 0; i < 2; i++)
        while ((slice = STAILQ_FIRST(lists[i]))) {
            STAILQ_REMOVE_HEAD(lists[i], link);
            slice->end = SLICE_UNSAVED;
            if (slice->worker == SPOOL_OWN_SLICE)
                spool_move_on_end(s, slice);
            else
                spx_free_slice(slice);
        }
    spx_drop_held(x);
    spx_count_dropped(x);
    spool_files_free_all(s);
    mem_free(s->cursor);
    mem_free(s);
    x->spool = NULL;
}

static inline void
spx_close(struct spx *x)
{
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    spool_give_back(x->spool, &ended);
    spx_take_ended(x, &ended);
    spx_drop_held(x);
    spx_count_dropped(x);
    spool_close(&x->spool);
}

static inline void
spx_free(struct spx *x)
{
    if (x->spool)
        spx_close(x);
    sim_disk_free(&x->disk);
    mem_free(x);
}

/* n new records, in small slices, each committed. */
static inline void
spx_put(struct spx *x, uint32_t n, uint16_t method)
{
    for (uint32_t part; n > 0; n -= part) {
        part = n < 5 ? n : 5;
        spx_append(x, part, method);
        spx_step(x, 6000);
    }
}

static inline void
spx_end_all(struct spx *x, uint32_t from, uint32_t to, enum run_end end)
{
    for (uint32_t i = from; i < to; i++)
        spx_end(x, i, end);
}

/* The process dies and a new one opens the directory. */
static inline void
spx_reopen(struct spx *x)
{
    spx_die(x);
    sim_disk_kill(x->disk);
    assert_true(spx_open(x));
}

/* Path of the file that holds a record. */
static inline const char *
spx_file_of(struct spx *x, uint32_t number)
{
    static char path[SPOOL_PATH_BYTES];
    struct spool_file *f = spool_files_find(x->spool, x->records[number].sequence);
    assert_non_null(f);
    spool_files_path_of(x->spool, f, path);
    return path;
}

static inline bool
spx_exists(struct spx *x, const char *path)
{
    uint64_t n;
    return sim_disk_bytes(x->disk, path, &n) != NULL;
}

/* Where the record's head stands in its file's bytes. */
static inline uint8_t *
spx_bytes_of(struct spx *x, const char *path, uint32_t number)
{
    uint64_t n = 0;
    uint8_t *p = sim_disk_bytes(x->disk, path, &n);
    for (uint64_t at = SPOOL_FILE_HEAD_BYTES; at + SPOOL_RECORD_HEAD_BYTES + 4 <= n; at += 8) {
        struct spool_record_head head;
        uint32_t found;
        memcpy(&head, p + at, sizeof(head));
        memcpy(&found, p + at + sizeof(head), sizeof(found));
        if (head.magic == SPOOL_RECORD_MAGIC && found == number &&
            head.payload_bytes == spx_payload_bytes(number))
            return p + at;
    }
    fail_msg("record %u is not in %s", number, path);
    return NULL;
}

/* The place of one line of the disk's history behind another; both must be there. */
static inline const char *
spx_behind(const char *history, const char *line)
{
    const char *p = strstr(history, line);
    if (!p)
        print_error("no '%s' in:\n%s", line, history);
    assert_non_null(p);
    return p + strlen(line);
}

/* How many acknowledged records that are not done the last open did not bring back. With
 * sync: interval what was written in the last second may be lost. */
static inline uint32_t
spx_n_lost(const struct spx *x, bool is_power_cut)
{
    uint32_t n = 0;
    bool may_lag = is_power_cut && x->settings.sync == SPOOL_SYNC_INTERVAL;
    for (uint32_t i = 0; i < x->n_records; i++) {
        const struct spx_record *r = &x->records[i];
        if (may_lag && x->sure_us - r->durable_us < 1000000)
            continue;
        n += r->is_durable && !r->is_done && r->n_seen == 0;
    }
    return n;
}

/* Records that came back although their end was told so long before. */
static inline uint32_t
spx_n_doubled(const struct spx *x, const struct spx_record *before, uint64_t bound_us)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->n_records; i++) {
        const struct spx_record *r = &before[i];
        bool is_old = r->is_done && r->done_us != UINT64_MAX && r->done_us + bound_us <= x->sure_us;
        n += is_old && x->records[i].n_seen > 0;
    }
    return n;
}

#endif
