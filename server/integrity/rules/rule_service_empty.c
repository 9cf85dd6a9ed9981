/* service-empty: an agent took an empty setting literally. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

bool
rule_service_empty(const struct rule_context *context)
{
    return context->segment->service.n == 0;
}
