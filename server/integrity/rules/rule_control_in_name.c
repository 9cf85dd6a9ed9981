/* control-in-name: a scanner's decoded path, or what somebody put into a tag. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tabs and ends of lines are ordinary in tag values: statements and stack traces hold them. */
#include "integrity/rule_list.h"

enum { SPACE = 0x20, DEL = 0x7F };

static bool
has_control(struct bytes text)
{
    bool found = false;
    for (size_t i = 0; i < text.n; i++)
        found |= text.p[i] < SPACE || text.p[i] == DEL;
    return found;
}

static bool
has_control_in_text(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == DEL || (c < SPACE && c != '\t' && c != '\n' && c != '\r'))
            return true;
    }
    return false;
}

bool
rule_control_in_name(const struct rule_context *context, uint32_t span)
{
    const struct segment_view *segment = context->segment;
    if ((segment->facts & FACT_CONTROL) == 0)
        return false;
    const struct span_view *s = &segment->spans[span];
    if (has_control(s->operation) || has_control(s->peer))
        return true;
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++)
        if (has_control_in_text(segment->tags[i].value))
            return true;
    return false;
}
