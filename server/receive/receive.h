/* The face of receive/: what agents send, and which handler takes it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One struct receive per worker; its thread only. It is the grpc_service of the worker's endpoint:
 * each call's path is looked up in tables/methods.h and gets the handler of its row's token.
 *
 *   receive          routes, answers and credits calls; a call's state outlives its stream while
 *                    records of it are not settled
 *   receive_segment  SEGMENT, SEGMENTS: judged, each segment one record
 *   receive_stored   STORED, EVENT: walked, then stored as they came
 *   receive_log      LOG: the service carried over on the stream
 *   receive_meter    METER: one stream is one set, stored as a MeterDataCollection
 *   receive_relayed  RELAY and unknown paths: which calls are relayed, and what keeps every agent
 *                    going while none is
 *   receive_health   HEALTH: readiness
 *   receive_connection  what the life of a connection tells of the instances on it
 *   receive_auth     who may report
 *   receive_tap      offers segments to those who look on live
 *   receive_http     the same messages over HTTP, as JSON or protobuf
 *
 * A message is accepted when store took it; its credit goes back and its call is answered when
 * store settled it. A message that found no room waits in its call until on_room. */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/metric.h"
#include "grpc/grpc_endpoint.h"
#include "integrity/integrity.h"
#include "integrity/tap.h"
#include "net/loop.h"
#include "store/store.h"

struct receive;

/* Somebody who looks on (the verb ci). Called on the worker's thread, must not block; the peer
 * ("127.0.0.1:41234") names the connection, and nothing given may be kept. */
struct receive_watch {
    void *ctx;
    /* A segment or stored message was judged and taken. */
    void (*on_judged)(void *ctx, const char *peer, enum method, const struct judgement *);
    /* A finding of the deframer: no message to show. */
    void (*on_noted)(void *ctx, const char *peer, enum rule);
    void (*on_connection_gone)(void *ctx, const char *peer);
};

/* listen.auth; tokens are the configuration's own. None: everybody may report. */
struct receive_auth {
    const char *const *tokens;
    uint32_t n_tokens;
    bool exempts_control_calls;
};

/* relay.enabled and relay.unknown_methods. */
struct receive_relay {
    bool is_enabled;
    bool takes_unknown;
};

/* What it works with; all outlive it except store and forward, which are bound later. */
struct receive_parts {
    struct loop *loop;
    struct budget *budget;
    struct metrics *metrics;
    struct integrity *integrity;
    struct receive_auth auth;
    struct receive_relay relay;
    /* The endpoint's events, handed through. */
    void *ctx;
    void (*on_drained)(void *ctx);
    void (*on_connections)(void *ctx, uint32_t n);
    const struct receive_watch *watch; /* NULL: nobody looks on */
};

struct receive *receive_new(const struct receive_parts *);
/* After the endpoint is gone and the store has settled: what is still collected is counted dropped
 * (shutdown). */
void receive_free(struct receive **);
/* The store whose callbacks lead to receive_on_settled and receive_on_room. */
void receive_set_store(struct receive *, struct store *);
/* Who relays calls; NULL or not called: nobody does. */
struct forward;
void receive_set_forward(struct receive *, struct forward *);
/* Who may report: asked of calls and requests that begin from now on. */
void receive_set_auth(struct receive *, const struct receive_auth *);
/* For grpc_endpoint_new. */
void receive_service(struct receive *, struct grpc_service *out);

/* Every segment that was judged and taken is offered to the tap, which writes it into that ring of
 * its own; at most TAP_MOST at once. It must be open. */
void receive_add_tap(struct receive *, struct tap *, uint32_t ring);
/* From here on not any more; nothing where it was not. */
void receive_remove_tap(struct receive *, const struct tap *);

/* From the store's callbacks of the same names. */
void receive_on_settled(struct receive *, void *cookie, uint64_t credit_bytes, uint32_t n_records);
void receive_on_room(struct receive *);

/* What the health service answers; watchers are told of a change. */
void receive_set_ready(struct receive *, bool ready);
/* Calls not freed yet: 0 before receive_free in an orderly end. */
uint32_t receive_n_calls(const struct receive *);

#endif
