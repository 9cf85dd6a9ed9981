/* The registry of instances on the control thread: mail from the workers in, languages, log lines
 * and events out. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_INSTANCES_H
#define DAEMON_DAEMON_INSTANCES_H

#include "daemon/daemon.h"

struct sightings;

/* Control thread: before the workers start, each second, before the loop is freed. */
void daemon_instances_init(struct daemon *);
void daemon_instances_second(struct daemon *);
void daemon_instances_fini(struct daemon *);
/* A worker's thread. Ownership passes. */
void daemon_instances_send(struct daemon *, struct sightings *);
/* A worker's thread. False: so many are on their way that this thread must catch up first. */
bool daemon_instances_may_send(struct daemon *);

#endif
