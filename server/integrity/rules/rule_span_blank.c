/* span-blank: a root carries parent -1 and a child an id, so no span encodes to nothing. */
/* SPDX-License-Identifier: Apache-2.0 */
/* OAP takes it for span 0, an Entry. It is judged by this rule alone: being no span, it is neither
 * the duplicate of another span 0 nor its own parent, and whatever points to it stays unaccused. */
#include "integrity/rule_list.h"

bool
rule_span_blank(const struct rule_context *context, uint32_t span)
{
    return context->segment->spans[span].raw.n == 0;
}

/* R2: where another span has id 0 nothing is lost. first_zero is never blank in that case. */
bool
repair_span_blank(struct repair *repair, uint32_t span)
{
    if (span == repair->context->first_zero)
        return false;
    repair_remove_span(repair, span);
    return true;
}
