/* The face of store/: keeps accepted messages until a backend has them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One struct store per worker; its thread only. A record is copied once, into the worker's open
 * block (base/block.h). What happened to a record is told late and once per loop turn: on_settled
 * releases answers and flow-control credit. In memory mode a slice settles at the end of the turn
 * in which it was put; with a spool it settles after the covering fdatasync. No caller sees the
 * difference.
 *
 * With a spool, records travel to the spool's thread in slices (parcel.h) and come back durable;
 * only then they stand in lanes. Beyond the memory's share they are cold: on disk only, and asked
 * back when the lanes run low.
 *
 *   put    -> ERR_OK: admitted, on_settled follows; ERR_WAIT: no room, on_room follows
 *   due    -> a lane with a batch to send now
 *   take   -> a batch: records of one lane, lent to forward until ack, nack, drop or set_aside
 *   ack    -> the backend answered OK: done
 *   nack   -> back to the front of its lane, to be taken again
 *
 * The ledger (metrics items_*) is kept here and nowhere else: accepted = forwarded + dropped +
 * quarantined + queued + inflight after every call. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/block.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/method.h"
#include "base/metric.h"
#include "base/rule_table.h"
#include "store/parcel.h"

enum { STORE_SET_ASIDE = 1u << 0, STORE_EDITED = 1u << 1 }; /* record flags, as in spool files */

/* In front of every payload in memory: where the spool's record header goes, and after commit the
 * sender's framing (gRPC prefix, or SegmentCollection tag and length). */
enum { STORE_HEADROOM = 48 };

struct store;
struct store_lane;

enum store_mode {
    STORE_MEMORY,
    /* Through the disk only when memory is short, a method has its share of it, or no backend is
     * connected or knows the method. */
    STORE_SPILL,
    STORE_DURABLE, /* every record through the disk */
};
enum store_ack {
    STORE_ACK_RECEIVED, /* admitted to memory */
    STORE_ACK_BUFFERED, /* durable: synced; spill and memory: in memory */
    /* A backend answered OK (or the record ended otherwise). Nothing new goes to disk then: what is
     * not acknowledged need not outlive us. In order for each cookie. */
    STORE_ACK_FORWARDED,
};

struct store_settings {
    enum store_mode mode;
    enum store_ack ack;
    uint32_t worker;                /* index */
    uint64_t seed, aside_seed;      /* of the two spools' checksums */
    uint64_t undurable_bytes;       /* this worker's share of what may be on its way to the disk */
    uint64_t max_bytes;             /* buffer.memory.max of this worker */
    uint64_t quarantine_bytes;      /* of the memory ring of this worker */
    uint32_t batch_items;           /* batch.max_items */
    uint32_t batch_bytes;           /* batch.max_size */
    uint32_t batch_delay_ms;        /* batch.max_delay */
    uint32_t max_age_s;             /* buffer.disk.max_age */
    const char *const *redact_tags; /* quarantine.redact_tags; copied */
    uint32_t n_redact_tags;
    enum { STORE_BACKPRESSURE, STORE_DROP_OLDEST, STORE_DROP_NEWEST } when_full;
};

/* All late: never from inside put, take, ack, nack. On the worker's thread, from store_turn. */
struct store_callbacks {
    void *ctx;
    /* The records put with this cookie since its last on_settled are as safe as buffer.ack says.
     * n_records counts store_put_nothing too. */
    void (*on_settled)(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records);
    /* There is room again after ERR_WAIT; told once per shortage. */
    void (*on_room)(void *ctx);
    /* Something was queued while nothing was due before: ask store_due. */
    void (*on_due)(void *ctx);
    /* What became of a store_restore: it is durable, or it was not taken after all. */
    void (*on_restored)(void *ctx, void *cookie, bool is_kept);
    /* For the spool; ownership passes. Not in memory mode. */
    void (*on_parcel)(void *ctx, struct parcel *);
};

struct store *store_new(const struct store_settings *, const struct store_callbacks *,
                        struct block_cache *, struct metrics *);
/* No slice and no read is out, and a turn has passed since the last put. Records held in memory
 * alone are counted dropped (shutdown), those on disk stay held. Who still waits is not told: he is
 * gone, or an answer would be a lie. */
void store_free(struct store **);

/* What receive/ hands over. The payload is the parts one after the other. */
struct store_record {
    enum method method; /* under which it is forwarded */
    uint16_t flags;     /* STORE_* */
    enum rule reason;   /* why it is set aside; RULE_COUNT otherwise */
    struct bytes key;   /* the lane's key (a log's service); BYTES_NONE */
    const struct bytes *parts;
    uint32_t n_parts;
    int64_t received_ms;
    void *cookie;          /* NULL: nobody waits for it */
    uint64_t credit_bytes; /* given back in on_settled */
};

/* Copies the record. ERR_WAIT: nothing was taken, try again after on_room. A record set aside goes
 * to quarantine (a bounded ring that evicts its oldest), never to a lane. */
enum err store_put(struct store *, const struct store_record *) MUST_CHECK;
/* A record that comes back from quarantine, whose copy there stays until on_restored says that it
 * is durable; only then it counts (METRIC_QUARANTINE_REPLAYED, as: its index). It goes through the
 * disk in every mode but memory, in which there is nothing to come back from. ERR_WAIT: no room at
 * the moment, nobody is told when there is: agents come first. Else on_restored follows in place of
 * on_settled. */
enum err store_restore(struct store *, const struct store_record *, uint32_t as) MUST_CHECK;
/* An item that ends here without a record (empty, copy, policy): accepted and dropped in the
 * ledger, its credit is settled with its neighbours. */
void store_put_nothing(struct store *, enum method, enum drop_reason, void *cookie,
                       uint64_t credit_bytes);
/* The end of a loop turn: settles what was put, hands slices and runs to the spool, tells on_room
 * and on_due. */
void store_turn(struct store *);
/* When store_turn should run again at the latest: a slice whose first record is 1 ms old goes to
 * the spool. UINT64_MAX: no need. */
uint64_t store_next_us(const struct store *);
/* From the spool; ownership passes. Settles and queues; then ask store_due. */
void store_on_parcel(struct store *, struct parcel *);
/* No backend is connected, or one is again: spill mode goes through the disk meanwhile. */
void store_set_outage(struct store *, bool no_backend);
/* The end is near: what stands in memory alone goes to the spool where there is one (spill), what
 * is given back later too, and nothing is read back any more. */
void store_wind_up(struct store *);
/* Nothing is held here, and nothing is left on disk that a backend would take. */
bool store_is_empty(const struct store *);
/* Slices and reads out at the spool: 0 before store_free. */
uint32_t store_n_out(const struct store *);

/* A record lent in a batch. */
struct store_item {
    struct block *block;
    uint8_t *payload; /* STORE_HEADROOM writable bytes stand before it */
    uint32_t n;
    uint32_t attempts; /* of this record, isolation included */
    int64_t received_ms;
    uint64_t sequence;     /* on disk; STORE_NO_SEQUENCE: in memory alone */
    struct waiter *waiter; /* who is answered when this record ends (ack: forwarded); NULL */
};
#define STORE_NO_SEQUENCE UINT64_MAX

/* Owner: store; lent to forward between take and ack/nack. */
struct store_batch {
    enum method method;
    struct bytes key;
    struct store_item *items;
    uint32_t n;
    uint64_t n_bytes;  /* payloads */
    uint32_t attempts; /* how often it was given back */
    int64_t oldest_ms; /* arrival of its oldest record */
    struct store_lane *lane;
    void *owner; /* for forward's use */
};

/* A lane that is not held and holds a full batch, a record as old as batch.max_delay, or a batch
 * given back; NULL if none, and then *next_us says when the next one will be due (UINT64_MAX:
 * never). flush: every lane that holds anything is due. Lanes take turns. */
struct store_lane *store_due(struct store *, uint64_t now_us, bool flush, uint64_t *next_us);
enum method store_lane_method(const struct store_lane *);
/* The lane is not due before until_us. is_unknown: no backend knows the method, so its records need
 * not stay in memory. */
void store_hold(struct store *, struct store_lane *, uint64_t until_us, bool is_unknown);
/* Expired records are dropped on the way; NULL when nothing is left. OPAQUE and UNARY methods: one
 * record a batch. */
struct store_batch *store_take(struct store *, struct store_lane *);
void store_ack(struct store *, struct store_batch **);
void store_nack(struct store *, struct store_batch **);
/* The batch ends here. */
void store_drop(struct store *, struct store_batch **, enum drop_reason);
/* Drops the records of a lent batch that expired meanwhile; false, and the batch is gone, when none
 * is left. */
bool store_expire(struct store *, struct store_batch **);
/* The batch ends in quarantine: the backend alone refuses it while it takes others. */
void store_set_aside(struct store *, struct store_batch **);
/* Cuts a batch of two or more in two, to find the record a backend refuses. */
void store_split(struct store *, struct store_batch *, struct store_batch **second);

/* Batches lent and in no call had better be given back: they hold memory that somebody needs, or
 * records that should go to the disk. */
bool store_wants_batches(const struct store *);

/* Items queued and in flight here, what is on its way to the disk included, cold ones not: 0 means
 * drained. */
uint64_t store_n_held(const struct store *);
/* Items that would be lost with this process: not on disk (yet). */
uint64_t store_n_volatile(const struct store *);
/* ERR_WAIT was told for want of memory and on_room is still owed. Other workers' memory may be what
 * is missing, so the owner sees to it that store_turn runs again soon. */
bool store_is_short(const struct store *);

/* What quarantine keeps, newest first, for admin and demo. */
struct store_quarantined {
    enum method method;
    enum rule reason; /* RULE_COUNT: rejected by the backend */
    int64_t received_ms;
    struct bytes payload; /* valid until the next store call */
};
typedef bool store_quarantine_fn(void *ctx, const struct store_quarantined *); /* false stops */
void store_quarantine_each(const struct store *, store_quarantine_fn *, void *ctx);

#endif
