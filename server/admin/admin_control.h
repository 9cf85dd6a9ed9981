/* What operators order: drain, pause, reload, backends in and out of use, the log's level. */
/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/v1/drain, undrain, pause, resume     200
 * {"draining":false,"paused":false,"log_level":"info"} POST /api/v1/backends/NAME/disable, enable
 * the same; 404: there is no such backend POST /api/v1/log-level {"level":"debug"}       the same
 * POST /api/v1/reload                            200 {"changed":[keys],"restart":[keys]}; 422: the
 *                                                configuration is bad, every setting stays
 * GET  /api/v1/control                           the state, as the first four tell it
 * GET  /api/v1/metrics                           {"name{labels}":value, ...}
 * An order is answered once every worker has taken it up; 409: the service is ending. */
#ifndef ADMIN_ADMIN_CONTROL_H
#define ADMIN_ADMIN_CONTROL_H

#include <stdbool.h>

#include "admin/admin_api.h"
#include "admin/expose.h"

enum admin_order {
    ADMIN_DRAIN,
    ADMIN_UNDRAIN,
    ADMIN_PAUSE,
    ADMIN_RESUME,
    ADMIN_BACKEND_DISABLE,
    ADMIN_BACKEND_ENABLE,
};
enum admin_order_result { ADMIN_ORDER_GIVEN, ADMIN_ORDER_ENDING, ADMIN_ORDER_NO_BACKEND };

struct admin_control_state {
    bool is_draining, is_paused;
    const char *log_level;
};

/* Outlives the API; all on the control thread. */
struct admin_control {
    const struct expose_source *source;
    void *ctx;
    /* backend: of the last two orders. When given, on_done follows, late and once. */
    enum admin_order_result (*order)(void *ctx, enum admin_order, const char *backend,
                                     void (*on_done)(void *done_ctx), void *done_ctx);
    void (*state)(void *ctx, struct admin_control_state *out);
    /* False: there is no such level. */
    bool (*set_log_level)(void *ctx, struct bytes level);
    /* 200: the answer is written; 409, 422 (a bad configuration): every setting stays, and why
     * tells it in words. */
    int (*reload)(void *ctx, struct text *json, struct text *why);
};

struct admin_routes admin_control_routes(struct admin_control *);

#endif
