/* What the stand-in OAP kept, as routes of an HTTP API. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_STANDIN_QUERY_H
#define COMMAND_STANDIN_QUERY_H

#include "admin/admin_api.h"
#include "command/standin.h"

enum { STANDIN_KEEP_SEGMENTS = 1000 };

/* GET /api/v1/sink/segments?limit=N, GET /api/v1/sink/trace/ID (product.md 5): JSON arrays of
 * segments, newest first. */
struct admin_routes standin_query_routes(struct standin *);

#endif
