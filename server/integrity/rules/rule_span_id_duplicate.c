/* span-id-duplicate: ids are counted per segment; of two with one id the later one is found. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_id_duplicate(const struct rule_context *context, uint32_t span)
{
    return context->same_id_before[span] != SPAN_NONE;
}

/* R3: only a copy of the same bytes can go without loss. One that is tagged was none when it came:
 * a repair made it equal, and a second gate leaves it as it is. */
bool
repair_span_id_duplicate(struct repair *repair, uint32_t span)
{
    if (!repair_is_copy(repair, span) || repair_is_tagged(repair, span))
        return false;
    repair_remove_span(repair, span);
    return true;
}
