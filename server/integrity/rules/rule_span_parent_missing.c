/* span-parent-missing: a parent lives when its child is made and is reported with it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_parent_missing(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return context->parent_index[span] == SPAN_NONE && s->parent_id != -1 && s->raw.n > 0 &&
           !context->segment->is_size_limited;
}
