/* Takes operators' orders and answers when they are carried out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_control.h"

#include <string.h>

#include "base/mem.h"
#include "message/json_tree.h"

/* A request whose order is under way. */
struct asked {
    struct admin_control *control;
    struct http1_pending *pending; /* NULL: the client is gone */
};

static void
add_state(const struct admin_control *control, struct text *out)
{
    struct admin_control_state state;
    control->state(control->ctx, &state);
    text_addf(out, "{\"draining\":%s,\"paused\":%s,\"log_level\":\"%s\"}\n",
              state.is_draining ? "true" : "false", state.is_paused ? "true" : "false",
              state.log_level);
}

static void
answer_state(void *ctx, struct http1_request *request, struct bytes element)
{
    const struct admin_control *control = ctx;
    (void)element;
    struct text out = TEXT_EMPTY;
    add_state(control, &out);
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

static void
on_gone(void *ctx)
{
    struct asked *asked = ctx;
    asked->pending = NULL;
}

static void
answer_later(struct asked *asked, int status, const struct text *body)
{
    if (asked->pending != NULL)
        http1_pending_answer(&asked->pending, status, ADMIN_JSON, text_bytes(body));
    mem_free(asked);
}

/* Where the service ends meanwhile, the client goes before the control does. */
static void
on_done(void *ctx)
{
    struct asked *asked = ctx;
    struct text out = TEXT_EMPTY;
    if (asked->pending != NULL)
        add_state(asked->control, &out);
    answer_later(asked, 200, &out);
    text_fini(&out);
}

static void
give_order(struct admin_control *control, struct http1_request *request, enum admin_order order,
           struct bytes element)
{
    struct asked *asked = mem_new(struct asked);
    struct text name = TEXT_EMPTY, words = TEXT_EMPTY, out = TEXT_EMPTY;
    asked->control = control;
    asked->pending = http1_defer(request, on_gone, asked);
    text_add_bytes(&name, element);
    switch (control->order(control->ctx, order, name.p, on_done, asked)) {
    case ADMIN_ORDER_GIVEN:
        break;
    case ADMIN_ORDER_ENDING:
        admin_error_json(&out, "the service is ending");
        answer_later(asked, 409, &out);
        break;
    case ADMIN_ORDER_NO_BACKEND:
        text_addf(&words, "there is no backend %s; \"spangate ctl backend list\" names them",
                  name.p);
        admin_error_json(&out, words.p);
        answer_later(asked, 404, &out);
        break;
    }
    text_fini(&name);
    text_fini(&words);
    text_fini(&out);
}

static void
take_drain(void *ctx, struct http1_request *request, struct bytes element)
{
    give_order(ctx, request, ADMIN_DRAIN, element);
}

static void
take_undrain(void *ctx, struct http1_request *request, struct bytes element)
{
    give_order(ctx, request, ADMIN_UNDRAIN, element);
}

static void
take_pause(void *ctx, struct http1_request *request, struct bytes element)
{
    give_order(ctx, request, ADMIN_PAUSE, element);
}

static void
take_resume(void *ctx, struct http1_request *request, struct bytes element)
{
    give_order(ctx, request, ADMIN_RESUME, element);
}

static void
take_disable(void *ctx, struct http1_request *request, struct bytes element)
{
    give_order(ctx, request, ADMIN_BACKEND_DISABLE, element);
}

static void
take_enable(void *ctx, struct http1_request *request, struct bytes element)
{
    give_order(ctx, request, ADMIN_BACKEND_ENABLE, element);
}

static void
take_log_level(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_control *control = ctx;
    struct json_tree *body = json_tree_read(http1_body(request));
    bool is_known = control->set_log_level(control->ctx, json_tree_text(body, "level"));
    json_tree_free(&body);
    if (is_known)
        answer_state(ctx, request, element);
    else
        admin_answer_error(request, 400, "level is error, warn, info or debug");
}

static void
take_reload(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_control *control = ctx;
    (void)element;
    struct text json = TEXT_EMPTY, why = TEXT_EMPTY;
    int status = control->reload(control->ctx, &json, &why);
    if (status == 200)
        admin_answer_json(request, status, &json);
    else
        admin_answer_error(request, status, why.p);
    text_fini(&json);
    text_fini(&why);
}

/* A value as JSON knows it: what is no plain number becomes a string. */
static void
add_value(struct text *out, struct bytes value)
{
    bool is_number = value.n > 0;
    for (size_t i = 0; i < value.n; i++)
        is_number = is_number && strchr("0123456789.eE+-", value.p[i]) != NULL;
    if (is_number && value.p[0] != '+')
        text_add_bytes(out, value);
    else
        text_add_json(out, value);
}

/* A line of the text form: "name{labels} value". */
static void
add_sample(struct text *out, struct bytes line)
{
    size_t n = line.n;
    while (n > 0 && line.p[n - 1] != ' ')
        n--;
    if (n < 2 || line.p[0] == '#')
        return;
    text_add(out, out->n > 1 ? ",\n" : "\n");
    text_add_json(out, bytes_of(line.p, n - 1));
    text_add(out, ":");
    add_value(out, bytes_of(line.p + n, line.n - n));
}

static void
answer_metrics(void *ctx, struct http1_request *request, struct bytes element)
{
    const struct admin_control *control = ctx;
    (void)element;
    struct text text = TEXT_EMPTY, out = TEXT_EMPTY;
    expose_text(control->source, false, &text);
    text_add(&out, "{");
    struct bytes left = text_bytes(&text);
    while (left.n > 0) {
        const uint8_t *end = memchr(left.p, '\n', left.n);
        size_t n = end != NULL ? (size_t)(end - left.p) : left.n;
        add_sample(&out, bytes_of(left.p, n));
        n += end != NULL;
        left = bytes_of(left.p + n, left.n - n);
    }
    text_add(&out, "}\n");
    admin_answer_json(request, 200, &out);
    text_fini(&text);
    text_fini(&out);
}

struct admin_routes
admin_control_routes(struct admin_control *control)
{
    static const struct admin_route routes[] = {
        {"POST", "/api/v1/drain", take_drain},
        {"POST", "/api/v1/undrain", take_undrain},
        {"POST", "/api/v1/pause", take_pause},
        {"POST", "/api/v1/resume", take_resume},
        {"POST", "/api/v1/backends/*/disable", take_disable},
        {"POST", "/api/v1/backends/*/enable", take_enable},
        {"POST", "/api/v1/log-level", take_log_level},
        {"POST", "/api/v1/reload", take_reload},
        {"GET", "/api/v1/control", answer_state},
        {"GET", "/api/v1/metrics", answer_metrics},
    };
    return (struct admin_routes){routes, sizeof(routes) / sizeof(routes[0]), control};
}
