/* The spool played by hand: what a store handed over ends here as its test wishes. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_STORE_FIXTURE_DISK_H
#define UNIT_STORE_FIXTURE_DISK_H

#include "store_fixture.h"

static inline uint32_t
fix_n_slices(const struct fix *fix)
{
    const struct slice *slice;
    uint32_t n = 0;
    STAILQ_FOREACH(slice, &fix->slices, link) n++;
    return n;
}

static inline struct slice *
fix_slice(const struct fix *fix, uint32_t at)
{
    struct slice *slice = STAILQ_FIRST(&fix->slices);
    for (; at > 0 && slice != NULL; at--)
        slice = STAILQ_NEXT(slice, link);
    assert_non_null(slice);
    return slice;
}

/* Its records are whole, and stamped as the spool does. */
static inline void
fix_stamp(struct fix *fix, struct slice *slice)
{
    uint64_t seed = slice->is_aside ? FIX_ASIDE_SEED : FIX_SEED;
    uint32_t at = 0;
    slice->first = fix->next_sequence;
    for (uint32_t i = 0; i < slice->n_records; i++) {
        struct spool_record_head head;
        spool_record_stamp((void *)(slice->data + at), seed, fix->next_sequence++);
        assert_int_equal(spool_record_look(slice->data + at, slice->n_bytes - at, seed, &head),
                         ERR_OK);
        assert_true(spool_record_is_whole(slice->data + at, seed));
        at += (uint32_t)spool_record_bytes(head.key_bytes, head.payload_bytes);
    }
    assert_int_equal(at, slice->n_bytes);
}

/* The slice with this number of those that are out comes home. */
static inline void
fix_end_slice(struct fix *fix, uint32_t at, enum slice_end end)
{
    struct slice *slice = fix_slice(fix, at);
    struct parcel *parcel = parcel_new();
    STAILQ_REMOVE(&fix->slices, slice, slice, link);
    fix_stamp(fix, slice);
    slice->end = end;
    STAILQ_INSERT_TAIL(&parcel->slices, slice, link);
    store_on_parcel(fix->store, parcel);
    fix_assert_balance(fix);
}

static inline void
fix_end_slices(struct fix *fix, enum slice_end end)
{
    while (!STAILQ_EMPTY(&fix->slices))
        fix_end_slice(fix, 0, end);
}

/* Reads. */

static inline struct spool_read *
fix_read(const struct fix *fix)
{
    struct spool_read *read = STAILQ_FIRST(&fix->reads);
    assert_non_null(read);
    return read;
}

static inline void
fix_read_add(struct fix *fix, uint16_t method, struct bytes key, struct bytes payload,
             uint16_t flags)
{
    struct spool_read *read = fix_read(fix);
    size_t n = spool_record_bytes((uint32_t)key.n, payload.n);
    assert_true(read->n_bytes + n <= read->size);
    struct spool_record_head *head = (void *)(read->data + read->n_bytes);
    *head = (struct spool_record_head){
        .method = method,
        .flags = flags,
        .payload_bytes = (uint32_t)payload.n,
        .key_bytes = (uint32_t)key.n,
        .received_ms = fix->now_ms,
    };
    uint8_t *p = (uint8_t *)(head + 1);
    if (key.n > 0)
        memcpy(p, key.p, key.n);
    if (payload.n > 0)
        memcpy(p + key.n, payload.p, payload.n);
    spool_record_fill(head, FIX_SEED);
    spool_record_stamp(head, FIX_SEED, fix->next_sequence++);
    read->n_bytes += (uint32_t)n;
    read->n_records++;
}

/* A record that some other process left on disk: it stands in the ledger as restored. */
static inline void
fix_restore(struct fix *fix, enum method method, struct bytes payload)
{
    fix_read_add(fix, (uint16_t)method, BYTES_NONE, payload, 0);
    enum signal signal = method_row(method)->signal;
    metric_add(fix->metrics, METRIC_ITEMS_ACCEPTED, signal, 1);
    metric_add(fix->metrics, METRIC_ITEMS_QUEUED, signal, 1);
}

static inline void
fix_end_read(struct fix *fix)
{
    struct spool_read *read = fix_read(fix);
    struct parcel *parcel = parcel_new();
    STAILQ_REMOVE_HEAD(&fix->reads, link);
    STAILQ_INSERT_TAIL(&parcel->reads, read, link);
    store_on_parcel(fix->store, parcel);
    fix_assert_balance(fix);
}

static inline bool
fix_has_read(const struct fix *fix)
{
    return !STAILQ_EMPTY(&fix->reads);
}

/* Turns and empty reads until the store knows that nothing is on disk. */
static inline void
fix_no_cold(struct fix *fix)
{
    store_turn(fix->store);
    while (fix_has_read(fix)) {
        fix_end_read(fix);
        store_turn(fix->store);
    }
}

static inline void
fix_init_disk(struct fix *fix, const struct store_settings *settings)
{
    fix_init(fix, settings);
    fix_no_cold(fix);
}

/* Sequences that ended so. */
static inline uint32_t
fix_n_ended(const struct fix *fix, enum run_end end)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < fix->n_runs; i++)
        n += fix->runs[i].end == end ? fix->runs[i].n : 0;
    return n;
}

/* Everything that is due is taken and acknowledged. */
static inline uint32_t
fix_ack_all(struct fix *fix)
{
    uint32_t n = 0;
    struct store_lane *lane;
    struct store_batch *batch;
    uint64_t next_us;
    while ((lane = store_due(fix->store, fix->now_us, true, &next_us)) != NULL &&
           (batch = store_take(fix->store, lane)) != NULL) {
        n += batch->n;
        store_ack(fix->store, &batch);
    }
    return n;
}

#endif
