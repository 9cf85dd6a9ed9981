/* A quarantined message on its way through a worker: judged again, then stored. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Made on the control thread, lent to a worker by worker_run, back as mail when it is safe or
 * refused. Quarantine keeps its copy until then. */
#ifndef DAEMON_WORKER_REPLAY_H
#define DAEMON_WORKER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/worker.h"
#include "integrity/integrity.h"
#include "net/loop.h"

enum replay_mode { REPLAY_AS_IS, REPLAY_REPAIR };
enum replay_outcome {
    REPLAY_DONE,     /* as it was; durable in the spool */
    REPLAY_REPAIRED, /* the same, edited */
    REPLAY_REFUSED,  /* why says so */
    REPLAY_BUSY,     /* no room, or the disk failed: try again */
};

struct replay_item {
    struct loop_letter letter; /* home; first */
    struct loop *home;
    void (*on_done)(void *ctx, struct replay_item *); /* on home's thread; it owns the item again */
    void *ctx;
    /* In enforce mode, without memory over messages; used on the worker's thread while lent. */
    struct integrity *engine;
    enum replay_mode mode;
    uint32_t at; /* for its owner */
    uint64_t first_us;
    uint64_t sequence;
    uint16_t method, flags; /* as in the record */
    int64_t received_ms;
    bool is_prefix; /* message-oversize: only its first bytes were kept */
    bool is_known;  /* poison-id-again: the database has its id */
    enum replay_outcome outcome;
    const char *why; /* REFUSED and BUSY; a literal or a rule's sentence */
    uint32_t n;
    uint8_t payload[];
};

/* A worker_run_fn; ctx is the item. */
void worker_replay(void *ctx, struct worker *);
/* For the store's callbacks. */
void worker_replay_on_restored(void *ctx, void *cookie, bool is_kept);

#endif
