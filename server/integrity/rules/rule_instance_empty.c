/* instance-empty: an agent took an empty setting literally. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_instance_empty(const struct rule_context *context)
{
    return context->segment->instance.n == 0;
}
