/* The face of daemon/: start, serve, drain, stop. */
/* SPDX-License-Identifier: Apache-2.0 */
/* daemon         the control thread: listener, signals; gives connections to workers
 * daemon_tls     certificates in use, and their replacement
 * daemon_ledger  in = forwarded + held + quarantined + dropped
 * daemon_notify  what the service manager is told
 * daemon_watch   reload.watch
 * daemon_report  telemetry.oap
 * worker         a thread with a loop, an endpoint, a store and a way to the backend
 * spooler        the one thread that touches the disk
 * spool_counter  what the spools count, as metrics
 * Set up in one visible order in daemon_start, torn down in reverse in daemon_free. The thread that
 * calls daemon_start is the control thread: it calls daemon_run and daemon_free, too. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/admin_api.h"
#include "base/err.h"
#include "base/metric.h"
#include "base/text.h"
#include "conf/conf.h"
#include "receive/receive.h"

struct daemon;

/* Control thread, at SIGHUP and by order: reads the configuration anew. The daemon owns the
 * reference. NULL: it is bad; that was told on standard error, and why (never NULL) gets the errors
 * as one line.
 */
typedef const struct conf *daemon_reload_fn(void *ctx, struct text *why);

struct daemon_settings {
    const struct conf *conf;  /* a reference is taken */
    const char *upstream;     /* "host:port" in place of upstream.addresses (the built-in sink);
                                 NULL: none */
    const char *revision;     /* for build_info; a literal */
    bool own_signals;         /* SIGTERM, SIGINT and SIGHUP are taken */
    daemon_reload_fn *reload; /* NULL: SIGHUP changes nothing */
    void *reload_ctx;
    const struct admin_routes *routes; /* more of the operator's API; outlive the daemon; NULL:
                                          none. Their handlers run on the control thread */
    const struct receive_watch *watch; /* looks on at what arrives; outlives the daemon; NULL:
                                          nobody */
};

/* Everything listens when it returns. On an error *why tells it in words and nothing is left; those
 * of the spool: ERR_LOCKED, ERR_PERMISSION, ERR_NO_SPACE, ERR_IO. */
enum err daemon_start(const struct daemon_settings *, struct text *why,
                      struct daemon **out) MUST_CHECK;
/* Until a signal or daemon_stop; drains before it returns. */
void daemon_run(struct daemon *);
/* Tears everything down; what is held in memory alone is counted dropped (shutdown), what is on
 * disk stays held. final: the sums of all metric slots after that (metric_n_slots() of them), or
 * NULL. */
void daemon_free(struct daemon **, uint64_t *final);

/* Any thread: drain and stop, as SIGTERM. */
void daemon_stop(struct daemon *);
/* The bound addresses in text, "" where off. Valid while it lives. */
const char *daemon_grpc_address(const struct daemon *);
const char *daemon_grpc_tls_address(const struct daemon *);
const char *daemon_http_address(const struct daemon *);
const char *daemon_telemetry_address(const struct daemon *);
const char *daemon_admin_address(const struct daemon *);
/* Any thread: adds up all threads' published slots into sums[metric_n_slots()]. */
void daemon_collect(struct daemon *, uint64_t *sums);

/* The ledger, from sums of metric slots. */
struct daemon_ledger {
    uint64_t accepted, restored; /* restored: of the life before, or from quarantine */
    uint64_t forwarded, dropped, quarantined, queued, inflight;
    int64_t imbalance; /* must be 0 */
};
void daemon_ledger(const uint64_t *sums, struct daemon_ledger *out);
/* "accepted 12 = forwarded 10 + dropped 0 + quarantined 2 + held 0, imbalance 0" */
void daemon_ledger_line(const struct daemon_ledger *, struct text *out);

#endif
