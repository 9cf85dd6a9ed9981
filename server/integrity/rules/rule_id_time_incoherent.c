/* id-time-incoherent: Go takes the time in the id and the root's start microseconds apart. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/agent_shape.h"
#include "integrity/rule_list.h"

/* Below this the clock had moved back and the id holds no time. */
static const int64_t least_number = INT64_C(10000000000000);

enum { TOLERANCE_MS = 60000 };

/* Overflow is no concern: the id's time has at most 15 digits. */
static bool
is_near(int64_t id_ms, int64_t start_ms)
{
    return start_ms >= id_ms - TOLERANCE_MS && start_ms <= id_ms + TOLERANCE_MS;
}

/* With several roots, which is a finding of its own, one that fits is enough. */
bool
rule_id_time_incoherent(const struct rule_context *context)
{
    const struct segment_view *segment = context->segment;
    int64_t number;
    if (context->agent != AGENT_IS_GO || context->n_roots == 0 ||
        !agent_id_number(segment->segment_id, &number) || number < least_number)
        return false;
    int64_t id_ms = agent_go_time_ms(number);
    for (uint32_t i = segment->n_spans; i-- > 0;)
        if (segment->spans[i].parent_id == -1 && is_near(id_ms, segment->spans[i].start_ms))
            return false;
    return true;
}
