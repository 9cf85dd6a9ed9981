/* The daemon's words to the service manager. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_notify.h"

#include "admin/expose.h"
#include "base/mem.h"
#include "daemon/daemon_int.h"
#include "daemon/service_manager.h"

enum { TEAR_DOWN_US = 30 * 1000 * 1000 }; /* after drain and flush, for the disk */

static const char *
state_words(struct daemon *daemon)
{
    if (daemon->state != DAEMON_SERVES)
        return "draining";
    uint32_t not_ready = daemon_not_ready(daemon);
    if (not_ready & NOT_READY_SPOOL)
        return "not ready, the spool's disk is broken";
    return not_ready & NOT_READY_BUFFER ? "not ready, the spool is full" : "ready";
}

static void
add_status(void *ctx, struct text *out)
{
    struct daemon *daemon = ctx;
    struct daemon_ledger ledger;
    uint64_t *sums = mem_new_n(uint64_t, metric_n_slots());
    daemon_collect(daemon, sums);
    daemon_ledger(sums, &ledger);
    text_addf(out, "%s; accepted %llu, forwarded %llu, held %llu, quarantined %llu, dropped %llu",
              state_words(daemon), (unsigned long long)ledger.accepted,
              (unsigned long long)ledger.forwarded,
              (unsigned long long)(ledger.queued + ledger.inflight),
              (unsigned long long)ledger.quarantined, (unsigned long long)ledger.dropped);
    mem_free(sums);
}

void
daemon_notify_start(struct daemon *daemon)
{
    const struct service_manager_settings settings = {
        .loop = daemon->loop,
        .ctx = daemon,
        .is_alive = daemon_is_alive,
        .add_status = add_status,
    };
    daemon->manager = service_manager_new(&settings);
    service_manager_ready(daemon->manager);
}

void
daemon_notify_reloading(struct daemon *daemon)
{
    service_manager_reloading(daemon->manager);
}

void
daemon_notify_reloaded(struct daemon *daemon)
{
    service_manager_ready(daemon->manager);
}

void
daemon_notify_stopping(struct daemon *daemon)
{
    const struct conf *conf = daemon->conf;
    uint64_t ms = conf->shutdown.delay_ms + conf->shutdown.drain_ms + conf->shutdown.flush_ms;
    service_manager_stopping(daemon->manager, ms * 1000 + TEAR_DOWN_US);
}

void
daemon_notify_end(struct daemon *daemon)
{
    service_manager_free(&daemon->manager);
}
