/* What the operator's API is, for programs: its OpenAPI file, from inside the binary. */
/* SPDX-License-Identifier: Apache-2.0 */
/* server/admin/openapi.json is written by hand; tests/lint/api.py holds it to the routes, and
 * tests/system/test_openapi.py to the answers. */
#ifndef ADMIN_ADMIN_OPENAPI_H
#define ADMIN_ADMIN_OPENAPI_H

#include "admin/admin_api.h"

/* GET /api/v1/openapi.json. */
struct admin_routes admin_openapi_routes(void);

#endif
