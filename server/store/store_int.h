/* What the files of store/ share: the store, its lanes and its batches. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/map.h"
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
 * while would pin every block with one small record. */
enum { OPEN_SEGMENTS, OPEN_OTHERS, N_OPEN };

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
    uint64_t n_queued, n_inflight;
    uint64_t swept_us;  /* last look for expired records */
    bool is_short;      /* of memory: ERR_WAIT was told, on_room not yet */
    bool lacks_lanes;   /* the same for want of lanes, which holds up new keys only */
    bool is_due_untold; /* a lane came on a list since store_due was asked last */
};

/* lane.c */
void lane_init_all(struct store *);
void lane_fini_all(struct store *);
/* The lane of a method and key, made if need be; NULL when there are too many. */
struct store_lane *lane_of(struct store *, enum method, struct bytes key);
/* Room for one more item; ERR_WAIT when the memory for it is refused. */
enum err lane_reserve(struct store *, struct store_lane *) MUST_CHECK;
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
/* The items' payloads are done with. */
void record_release(struct store *, const struct store_item *, uint32_t n);
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
/* Drops the expired items; n becomes 0 when all were. The batch counts as queued or in flight. */
void batch_expire(struct store *, struct batch *, bool is_queued);

/* settle.c */
void settle_add(struct settle *, void *cookie, uint64_t credit_bytes);
void settle_tell(struct store *);
void settle_fini(struct settle *);

/* quarantine.c */
/* False when it cannot be kept at all: the caller counts it dropped. */
bool quarantine_add(struct store *, const struct store_record *, size_t n);
void quarantine_fini(struct store *);

#endif
