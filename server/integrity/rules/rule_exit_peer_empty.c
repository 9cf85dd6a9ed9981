/* exit-peer-empty: PHP, Java's Finagle and nginx without an upstream have no address to name. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_exit_peer_empty(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    return s->type == SPAN_EXIT && s->peer.n == 0;
}
