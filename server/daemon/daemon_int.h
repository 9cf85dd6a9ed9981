/* What the files of the control thread share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_INT_H
#define DAEMON_DAEMON_INT_H

#include "base/budget.h"
#include "daemon/daemon.h"
#include "daemon/daemon_http.h"
#include "daemon/daemon_listeners.h"
#include "daemon/daemon_tls.h"
#include "daemon/spooler.h"
#include "daemon/worker.h"
#include "forward/forward.h"
#include "integrity/instances.h"
#include "net/loop.h"
#include "net/net.h"
#include "net/resolver.h"

enum { DAEMON_MAGIC = 0x4441454d, DAEMON_SIGNALS = 3 };

enum daemon_state {
    DAEMON_SERVES,
    DAEMON_DELAYS, /* not ready, still serving (shutdown.delay) */
    DAEMON_DRAINS,
    DAEMON_STOPS,
};

struct daemon_admin;
struct daemon_report;
struct daemon_watch;
struct service_manager;
struct daemon_quarantine;
struct news_letter;
struct event_letter;
TAILQ_HEAD(event_letters, event_letter);

/* What the control thread knows of a worker. */
struct worker_slot {
    struct worker *worker;
    uint64_t bytes_before; /* at the last look */
    uint64_t recent_bytes; /* of the second before */
};

/* Owner: who called daemon_start. The control thread only, unless said otherwise. */
struct daemon {
    uint32_t magic;
    const struct conf *conf;
    enum daemon_state state;
    bool is_dismissed, is_paused; /* operators' orders: agents told to go, forwarding paused */
    uint32_t n_signals;
    struct budget_pool budget;
    struct metrics **metrics; /* the workers', then the control thread's and the spooler's; read by
                                 any thread */
    uint32_t n_metrics, n_workers, n_drained;
    struct loop *loop;
    struct resolver *resolver;
    struct forward_shared *shared;
    struct spooler *spooler; /* NULL: buffer.mode is memory */
    struct worker_slot *workers;
    struct daemon_listeners *listeners;
    struct daemon_http http;
    struct daemon_tls *tls;
    struct daemon_admin *admin;
    struct service_manager *manager; /* NULL: no service manager listens */
    struct daemon_watch *watch;      /* NULL: reload.watch is off */
    struct daemon_report *report;    /* NULL: telemetry.oap is off */
    struct daemon_quarantine *quarantine;
    struct instances *instances;
    _Atomic uint32_t n_sightings; /* hand-overs on their way here; any thread */
    struct news_letter *news;     /* languages heard since the workers were told; NULL: none */
    struct event_letters events;  /* that found no room */
    uint32_t n_events;
    /* daemon_settings.reload; NULL: SIGHUP changes nothing. */
    daemon_reload_fn *reload;
    void *reload_ctx;
    const struct admin_routes *routes; /* daemon_settings.routes */
    const struct conf *reloaded;       /* what was taken up last */
    struct loop_turn *metrics_turn;
    struct loop_timer second, delay, memory;
    struct loop_signal *signals[DAEMON_SIGNALS];
    char telemetry_address[NET_ADDRESS_TEXT], admin_address[NET_ADDRESS_TEXT];
};

/* The control thread's slots. */
struct metrics *daemon_own_metrics(struct daemon *);
/* The worker that has least to do. */
struct worker *daemon_pick_worker(struct daemon *);
/* ctx is the daemon: NOT_READY_* of admin/expose.h; 0: ready. */
uint32_t daemon_not_ready(void *ctx);
/* ctx is the daemon: every worker's loop turned within the last 10 s. */
bool daemon_is_alive(void *ctx);
/* log.level and log.format take effect. */
void daemon_set_log(const struct conf *);

#endif
