/* What was set aside: a bounded ring in memory that evicts its oldest. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads are copied out, so that they pin no block. One entry takes at most a quarter of the
 * ring: of a larger payload the prefix is kept. Charged to the budget. */
#include "base/mem.h"
#include "store/store_int.h"

static uint64_t
entry_bytes(size_t n)
{
    return sizeof(struct quarantine_entry) + n;
}

/* With a disk the ring is a copy for a quick look: what is there is counted there. */
static bool
is_counted(const struct store *store)
{
    return store->settings.mode == STORE_MEMORY;
}

static void
count_kept(struct store *store, uint64_t n_entries, uint64_t n_bytes)
{
    if (!is_counted(store))
        return;
    metric_add(store->metrics, METRIC_QUARANTINE_SEGMENTS, 0, n_entries);
    metric_add(store->metrics, METRIC_QUARANTINE_BYTES, 0, n_bytes);
}

static void
remove_oldest(struct store *store)
{
    struct quarantine *quarantine = &store->quarantine;
    struct quarantine_entry *entry = TAILQ_FIRST(&quarantine->entries);
    uint64_t n = entry_bytes(entry->n);
    TAILQ_REMOVE(&quarantine->entries, entry, link);
    quarantine->n_bytes -= n;
    budget_give(store->blocks->budget, n);
    count_kept(store, -UINT64_C(1), -n);
    mem_free(entry);
}

static void
evict(struct store *store)
{
    remove_oldest(store);
    if (is_counted(store))
        metric_add(store->metrics, METRIC_QUARANTINE_EVICTED, EVICTED_FULL, 1);
}

static bool
make_room(struct store *store, uint64_t n)
{
    struct quarantine *quarantine = &store->quarantine;
    if (n > quarantine->max_bytes)
        return false;
    while (quarantine->n_bytes + n > quarantine->max_bytes)
        evict(store);
    while (!budget_take(store->blocks->budget, n)) {
        if (TAILQ_EMPTY(&quarantine->entries))
            return false;
        evict(store);
    }
    return true;
}

static void
copy_parts(uint8_t *out, size_t n, const struct store_record *record)
{
    for (uint32_t i = 0; i < record->n_parts && n > 0; i++) {
        size_t take = record->parts[i].n < n ? record->parts[i].n : n;
        if (take > 0)
            memcpy(out, record->parts[i].p, take);
        out += take;
        n -= take;
    }
}

bool
quarantine_add(struct store *store, const struct store_record *record, size_t n)
{
    struct quarantine *quarantine = &store->quarantine;
    size_t most = (size_t)(quarantine->max_bytes / 4);
    size_t keep = n < most ? n : most;
    uint64_t whole = entry_bytes(keep);
    if (!make_room(store, whole))
        return false;
    struct quarantine_entry *entry = mem_alloc(whole);
    entry->method = record->method;
    entry->reason = record->reason;
    entry->received_ms = record->received_ms;
    entry->n = (uint32_t)keep;
    copy_parts(entry->payload, keep, record);
    if (store->redact != NULL)
        redact_apply(store->redact, entry->payload, keep);
    TAILQ_INSERT_TAIL(&quarantine->entries, entry, link);
    quarantine->n_bytes += whole;
    count_kept(store, 1, whole);
    return true;
}

void
quarantine_fini(struct store *store)
{
    while (!TAILQ_EMPTY(&store->quarantine.entries))
        remove_oldest(store);
}

void
store_quarantine_each(const struct store *store, store_quarantine_fn *fn, void *ctx)
{
    struct quarantine_entry *entry;
    TAILQ_FOREACH_REVERSE(entry, &store->quarantine.entries, quarantine_list, link)
    {
        struct store_quarantined seen = {
            .method = entry->method,
            .reason = entry->reason,
            .received_ms = entry->received_ms,
            .payload = bytes_of(entry->payload, entry->n),
        };
        if (!fn(ctx, &seen))
            return;
    }
}
