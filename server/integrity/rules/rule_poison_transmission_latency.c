/* poison-transmission-latency: OAP parses this tag of MQ spans as a long without a guard. */
/* SPDX-License-Identifier: Apache-2.0 */
/* On Exit spans blank values are taken for 0; on Entry spans a second reader is stricter. Other
 * span types are not looked at by either. */
#include "integrity/decimal.h"
#include "integrity/rule_list.h"

static bool
is_blank(struct bytes value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != ' ' && !(value.p[i] >= '\t' && value.p[i] <= '\r') &&
            !(value.p[i] >= 0x1C && value.p[i] <= 0x1F))
            return false;
    return true;
}

static bool
is_poison_tag(const struct tag_view *tag, int32_t span_type)
{
    int64_t value;
    if (!bytes_equal(tag->key, BYTES("transmission.latency")))
        return false;
    if (span_type == SPAN_EXIT && is_blank(tag->value))
        return false;
    return !decimal_parse(tag->value, &value);
}

bool
rule_poison_transmission_latency(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    if (s->layer != LAYER_MQ || (s->type != SPAN_ENTRY && s->type != SPAN_EXIT))
        return false;
    const struct tag_view *tags = &context->segment->tags[s->first_tag];
    for (uint32_t i = 0; i < s->n_tags; i++)
        if (is_poison_tag(&tags[i], s->type))
            return true;
    return false;
}

bool
repair_poison_transmission_latency(struct repair *repair, uint32_t span)
{
    const struct span_view *s = &repair->context->segment->spans[span];
    const struct tag_view *tags = repair->context->segment->tags;
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++)
        if (is_poison_tag(&tags[i], s->type))
            repair_rename_tag(repair, span, i, ".invalid");
    return true;
}
