/* Decodes a segment once more, for people's eyes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_tap_line.h"

#include "admin/admin_api.h"
#include "base/method.h"
#include "message/message_json.h"

enum { MAX_SPANS = 100000, MAX_PARTS = 400000 };

void
tap_line_init(struct tap_line *line)
{
    segment_view_init(&line->view);
    line->arena = arena_new(TAP_SEGMENT_MAX_BYTES);
}

void
tap_line_fini(struct tap_line *line)
{
    segment_view_fini(&line->view);
    arena_free(&line->arena);
}

static void
add_rules(struct text *out, const struct tap_item *item)
{
    const char *comma = "";
    text_addf(out, ",\"rule\":\"%s\",\"rules\":[",
              item->rule != RULE_COUNT ? rule_row(item->rule)->name : "");
    for (uint64_t rest = item->rules; rest != 0; rest &= rest - 1) {
        text_addf(out, "%s\"%s\"", comma, rule_row((enum rule)__builtin_ctzll(rest))->name);
        comma = ",";
    }
    text_add(out, "]");
}

/* What the agent was asked to do: the operation of its first span without a parent here. */
static struct bytes
operation_of(const struct segment_view *view)
{
    for (uint32_t i = 0; i < view->n_spans; i++)
        if (view->spans[i].parent_id == -1)
            return view->spans[i].operation;
    return BYTES_NONE;
}

static void
add_segment(struct text *out, struct segment_view *view, struct bytes payload)
{
    static const struct segment_limits limits = {MAX_SPANS, MAX_PARTS};
    static const struct segment_view nothing = {.n_spans = 0};
    const struct segment_view *seen =
        segment_decode(view, payload, &limits) == ERR_OK ? view : &nothing;
    uint32_t n_errors = 0;
    for (uint32_t i = 0; i < seen->n_spans; i++)
        n_errors += seen->spans[i].is_error;
    admin_add_string(out, "service", seen->service);
    admin_add_string(out, "service_instance", seen->instance);
    admin_add_string(out, "segment_id", seen->segment_id);
    admin_add_string(out, "trace_id", seen->trace_id);
    admin_add_string(out, "operation", operation_of(seen));
    text_addf(out, ",\"spans\":%u,\"errors\":%u", seen->n_spans, n_errors);
}

static void
add_content(struct tap_line *line, struct bytes payload, enum tap_content content, struct text *out)
{
    if (content == TAP_PAYLOAD) {
        text_add(out, ",\"payload\":\"");
        text_add_base64(out, payload);
        text_add(out, "\"");
    } else if (content == TAP_MESSAGE) {
        arena_reset(line->arena);
        text_add(out, ",\"message\":");
        if (message_json_write(MESSAGE_SegmentObject, payload, line->arena, out) != ERR_OK)
            text_add(out, "null");
    }
}

void
tap_line_add(struct tap_line *line, const struct tap_item *item, enum tap_content content,
             struct text *out)
{
    text_add(out, "{\"segment\":{\"received\":");
    admin_add_time(out, item->received_ms);
    text_addf(out, ",\"received_ms\":%lld,\"verdict\":\"%s\"", (long long)item->received_ms,
              verdict_label(item->verdict));
    add_rules(out, item);
    text_addf(out, ",\"method\":\"%s\",\"bytes\":%zu", method_row(METHOD_SEGMENT_COLLECT)->path,
              item->payload.n);
    add_segment(out, &line->view, item->payload);
    add_content(line, item->payload, content, out);
    text_add(out, "}}\n");
}
