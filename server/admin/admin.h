/* The face of admin/: the read-only telemetry port. */
/* SPDX-License-Identifier: Apache-2.0 */
/* admin            /metrics /livez /readyz /healthz /buildinfo over net/http1
 * expose           all metrics as Prometheus text or OpenMetrics
 * admin_api        the operator's port and socket: who may call, and which handler answers
 * admin_instances  GET /api/v1/instances
 * admin_overview   GET /api/v1/overview, /api/v1/backends
 * admin_openapi    GET /api/v1/openapi.json: openapi.json, by hand
 * admin_tap        GET /api/v1/tap; admin_tap_line: a segment as JSON
 * On the control thread's loop. It reads other threads' published metric slots and nothing else of
 * theirs. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/expose.h"
#include "base/err.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/net.h"

struct admin;

struct admin_settings {
    const char *address;
    struct expose_source source;
    void *ctx;
    /* Every worker's loop turned within the last 10 s. */
    bool (*is_alive)(void *ctx);
};

/* Binds; why as in listener_open. */
enum err admin_open(struct loop *, const struct admin_settings *, struct text *why,
                    struct admin **out) MUST_CHECK;
void admin_close(struct admin **);
void admin_address(const struct admin *, struct net_address *out);

#endif
