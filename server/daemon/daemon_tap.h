/* Live taps: tells the workers of an onlooker, and of his end. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_TAP_H
#define DAEMON_DAEMON_TAP_H

#include "admin/admin_tap.h"
#include "daemon/daemon.h"

/* Control thread. For admin_taps_new; ctx is the daemon. */
void daemon_tap_init(struct daemon *, struct admin_tap_source *out);

#endif
