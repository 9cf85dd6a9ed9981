/* What the files of a worker share: everything on its thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WORKER_INT_H
#define DAEMON_WORKER_INT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/block.h"
#include "daemon/worker.h"
#include "daemon/worker_http.h"
#include "daemon/worker_judging.h"
#include "grpc/grpc_endpoint.h"
#include "integrity/integrity.h"
#include "net/loop.h"
#include "receive/receive.h"
#include "store/store.h"

enum { WORKER_MAGIC = 0x574f524b };

enum worker_state { WORKER_SERVES, WORKER_DRAINS, WORKER_DRAINED };

struct worker {
    uint32_t magic;
    struct worker_settings settings;
    char name[16];
    pthread_t thread;
    sem_t is_set_up;
    bool is_stopping; /* the control thread only */

    /* The worker's thread only. */
    enum worker_state state;
    struct loop *loop;
    struct budget budget;
    struct block_cache blocks;
    struct integrity *integrity;
    struct worker_judging judging; /* the settings of it */
    struct receive *receive;
    struct store *store;
    struct forward *forward;
    struct grpc_endpoint *endpoint;
    struct worker_http *http; /* NULL: no HTTP port */
    struct loop_turn *store_turn, *metrics_turn;
    struct loop_timer heartbeat, deadline, room;
    struct loop_alarm *hand_over; /* what waits for company goes to the spool */
    uint64_t hand_over_us;        /* 0: not set */
    uint64_t gave_back_us;
    bool has_backend, is_discard, is_flushing, has_flushed, is_resting;
    uint32_t n_accepted; /* letters with a descriptor */
    bool is_endpoint_drained;

    /* Read by others. */
    _Atomic uint32_t n_given, n_ended;
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t heartbeat_us;
};

/* Once; on_drained of the settings follows, at the latest after shutdown.drain and .flush. */
void worker_drain_start(struct worker *);
/* At the end of a turn while it drains. */
void worker_drain_look(struct worker *);
/* The timer deadline is over; the endpoint has no connection left. */
void worker_drain_on_deadline(void *ctx);
void worker_drain_on_endpoint(void *ctx);

#endif
