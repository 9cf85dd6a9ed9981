/* tag-blank: a torn tag list of a Go agent, or an application that sets an empty tag. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_tag_blank(const struct rule_context *context, uint32_t span)
{
    const struct segment_view *segment = context->segment;
    if ((segment->facts & FACT_BLANK_TAG) == 0)
        return false;
    const struct span_view *s = &segment->spans[span];
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++)
        if (segment->tags[i].raw.n == 0)
            return true;
    return false;
}

/* R2 */
bool
repair_tag_blank(struct repair *repair, uint32_t span)
{
    const struct segment_view *segment = repair->context->segment;
    const struct span_view *s = &segment->spans[span];
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++)
        if (segment->tags[i].raw.n == 0 && !repair_is_edited_tag(repair, i))
            repair_remove_tag(repair, span, i);
    return true;
}
