/* Writes the catalogue of rules for GET /api/v1/rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_rules.h"

#include "base/rule_text.h"

static void
add_member(struct text *out, const char *key, const char *value)
{
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, bytes_str(value));
}

static void
add_rule(struct text *out, const struct rule_row *row)
{
    const struct rule_text *text = rule_text(row->rule);
    text_addf(out, "\"%s\":{\"class\":\"%s\"", row->name, rule_class_label(row->rule_class));
    add_member(out, "action", rule_action_label(row->action));
    add_member(out, "sentence", row->sentence);
    if (text != NULL) {
        add_member(out, "healthy", text->healthy);
        add_member(out, "oap", text->oap);
        add_member(out, "advice", text->advice);
    }
    text_add(out, "}");
}

static void
answer_rules(void *ctx, struct http1_request *request, struct bytes element)
{
    struct text out = TEXT_EMPTY;
    (void)ctx;
    (void)element;
    text_add(&out, "{\"rules\":{");
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        text_add(&out, i > 0 ? ",\n" : "\n");
        add_rule(&out, rule_row((enum rule)i));
    }
    text_add(&out, "\n}}\n");
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

struct admin_routes
admin_rules_routes(void)
{
    static const struct admin_route routes[] = {{"GET", "/api/v1/rules", answer_rules}};
    return (struct admin_routes){routes, 1, NULL};
}
