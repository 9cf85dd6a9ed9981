/* One worker: a thread with a loop and everything on it, from the agents' sockets to the backend's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: daemon. Everything inside is made, used and torn down on the worker's own thread; others
 * reach it by mail and read a few atomic figures. */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/metric.h"
#include "conf/conf.h"
#include "daemon/spooler.h"
#include "forward/forward.h"
#include "net/resolver.h"
#include "receive/receive.h"

struct tls_slot;
struct worker;

struct worker_settings {
    uint32_t index, n_workers;
    const struct conf *conf;    /* outlives the worker */
    struct budget_pool *budget; /* the process's */
    struct metrics *metrics;    /* the worker's slots; outlive it */
    struct forward_shared *shared;
    struct resolver *resolver;
    struct tls_slot *tls;              /* of listen.grpc_tls; NULL: off */
    struct spooler *spooler;           /* NULL: buffer.mode is memory */
    const struct receive_watch *watch; /* NULL: nobody looks on */
    int http_descriptor;               /* the worker's share of the HTTP port; -1: none */
    void *ctx;
    /* On the worker's thread, once after worker_drain. */
    void (*on_drained)(void *ctx, struct worker *);
    /* On the worker's thread, about once a second. Ownership passes. Not while takes_sightings
     * says no: then they wait with the engine, whose room for them is bounded. */
    void (*on_sightings)(void *ctx, struct sightings *);
    bool (*takes_sightings)(void *ctx);
};

/* Starts the thread and waits until it is set up. */
struct worker *worker_start(const struct worker_settings *);
/* Has the thread begin what worker_stop waits for: Kafka's clients take a second or more to end,
 * and all workers' may do so at once. No letters after it. */
void worker_stop_begin(struct worker *);
/* Closes what is open, waits for what is at the spooler (which winds up), counts what is held in
 * memory alone as dropped (shutdown), joins and frees. */
void worker_stop(struct worker **);

/* Any thread. Takes the descriptor over: of listen.grpc_tls, or clear text. */
void worker_accept(struct worker *, int descriptor, bool is_tls);
/* Not ready: health watchers are told. */
void worker_set_ready(struct worker *, bool ready);
/* Two-step GOAWAY, and what is queued goes out; on_drained follows, at the latest after
 * shutdown.drain and shutdown.flush. */
void worker_drain(struct worker *);
/* Any thread: runs on the worker's thread, late, in order with what else was sent to it. Also while
 * it is torn down, when it has no store and no engine any more. */
typedef void worker_run_fn(void *ctx, struct worker *);
void worker_run(struct worker *, worker_run_fn *, void *ctx);
/* Its thread only; NULL once it is torn down. */
struct integrity *worker_integrity(struct worker *);
struct store *worker_store(struct worker *);
/* Its thread only: takes up the settings that are live (a reload) and a reference to them. */
void worker_take_up(struct worker *, const struct conf *);
/* Its thread only, as operators order it; nothing once it drains for good. Agents are told to go
 * and newcomers refused, until they are welcome; no call to a backend begins, until the pause ends;
 * backends were disabled or enabled. */
void worker_dismiss(struct worker *, bool is_dismissed);
void worker_pause(struct worker *, bool is_paused);
void worker_refresh_backends(struct worker *);
/* Its thread only: offers what it judges to the tap, as the ring of its index, until it is told to
 * stop; the tap outlives that. Nothing once it is torn down. */
void worker_open_tap(struct worker *, struct tap *);
void worker_close_tap(struct worker *, struct tap *);
/* The spooler's thread. Ownership of the parcel passes. */
void worker_parcel(struct worker *, struct parcel *);
/* Connections handed over and not ended. */
uint32_t worker_n_connections(const struct worker *);
/* Bytes of messages received since the start. */
uint64_t worker_received_bytes(const struct worker *);
/* When its loop turned last (clock_mono_us). */
uint64_t worker_heartbeat_us(const struct worker *);

#endif
