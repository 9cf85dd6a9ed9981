/* The control thread: set-up, signals, accepting, drain, tear-down. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/expose.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_admin.h"
#include "daemon/daemon_http.h"
#include "daemon/daemon_instances.h"
#include "daemon/daemon_int.h"
#include "daemon/daemon_notify.h"
#include "daemon/daemon_quarantine.h"
#include "daemon/daemon_reload.h"
#include "daemon/daemon_report.h"
#include "daemon/daemon_watch.h"
#include "net/loop.h"
#include "net/resolver.h"

enum {
    SECOND_US = 1000 * 1000,     /* over which bytes count as recent */
    MEMORY_POLL_US = 100 * 1000, /* accepting is paused for lack of memory: look again */
    /* Nothing is accepted. Below BUDGET_FULL, so that connections alone never stop the reading of
     * those that are there. */
    MEMORY_FULL_PERCENT = 85,
    CONNECTION_BYTES = 26 * 1024, /* charged soon after one was accepted: h2/h2_memory.h */
};

/* Mail to the control thread. */
struct control_letter {
    struct loop_letter letter;
    struct daemon *daemon;
};

struct metrics *
daemon_own_metrics(struct daemon *daemon)
{
    return daemon->metrics[daemon->n_workers];
}

static void
send_letter(struct daemon *daemon, void (*on_mail)(struct loop_letter *))
{
    struct control_letter *letter = mem_new(struct control_letter);
    letter->letter.on_mail = on_mail;
    letter->daemon = daemon;
    loop_mail_send(daemon->loop, &letter->letter);
}

static struct daemon *
read_letter(struct loop_letter *base)
{
    struct daemon *daemon = ((struct control_letter *)base)->daemon;
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    mem_free(base);
    return daemon;
}

/* Accepting. */

/* The one with the fewest connections; among equals, with the fewest bytes of late. */
static struct worker_slot *
pick_worker(struct daemon *daemon, uint32_t *n_connections)
{
    struct worker_slot *best = NULL;
    uint32_t fewest = 0;
    *n_connections = 0;
    for (uint32_t i = 0; i < daemon->n_workers; i++) {
        struct worker_slot *slot = &daemon->workers[i];
        uint32_t n = worker_n_connections(slot->worker);
        *n_connections += n;
        if (best == NULL || n < fewest ||
            (n == fewest && slot->recent_bytes < best->recent_bytes)) {
            best = slot;
            fewest = n;
        }
    }
    return best;
}

struct worker *
daemon_pick_worker(struct daemon *daemon)
{
    uint32_t n;
    struct worker_slot *slot = pick_worker(daemon, &n);
    check(slot != NULL); /* limits.workers is at least 1 */
    return slot->worker;
}

static bool
is_memory_full(const struct daemon *daemon)
{
    uint64_t full = daemon->budget.limit_bytes / 100 * MEMORY_FULL_PERCENT;
    uint64_t borrowed = atomic_load_explicit(&daemon->budget.borrowed_bytes, memory_order_relaxed);
    uint64_t n_connections = 0;
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        n_connections += worker_n_connections(daemon->workers[i].worker);
    return borrowed >= full || n_connections * CONNECTION_BYTES >= full;
}

static void
on_memory_poll(void *ctx)
{
    struct daemon *daemon = ctx;
    if (is_memory_full(daemon)) {
        loop_timer_in(&daemon->memory, MEMORY_POLL_US);
        return;
    }
    log_info("daemon", "accepting again", "reason=memory");
    daemon_listeners_pause(daemon->listeners, false);
}

static void
on_connection(void *ctx, int descriptor, uint32_t listener)
{
    struct daemon *daemon = ctx;
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    uint32_t n;
    struct worker_slot *slot = pick_worker(daemon, &n);
    check(slot != NULL); /* limits.workers is at least 1 */
    if (n >= daemon->conf->limits.max_connections) {
        log_warn("daemon", "connection refused: limits.max_connections is reached", "limit=%u",
                 daemon->conf->limits.max_connections);
        metric_add(daemon_own_metrics(daemon), METRIC_CONNECTIONS_REFUSED, REFUSED_LIMIT, 1);
        close(descriptor);
        return;
    }
    worker_accept(slot->worker, descriptor, listener == LISTENER_GRPC_TLS);
    if (is_memory_full(daemon)) {
        log_warn("daemon", "accepting paused: limits.memory is used up", "limit=%llu",
                 (unsigned long long)daemon->budget.limit_bytes);
        daemon_listeners_pause(daemon->listeners, true);
        loop_timer_in(&daemon->memory, MEMORY_POLL_US);
    }
}

static void
on_second(void *ctx)
{
    struct daemon *daemon = ctx;
    for (uint32_t i = 0; i < daemon->n_workers; i++) {
        struct worker_slot *slot = &daemon->workers[i];
        uint64_t bytes = worker_received_bytes(slot->worker);
        slot->recent_bytes = bytes - slot->bytes_before;
        slot->bytes_before = bytes;
    }
    daemon_instances_second(daemon);
    loop_timer_in(&daemon->second, SECOND_US);
}

/* Draining. */

static void
on_worker_drained_mail(struct loop_letter *base)
{
    struct daemon *daemon = read_letter(base);
    if (++daemon->n_drained < daemon->n_workers || daemon->state == DAEMON_STOPS)
        return;
    daemon->state = DAEMON_STOPS;
    loop_stop(daemon->loop);
}

/* A worker's thread. */
static void
on_worker_drained(void *ctx, struct worker *worker)
{
    (void)worker;
    send_letter(ctx, on_worker_drained_mail);
}

/* A worker's thread. */
static void
on_sightings(void *ctx, struct sightings *sightings)
{
    daemon_instances_send(ctx, sightings);
}

static bool
takes_sightings(void *ctx)
{
    return daemon_instances_may_send(ctx);
}

static void
start_drain(void *ctx)
{
    struct daemon *daemon = ctx;
    daemon->state = DAEMON_DRAINS;
    log_info("daemon", "draining", "limit_ms=%llu",
             (unsigned long long)daemon->conf->shutdown.drain_ms);
    daemon_listeners_shut(daemon->listeners);
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_drain(daemon->workers[i].worker);
}

static void
end_service(struct daemon *daemon)
{
    if (daemon->state != DAEMON_SERVES)
        return;
    daemon->state = DAEMON_DELAYS;
    daemon_notify_stopping(daemon);
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_set_ready(daemon->workers[i].worker, false);
    if (daemon->conf->shutdown.delay_ms == 0)
        start_drain(daemon);
    else
        loop_timer_in(&daemon->delay, daemon->conf->shutdown.delay_ms * 1000);
}

static void
on_stop_mail(struct loop_letter *base)
{
    end_service(read_letter(base));
}

void
daemon_stop(struct daemon *daemon)
{
    send_letter(daemon, on_stop_mail);
}

/* The first asks for a drain, the second ends at once, the third does not even tidy up. */
static void
on_end_signal(void *ctx)
{
    struct daemon *daemon = ctx;
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    daemon->n_signals++;
    if (daemon->n_signals == 1) {
        end_service(daemon);
        return;
    }
    if (daemon->n_signals > 2)
        _exit(EXIT_FAILURE);
    if (daemon->state == DAEMON_STOPS)
        return; /* it is ending */
    log_warn("daemon", "second signal: ending at once", "%s", "");
    daemon->state = DAEMON_STOPS;
    loop_stop(daemon->loop);
}

static void
on_hangup(void *ctx)
{
    struct daemon *daemon = ctx;
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    if (daemon->state == DAEMON_SERVES)
        (void)daemon_reload(daemon, NULL, NULL);
}

/* For the telemetry port. */

/* A backend that is away is no reason: keeping is our job. */
uint32_t
daemon_not_ready(void *ctx)
{
    const struct daemon *daemon = ctx;
    bool serves = daemon->state == DAEMON_SERVES && !daemon->is_dismissed;
    uint32_t reasons = serves ? 0 : NOT_READY_DRAINING;
    enum spool_state state = daemon->spooler != NULL ? spooler_state(daemon->spooler) : SPOOL_OK;
    if (state == SPOOL_BROKEN)
        reasons |= NOT_READY_SPOOL;
    if (state == SPOOL_FULL && daemon->conf->buffer.when_full == CONF_FULL_BACKPRESSURE)
        reasons |= NOT_READY_BUFFER;
    return reasons;
}

static void
on_spool_state_mail(struct loop_letter *base)
{
    struct daemon *daemon = read_letter(base);
    if (daemon->state != DAEMON_SERVES)
        return;
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_set_ready(daemon->workers[i].worker, daemon_not_ready(daemon) == 0);
}

/* The spooler's thread. */
static void
on_spool_state(void *ctx)
{
    send_letter(ctx, on_spool_state_mail);
}

/* The spooler's thread. */
static void
on_parcel(void *worker, struct parcel *parcel)
{
    worker_parcel(worker, parcel);
}

static void
on_metrics_turn(void *ctx)
{
    struct daemon *daemon = ctx;
    metric_observe_us(daemon_own_metrics(daemon), METRIC_LOOP_LAG, LOOP_CONTROL,
                      loop_turn_us(daemon->loop));
    metrics_publish(daemon_own_metrics(daemon));
}

/* Set-up, in this order. */

void
daemon_set_log(const struct conf *conf)
{
    static const enum log_level levels[] = {
        [CONF_LOG_LEVEL_ERROR] = LOG_ERROR,
        [CONF_LOG_LEVEL_WARN] = LOG_WARN,
        [CONF_LOG_LEVEL_INFO] = LOG_INFO,
        [CONF_LOG_LEVEL_DEBUG] = LOG_DEBUG,
    };
    static const enum log_format formats[] = {
        [CONF_LOG_FORMAT_READABLE] = LOG_READABLE,
        [CONF_LOG_FORMAT_LOGFMT] = LOG_LOGFMT,
        [CONF_LOG_FORMAT_JSON] = LOG_JSON,
    };
    log_set_level(levels[conf->log.level]);
    if (conf->log.format == CONF_LOG_FORMAT_AUTO)
        log_set_format(isatty(STDERR_FILENO) ? LOG_READABLE : LOG_LOGFMT);
    else
        log_set_format(formats[conf->log.format]);
}

static void
set_up_process(struct daemon *daemon, const struct daemon_settings *settings)
{
    daemon->conf = conf_ref(settings->conf);
    daemon->reload = settings->reload;
    daemon->reload_ctx = settings->reload_ctx;
    daemon->routes = settings->routes;
    daemon->reloaded = conf_ref(settings->conf);
    daemon->n_workers = settings->conf->limits.workers;
    daemon->n_metrics = daemon->n_workers + 2;
    budget_pool_init(&daemon->budget, settings->conf->limits.memory_bytes);
    daemon->metrics = mem_new_n(struct metrics *, daemon->n_metrics);
    for (uint32_t i = 0; i < daemon->n_metrics; i++)
        daemon->metrics[i] = metrics_new();
    daemon->loop = loop_new();
    daemon->metrics_turn = loop_turn_add(daemon->loop, TURN_METRICS, on_metrics_turn, daemon);
    loop_timer_init(&daemon->second, daemon->loop, on_second, daemon);
    loop_timer_init(&daemon->delay, daemon->loop, start_drain, daemon);
    loop_timer_init(&daemon->memory, daemon->loop, on_memory_poll, daemon);
    metric_set(daemon_own_metrics(daemon), METRIC_MEMORY_LIMIT, 0,
               settings->conf->limits.memory_bytes);
    metrics_publish(daemon_own_metrics(daemon));
    metric_set(daemon_own_metrics(daemon), METRIC_RELOAD_SUCCESSFUL, 0, 1);
    TAILQ_INIT(&daemon->events);
    daemon_instances_init(daemon);
    daemon->resolver = resolver_new();
    daemon->shared = forward_shared_new(settings->conf, settings->upstream);
}

static enum err
set_up_spooler(struct daemon *daemon, struct text *why)
{
    struct spooler_settings settings = {
        .conf = daemon->conf,
        .metrics = daemon->metrics[daemon->n_workers + 1],
        .n_workers = daemon->n_workers,
        .ctx = daemon,
        .on_parcel = on_parcel,
        .on_state = on_spool_state,
    };
    if (daemon->conf->buffer.mode == CONF_BUFFER_MEMORY)
        return ERR_OK;
    enum err err = spooler_start(&settings, why, &daemon->spooler);
    if (err != ERR_OK && err != ERR_LOCKED)
        text_add(why, " (buffer.disk.path and quarantine.path name other places; buffer.mode: "
                      "memory needs none)");
    return err;
}

static void
set_up_workers(struct daemon *daemon, const struct receive_watch *watch)
{
    daemon->workers = mem_new_n(struct worker_slot, daemon->n_workers);
    for (uint32_t i = 0; i < daemon->n_workers; i++) {
        struct worker_settings settings = {
            .index = i,
            .n_workers = daemon->n_workers,
            .conf = daemon->conf,
            .budget = &daemon->budget,
            .metrics = daemon->metrics[i],
            .shared = daemon->shared,
            .resolver = daemon->resolver,
            .tls = daemon_tls_listen(daemon->tls),
            .spooler = daemon->spooler,
            .watch = watch,
            .http_descriptor = daemon_http_take(&daemon->http, i),
            .ctx = daemon,
            .on_drained = on_worker_drained,
            .on_sightings = on_sightings,
            .takes_sightings = takes_sightings,
        };
        daemon->workers[i].worker = worker_start(&settings);
    }
    loop_timer_in(&daemon->second, SECOND_US);
}

static enum err
set_up_tls(struct daemon *daemon, const struct daemon_settings *settings, struct text *why)
{
    const struct conf *conf = settings->conf;
    bool has_upstream =
        settings->upstream == NULL &&
        (conf->upstream.kind == CONF_KIND_OAP ||
         (conf->upstream.kind == CONF_KIND_KAFKA && conf->upstream.addresses.n > 0));
    enum err err = daemon_tls_new(daemon->loop, daemon->conf, has_upstream,
                                  daemon_own_metrics(daemon), why, &daemon->tls);
    if (err == ERR_OK)
        forward_shared_set_tls(daemon->shared, daemon_tls_upstream(daemon->tls));
    return err;
}

static void
set_up_signals(struct daemon *daemon)
{
    daemon->signals[0] = loop_signal_new(daemon->loop, SIGTERM, on_end_signal, daemon);
    daemon->signals[1] = loop_signal_new(daemon->loop, SIGINT, on_end_signal, daemon);
    daemon->signals[2] = loop_signal_new(daemon->loop, SIGHUP, on_hangup, daemon);
}

static void
start_watch(struct daemon *daemon)
{
    const struct daemon_watch_settings settings = {
        .ctx = daemon,
        .file = conf_file(daemon->conf),
        .other_at = daemon_reload_secret_file_at,
        .on_change = on_hangup,
    };
    daemon->watch = daemon_watch_new(daemon->loop, &settings);
}

enum err
daemon_start(const struct daemon_settings *settings, struct text *why, struct daemon **out)
{
    struct daemon *daemon = mem_new(struct daemon);
    daemon->magic = DAEMON_MAGIC;
    *out = NULL;
    clock_refresh();
    hash_init();
    signal(SIGPIPE, SIG_IGN); /* a reader of our standard error may go */
    log_set_thread("control");
    daemon_set_log(settings->conf);
    daemon_listeners_raise_limit();
    set_up_process(daemon, settings);
    /* The spool first: who connects to a port finds somebody who can take what it sends. */
    enum err err = set_up_tls(daemon, settings, why);
    if (err == ERR_OK)
        err = set_up_spooler(daemon, why);
    if (err == ERR_OK)
        daemon->quarantine = daemon_quarantine_new(daemon);
    if (err == ERR_OK)
        err = daemon_listeners_open(daemon->loop, daemon->conf, on_connection, daemon, why,
                                    &daemon->listeners);
    if (err == ERR_OK)
        err = daemon_http_open(&daemon->http, daemon->conf, daemon->n_workers, why);
    if (err == ERR_OK)
        err = daemon_admin_open(daemon, settings->revision, why);
    if (err != ERR_OK) {
        daemon_free(&daemon, NULL);
        return err;
    }
    set_up_workers(daemon, settings->watch);
    daemon->report = daemon_report_new(daemon);
    if (settings->own_signals) {
        set_up_signals(daemon);
        daemon_notify_start(daemon);
        if (daemon->conf->reload.watch)
            start_watch(daemon);
    }
    *out = daemon;
    return ERR_OK;
}

void
daemon_run(struct daemon *daemon)
{
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    loop_run(daemon->loop);
}

/* Late: whoever asks again for an end that is under way must not cut it short, nor the ledger that
 * is printed after it. */
static void
free_signals(struct daemon *daemon)
{
    bool has_signals = daemon->signals[0] != NULL;
    for (uint32_t i = 0; i < DAEMON_SIGNALS; i++)
        loop_signal_free(&daemon->signals[i]);
    if (has_signals)
        signal(SIGTERM, SIG_IGN);
}

/* In reverse; also after half a set-up. */
void
daemon_free(struct daemon **daemon_out, uint64_t *final)
{
    struct daemon *daemon = *daemon_out;
    if (daemon == NULL)
        return;
    /* Nothing that looks for workers may come any more: letters, timers, questions for health.
     * Signals may: they find the state. */
    daemon->state = DAEMON_STOPS;
    daemon_notify_end(daemon);
    daemon_watch_free(&daemon->watch);
    daemon_report_free(&daemon->report);
    loop_timer_cancel(&daemon->second);
    loop_timer_cancel(&daemon->delay);
    loop_timer_cancel(&daemon->memory);
    daemon_listeners_shut(daemon->listeners);
    daemon_http_fini(&daemon->http);
    daemon_admin_close(&daemon->admin);
    daemon_quarantine_close(daemon->quarantine);
    if (daemon->spooler != NULL)
        spooler_wind_up(daemon->spooler);
    for (uint32_t i = 0; daemon->workers != NULL && i < daemon->n_workers; i++)
        worker_stop_begin(daemon->workers[i].worker);
    for (uint32_t i = 0; daemon->workers != NULL && i < daemon->n_workers; i++)
        worker_stop(&daemon->workers[i].worker);
    spooler_stop(&daemon->spooler);
    loop_run_once(daemon->loop, 0); /* their letters */
    daemon_quarantine_free(&daemon->quarantine);
    daemon_instances_fini(daemon);
    mem_free(daemon->workers);
    forward_shared_free(&daemon->shared);
    daemon_tls_free(&daemon->tls);
    daemon_listeners_free(&daemon->listeners);
    resolver_free(&daemon->resolver);
    loop_run_once(daemon->loop, 0); /* deferred frees */
    loop_turn_remove(&daemon->metrics_turn);
    metrics_publish(daemon_own_metrics(daemon));
    if (final != NULL)
        daemon_collect(daemon, final);
    free_signals(daemon);
    loop_free(&daemon->loop);
    for (uint32_t i = 0; i < daemon->n_metrics; i++)
        metrics_free(&daemon->metrics[i]);
    mem_free(daemon->metrics);
    conf_unref(&daemon->reloaded);
    conf_unref(&daemon->conf);
    daemon->magic = 0;
    mem_free(daemon);
    *daemon_out = NULL;
}

const char *
daemon_grpc_address(const struct daemon *daemon)
{
    return daemon_listeners_address(daemon->listeners, LISTENER_GRPC);
}

const char *
daemon_grpc_tls_address(const struct daemon *daemon)
{
    return daemon_listeners_address(daemon->listeners, LISTENER_GRPC_TLS);
}

const char *
daemon_admin_address(const struct daemon *daemon)
{
    return daemon->admin_address;
}

const char *
daemon_http_address(const struct daemon *daemon)
{
    return daemon->http.address;
}

const char *
daemon_telemetry_address(const struct daemon *daemon)
{
    return daemon->telemetry_address;
}

void
daemon_collect(struct daemon *daemon, uint64_t *sums)
{
    for (uint32_t i = 0; i < metric_n_slots(); i++)
        sums[i] = 0;
    for (uint32_t i = 0; i < daemon->n_metrics; i++)
        metrics_collect(daemon->metrics[i], sums);
}
