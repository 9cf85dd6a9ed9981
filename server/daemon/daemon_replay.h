/* Quarantined items on their way to the backend after all. */
/* SPDX-License-Identifier: Apache-2.0 */
/* On the control thread, one replay at a time: each item is read, lent to a worker (worker_replay)
 * and, once the worker's store has it safely on disk, removed from quarantine. A kill in between
 * sends it twice at most. */
#ifndef DAEMON_DAEMON_REPLAY_H
#define DAEMON_DAEMON_REPLAY_H

#include <stdbool.h>

#include "admin/admin_quarantine.h"
#include "daemon/daemon.h"

struct daemon_replay;

/* The daemon has a spooler. */
struct daemon_replay *daemon_replay_new(struct daemon *);
/* Takes a request on; false: one is under way. */
bool daemon_replay_start(struct daemon_replay *, struct admin_replay *);
/* No further item begins and nothing is removed any more; what is lent may still come back. */
void daemon_replay_close(struct daemon_replay *);
/* No worker and no spooler is left. */
void daemon_replay_free(struct daemon_replay **);

#endif
