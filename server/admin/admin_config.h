/* The settings and where they come from, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_CONFIG_H
#define ADMIN_ADMIN_CONFIG_H

#include "admin/admin_api.h"
#include "conf/conf.h"

/* Outlives the API. */
struct admin_config {
    void *ctx;
    const struct conf *(*started)(void *ctx); /* with what the process runs, but for what is live */
    const struct conf *(*reloaded)(void *ctx); /* what was read last */
};

/* GET /api/v1/config: {"settings":[as "config show --format json"],"restart":[keys whose new value
 * a restart would take up]}. Secrets are masked. */
struct admin_routes admin_config_routes(struct admin_config *);

#endif
