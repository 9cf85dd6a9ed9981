/* span-type-unknown: the enumeration is open, so a newer agent may know more. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_type_unknown(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return s->type < SPAN_ENTRY || s->type > SPAN_LOCAL;
}
