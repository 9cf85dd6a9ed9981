/* ref-self-loop: what injected a reference is an Exit of the segment, there and not the holder. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain reference into the own segment is healthy, even to a later span: a message consumed in
 * the segment that sent it. */
#include "integrity/rule_list.h"
#include "integrity/span_index.h"

static bool
is_loop(const struct rule_context *context, const struct ref_view *ref, int32_t holder)
{
    const struct segment_view *segment = context->segment;
    if (!bytes_equal(ref->parent_segment_id, segment->segment_id) || segment->segment_id.n == 0)
        return false;
    return ref->parent_span_id == holder ||
           (!segment->is_size_limited &&
            span_index_find(context->ids, ref->parent_span_id) == SPAN_NONE);
}

bool
rule_ref_self_loop(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    for (uint32_t i = s->first_ref; i < s->first_ref + s->n_refs; i++)
        if (is_loop(context, &context->segment->refs[i], s->id))
            return true;
    return false;
}
