/* span-layer-unknown: the enumeration is open, and OAP stores any layer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_span_layer_unknown(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return s->layer < LAYER_UNKNOWN || s->layer > LAYER_LAST;
}
