/* What the files of store/ share: the store, its lanes and its batches. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/map.h"
#include "store/redact.h"
#include "store/spool_format.h"
#include "store/store.h"

enum { STORE_MAGIC = 0x5354524f, LANE_MAGIC = 0x4c414e45 };
/* Lanes with a key (a log's service) come from strangers. Beyond this many a new key waits. */
enum { STORE_MAX_KEYED_LANES = 4096 };

/* Which list a lane stands on. */
enum lane_state {
    LANE_IDLE,    /* empty: on no list; freed when it has a key and nothing in flight */
    LANE_WAITING, /* less than a batch, in order of due_us */
    LANE_READY,   /* due; lanes take turns */
    LANE_HELD,    /* not before due_us, whatever it holds */
    LANE_N_STATES
};

/* A piece of a lane's queue. */
struct lane_chunk {
    struct lane_chunk *next;
    uint32_t head, tail; /* items[head] is the oldest, items[tail] free */
    uint32_t capacity;
    struct store_item items[];
};

struct batch {
    struct store_batch face; /* first: the outside holds a pointer to it */
    uint32_t capacity;
    TAILQ_ENTRY(batch) link; /* lane's returned list, or the free list */
    struct store_item one;   /* items of a batch of one */
};
TAILQ_HEAD(batch_list, batch);

/* Batches kept for reuse. */
struct batch_pool {
    struct batch_list batches;
    uint32_t n;
};

struct store_lane {
    uint32_t magic;
    enum method method;
    enum signal signal;
    enum lane_state state;
    bool is_single; /* one record a batch */
    bool has_key;
    struct bytes name;  /* own copy when has_key: in the map */
    struct bytes key;   /* part of name */
    int64_t max_age_ms; /* 0: never expires */
    TAILQ_ENTRY(store_lane) link;
    struct lane_chunk *first, *last;
    uint64_t n_queued; /* in the chunks */
    uint64_t n_alone;  /* of them: in memory alone */
    uint64_t n_queued_bytes;
    struct batch_list returned; /* given back, oldest first */
    uint32_t n_batches;         /* lent to forward */
    uint64_t due_us;            /* WAITING and HELD */
};
TAILQ_HEAD(lane_list, store_lane);

struct settle_entry {
    void *cookie;
    uint64_t credit_bytes;
    uint32_t n_records;
};

/* Who waits for the records of this turn. */
struct settle {
    struct settle_entry *entries;
    uint32_t n, size;
    uint32_t n_done; /* told already, in the turn under way */
};

/* Answered when the last of its records ends (ack: forwarded; a broken disk). */
struct waiter {
    uint64_t n_open; /* records that have not ended */
    bool is_group;   /* part of a struct group, else of a struct cookie_waiter */
};

/* ack: forwarded: what one cookie put in one turn. */
struct cookie_waiter {
    struct waiter waiter; /* first */
    TAILQ_ENTRY(cookie_waiter) link;
    struct cookie_queue *queue;
    uint64_t credit_bytes;
    uint32_t n_records;
    bool is_sealed; /* its turn is over */
    /* In store->segments, where it has put one. */
    TAILQ_ENTRY(cookie_waiter) in_order;
    bool is_in_order;
    bool is_copy; /* told after all that stand before it there */
};
TAILQ_HEAD(cookie_waiter_list, cookie_waiter);
/* The waiters of one cookie, in the order in which they are told. */
struct cookie_queue {
    TAILQ_ENTRY(cookie_queue) ready_link; /* or the free list's */
    struct cookie_queue *next;            /* in its bucket */
    void *cookie;
    bool is_ready;
    struct cookie_waiter_list waiters;
};
TAILQ_HEAD(cookie_queue_list, cookie_queue);
/* All of them by cookie, and spare ones: nothing is allocated for each record. */
struct cookie_table {
    struct cookie_queue **buckets;
    uint32_t n, size; /* size: 0 or a power of two */
    struct cookie_queue_list free_queues;
    struct cookie_waiter_list free_waiters;
    uint32_t n_free_queues, n_free_waiters;
};

/* A record that came back from a broken disk is on its way there again: who waits for it. */
struct saved {
    uint32_t at; /* number in its slice */
    struct waiter *waiter;
};

/* Part of a block on its way to the disk and back. */
struct home_slice {
    struct slice face;   /* first */
    struct block *block; /* one reference */
    struct group *group;
    uint32_t n_unused; /* bytes of the block behind it that nobody will use */
    bool is_restored;  /* one record, from quarantine */
    uint32_t restored_as;
    void *cookie;        /* who waits for it */
    struct saved *saved; /* in order of at */
    uint32_t n_saved, saved_size;
};

/* What was put between two hand-overs. Groups settle in order and as a whole, because credit of a
 * stream covers all bytes before it, whichever slices they went into. */
struct group {
    struct waiter waiter; /* first; n_open: of what came back unsaved */
    TAILQ_ENTRY(group) link;
    struct settle settle;
    struct slice_list slices; /* full, not handed over yet */
    uint32_t n_slices;        /* not ended */
    uint64_t n_bytes;
    uint64_t first_us; /* when its first record was put */
    uint64_t *done;    /* records that are done once this group is durable (set aside again) */
    uint32_t n_done, done_size;
};
TAILQ_HEAD(group_list, group);

struct quarantine_entry {
    TAILQ_ENTRY(quarantine_entry) link;
    enum method method;
    enum rule reason;
    int64_t received_ms;
    uint32_t n;
    uint8_t payload[];
};
TAILQ_HEAD(quarantine_list, quarantine_entry);

struct quarantine {
    struct quarantine_list entries; /* oldest first */
    uint64_t n_bytes, max_bytes;
};

/* Records of steady lanes and of the rest do not share blocks: a method that nobody takes for a
 * while would pin every block with one small record. What is set aside has a spool of its own. */
enum open_block { OPEN_SEGMENTS, OPEN_OTHERS, OPEN_ASIDE, N_OPEN };

/* However little memory there is, so much may stand in the store: what goes to disk must flow. */
enum { STORE_FLOOR_BYTES = 2 * 1024 * 1024 };
/* A slice goes to the spool when its first record is so old. */
enum { STORE_HAND_OVER_US = 1000 };

struct store {
    uint32_t magic;
    struct store_settings settings;
    struct store_callbacks callbacks;
    struct block_cache *blocks;
    struct metrics *metrics;
    struct block *open[N_OPEN]; /* blocks being filled; NULL: none */
    uint64_t memory_bytes;      /* blocks, lane chunks and lent batches: what max_bytes bounds */
    struct store_lane plain[METHOD_COUNT]; /* lanes without a key */
    struct map *keyed;                     /* method number and key to lane */
    struct lane_list lanes[LANE_N_STATES];
    uint64_t held_until_us;         /* no held lane is due before; UINT64_MAX: none is held */
    struct lane_chunk *free_chunks; /* of full size */
    uint32_t n_free_chunks;
    struct batch_pool pools[2]; /* full size, singles */
    struct settle settle;
    struct quarantine quarantine;
    struct redact *redact; /* NULL: nothing to overwrite in what is set aside */
    uint64_t n_queued, n_inflight;
    uint64_t n_volatile; /* of both: in memory alone */
    /* On the way to the disk. */
    struct home_slice *filling[N_OPEN];
    struct group *group;      /* being filled; NULL: nothing was put since the last hand-over */
    struct group_list groups; /* handed over, in order */
    uint64_t undurable_bytes; /* of slices */
    uint64_t unused_bytes;    /* behind them */
    uint32_t n_out;           /* slices and reads at the spool */
    struct parcel *parcel;    /* leaves at the end of the turn */
    /* On disk only. */
    method_set behind; /* methods with records there, as far as we know */
    bool is_reading;
    /* Of the search under way, which may take several reads: what became behind since it began, so
     * that it may have been missed, and what was not asked for. */
    method_set behind_anew, read_unwanted;
    uint32_t read_bytes;  /* size of the next read; 0: as usual */
    uint64_t read_resume; /* where an unfinished one goes on */
    uint64_t unknown_until_us[METHOD_COUNT];
    uint64_t method_bytes[METHOD_COUNT]; /* queued in memory */
    uint64_t released_us;                /* last look for what should leave memory */
    bool has_outage, is_winding_up;
    bool has_to_spill;  /* something in memory alone has not gone to the disk yet and should */
    bool is_broken;     /* the disk: what came back last came back unsaved */
    bool has_unsaved;   /* records that should go there when it is well again */
    uint64_t probed_us; /* last time one of them was sent to see whether it is */
    /* ack: forwarded */
    struct cookie_table cookies;
    struct cookie_queue_list ready_cookies;
    struct cookie_waiter_list segments; /* who waits for segments, first come first */
    uint64_t swept_us;                  /* last look for expired records */
    uint64_t short_of_bytes;            /* the largest record refused since is_short */
    bool is_short;                      /* of memory: ERR_WAIT was told, on_room not yet */
    bool lacks_lanes;   /* the same for want of lanes, which holds up new keys only */
    bool is_due_untold; /* a lane came on a list since store_due was asked last */
};

/* lane.c */
void lane_init_all(struct store *);
void lane_fini_all(struct store *);
/* The lane of a method and key, made if need be; NULL when there are too many. */
struct store_lane *lane_of(struct store *, enum method, struct bytes key);
/* The last chunk takes one more item. */
static inline bool
lane_has_room(const struct store_lane *lane)
{
    return lane->last != NULL && lane->last->tail < lane->last->capacity;
}
/* Room for one more item; ERR_WAIT when the memory for it is refused. */
enum err lane_reserve(struct store *, struct store_lane *) MUST_CHECK;
/* A record of this method and key finds a lane, or may have one made for it. Makes none. */
bool lane_may_open(const struct store *, enum method, struct bytes key);
/* The same for what must complete: never refused, and a lane for a new key is always made. */
struct store_lane *lane_of_always(struct store *, enum method, struct bytes key);
void lane_reserve_always(struct store *, struct store_lane *);
/* Queued records that are on disk leave memory. */
void lane_release_all(struct store *);
/* Of one lane. */
void lane_release(struct store *, struct store_lane *);
/* An emptied lane leaves its list. A HELD one keeps its time. */
void lane_leave_if_empty(struct store *, struct store_lane *);
/* Nobody waits any more for this lane's records that came back from a broken disk. */
void lane_let_wait_end(struct store *, struct store_lane *);
/* After lane_reserve. */
void lane_push(struct store *, struct store_lane *, const struct store_item *);
/* The oldest item in the chunks; NULL when there is none. */
struct store_item *lane_front(struct store_lane *);
/* Takes the front away without releasing it. */
void lane_pop(struct store *, struct store_lane *);
/* Puts the lane on the list where it belongs now; may free it. */
void lane_settle_state(struct store *, struct store_lane *);
/* Every lane that holds something, whatever its state; the function may empty the lane. */
void lane_each(struct store *, void (*fn)(struct store *, struct store_lane *, void *ctx),
               void *ctx);
/* Drops expired fronts of all lanes. */
void lane_sweep(struct store *);
/* when_full: drop_oldest: the records of the block that holds the oldest one. False when nothing
 * is queued. */
bool lane_drop_oldest(struct store *);
/* The arrival before which a record of the lane is expired; INT64_MIN: none. */
int64_t lane_cutoff_ms(const struct store_lane *);

/* record.c */
/* Memory may grow by n bytes now (max_bytes, the budget's level). */
bool record_has_room(const struct store *, uint64_t n);
/* buffer.memory.max is what stands in the way: when_full has its say. A shortage of the whole
 * process (the budget's level) is nobody's fault here, and dropping our records would not end it.
 */
bool record_is_full(const struct store *);
/* Copies the parts behind a headroom; block NULL when memory is refused. */
struct store_item record_copy(struct store *, const struct store_record *, size_t n);
void record_copy_parts(uint8_t *out, const struct store_record *);
/* The items ended: their payloads are done with, their waiters told, their sequences done. */
void record_release(struct store *, const struct store_item *, uint32_t n);
/* The item leaves memory but has not ended. */
void record_forget(struct store *, const struct store_item *);
/* n bytes (a multiple of 8) in an open block; p NULL when memory is refused. The caller counts the
 * reference; a block of its own size (is_own) comes with the appender's. must: whatever the levels
 * say. */
struct place {
    struct block *block;
    uint8_t *p;
    bool is_own;
};
struct place record_place(struct store *, enum open_block, size_t n, bool must);
/* Gives a reference back. */
void record_unref(struct store *, struct block *);
/* An open block that holds nothing any more begins again or is given back. */
void record_trim(struct store *);
/* A queued item ends as dropped. */
void record_drop_queued(struct store *, struct store_lane *, const struct store_item *,
                        enum drop_reason);

/* batch.c */
void batch_init_all(struct store *);
void batch_fini_all(struct store *);
/* A batch that stands on a lane's returned list ends as dropped. */
void batch_drop_returned(struct store *, struct store_lane *, struct batch *, enum drop_reason);
/* What is in memory alone goes to the disk until so much is on its way there; false when some was
 * left. The batch ends when it is empty then. */
bool batch_spill_returned(struct store *, struct store_lane *, struct batch *, uint64_t most_bytes);
/* What is on disk leaves memory. The batch ends when it is empty then. */
void batch_release_returned(struct store *, struct store_lane *, struct batch *);
/* At the end: what is on disk stays there, the rest is dropped. */
void batch_leave_returned(struct store *, struct store_lane *, struct batch *);
/* Drops the expired items; n becomes 0 when all were. The batch counts as queued or in flight. */
void batch_expire(struct store *, struct batch *, bool is_queued);

/* settle.c */
void settle_add(struct settle *, void *cookie, uint64_t credit_bytes);
void settle_tell(struct store *, struct settle *);
void settle_fini(struct settle *);

/* waiter.c */
void waiter_init_all(struct store *);
/* Tells nobody: whoever waits is gone. */
void waiter_fini_all(struct store *);
/* ack: forwarded: the waiter of a record of this cookie; NULL when nobody waits. */
struct waiter *waiter_of(struct store *, void *cookie, uint64_t credit_bytes);
void waiter_end(struct store *, struct waiter *);
/* It waits for a segment, of which a copy may come. */
void waiter_keep_order(struct store *, struct waiter *);
/* As waiter_of for a copy of a segment, whose original may not have reached a backend: it is told
 * after all segments that were put before. */
struct waiter *waiter_of_copy(struct store *, void *cookie, uint64_t credit_bytes);
/* Only a group's: a disk that is broken does not make anybody wait for a method nobody knows. */
void waiter_end_of_group(struct store *, struct store_item *);
/* Tells the cookies whose first waiters are through. */
void waiter_tell(struct store *);

/* handover.c */
void handover_init(struct store *);
void handover_fini(struct store *);
/* Whether a record put now goes through the disk. */
bool handover_is_due(const struct store *, enum method);
/* What is in memory alone can go to the disk instead when it had better (spill mode). */
bool handover_may_spill(const struct store *);
/* Copies the record into a slice; ERR_BUDGET when there is no room. must: whatever the levels say.
 */
enum err handover_put(struct store *, const struct store_record *, size_t n, bool must) MUST_CHECK;
enum err handover_put_aside(struct store *, const struct store_record *, size_t n,
                            bool must) MUST_CHECK;
/* The same for a record that comes back from quarantine; it stands in a slice alone. */
enum err handover_restore(struct store *, const struct store_record *, size_t n,
                          uint32_t restored_as) MUST_CHECK;
/* Where an item without a record settles. */
struct settle *handover_settle(struct store *);
/* A record in memory alone is put again, this time through the disk, and who waits for it goes
 * along; false when refused. The caller takes the old one out of its place and calls
 * record_release. */
bool handover_spill(struct store *, const struct store_lane *, struct store_item *);
/* So much is on its way to the disk that a put would have to wait for it. */
bool handover_is_behind(const struct store *);
/* The oldest group waits for records that came back from a broken disk. */
bool handover_waits_for_records(const struct store *);
/* The last record put: its settlement also ends this sequence. */
void handover_also_done(struct store *, uint64_t sequence);
/* A slice ends here because what follows it in its block is no part of it. */
void handover_close(struct store *, enum open_block);
/* The same because the block is full, but for n bytes. */
void handover_close_block(struct store *, enum open_block, uint32_t n_unused);
/* Slices that are due go into the parcel; force: all. */
void handover_turn(struct store *, bool force);
void handover_on_slice(struct store *, struct slice *);
/* Groups that ended are settled. */
void handover_tell(struct store *);
/* At the end, when every record has ended: nobody is told any more. */
void handover_end_all(struct store *);
struct parcel *handover_parcel(struct store *);
void handover_run(struct store *, uint64_t sequence, enum run_end);

/* spill.c */
/* The records of a lane that are in memory alone, but for what is lent, go to the disk until
 * most_bytes are on their way there. False: some were left. */
bool spill_lane(struct store *, struct store_lane *, uint64_t most_bytes);
/* Spill mode: memory is wanted that they take. */
void spill_on_need(struct store *);
/* A record in memory alone was given back by forward. */
void spill_on_nack(struct store *);
/* What became of a slice tells whether the disk is well. */
void spill_on_slice(struct store *, enum slice_end);
/* What should go to the disk goes there, as much as may be on its way. */
void spill_turn(struct store *);

/* cold.c */
void cold_init(struct store *);
/* Records that became durable, or came back from disk: into lanes, or left on disk. */
void cold_enter(struct store *, struct block *, uint8_t *data, uint32_t n_records, bool from_disk);
/* Asks for more, or lets go of what should leave memory. */
void cold_turn(struct store *);
/* There may be something on disk that would be read back. */
bool cold_is_wanted(const struct store *);
void cold_on_read(struct store *, struct spool_read *);
/* A record stays on disk only. */
void cold_release(struct store *, enum method, uint64_t sequence);
/* The spool says that there is more. */
void cold_on_more(struct store *);
/* In memory there is no place for more of the method: it has its share, or no backend knows it. */
bool cold_is_crowded(const struct store *, enum method);
/* No backend knows the lane's method until then. */
void cold_on_unknown(struct store *, struct store_lane *, uint64_t until_us);

/* quarantine.c */
/* False when it cannot be kept at all: the caller counts it dropped. */
bool quarantine_add(struct store *, const struct store_record *, size_t n);
void quarantine_fini(struct store *);

#endif
