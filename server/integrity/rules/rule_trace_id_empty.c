/* trace-id-empty: some agents accept an empty id from a caller. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_trace_id_empty(const struct rule_context *context)
{
    return context->segment->trace_id.n == 0;
}
