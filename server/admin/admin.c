/* The telemetry port's few pages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <string.h>

#include "base/mem.h"
#include "net/http1.h"

struct admin {
    struct admin_settings settings;
    struct http1 *http;
};

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

static void
answer_metrics(struct admin *admin, struct http1_request *request)
{
    const char *accept = http1_header(request, "accept");
    bool openmetrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
    struct text out = TEXT_EMPTY;
    expose_text(&admin->settings.source, openmetrics, &out);
    http1_answer(request, 200, openmetrics ? TEXT_OPENMETRICS : TEXT_PROMETHEUS, text_bytes(&out));
    text_fini(&out);
}

static void
answer_live(struct admin *admin, struct http1_request *request)
{
    if (admin->settings.is_alive(admin->settings.ctx))
        http1_answer(request, 200, TEXT_PLAIN, BYTES("ok\n"));
    else
        http1_answer(request, 503, TEXT_PLAIN, BYTES("a worker's loop is stuck\n"));
}

static void
answer_ready(struct admin *admin, struct http1_request *request)
{
    uint32_t not_ready = admin->settings.source.not_ready(admin->settings.source.ctx);
    if (not_ready == 0)
        http1_answer(request, 200, TEXT_PLAIN, BYTES("ok\n"));
    else if (not_ready & NOT_READY_DRAINING)
        http1_answer(request, 503, TEXT_PLAIN, BYTES("draining\n"));
    else if (not_ready & NOT_READY_SPOOL)
        http1_answer(request, 503, TEXT_PLAIN, BYTES("the spool's disk is broken\n"));
    else
        http1_answer(request, 503, TEXT_PLAIN, BYTES("the spool is full\n"));
}

static void
answer_build(struct admin *admin, struct http1_request *request)
{
    const struct expose_source *source = &admin->settings.source;
    struct text out = TEXT_EMPTY;
    text_add(&out, "{\"version\":");
    text_add_json(&out, bytes_str(source->version));
    text_add(&out, ",\"revision\":");
    text_add_json(&out, bytes_str(source->revision));
    text_add(&out, ",\"nghttp2\":");
    text_add_json(&out, bytes_str(source->nghttp2));
    text_add(&out, "}\n");
    http1_answer(request, 200, "application/json", text_bytes(&out));
    text_fini(&out);
}

static void
answer_index(struct admin *admin, struct http1_request *request)
{
    (void)admin;
    http1_answer(request, 200, TEXT_PLAIN,
                 BYTES("spangate telemetry: /metrics /livez /readyz /healthz /buildinfo\n"));
}

static const struct {
    const char *path;
    void (*answer)(struct admin *, struct http1_request *);
} pages[] = {
    {"/metrics", answer_metrics}, {"/livez", answer_live},      {"/readyz", answer_ready},
    {"/healthz", answer_live},    {"/buildinfo", answer_build}, {"/", answer_index},
};

static void
on_request(void *ctx, struct http1_request *request)
{
    const char *method = http1_method(request), *path = http1_path(request);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        http1_answer(request, 405, TEXT_PLAIN, BYTES("read only\n"));
        return;
    }
    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(path, pages[i].path) == 0) {
            pages[i].answer(ctx, request);
            return;
        }
    }
    http1_answer(request, 404, TEXT_PLAIN, BYTES("no such page\n"));
}

enum err
admin_open(struct loop *loop, const struct admin_settings *settings, struct text *why,
           struct admin **out)
{
    struct admin *admin = mem_new(struct admin);
    admin->settings = *settings;
    *out = NULL;
    enum err err = http1_open(loop, settings->address, 0, on_request, admin, why, &admin->http);
    if (err != ERR_OK) {
        mem_free(admin);
        return err;
    }
    *out = admin;
    return ERR_OK;
}

void
admin_close(struct admin **admin)
{
    if (*admin == NULL)
        return;
    http1_close(&(*admin)->http);
    mem_free(*admin);
    *admin = NULL;
}

void
admin_address(const struct admin *admin, struct net_address *out)
{
    http1_address(admin->http, out);
}
