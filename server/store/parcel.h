/* What travels between a worker's store and the spool: one parcel a loop turn, each way. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership of everything in it goes with it; daemon/ carries it as mail. Single messages never
 * travel: slices of blocks do, and runs of sequences. */
#ifndef STORE_PARCEL_H
#define STORE_PARCEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/method.h"

_Static_assert(METHOD_COUNT <= 64, "a set of methods fits one word");
/* A set of methods: bit = the method's number. */
typedef uint64_t method_set; /* the one typedef of a plain number: it says what the bits are */

enum slice_end {
    SLICE_DURABLE, /* as safe as buffer.disk.sync says; leased to the worker it came from */
    SLICE_DROPPED, /* when_full: drop_newest; nothing of it is on disk */
    SLICE_UNSAVED, /* the disk is broken: keep it in memory, answer when a backend has it */
};

/* Records standing one after the other in memory, from one block. Owner: whoever holds it; the
 * bytes belong to the holder too, the block itself (reference counts) to its worker only. */
struct slice {
    STAILQ_ENTRY(slice) link;
    uint8_t *data;      /* first record's head, 8-byte aligned */
    uint32_t n_bytes;   /* of whole records */
    uint32_t n_records; /* SPOOL_FLAG_SKIP ones included */
    bool is_aside;      /* for the quarantine's spool */
    uint64_t first;     /* sequence of the first record, set by the spool */
    enum slice_end end;
    uint32_t worker; /* index, for the spool's thread to send it home */
    void *home;      /* the worker's own part */
};
STAILQ_HEAD(slice_list, slice);

/* Room for records read from disk. The worker lends the memory, the spool fills it: records as in a
 * slice, all with their sequences, those not lent to this worker flagged SPOOL_FLAG_SKIP. */
struct spool_read {
    STAILQ_ENTRY(spool_read) link;
    uint8_t *data; /* 8-byte aligned */
    uint32_t size;
    method_set unwanted; /* in: records of these stay on disk */
    uint32_t n_bytes;    /* out; 0: nothing is cold but the unwanted, or see below */
    uint32_t n_records;  /* out, skipped ones included */
    uint32_t n_needed;   /* out: the next record alone needs so much room; 0: no */
    bool is_unfinished;  /* out: the search stopped early; ask again, perhaps in a later turn */
    uint64_t resume;     /* in and out, 0 at first: where an unfinished search goes on */
    uint32_t worker;
    void *home;
};
STAILQ_HEAD(spool_read_list, spool_read);

enum run_end {
    RUN_DONE,     /* acknowledged by a backend, or counted as dropped by the worker */
    RUN_COLD,     /* on disk only from now on, wanted again soon: other workers may read it */
    RUN_UNWANTED, /* the same, of a method that no backend takes at the moment */
};
struct parcel_run {
    uint64_t first;
    uint32_t n;
    enum run_end end;
};

/* The spool looks at the runs first, then takes the slices, then fills the reads: a read finds what
 * became cold in the same parcel. */
struct parcel {
    struct slice_list slices;     /* to the spool: new ones; from it: ended ones, in order */
    struct spool_read_list reads; /* to the spool: empty; from it: filled */
    struct parcel_run *runs;      /* to the spool */
    uint32_t n_runs, runs_size;
    bool has_cold; /* from the spool: something became cold, look again */
};

struct parcel *parcel_new(void);
/* Lists must be empty. */
void parcel_free(struct parcel **);
/* Merges with the last run where it continues it. */
void parcel_add_run(struct parcel *, uint64_t first, uint32_t n, enum run_end);
bool parcel_is_empty(const struct parcel *);

#endif
