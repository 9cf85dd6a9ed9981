/* SIGHUP: takes up what can change while running, and says what cannot. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_RELOAD_H
#define DAEMON_DAEMON_RELOAD_H

#include "daemon/daemon.h"

/* Control thread. All or nothing: a bad file leaves every setting as it is. */
void daemon_reload(struct daemon *);

#endif
