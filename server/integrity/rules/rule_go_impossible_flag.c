/* go-impossible-flag: the Go agent's transform never sets these; forks may, or a clash of names. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/agent_shape.h"
#include "integrity/rule_list.h"

static bool
has_flag(const struct segment_view *segment)
{
    bool found = segment->is_size_limited;
    for (uint32_t i = 0; i < segment->n_spans; i++)
        found |= segment->spans[i].skip_analysis;
    for (uint32_t i = 0; i < segment->n_refs; i++)
        found |= segment->refs[i].type == REF_CROSS_THREAD;
    return found;
}

bool
rule_go_impossible_flag(const struct rule_context *context)
{
    return has_flag(context->segment) && agent_shape(context->segment->segment_id) == AGENT_IS_GO;
}
