/* span-zero-missing: every agent numbers from 0 and reports the first span. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_zero_missing(const struct rule_context *context)
{
    return context->segment->n_spans > 0 && context->n_zero == 0;
}
