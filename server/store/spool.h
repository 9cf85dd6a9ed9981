/* Accepted records on disk: appended, synced in groups, read back, deleted by whole files. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One directory; knows no thread, no loop and no clock but the times it is given: daemon/spooler
 * runs it on the spool's thread. All disk calls go through struct disk. Rules:
 * docs/spool-format.md.
 *
 *   spool         the face: appends slices, group commit, states, what becomes of a failure
 *   spool_files   the files in memory: per record two bits (leased, done), an index of offsets
 *   spool_open    directory, lock, names
 *   spool_recover what the files found at start hold
 *   spool_cursor  which records are done, in two slots
 *   spool_read    cold records back into memory
 *   spool_trim    deletion, quota, age, appending the last records of an old file again
 *   spool_remove  cold records that end because somebody says so
 *   spool_map     what is held at a moment, for readers on other threads
 *   spool_scan    walks the bytes of one file
 *   spool_look    a directory as it stands, for people
 *   spool_format  the bytes
 *
 * A record is: pending (in a slice not yet durable), leased (its worker has it in memory), cold (on
 * disk only) or done. Cursor = lowest sequence not done; it may lag, never lead. */
#ifndef STORE_SPOOL_H
#define STORE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/method.h"
#include "base/text.h"
#include "store/disk.h"
#include "store/parcel.h"
#include "store/spool_format.h"

enum spool_sync {
    SPOOL_SYNC_GROUP,    /* fdatasync before a slice ends */
    SPOOL_SYNC_INTERVAL, /* each second; a slice ends when it is written */
    SPOOL_SYNC_NONE,
};
enum spool_when_full { SPOOL_BACKPRESSURE, SPOOL_DROP_OLDEST, SPOOL_DROP_NEWEST };

struct spool_settings {
    const char *path; /* copied */
    uint64_t max_bytes, min_free_bytes;
    uint64_t file_bytes; /* 0: 64 MiB, at most a sixteenth of max_bytes, at least 1 MiB */
    enum spool_sync sync;
    enum spool_when_full when_full;
    int64_t max_age_ms; /* cold records of a file whose newest is older are dropped (expired) */
    bool is_fixed;      /* records keep their sequences: none is appended again */
};

/* What the owner of the spool counts from; only ever rises. */
struct spool_counts {
    uint64_t n_recovered;      /* records not done at start */
    uint64_t n_corrupt;        /* records lost to a bad checksum */
    uint64_t n_errors;         /* disk calls that failed */
    uint64_t n_left_alone;     /* files of a newer format, of another name inside, not readable */
    uint64_t n_moved;          /* records appended again, so that an old file could go */
    uint64_t n_syncs, sync_us; /* fdatasync calls and what they took */
    /* Recovered records count as SIGNAL_OTHER until their bytes are met: so many turned out to be
     * of this signal. Before they are dropped too. */
    uint64_t n_known[SIGNAL_COUNT];
    /* Records that ended in the spool itself: buffer_full, expired, spool_error. Those of a file
     * found at start whose bytes cannot be read count as SIGNAL_OTHER. */
    uint64_t n_dropped[SIGNAL_COUNT][DROP_COUNT];
};

enum spool_state {
    SPOOL_OK,
    SPOOL_FULL,   /* quota, min_free or ENOSPC: pending slices wait (backpressure) */
    SPOOL_BROKEN, /* EIO twice: slices come back SLICE_UNSAVED, a new file is tried every 5 s */
};

struct spool;

/* Opens or makes the directory, takes its lock, recovers. Nothing inside the directory can prevent
 * it; errors: ERR_LOCKED (*why names the pid), ERR_PERMISSION, ERR_NO_SPACE, ERR_IO, with words. */
enum err spool_open(const struct spool_settings *, const struct disk *, int64_t now_ms,
                    struct text *why, struct spool **) MUST_CHECK;
/* Writes and syncs the cursor, gives back reserved space. No slice may be pending. */
void spool_close(struct spool **);

/* The seed for spool_record_fill; constant. Any thread after spool_open. */
uint64_t spool_seed_of(const struct spool *);

/* Takes the slice over; it ends in spool_step, in order. */
void spool_append(struct spool *, struct slice *);
/* Writes what is pending, syncs when 1 MiB is gathered or 5 ms have passed since the last sync
 * began, writes the cursor, trims. Ended slices are moved to ended. Returns when to call again at
 * the latest (UINT64_MAX: when something comes in). May block in the kernel. */
uint64_t spool_step(struct spool *, uint64_t now_us, int64_t now_ms, struct slice_list *ended);
/* At the end: pending slices come back SLICE_UNSAVED, those written are synced first. */
void spool_give_back(struct spool *, struct slice_list *ended);

/* Runs of leased records. A sequence that is not leased is ignored (counted, logged: our bug). */
void spool_end_run(struct spool *, const struct parcel_run *);
/* Fills the read: the oldest cold records that are wanted, leased from now on. Bad ones are counted
 * (spool_error) and passed over. */
void spool_fill_read(struct spool *, struct spool_read *);

/* Cold records end: durably, when it returns ERR_OK. was_there[i]: it was one. Another error is the
 * disk's: they are gone for now and may be back at the next start. */
enum err spool_remove(struct spool *, const uint64_t *sequences, uint32_t n, uint64_t now_us,
                      bool *was_there) MUST_CHECK;

/* When the oldest cold record arrived, or one shortly before it; its signal. False: none is cold.
 * Reads a head from the disk at most. */
bool spool_oldest(struct spool *, int64_t *received_ms, enum signal *);

enum spool_state spool_state(const struct spool *);
const struct spool_counts *spool_counts(const struct spool *);
uint64_t spool_n_cold(const struct spool *);    /* records */
uint64_t spool_n_bytes(const struct spool *);   /* of files, without reserved space */
uint64_t spool_n_pending(const struct spool *); /* slices */

/* For "spangate spool" and the tests: every record of a directory, done or not, file by file in
 * order of sequence; *.corrupt files are counted only. Nothing is changed. The lock is tried for a
 * moment to tell whether somebody holds it. */
enum spool_verdict {
    SPOOL_FILE_BEGINS, /* n_bytes is its size, created_ms and is_closed are known */
    SPOOL_FILE_UNREAD, /* what it holds from offset on cannot be told: err */
    SPOOL_RECORD_HELD,
    SPOOL_RECORD_DONE,
    SPOOL_RECORD_BAD_DATA, /* the payload's checksum does not hold; is_done tells the rest */
    SPOOL_RECORD_BAD_HEAD, /* n_bytes that are no record; n_lost records stood there */
    SPOOL_RECORD_TORN, /* the end of a file that was not closed; n_bytes up to the end of data */
};
struct spool_seen {
    const char *file; /* name */
    uint64_t offset;
    enum spool_verdict verdict;
    struct spool_record_head head; /* of HELD, DONE and BAD_DATA */
    struct bytes key, payload;
    uint64_t n_bytes, n_lost;
    int64_t created_ms; /* 0: its head is damaged */
    bool is_closed;     /* in order: it ends in a footer */
    bool is_done;       /* of lost records: all of them */
    enum err err;
};
typedef bool spool_look_fn(void *ctx, const struct spool_seen *); /* false stops */
/* What the directory says of itself, before the records. */
struct spool_summary {
    uint32_t n_files, n_unknown_files, n_corrupt_files;
    uint64_t n_bytes, n_corrupt_bytes;  /* on disk, reserved space included; *.corrupt apart */
    uint64_t lowest, next, n_done_runs; /* 0 without a cursor */
    int holder;                         /* pid, 0: nobody has it open */
    bool is_locked;                     /* somebody has, whether its pid is known or not */
    bool has_cursor, has_uuid;
};
/* ERR_OK whatever the files hold; else the directory itself cannot be read, and why says so. */
enum err spool_look(const char *path, const struct disk *, struct spool_summary *, spool_look_fn *,
                    void *ctx, struct text *why) MUST_CHECK;

#endif
