/* The ledger: everything accepted or restored is forwarded, dropped, quarantined or held. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

static uint64_t
sum_of(const uint64_t *sums, enum metric metric)
{
    const struct metric_row *row = metric_row(metric);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < row->n; i++)
        sum += sums[row->first + i * row->width];
    return sum;
}

void
daemon_ledger(const uint64_t *sums, struct daemon_ledger *out)
{
    *out = (struct daemon_ledger){
        .accepted = sum_of(sums, METRIC_ITEMS_ACCEPTED),
        .restored = sum_of(sums, METRIC_SPOOL_RECOVERED),
        .forwarded = sum_of(sums, METRIC_ITEMS_FORWARDED),
        .dropped = sum_of(sums, METRIC_ITEMS_DROPPED),
        .quarantined = sum_of(sums, METRIC_ITEMS_QUARANTINED),
        .queued = sum_of(sums, METRIC_ITEMS_QUEUED),
        .inflight = sum_of(sums, METRIC_ITEMS_INFLIGHT),
    };
    out->imbalance = (int64_t)(out->accepted + out->restored - out->forwarded - out->dropped -
                               out->quarantined - out->queued - out->inflight);
}

void
daemon_ledger_line(const struct daemon_ledger *ledger, struct text *out)
{
    text_addf(out, "accepted %llu", (unsigned long long)ledger->accepted);
    if (ledger->restored > 0)
        text_addf(out, " + restored %llu", (unsigned long long)ledger->restored);
    text_addf(
        out, " = forwarded %llu + dropped %llu + quarantined %llu + held %llu, imbalance %lld",
        (unsigned long long)ledger->forwarded, (unsigned long long)ledger->dropped,
        (unsigned long long)ledger->quarantined,
        (unsigned long long)(ledger->queued + ledger->inflight), (long long)ledger->imbalance);
}
