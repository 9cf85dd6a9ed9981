/* Records in memory alone go to the disk after all: at the end, in need, and when it is well again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a broken disk gave back is tried again, one record a second, until a slice comes home
 * durable; then all of it goes, no more at once than may be on its way to the disk. Who waits for a
 * record waits for its copy instead. The owner's turns come once a second at least. */
#include "base/clock.h"
#include "store/store_int.h"

static const uint64_t PROBE_US = 1000000;

/* The record at the front, already out of its place: it goes, or back behind the others. */
static bool
spill_or_keep(struct store *store, struct store_lane *lane, struct store_item *item,
              uint64_t most_bytes)
{
    if (item->sequence == STORE_NO_SEQUENCE && store->undurable_bytes < most_bytes &&
        handover_spill(store, lane, item)) {
        record_release(store, item, 1);
        store->n_queued--;
        metric_sub(store->metrics, METRIC_ITEMS_QUEUED, lane->signal, 1);
        return true;
    }
    lane_reserve_always(store, lane);
    lane_push(store, lane, item);
    return item->sequence != STORE_NO_SEQUENCE;
}

static bool
spill_queue(struct store *store, struct store_lane *lane, uint64_t most_bytes)
{
    bool is_whole = true;
    if (store->undurable_bytes >= most_bytes)
        return lane->n_alone == 0;
    /* All of them once round, so that those that stay keep their order. */
    for (uint64_t n = lane->n_alone > 0 ? lane->n_queued : 0; n > 0; n--) {
        struct store_item item = *lane_front(lane);
        lane_pop(store, lane);
        is_whole &= spill_or_keep(store, lane, &item, most_bytes);
    }
    return is_whole;
}

bool
spill_lane(struct store *store, struct store_lane *lane, uint64_t most_bytes)
{
    bool is_whole = true;
    struct batch *batch, *next;
    for (batch = TAILQ_FIRST(&lane->returned); batch != NULL; batch = next) {
        next = TAILQ_NEXT(batch, link);
        is_whole &= batch_spill_returned(store, lane, batch, most_bytes);
    }
    is_whole &= spill_queue(store, lane, most_bytes);
    return is_whole;
}

struct pass {
    uint64_t most_bytes;
    bool is_whole;
};

static void
pass_lane(struct store *store, struct store_lane *lane, void *ctx)
{
    struct pass *pass = ctx;
    pass->is_whole &= spill_lane(store, lane, pass->most_bytes);
    lane_leave_if_empty(store, lane);
}

/* True: nothing that is queued is in memory alone any more. */
static bool
pass_all(struct store *store, uint64_t most_bytes)
{
    struct pass pass = {.most_bytes = most_bytes, .is_whole = true};
    lane_each(store, pass_lane, &pass);
    return pass.is_whole;
}

static bool
has_disk(const struct store *store)
{
    return store->settings.mode != STORE_MEMORY && store->settings.ack != STORE_ACK_FORWARDED;
}

/* Spill mode keeps in memory what it has room for. */
static bool
keeps(const struct store *store)
{
    return store->settings.mode == STORE_SPILL && !store->is_winding_up && !store->is_short;
}

void
spill_on_need(struct store *store)
{
    if (store->is_broken)
        store->has_unsaved = true;
    else
        store->has_to_spill = true;
}

void
spill_on_nack(struct store *store)
{
    store->has_to_spill |= store->is_winding_up;
    store->has_unsaved |= !keeps(store);
}

void
spill_on_slice(struct store *store, enum slice_end end)
{
    if (end == SLICE_DROPPED)
        return;
    store->is_broken = end == SLICE_UNSAVED;
    if (end == SLICE_DURABLE) {
        store->has_to_spill |= store->has_unsaved;
        return;
    }
    store->has_to_spill = false;
    store->has_unsaved = !keeps(store);
    store->probed_us = clock_mono_us();
}

void
spill_turn(struct store *store)
{
    if (!has_disk(store) || keeps(store))
        store->has_to_spill = store->has_unsaved = false;
    uint64_t now_us = clock_mono_us();
    if (store->has_to_spill) {
        store->has_to_spill = !pass_all(store, store->settings.undurable_bytes);
        store->has_unsaved &= store->has_to_spill;
    } else if (store->has_unsaved && store->undurable_bytes == 0 &&
               now_us - store->probed_us >= PROBE_US) {
        store->probed_us = now_us;
        (void)pass_all(store, 1);
    }
}
