/* What the files of the spool share: its files in memory, and the pieces each .c owns. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SPOOL_INT_H
#define STORE_SPOOL_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "store/spool.h"
#include "store/spool_scan.h"

enum { SPOOL_MAGIC = 0x53504f4c };
enum {
    SPOOL_PATH_BYTES = 4096,
    SPOOL_INDEX_BYTES = 256 * 1024, /* one entry of the index for so much of a file */
    SPOOL_SKIP_BYTES = 1024 * 1024, /* given up when the disk cannot read there for good */
    SPOOL_NO_FILE = -1,
    SPOOL_CURSOR_WRITE_US = 100 * 1000,
    SPOOL_CURSOR_SYNC_US = 1000 * 1000,
};
/* slice.worker of records that the spool itself appends again. */
#define SPOOL_OWN_SLICE UINT32_MAX

/* From sequence on, records stand from offset on. */
struct spool_mark {
    uint64_t sequence, offset;
};

/* One file. Records base .. base + n - 1. Two bits each: leased, done; neither: cold (or pending in
 * the newest file, which is leased from the moment it is stamped). */
struct spool_file {
    TAILQ_ENTRY(spool_file) link; /* ascending by base */
    uint64_t base;
    uint32_t suffix;
    uint64_t n; /* records */
    uint64_t n_done, n_leased;
    method_set methods;      /* no record is of another one; all: not known */
    uint64_t *leased, *done; /* bitmaps of n_words words */
    uint64_t *known;         /* the same, found at start: counted in n_known; else NULL */
    bool is_found;
    uint64_t n_words;
    struct spool_mark *marks; /* sparse index, ascending */
    uint32_t n_marks, marks_size;
    uint64_t end;      /* offset behind the last record */
    uint64_t size;     /* on disk, reserved space included */
    int64_t newest_ms; /* latest arrival in it; INT64_MIN: unknown yet */
    int64_t created_ms;
    int file;         /* descriptor; SPOOL_NO_FILE when not open */
    bool is_closed;   /* nothing more is appended */
    bool is_unsynced; /* written to since its last sync */
    bool is_damaged;  /* bytes were lost in it: renamed *.corrupt instead of removed */
    uint64_t seed;    /* of its checksums: its own uuid, else the spool's */
    /* Reading: below from_sequence nothing is cold but of the methods in from_unwanted. */
    uint64_t from_sequence;
    method_set from_unwanted;
    struct spool_mark read_mark; /* where the last read stopped; offset 0: none */
    uint32_t n_read_errors;      /* in a row */
    uint64_t failed_us, retry_us;
    /* Found at start and not yet read to its end: n is the most it can hold, only the first n_sure
     * records are known. Nothing of it is lent before. */
    bool is_unread;
    uint64_t n_sure;
};
TAILQ_HEAD(spool_file_list, spool_file);

/* An unlinked file that gives its space back bit by bit. */
struct spool_release {
    int file;
    uint64_t n_left;
};
enum { SPOOL_MAX_RELEASES = 64 };

struct spool {
    uint32_t magic;
    struct spool_settings settings;
    char path[SPOOL_PATH_BYTES];
    const struct disk *disk;
    struct spool_counts counts;
    uint8_t uuid[SPOOL_UUID_BYTES];
    uint64_t seed;
    int lock_file, cursor_file;
    enum spool_state state;
    struct spool_file_list files; /* the last one is written to, unless is_closed */
    uint32_t n_files;
    struct spool_file *found; /* last hit of spool_files_find; NULL */
    uint64_t n_bytes;         /* sum of the files' sizes, *.corrupt ones included */
    uint64_t n_corrupt_bytes;
    uint64_t next; /* sequence */
    /* The first sequence that is not yet as durable as settings.sync promises. All below are, or
     * will never be used. The cursor goes no further. */
    uint64_t n_durable_next;
    uint64_t n_cold;
    /* Slices: pending are not stamped; written are in the newest file and not yet synced. */
    struct slice_list pending, written;
    uint64_t n_pending, n_pending_bytes, n_written_bytes;
    uint64_t sync_began_us; /* of the last one */
    uint64_t retry_us;      /* FULL and BROKEN: when to try again */
    uint64_t told_us;       /* a change of state was logged last */
    /* Cursor. */
    uint64_t epoch;
    bool is_cursor_changed, is_cursor_unsynced;
    uint64_t cursor_written_us, cursor_synced_us;
    uint32_t cursor_slot; /* 0 or 1: written next; the other one is synced, so it stays whole */
    struct spool_cursor *cursor;  /* scratch, and what the last slot said */
    int removed_file;             /* SPOOL_NO_FILE: there is none */
    uint64_t removed_bytes;       /* in it */
    uint64_t removed_limit_bytes; /* then it is made anew */
    uint64_t trimmed_us;
    struct spool_release releases[SPOOL_MAX_RELEASES]; /* in turn */
    uint32_t n_releases;
    uint64_t released_us;
    bool is_expiring;        /* another file is too old: soon again */
    bool has_trimmed;        /* space came free: a full spool may try again at once */
    uint32_t n_moves;        /* slices of its own under way */
    uint64_t n_strange_runs; /* ended runs that were not leased */
};

/* spool.c: the file in use ends here, all it holds is synced. */
void spool_close_in_order(struct spool *, struct spool_file *);

/* spool_files.c: bookkeeping, no I/O. */
struct spool_file *spool_files_add(struct spool *, uint64_t base, uint32_t suffix);
/* Out of the list; closes its descriptor and frees it. On disk nothing changes. */
void spool_files_drop(struct spool *, struct spool_file *);
void spool_files_free_all(struct spool *);
/* The file that holds a sequence; NULL. */
struct spool_file *spool_files_find(struct spool *, uint64_t sequence);
struct spool_file *spool_files_newest(struct spool *);
/* n more records at the file's end, standing from offset on; leased or cold. */
void spool_files_grow(struct spool *, struct spool_file *, uint64_t n, uint64_t offset,
                      bool is_leased);
/* Takes the last n records away again (their write failed); the first of them stood at offset,
 * which becomes the file's end. */
void spool_files_shrink(struct spool *, struct spool_file *, uint64_t n, uint64_t offset);
enum spool_mark_kind { SPOOL_COLD, SPOOL_LEASED, SPOOL_DONE };
enum spool_mark_kind spool_files_kind(const struct spool_file *, uint64_t sequence);
/* Keeps n_done, n_leased, n_cold, the reading hint and is_cursor_changed right. DONE is final. */
void spool_files_set(struct spool *, struct spool_file *, uint64_t sequence, enum spool_mark_kind);
/* The first cold sequence from one on; the file's end when there is none. */
uint64_t spool_files_cold(const struct spool_file *, uint64_t sequence);
/* The signal of a record showed; counted once, and only of records found at start. */
void spool_files_know(struct spool *, struct spool_file *, uint64_t sequence, enum signal);
/* OTHER when no such method is known. */
enum signal spool_files_signal(uint16_t method);
/* The lowest sequence that is not done; spool->next when all are. */
uint64_t spool_files_lowest(const struct spool *);
/* Runs of done records above lowest, of gaps between files too, at most max; returns how many. */
uint32_t spool_files_runs(const struct spool *, uint64_t lowest, struct spool_run *, uint32_t max);
/* A mark at or before the sequence. */
struct spool_mark spool_files_mark(const struct spool_file *, uint64_t sequence);
/* Whole path of a name in the spool's directory. */
void spool_files_path(const struct spool *, const char *name, char out[SPOOL_PATH_BYTES]);
void spool_files_path_of(const struct spool *, const struct spool_file *,
                         char out[SPOOL_PATH_BYTES]);
/* Bytes of a file with that name; 0 where it cannot be told. */
uint64_t spool_files_size_of(const struct spool *, const char *name);
/* On disk the file is called *.corrupt from now on. */
enum err spool_files_set_aside(struct spool *, const struct spool_file *) MUST_CHECK;
/* Opens the descriptor for reading and updating if need be. */
enum err spool_files_open(struct spool *, struct spool_file *) MUST_CHECK;
void spool_files_close(struct spool *, struct spool_file *);

/* spool_open.c: the uuid that the n bytes of a LOCK file tell; false: none. */
enum { SPOOL_LOCK_HEAD_BYTES = 32 };
bool spool_open_uuid(const uint8_t *p, size_t n, uint8_t uuid[SPOOL_UUID_BYTES]);

/* spool_recover.c: what the files found at start hold. */
void spool_recover(struct spool *, int64_t now_ms);
/* Goes on with an unread file, for about so many bytes. True: it is still in the list. */
bool spool_recover_again(struct spool *, struct spool_file *, uint64_t max_bytes);
/* The rest of an unread file counts as recovered, so that it can be dropped. */
void spool_recover_assume(struct spool *, struct spool_file *);
/* A call to the disk failed while reading this file. True: for good, by number and time. */
bool spool_recover_failed(struct spool *, struct spool_file *, enum err);
/* Cold records from sequence on, up to end, cannot be read any more: counted and done. */
void spool_recover_lose(struct spool *, struct spool_file *, uint64_t from, uint64_t end);

/* spool_cursor.c */
/* Writes the next slot when something changed and it is time (100 ms), syncs each second; force:
 * both now. An error leaves the slot before it valid. */
enum err spool_cursor_step(struct spool *, uint64_t now_us, bool force);
/* Reads the better slot into spool->cursor; ERR_NOT_FOUND when there is none. */
enum err spool_cursor_load(struct spool *);

/* spool_removed.c: a file of runs that are done besides the cursor, if there are too many for it.
 */
#define SPOOL_REMOVED_NAME "removed"
enum { SPOOL_REMOVED_ENTRY_BYTES = 24 };
typedef void spool_removed_fn(void *ctx, uint64_t first, uint64_t n);
/* Up to the first that is not whole. */
enum err spool_removed_read(const struct disk *, int file, uint64_t seed, spool_removed_fn *,
                            void *ctx) MUST_CHECK;
/* These, all of them done already, will be done after a restart too: by the file, or by the cursor
 * once it is written. */
enum err spool_removed_note(struct spool *, const uint64_t *sequences, uint32_t n,
                            const bool *was_there) MUST_CHECK;
/* After spool_recover. */
void spool_removed_load(struct spool *);
void spool_removed_close(struct spool *);

/* spool_trim.c */
/* Unlinks files whose records are all done (cursor first), drops what is too old, appends the last
 * records of an old file again. */
void spool_trim_step(struct spool *, uint64_t now_us, int64_t now_ms);
/* When it should run again. */
uint64_t spool_trim_next_us(const struct spool *);
/* At the end: what is done leaves the disk. */
void spool_trim_end(struct spool *);
/* Room for a new file of n bytes by quota and min_free; with drop_oldest it makes room. */
bool spool_trim_has_room(struct spool *, uint64_t n);

/* spool_move.c: the last records of an old file are appended again (rule 9), so that one dead
 * method does not hold the disk. */
void spool_move_step(struct spool *, int64_t now_ms);
void spool_move_on_end(struct spool *, struct slice *);

/* Bits of method_set; a number that a newer version wrote may be any. */
static inline method_set
spool_method_bit(uint16_t method)
{
    return method < 64 ? (method_set)1 << method : ~(method_set)0;
}

/* spool_release: unlinks the file that stands there; its space comes back later. */
enum err spool_release_take(struct spool *, struct spool_file *, const char *path) MUST_CHECK;
/* One bit of space; when to call again, UINT64_MAX: nothing is left. */
uint64_t spool_release_step(struct spool *, uint64_t now_us);
void spool_release_all(struct spool *);

#endif
