/* span-end-before-start: both ends come from the wall clock, which may be set in between. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_end_before_start(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return s->end_ms < s->start_ms && !rule_span_end_unset(context, span);
}

/* R5, where it is asked for: a negative latency would reach OAP's averages. */
bool
repair_span_end_before_start(struct repair *repair, uint32_t span)
{
    repair_skip_analysis(repair, span);
    return true;
}
