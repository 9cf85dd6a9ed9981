/* The instances and what is wrong with them, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_INSTANCES_H
#define ADMIN_ADMIN_INSTANCES_H

#include "admin/admin_api.h"
#include "integrity/instances.h"

/* GET /api/v1/instances?limit=N&service=S&service_instance=I: those seen last come first; with
 * sort=bad the N worst, in no order: those with a diagnosis, then by their share of bad segments,
 * then by segments. */
struct admin_routes admin_instances_routes(struct instances *);
/* The 100 worst; ctx is a struct instances. */
void admin_instances_write(void *ctx, struct text *out);

#endif
