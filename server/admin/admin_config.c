/* Writes the settings for GET /api/v1/config. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_config.h"

struct changes {
    struct text *out;
    const char *comma;
};

static void
add_change(void *ctx, const char *path, bool is_live)
{
    struct changes *changes = ctx;
    if (is_live)
        return;
    text_add(changes->out, changes->comma);
    text_add_json(changes->out, bytes_str(path));
    changes->comma = ",";
}

static void
answer_config(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)element;
    const struct admin_config *config = ctx;
    const struct conf *reloaded = config->reloaded(config->ctx);
    struct text out = TEXT_EMPTY;
    struct changes changes = {&out, ""};
    text_add(&out, "{\"settings\":");
    conf_print_show(reloaded, true, &out);
    text_add(&out, ",\"restart\":[");
    conf_each_change(config->started(config->ctx), reloaded, add_change, &changes);
    text_add(&out, "]}\n");
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

struct admin_routes
admin_config_routes(struct admin_config *config)
{
    static const struct admin_route routes[] = {{"GET", "/api/v1/config", answer_config}};
    return (struct admin_routes){routes, 1, config};
}
