/* Segments live, as they are judged: GET /api/v1/tap. */
/* SPDX-License-Identifier: Apache-2.0 */
/* An answer without end, one JSON object a line:
 *
 *   {"segment":{"received":...,"verdict":...}}       each segment
 *   {"counts":{"seen":N,"matched":N,"sent":N,...}}   once every worker offers; behind what they
 *                                                    count; every second
 *   {"end":"limit","counts":{...}}                   last, where it ends by itself
 *
 * A reader that does not take what it was sent loses what comes meanwhile: counted, never kept. At
 * most TAP_MOST clients, one more is answered by 503; one that has gone ends its tap. On the
 * control thread. Source: product.md 2, 5. */
#ifndef ADMIN_ADMIN_TAP_H
#define ADMIN_ADMIN_TAP_H

#include "admin/admin_api.h"
#include "base/metric.h"
#include "integrity/tap.h"

/* Who has the workers. */
struct admin_tap_source {
    void *ctx;
    uint32_t n_workers;
    struct metrics *metrics; /* the control thread's; METRIC_TAP_CLIENTS */
    /* Every worker opens its ring, soon. */
    void (*open)(void *ctx, struct tap *);
    /* Every worker closes it. Ownership passes: it is freed then. */
    void (*close)(void *ctx, struct tap *);
};

struct admin_taps;

struct admin_taps *admin_taps_new(struct loop *, const struct admin_tap_source *);
/* After the API is closed: no client is left. */
void admin_taps_free(struct admin_taps **);
struct admin_routes admin_taps_routes(struct admin_taps *);

#endif
