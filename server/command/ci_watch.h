/* What arrived at the private gate of the verb ci: findings by instance, and lives of processes. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Fed by the gate's threads through a struct receive_watch, under a lock; read once the gate is
 * gone. A life is one process as far as the wire tells: one value of the property "Process No." of
 * one instance. It is open while one of its connections is. */
#ifndef COMMAND_CI_WATCH_H
#define COMMAND_CI_WATCH_H

#include <pthread.h>

#include "base/map.h"
#include "base/text.h"
#include "integrity/agent_shape.h"
#include "receive/receive.h"

struct ci_found {
    uint64_t n;
    enum rule_class rule_class; /* the gravest seen */
    struct text example;        /* lines */
    struct text segment_id;     /* of the example; empty: none */
    bool has_span;
    int32_t span; /* of the example */
};

struct ci_instance {
    struct text service, instance, hostname;
    enum agent_language language;
    uint64_t n_segments, n_spans, n_others; /* n_others: messages besides segments */
    struct ci_found found[RULE_COUNT];
};

struct ci_life {
    struct ci_instance *instance;
    struct text process;      /* "Process No."; empty: not told */
    struct ci_life *previous; /* the life of the same service and host that ended before this one
                                 began, and no other was open then; NULL: none */
    bool is_registered;       /* reported its properties */
    uint32_t n_connections;
    uint64_t began_us, ended_us; /* ended_us: while no connection is open */
    uint64_t n_segments, n_keepalives;
    uint32_t chain; /* how many lives end with this one, one strictly after another */
};

struct ci_peer;

struct ci_watch {
    struct receive_watch watch; /* for the daemon */
    pthread_mutex_t lock;
    uint64_t rules; /* bit per rule that counts */
    struct map *by_name, *peers;
    struct ci_instance **instances;
    struct ci_life **lives;
    uint32_t n_instances, n_lives;
    bool is_full;       /* more instances than are kept apart: the last one is all others */
    bool has_all_lives; /* more lives than are kept apart: the last one is all others */
    uint64_t n_segments, n_spans, n_messages;
};

void ci_watch_init(struct ci_watch *, uint64_t rules);
void ci_watch_fini(struct ci_watch *);
/* Any thread: how many messages were judged so far. */
uint64_t ci_watch_n_messages(struct ci_watch *);

#endif
