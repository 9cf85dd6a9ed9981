/* Records on their way to the disk and back: slices, and who waits for them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A slice is a row of records in one open block. It is handed over when it is full, when its first
 * record is 1 ms old, or at once while nothing is out; always together with everything else that
 * was put, so that groups settle in the order of arrival. Until it comes back it holds one
 * reference on its block and nobody here touches its bytes. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rule_table.h"
#include "store/store_int.h"

void
handover_init(struct store *store)
{
    TAILQ_INIT(&store->groups);
}

static void
free_group(struct group *group)
{
    settle_fini(&group->settle);
    mem_free(group->done);
    mem_free(group);
}

void
handover_fini(struct store *store)
{
    check(store->n_out == 0);
    if (store->parcel != NULL) {
        store->parcel->n_runs = 0; /* nobody is there to tell */
        parcel_free(&store->parcel);
    }
}

struct parcel *
handover_parcel(struct store *store)
{
    if (store->parcel == NULL)
        store->parcel = parcel_new();
    return store->parcel;
}

void
handover_run(struct store *store, uint64_t sequence, enum run_end end)
{
    parcel_add_run(handover_parcel(store), sequence, 1, end);
}

static bool
is_tight(const struct store *store)
{
    return store->has_outage || store->is_winding_up ||
           store->memory_bytes > store->settings.max_bytes / 4 * 3 ||
           budget_level(store->blocks->budget) >= BUDGET_RELEASE;
}

bool
handover_may_spill(const struct store *store)
{
    return store->settings.mode == STORE_SPILL && store->settings.ack != STORE_ACK_FORWARDED;
}

bool
handover_is_due(const struct store *store, enum method method)
{
    if (store->settings.ack == STORE_ACK_FORWARDED)
        return false;
    if (store->settings.mode == STORE_SPILL)
        return is_tight(store) || cold_is_crowded(store, method);
    return store->settings.mode == STORE_DURABLE;
}

/* Groups. */

static struct group *
group_of(struct store *store)
{
    if (store->group == NULL) {
        store->group = mem_new(struct group);
        store->group->waiter.is_group = true;
        store->group->first_us = clock_mono_us();
        STAILQ_INIT(&store->group->slices);
    }
    return store->group;
}

/* Only durable mode lets agents wait for the disk. */
static bool
settles_late(const struct store *store)
{
    return store->settings.mode == STORE_DURABLE && store->settings.ack == STORE_ACK_BUFFERED;
}

struct settle *
handover_settle(struct store *store)
{
    bool waits = store->group != NULL || !TAILQ_EMPTY(&store->groups);
    return settles_late(store) && waits ? &group_of(store)->settle : &store->settle;
}

void
handover_also_done(struct store *store, uint64_t sequence)
{
    struct group *group = group_of(store);
    if (group->n_done == group->done_size) {
        group->done_size = group->done_size > 0 ? group->done_size * 2 : 16;
        group->done = mem_resize(group->done, group->done_size * sizeof(*group->done));
    }
    group->done[group->n_done++] = sequence;
}

/* Slices. */

void
handover_close(struct store *store, enum open_block which)
{
    struct home_slice *slice = store->filling[which];
    if (slice == NULL)
        return;
    store->filling[which] = NULL;
    STAILQ_INSERT_TAIL(&slice->group->slices, &slice->face, link);
}

void
handover_close_block(struct store *store, enum open_block which, uint32_t n_unused)
{
    if (store->filling[which] != NULL) {
        store->filling[which]->n_unused = n_unused;
        store->unused_bytes += n_unused;
    }
    handover_close(store, which);
}

static struct home_slice *
new_slice(struct store *store, const struct place *place, bool is_aside)
{
    struct home_slice *slice = mem_new(struct home_slice);
    slice->block = place->block;
    slice->group = group_of(store);
    slice->group->n_slices++;
    slice->face.data = place->p;
    slice->face.is_aside = is_aside;
    slice->face.worker = store->settings.worker;
    slice->face.home = slice;
    if (!place->is_own)
        block_ref(place->block);
    return slice;
}

static struct home_slice *
add_to_slice(struct store *store, enum open_block which, const struct place *place, size_t n)
{
    struct home_slice *slice = store->filling[which];
    if (slice != NULL && !place->is_own) {
        check(slice->face.data + slice->face.n_bytes == place->p);
    } else {
        /* Those put before stand before it on disk too. */
        handover_close(store, which);
        slice = new_slice(store, place, which == OPEN_ASIDE);
        if (place->is_own)
            STAILQ_INSERT_TAIL(&slice->group->slices, &slice->face, link);
        else
            store->filling[which] = slice;
    }
    slice->face.n_bytes += (uint32_t)n;
    slice->face.n_records++;
    slice->group->n_bytes += n;
    store->undurable_bytes += n;
    return slice;
}

/* Of the last record in the slice. */
static void
note_waiter(struct home_slice *slice, struct waiter *waiter)
{
    if (waiter == NULL)
        return;
    if (slice->n_saved == slice->saved_size) {
        slice->saved_size = slice->saved_size > 0 ? slice->saved_size * 2 : 16;
        slice->saved = mem_resize(slice->saved, slice->saved_size * sizeof(*slice->saved));
    }
    slice->saved[slice->n_saved++] = (struct saved){slice->face.n_records - 1, waiter};
}

/* A record that is set aside has no lane: its key says why it is there. */
static struct bytes
key_of(const struct store_record *record)
{
    if ((record->flags & STORE_SET_ASIDE) == 0)
        return record->key;
    return bytes_str(record->reason < RULE_COUNT ? rule_row(record->reason)->name
                                                 : "rejected-by-backend");
}

static void
fill(const struct store *store, const struct store_record *record, uint8_t *p, size_t n)
{
    struct spool_record_head *head = (struct spool_record_head *)(void *)p;
    struct bytes key = key_of(record);
    bool is_aside = (record->flags & STORE_SET_ASIDE) != 0;
    *head = (struct spool_record_head){
        .method = (uint16_t)record->method,
        .flags = record->flags,
        .payload_bytes = (uint32_t)n,
        .key_bytes = (uint32_t)key.n,
        .received_ms = record->received_ms,
    };
    p += SPOOL_RECORD_HEAD_BYTES;
    if (key.n > 0)
        memcpy(p, key.p, key.n);
    record_copy_parts(p + key.n, record);
    if (is_aside && store->redact != NULL)
        redact_apply(store->redact, p + key.n, n);
    spool_record_fill(head, is_aside ? store->settings.aside_seed : store->settings.seed);
}

static enum open_block
block_of(const struct store_record *record)
{
    if (record->flags & STORE_SET_ASIDE)
        return OPEN_ASIDE;
    return record->method == METHOD_SEGMENT_COLLECT ? OPEN_SEGMENTS : OPEN_OTHERS;
}

static enum err
put(struct store *store, const struct store_record *record, size_t n, bool must,
    struct waiter *waiter)
{
    size_t whole = spool_record_bytes((uint32_t)key_of(record).n, n);
    /* A record larger than the share goes alone. */
    if (!must && store->undurable_bytes > 0 &&
        store->undurable_bytes + whole > store->settings.undurable_bytes)
        return ERR_BUDGET;
    enum open_block which = block_of(record);
    struct place place = record_place(store, which, whole, must);
    if (place.p == NULL)
        return ERR_BUDGET;
    fill(store, record, place.p, n);
    note_waiter(add_to_slice(store, which, &place, whole), waiter);
    store->n_queued++;
    store->n_volatile++;
    metric_add(store->metrics, METRIC_ITEMS_QUEUED, method_row(record->method)->signal, 1);
    struct settle *settle = settles_late(store) ? &group_of(store)->settle : &store->settle;
    settle_add(settle, record->cookie, record->credit_bytes);
    return ERR_OK;
}

enum err
handover_put(struct store *store, const struct store_record *record, size_t n, bool must)
{
    return put(store, record, n, must, NULL);
}

/* Alone in its slice, for it alone tells whether it is safe; until then it is in quarantine and
 * counts nowhere else. */
enum err
handover_restore(struct store *store, const struct store_record *record, size_t n,
                 uint32_t restored_as)
{
    size_t whole = spool_record_bytes((uint32_t)record->key.n, n);
    /* Half of the share is left to agents. */
    if (store->undurable_bytes > 0 &&
        store->undurable_bytes + whole > store->settings.undurable_bytes / 2)
        return ERR_BUDGET;
    enum open_block which = block_of(record);
    handover_close(store, which);
    struct place place = record_place(store, which, whole, false);
    if (place.p == NULL)
        return ERR_BUDGET;
    fill(store, record, place.p, n);
    struct home_slice *slice = add_to_slice(store, which, &place, whole);
    handover_close(store, which);
    slice->is_restored = true;
    slice->restored_as = restored_as;
    slice->cookie = record->cookie;
    return ERR_OK;
}

bool
handover_is_behind(const struct store *store)
{
    uint64_t share = store->settings.undurable_bytes;
    return store->undurable_bytes > share / 2 ||
           (store->undurable_bytes > 0 && store->undurable_bytes + store->short_of_bytes > share);
}

bool
handover_spill(struct store *store, const struct store_lane *lane, struct store_item *item)
{
    struct bytes payload = bytes_of(item->payload, item->n);
    struct store_record record = {.method = lane->method,
                                  .reason = RULE_COUNT,
                                  .key = lane->key,
                                  .parts = &payload,
                                  .n_parts = 1,
                                  .received_ms = item->received_ms};
    if (put(store, &record, item->n, true, item->waiter) != ERR_OK)
        return false;
    item->waiter = NULL;
    return true;
}

/* Into the ring in memory, and through the disk where there is one. ERR_OK: it is on its way there
 * and counted when it has arrived; ERR_WAIT: it ended here. */
enum err
handover_put_aside(struct store *store, const struct store_record *record, size_t n, bool must)
{
    uint32_t signal = method_row(record->method)->signal;
    bool is_kept = quarantine_add(store, record, n);
    /* Where credit does not wait for the disk, a slow one must not fill the memory with it. */
    must &= settles_late(store) || store->undurable_bytes < store->settings.undurable_bytes;
    if (store->settings.mode != STORE_MEMORY && store->settings.ack != STORE_ACK_FORWARDED &&
        handover_put(store, record, n, must) == ERR_OK)
        return ERR_OK;
    if (is_kept)
        metric_add(store->metrics, METRIC_ITEMS_QUARANTINED, signal, 1);
    else
        metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + DROP_REJECTED, 1);
    return ERR_WAIT;
}

static bool
is_due(const struct store *store)
{
    const struct group *group = store->group;
    return store->n_out == 0 || group->n_bytes >= BLOCK_BYTES ||
           clock_mono_us() - group->first_us >= STORE_HAND_OVER_US;
}

void
handover_turn(struct store *store, bool force)
{
    struct group *group = store->group;
    if (group == NULL || (!force && !is_due(store)))
        return;
    for (int i = 0; i < N_OPEN; i++)
        handover_close(store, i);
    store->n_out += group->n_slices;
    if (group->n_slices > 0)
        STAILQ_CONCAT(&handover_parcel(store)->slices, &group->slices);
    TAILQ_INSERT_TAIL(&store->groups, group, link);
    store->group = NULL;
}

/* Back from the disk. */

typedef void record_fn(struct store *, const struct spool_record_head *);

static void
each_record(struct store *store, const struct slice *slice, record_fn *fn)
{
    const uint8_t *p = slice->data;
    for (uint32_t i = 0; i < slice->n_records; i++) {
        const struct spool_record_head *head = (const void *)p;
        fn(store, head);
        p += spool_record_bytes(head->key_bytes, head->payload_bytes);
    }
}

static void
leave_queue(struct store *store, const struct spool_record_head *head)
{
    store->n_queued--;
    store->n_volatile--;
    metric_sub(store->metrics, METRIC_ITEMS_QUEUED, method_row(head->method)->signal, 1);
}

static void
end_aside(struct store *store, const struct spool_record_head *head)
{
    leave_queue(store, head);
    metric_add(store->metrics, METRIC_ITEMS_QUARANTINED, method_row(head->method)->signal, 1);
}

static void
end_dropped(struct store *store, const struct spool_record_head *head)
{
    uint32_t signal = method_row(head->method)->signal;
    leave_queue(store, head);
    metric_add(store->metrics, METRIC_ITEMS_DROPPED, signal * DROP_COUNT + DROP_BUFFER_FULL, 1);
}

/* Who waits for this record of an unsaved slice; one that was saved has its waiter already. */
static struct waiter *
waiter_at(struct home_slice *slice, uint32_t at, bool is_waited_for)
{
    uint32_t low = 0, high = slice->n_saved;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (slice->saved[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < slice->n_saved && slice->saved[low].at == at)
        return slice->saved[low].waiter;
    if (!is_waited_for)
        return NULL;
    slice->group->waiter.n_open++;
    return &slice->group->waiter;
}

/* The records of the slice ended, or are safe. */
static void
let_wait_end(struct store *store, struct home_slice *slice)
{
    for (uint32_t i = 0; i < slice->n_saved; i++)
        waiter_end(store, slice->saved[i].waiter);
}

/* The disk is broken: from here on memory is all there is, and only a backend's OK is an answer. */
static void
keep_in_memory(struct store *store, struct home_slice *slice)
{
    uint8_t *p = slice->face.data;
    for (uint32_t i = 0; i < slice->face.n_records; i++) {
        const struct spool_record_head *head = (const void *)p;
        const struct method_row *row = method_row(head->method);
        struct bytes key = row->lane == LANE_SERVICE ? spool_record_key(p) : BYTES_NONE;
        struct store_lane *lane = lane_of_always(store, row->method, key);
        struct store_item item = {
            .block = slice->block,
            .payload = p + SPOOL_RECORD_HEAD_BYTES + head->key_bytes,
            .n = head->payload_bytes,
            .received_ms = head->received_ms,
            .sequence = STORE_NO_SEQUENCE,
        };
        item.waiter = waiter_at(slice, i, settles_late(store));
        /* What no backend knows might never be answered, and nobody could go on. */
        if (store->unknown_until_us[row->method] > clock_mono_us())
            waiter_end_of_group(store, &item);
        p += spool_record_bytes(head->key_bytes, head->payload_bytes);
        block_ref(item.block);
        lane_reserve_always(store, lane);
        lane_push(store, lane, &item);
    }
}

static void
end_restored(struct store *store, struct home_slice *slice)
{
    bool is_kept = slice->face.end == SLICE_DURABLE;
    if (is_kept) {
        const struct spool_record_head *head = (const void *)slice->face.data;
        store->n_queued++;
        metric_add(store->metrics, METRIC_ITEMS_QUEUED, method_row(head->method)->signal, 1);
        metric_add(store->metrics, METRIC_QUARANTINE_REPLAYED, slice->restored_as, 1);
        cold_enter(store, slice->block, slice->face.data, 1, false);
    }
    store->callbacks.on_restored(store->callbacks.ctx, slice->cookie, is_kept);
}

void
handover_on_slice(struct store *store, struct slice *face)
{
    struct home_slice *slice = face->home;
    store->n_out--;
    store->undurable_bytes -= face->n_bytes;
    store->unused_bytes -= slice->n_unused;
    slice->group->n_slices--;
    if (!face->is_aside)
        spill_on_slice(store, face->end);
    if (face->end != SLICE_UNSAVED)
        let_wait_end(store, slice);
    if (slice->is_restored) {
        end_restored(store, slice);
    } else if (face->is_aside) {
        /* Without the disk the ring in memory is all there is of it. */
        each_record(store, face, end_aside);
    } else if (face->end == SLICE_DURABLE) {
        store->n_volatile -= face->n_records;
        cold_enter(store, slice->block, face->data, face->n_records, false);
    } else if (face->end == SLICE_DROPPED) {
        each_record(store, face, end_dropped);
    } else {
        keep_in_memory(store, slice);
    }
    record_unref(store, slice->block);
    mem_free(slice->saved);
    mem_free(slice);
}

bool
handover_waits_for_records(const struct store *store)
{
    const struct group *group = TAILQ_FIRST(&store->groups);
    return group != NULL && group->n_slices == 0 && group->waiter.n_open > 0;
}

/* The first group, out of its list, if it has ended; what was set aside with it is done. */
static struct group *
next_ended(struct store *store)
{
    struct group *group = TAILQ_FIRST(&store->groups);
    if (group == NULL || group->n_slices > 0 || group->waiter.n_open > 0)
        return NULL;
    TAILQ_REMOVE(&store->groups, group, link);
    for (uint32_t i = 0; i < group->n_done; i++)
        handover_run(store, group->done[i], RUN_DONE);
    return group;
}

void
handover_tell(struct store *store)
{
    struct group *group;
    while ((group = next_ended(store)) != NULL) {
        settle_tell(store, &group->settle);
        free_group(group);
    }
}

void
handover_end_all(struct store *store)
{
    if (store->group != NULL)
        TAILQ_INSERT_TAIL(&store->groups, store->group, link);
    store->group = NULL;
    struct group *group;
    while ((group = next_ended(store)) != NULL)
        free_group(group);
    check(TAILQ_EMPTY(&store->groups));
}
