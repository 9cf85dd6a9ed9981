/* ref-type-unknown: stored, but OAP then fails to show the trace at all. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_ref_type_unknown(const struct rule_context *context, uint32_t span)
{
    const struct segment_view *segment = context->segment;
    const struct span_view *s = &segment->spans[span];
    for (uint32_t i = s->first_ref; i < s->first_ref + s->n_refs; i++)
        if (segment->refs[i].type < REF_CROSS_PROCESS || segment->refs[i].type > REF_CROSS_THREAD)
            return true;
    return false;
}
