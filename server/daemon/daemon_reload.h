/* SIGHUP, or an order: takes up what can change while running, and says what cannot. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_RELOAD_H
#define DAEMON_DAEMON_RELOAD_H

#include "daemon/daemon.h"

/* Control thread. Certificates and settings; the service manager is told. All or nothing: false, a
 * bad file leaves every setting as it is, and why tells it. json: what changed and what a restart
 * would change, as admin_control.h has it. Both may be NULL. */
bool daemon_reload(struct daemon *, struct text *json, struct text *why);
/* ctx is the daemon: the files of secrets that were taken up, for its watch. */
const char *daemon_reload_secret_file_at(void *ctx, uint32_t i);

#endif
