/* The daemon's words to the service manager. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_NOTIFY_H
#define DAEMON_DAEMON_NOTIFY_H

#include "daemon/daemon.h"

/* Control thread. Ready; from then on signs of life while all loops turn, and the ledger as the
 * state. */
void daemon_notify_start(struct daemon *);
/* Around a reload. */
void daemon_notify_reloading(struct daemon *);
void daemon_notify_reloaded(struct daemon *);
void daemon_notify_stopping(struct daemon *);
void daemon_notify_end(struct daemon *);

#endif
