/* The ledger: everything accepted or restored is forwarded, dropped, quarantined or held. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include "admin/expose.h"

void
daemon_ledger(const uint64_t *sums, struct daemon_ledger *out)
{
    struct expose_ledger from;
    expose_ledger_read(sums, &from);
    *out = (struct daemon_ledger){
        .accepted = from.accepted,
        .restored = from.restored,
        .forwarded = from.forwarded,
        .dropped = from.dropped,
        .quarantined = from.quarantined,
        .queued = from.queued,
        .inflight = from.inflight,
        .imbalance = from.imbalance,
    };
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
