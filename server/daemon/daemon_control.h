/* Carries out operators' orders: on the control thread, and on every worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_CONTROL_H
#define DAEMON_DAEMON_CONTROL_H

#include "admin/admin_control.h"
#include "daemon/daemon.h"

/* Control thread. What the operator's API asks for; ctx is the daemon. */
void daemon_control_init(struct daemon *, const struct expose_source *, struct admin_control *out);

#endif
