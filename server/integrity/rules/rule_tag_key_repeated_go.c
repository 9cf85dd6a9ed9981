/* tag-key-repeated-go: the Go agent overwrites a tag that is set again; others add one more. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"
#include "integrity/tag_repeat.h"

bool
rule_tag_key_repeated_go(const struct rule_context *context, uint32_t span)
{
    return context->agent == AGENT_IS_GO && tag_repeat_find(context, span);
}
