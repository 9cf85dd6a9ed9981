/* Answers the requests for the dashboard's files. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_ui.h"

#include "admin/admin_files.h"

/* Scripts and styles from here alone, nothing inline; no frame, no form, no other host. */
#define UI_POLICY                                                                   \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void
answer_file(struct http1_request *request, const char *type, const uint8_t *start,
            const uint8_t *end)
{
    http1_add_header(request, "Content-Security-Policy", UI_POLICY);
    http1_add_header(request, "Referrer-Policy", "no-referrer");
    http1_answer(request, 200, type, admin_file(start, end));
}

#define UI_HANDLER(name, type)                                                                \
    static void answer_##name(void *ctx, struct http1_request *request, struct bytes element) \
    {                                                                                         \
        (void)ctx;                                                                            \
        (void)element;                                                                        \
        answer_file(request, type, UI_START(name), UI_END(name));                             \
    }

UI_HANDLER(index_html, "text/html; charset=utf-8")
UI_HANDLER(app_js, "text/javascript; charset=utf-8")
UI_HANDLER(views_js, "text/javascript; charset=utf-8")
UI_HANDLER(live_js, "text/javascript; charset=utf-8")
UI_HANDLER(app_css, "text/css; charset=utf-8")
UI_HANDLER(icon_svg, "image/svg+xml")

static void
answer_root(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    (void)element;
    http1_add_header(request, "Location", "/ui");
    http1_answer(request, 302, "text/plain; charset=utf-8", BYTES("the dashboard is at /ui\n"));
}

struct admin_routes
admin_ui_routes(void)
{
    static const struct admin_route routes[] = {
        {"GET", "/", answer_root},
        {"GET", "/ui", answer_index_html},
        {"GET", "/ui/app.js", answer_app_js},
        {"GET", "/ui/views.js", answer_views_js},
        {"GET", "/ui/live.js", answer_live_js},
        {"GET", "/ui/app.css", answer_app_css},
        {"GET", "/ui/icon.svg", answer_icon_svg},
    };
    return (struct admin_routes){routes, sizeof(routes) / sizeof(routes[0]), NULL};
}
