/* The face of store/: keeps accepted messages until a backend has them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One struct store per worker; its thread only. A record is copied once, into the worker's open
 * block (base/block.h). What happened to a record is told late and once per loop turn: on_settled
 * releases answers and flow-control credit. In memory mode a slice settles at the end of the turn
 * in which it was put; with a spool it settles after the covering fdatasync. No caller sees the
 * difference.
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

enum { STORE_SET_ASIDE = 1u << 0, STORE_EDITED = 1u << 1 }; /* record flags, as in spool files */

/* In front of every payload in memory: where the spool's record header goes, and after commit the
 * sender's framing (gRPC prefix, or SegmentCollection tag and length). */
enum { STORE_HEADROOM = 48 };

struct store;
struct store_lane;

struct store_settings {
    uint64_t max_bytes;        /* buffer.memory.max of this worker */
    uint64_t quarantine_bytes; /* of the memory ring of this worker */
    uint32_t batch_items;      /* batch.max_items */
    uint32_t batch_bytes;      /* batch.max_size */
    uint32_t batch_delay_ms;   /* batch.max_delay */
    uint32_t max_age_s;        /* buffer.disk.max_age */
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
};

struct store *store_new(const struct store_settings *, const struct store_callbacks *,
                        struct block_cache *, struct metrics *);
/* Records still held are counted dropped (shutdown). */
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
/* An item that ends here without a record (empty, copy, policy): accepted and dropped in the
 * ledger, its credit is settled with its neighbours. */
void store_put_nothing(struct store *, enum method, enum drop_reason, void *cookie,
                       uint64_t credit_bytes);
/* The end of a loop turn: settles what was put, tells on_room and on_due. */
void store_turn(struct store *);

/* A record lent in a batch. */
struct store_item {
    struct block *block;
    uint8_t *payload; /* STORE_HEADROOM writable bytes stand before it */
    uint32_t n;
    uint32_t attempts; /* of this record, isolation included */
    int64_t received_ms;
};

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
/* The lane is not due before until_us (a method no backend knows yet). */
void store_hold(struct store *, struct store_lane *, uint64_t until_us);
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

/* Items queued and in flight: 0 means drained. */
uint64_t store_n_held(const struct store *);
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
