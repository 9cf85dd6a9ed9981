/* span-parent-not-earlier: ids come from a counter, so a parent has the smaller one. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Also catches a span that is its own parent, cycles, and a span 0 with a parent in the segment. */
#include "integrity/rule_list.h"

bool
rule_span_parent_not_earlier(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return context->parent_index[span] != SPAN_NONE && s->parent_id >= s->id && s->raw.n > 0;
}
