/* Answers questions about what the stand-in OAP kept. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/standin_query.h"

enum { LIMIT_DEFAULT = 100, TRACE_ID_MAX = 128 };

static void
answer_segments(void *ctx, struct http1_request *request, struct bytes element)
{
    uint64_t limit;
    struct text out = TEXT_EMPTY;
    (void)element;
    if (!admin_query_number(request, "limit", 1, STANDIN_KEEP_SEGMENTS, LIMIT_DEFAULT, &limit))
        return;
    standin_query(ctx, (uint32_t)limit, NULL, &out);
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

static void
answer_trace(void *ctx, struct http1_request *request, struct bytes element)
{
    char id[TRACE_ID_MAX + 1];
    struct text out = TEXT_EMPTY;
    size_t n = element.n < TRACE_ID_MAX ? element.n : TRACE_ID_MAX;
    memcpy(id, element.p, n);
    id[n] = '\0';
    standin_query(ctx, STANDIN_KEEP_SEGMENTS, id, &out);
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

struct admin_routes
standin_query_routes(struct standin *standin)
{
    static const struct admin_route routes[] = {
        {"GET", "/api/v1/sink/segments", answer_segments},
        {"GET", "/api/v1/sink/trace/*", answer_trace},
    };
    return (struct admin_routes){routes, sizeof(routes) / sizeof(routes[0]), standin};
}
