/* The ports for people and scrapers: telemetry, and the operator's API. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_ADMIN_H
#define DAEMON_DAEMON_ADMIN_H

#include "daemon/daemon.h"

struct daemon_admin;

/* Control thread, once registry, spooler and quarantine are there. An error leaves what is open to
 * daemon_admin_close. */
enum err daemon_admin_open(struct daemon *, const char *revision, struct text *why) MUST_CHECK;
/* The metrics page, as text of Prometheus. */
void daemon_admin_expose(struct daemon *, struct text *out);
void daemon_admin_close(struct daemon_admin **);

#endif
