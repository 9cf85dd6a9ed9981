/* How the service fares as a whole, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_OVERVIEW_H
#define ADMIN_ADMIN_OVERVIEW_H

#include <stdint.h>

#include "admin/admin_api.h"
#include "admin/expose.h"

/* Outlives the API. */
struct admin_overview {
    const struct expose_source *source;
    int64_t started_ms;             /* Unix */
    const char *(*mode)(void *ctx); /* integrity.mode as it is now; ctx of the source */
    const char *buffer_mode;        /* as buffer.mode says: "durable" */
    bool (*is_paused)(void *ctx);   /* forwarding, by an operator; ctx of the source */
};

/* GET /api/v1/overview, GET /api/v1/backends. Totals since the start; rates are the reader's. */
struct admin_routes admin_overview_routes(struct admin_overview *);

/* The answer of GET /api/v1/overview; ctx is a struct admin_overview. */
void admin_overview_write(void *ctx, struct text *out);

#endif
