/* What the operator's port asks about quarantine, answered by spooler and workers. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_QUARANTINE_H
#define DAEMON_DAEMON_QUARANTINE_H

#include "admin/admin_api.h"
#include "daemon/daemon.h"

struct daemon_quarantine;

/* After the spooler was started. */
struct daemon_quarantine *daemon_quarantine_new(struct daemon *);
const struct admin_routes *daemon_quarantine_routes(const struct daemon_quarantine *);
/* After the port was closed, while spooler and workers still run. */
void daemon_quarantine_close(struct daemon_quarantine *);
/* They are gone, and their letters were read. */
void daemon_quarantine_free(struct daemon_quarantine **);

#endif
