/* poison-logic-endpoint: OAP parses tag x-le of Entry and Local spans as JSON without a guard. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/decimal.h"
#include "integrity/json_peek.h"
#include "integrity/rule_list.h"

static bool
is_composite(enum json_kind kind)
{
    return kind == JSON_NULL || kind == JSON_OBJECT || kind == JSON_ARRAY;
}

/* A number, or a string that reads as a 32-bit one. */
static bool
is_latency(const struct json_member *latency)
{
    int64_t value;
    if (latency->kind == JSON_NUMBER)
        return true;
    return latency->kind == JSON_STRING && decimal_parse(latency->value, &value) &&
           value >= INT32_MIN && value <= INT32_MAX;
}

static bool
is_poison(struct bytes value, int32_t span_type)
{
    enum { NAME, LATENCY, STATUS, LOGIC_SPAN, N_MEMBERS };
    struct json_member members[N_MEMBERS] = {
        {.name = BYTES("name")},
        {.name = BYTES("latency")},
        {.name = BYTES("status")},
        {.name = BYTES("logic-span")},
    };
    if (!json_peek_object(value, members, N_MEMBERS))
        return true;
    if (span_type == SPAN_LOCAL && is_composite(members[LOGIC_SPAN].kind))
        return true;
    if (members[NAME].kind == JSON_ABSENT || members[LATENCY].kind == JSON_ABSENT ||
        members[STATUS].kind == JSON_ABSENT)
        return false;
    return is_composite(members[NAME].kind) || is_composite(members[STATUS].kind) ||
           !is_latency(&members[LATENCY]);
}

static bool
is_poison_tag(const struct tag_view *tag, int32_t span_type)
{
    return bytes_equal(tag->key, BYTES("x-le")) && is_poison(tag->value, span_type);
}

bool
rule_poison_logic_endpoint(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    if (s->type != SPAN_ENTRY && s->type != SPAN_LOCAL)
        return false;
    const struct tag_view *tags = &context->segment->tags[s->first_tag];
    for (uint32_t i = 0; i < s->n_tags; i++)
        if (is_poison_tag(&tags[i], s->type))
            return true;
    return false;
}

/* R4; R5 keeps an Entry out of OAP's analysis, which would meet the tag otherwise. */
bool
repair_poison_logic_endpoint(struct repair *repair, uint32_t span)
{
    const struct span_view *s = &repair->context->segment->spans[span];
    const struct tag_view *tags = repair->context->segment->tags;
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++)
        if (is_poison_tag(&tags[i], s->type) && !repair_is_edited_tag(repair, i))
            repair_rename_tag(repair, span, i, ".invalid");
    if (s->type == SPAN_ENTRY)
        repair_skip_analysis(repair, span);
    return true;
}
