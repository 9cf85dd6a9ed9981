/* What the configuration means for a worker's store. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WORKER_STORE_H
#define DAEMON_WORKER_STORE_H

#include "daemon/worker.h"
#include "store/store.h"

void worker_store_settings(const struct worker_settings *, struct store_settings *);

#endif
