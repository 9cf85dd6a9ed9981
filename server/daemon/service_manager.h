/* What the service manager is told: ready, reloading, stopping, still alive (sd_notify). */
/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram each to the socket in $NOTIFY_SOCKET; a datagram that finds no room is lost, nothing
 * waits. Control thread only. Source: sd_notify(3), sd_watchdog_enabled(3). */
#ifndef DAEMON_SERVICE_MANAGER_H
#define DAEMON_SERVICE_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "net/loop.h"

struct service_manager;

struct service_manager_settings {
    struct loop *loop;
    void *ctx;
    /* False: no sign of life is sent, so that the manager's watchdog ends the process. */
    bool (*is_alive)(void *ctx);
    /* One line for who asks the manager for the state. */
    void (*add_status)(void *ctx, struct text *out);
};

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID. NULL: no manager listens; all below takes
 * NULL. */
struct service_manager *service_manager_new(const struct service_manager_settings *);
void service_manager_free(struct service_manager **);

/* Also ends a reload. From the first on, signs of life and the state follow by themselves. */
void service_manager_ready(struct service_manager *);
void service_manager_reloading(struct service_manager *);
/* within_us: the manager's own limit is raised to this. */
void service_manager_stopping(struct service_manager *, uint64_t within_us);

#endif
