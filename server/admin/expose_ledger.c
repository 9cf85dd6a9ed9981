/* The ledger, out of the metrics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/expose_int.h"

static uint64_t
value_of(const uint64_t *sums, enum metric metric, uint32_t index)
{
    const struct metric_row *row = metric_row(metric);
    return sums[row->first + index * row->width];
}

uint64_t
expose_total(const uint64_t *sums, enum metric metric)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < metric_row(metric)->n; i++)
        total += value_of(sums, metric, i);
    return total;
}

/* Restored: from the spool of the life before, and from quarantine. */
void
expose_ledger_read(const uint64_t *sums, struct expose_ledger *out)
{
    *out = (struct expose_ledger){
        .accepted = expose_total(sums, METRIC_ITEMS_ACCEPTED),
        .restored = expose_total(sums, METRIC_SPOOL_RECOVERED) +
                    value_of(sums, METRIC_QUARANTINE_REPLAYED, REPLAYED_AS_IS) +
                    value_of(sums, METRIC_QUARANTINE_REPLAYED, REPLAYED_REPAIRED),
        .forwarded = expose_total(sums, METRIC_ITEMS_FORWARDED),
        .dropped = expose_total(sums, METRIC_ITEMS_DROPPED),
        .quarantined = expose_total(sums, METRIC_ITEMS_QUARANTINED),
        .queued = expose_total(sums, METRIC_ITEMS_QUEUED),
        .inflight = expose_total(sums, METRIC_ITEMS_INFLIGHT),
    };
    out->imbalance = (int64_t)(out->accepted + out->restored - out->forwarded - out->dropped -
                               out->quarantined - out->queued - out->inflight);
}
