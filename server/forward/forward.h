/* The face of forward/: drains the store into short complete calls to the backends. */
/* SPDX-License-Identifier: Apache-2.0 */
/* forward        one per worker: takes batches when they are due, decides what an answer means
 * upstream       how a batch becomes the bytes of one call
 * balancer       which backends there are, and which one gets the next call
 * backend        one connection: how much it may carry, what it does not know
 * outlier        when a backend fails too often to be used
 * retry          what an answer means, how long to wait, how many resends at once
 * isolate        finds the record that a backend alone refuses
 * relay          calls that need an OAP's own answer, passed on as they are
 * backend_names  the backends' slots in the metrics, the same for all workers
 * kafka          what goes to OAP's Kafka fetcher instead, and what the reports mean
 * kafka_producer librdkafka, which stays behind it
 * kafka_record   a record's topic and key
 *
 * A batch is committed on grpc-status 0 (Kafka: on the delivery report of every record) only;
 * whatever else happens, it stays lent from the store and goes out again, elsewhere where there is
 * an elsewhere. All on the worker's thread. */
#ifndef FORWARD_FORWARD_H
#define FORWARD_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"
#include "conf/conf.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "store/store.h"

struct kafka_settings;
struct tls_slot;

enum { FORWARD_MAX_BACKENDS = 16 }; /* addresses of one worker, as METRIC_BACKENDS */

struct forward_settings {
    bool is_discard;              /* acknowledges everything at once: for benchmarks */
    bool is_in_sync;              /* segments by collectInSync, else by collect */
    const char *const *addresses; /* "host:port" or "dns:///host:port"; copied */
    uint32_t n_addresses;
    const char *auth_token; /* copied; "" or NULL: none */
    struct tls_slot *tls;   /* outlives it; NULL: clear text */
    const char *tls_name;   /* copied; as grpc_channel says */
    uint64_t connect_timeout_us, ack_timeout_us;
    uint64_t unary_timeout_us; /* of relayed unary calls */
    uint64_t cds_cache_us;     /* relay.cds_cache; 0: off */
    uint64_t retry_initial_us, retry_max_us;
    double retry_multiplier;
    uint32_t retry_jitter_percent;
    uint32_t retry_budget; /* batches sent again at once, at least; 1 or more */
    uint32_t max_inflight; /* batches per backend, all workers together */
    uint32_t n_workers;
    uint64_t dns_interval_us;
    uint64_t reconnect_initial_us, reconnect_max_us; /* 0: as grpc_channel says */
    /* What has a topic goes there; the rest to addresses, and without those it is dropped. Copied;
     * NULL: everything goes to addresses. */
    const struct kafka_settings *kafka;
};
/* The defaults of product.md 3; no address. */
void forward_settings_default(struct forward_settings *);

/* What the workers' forwards have in common: settings and backends' names. Owner: daemon; outlives
 * them. */
struct forward_shared;
/* upstream: "host:port" in place of upstream.addresses (the built-in sink); NULL: none. */
struct forward_shared *forward_shared_new(const struct conf *, const char *upstream);
struct forward_shared *forward_shared_of(const struct forward_settings *);
void forward_shared_free(struct forward_shared **);
/* Before the first forward_new: backends are spoken to over TLS. The slot outlives it. */
void forward_shared_set_tls(struct forward_shared *, struct tls_slot *);
/* The label of a slot of the backend metrics; false when nothing stands there (any more: 10 minutes
 * after the backend went). Any thread. */
bool forward_shared_name(struct forward_shared *, uint32_t slot, char *out, size_t size);

/* The operator wants no calls on the backend of this name ("10.0.0.7:11800", as in the metrics), or
 * wants them again; takes effect with forward_refresh. False: there is none of that name. */
bool forward_shared_set_disabled(struct forward_shared *, const char *name, bool is_disabled);
bool forward_shared_is_disabled(struct forward_shared *, uint32_t slot);

struct forward;
/* Runs by itself at the end of every turn (TURN_FORWARD). resolver may be NULL when all addresses
 * are numeric. */
struct forward *forward_new(struct loop *, struct store *, struct forward_shared *,
                            struct resolver *, struct metrics *);
/* Cancels what is under way and gives every batch back to the store. Before store_free, and after
 * the endpoint whose calls are relayed. */
void forward_free(struct forward **);
/* The store's on_due. */
void forward_on_due(struct forward *);
/* From now on nothing waits for batch.max_delay, and what waits for a retry is tried at once; a
 * pause ends. */
void forward_flush(struct forward *);
/* Every batch that is in no call goes back to the store, which says when it wants them. */
void forward_give_back(struct forward *);
/* No batch is lent. */
bool forward_is_idle(const struct forward *);
/* No call begins until it is resumed; those under way end as they do. */
void forward_set_paused(struct forward *, bool is_paused);
/* Backends were disabled or enabled. */
void forward_refresh(struct forward *);
/* upstream.auth_token is another, copied: on calls that begin from now on. */
void forward_set_token(struct forward *, const char *auth_token);
/* From now on no call begins. */
void forward_rest(struct forward *);
/* Calls without an answer yet. */
bool forward_has_calls(const struct forward *);
/* Connected backends that may be used, with Kafka 1 while a broker is connected; 0 in a pause. */
uint32_t forward_n_up(const struct forward *);

#endif
