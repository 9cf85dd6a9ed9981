/* ref-trace-mismatch-go: Go writes the segment's own trace id into every reference. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_ref_trace_mismatch_go(const struct rule_context *context, uint32_t span)
{
    const struct segment_view *segment = context->segment;
    const struct span_view *s = &segment->spans[span];
    if (context->agent != AGENT_IS_GO)
        return false;
    for (uint32_t i = s->first_ref; i < s->first_ref + s->n_refs; i++)
        if (!bytes_equal(segment->refs[i].trace_id, segment->trace_id))
            return true;
    return false;
}
