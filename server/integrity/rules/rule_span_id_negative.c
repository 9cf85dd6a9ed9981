/* span-id-negative: counters start at 0 everywhere, and -1 would be the parent of all roots. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_id_negative(const struct rule_context *context, uint32_t span)
{
    return context->segment->spans[span].id < 0;
}
