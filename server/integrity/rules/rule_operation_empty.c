/* operation-empty: agents refuse an empty name at creation, but a later rename may clear it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_operation_empty(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return s->operation.n == 0 && s->raw.n > 0;
}
