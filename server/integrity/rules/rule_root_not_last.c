/* root-not-last: Java archives on stack pop and Go appends the root; others put it anywhere. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_root_not_last(const struct rule_context *context)
{
    if (context->agent != AGENT_IS_GO && context->agent != AGENT_IS_JAVA)
        return false;
    const struct segment_view *segment = context->segment;
    return segment->n_spans > 0 && segment->spans[segment->n_spans - 1].parent_id != -1;
}
