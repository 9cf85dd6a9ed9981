/* trace-id-stale: a goroutine of a pool keeps the trace of the request it was started in. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Healthy, but it explains traces that never end. Both ids are the same process's. */
#include "integrity/agent_shape.h"
#include "integrity/rule_list.h"

enum { STALE_MS = 3600000 };

/* One process gives both ids the same 32 digits. */
static bool
is_same_process(struct bytes a, struct bytes b)
{
    return a.n > AGENT_ID_HEX && b.n > AGENT_ID_HEX && memcmp(a.p, b.p, AGENT_ID_HEX) == 0;
}

bool
rule_trace_id_stale(const struct rule_context *context)
{
    const struct segment_view *segment = context->segment;
    int64_t of_segment, of_trace;
    if (context->agent != AGENT_IS_GO || segment->n_refs > 0 ||
        !is_same_process(segment->trace_id, segment->segment_id) ||
        !agent_id_number(segment->segment_id, &of_segment) ||
        !agent_id_number(segment->trace_id, &of_trace))
        return false;
    return agent_go_time_ms(of_segment) - agent_go_time_ms(of_trace) > STALE_MS;
}
