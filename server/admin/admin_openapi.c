/* Answers GET /api/v1/openapi.json. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_openapi.h"

#include "admin/admin_files.h"

static void
answer_openapi(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    (void)element;
    http1_answer(request, 200, ADMIN_JSON, admin_file(OPENAPI_START, OPENAPI_END));
}

struct admin_routes
admin_openapi_routes(void)
{
    static const struct admin_route routes[] = {{"GET", "/api/v1/openapi.json", answer_openapi}};
    return (struct admin_routes){routes, 1, NULL};
}
