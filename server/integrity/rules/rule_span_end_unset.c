/* span-end-unset: every agent writes the end when it archives a span. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Go's zero time is a negative number of milliseconds, not 0. */
#include "integrity/rule_list.h"

static const int64_t go_zero_time_ms = INT64_C(-6795364578871);

bool
rule_span_end_unset(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return (s->end_ms == 0 || s->end_ms == go_zero_time_ms) && s->start_ms > 0;
}

/* R5 keeps the senseless latency out of OAP's averages; false, since the span is tagged as well. */
bool
repair_span_end_unset(struct repair *repair, uint32_t span)
{
    repair_skip_analysis(repair, span);
    return false;
}
