/* segment-empty: Rust, PHP and Java may report a context without spans; asked before all others. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_segment_empty(const struct rule_context *context)
{
    return context->segment->n_spans == 0;
}
