/* identity-nul: neither environment variables nor YAML can carry U+0000 into a name. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

static bool
has_nul(struct bytes name)
{
    return name.n > 0 && memchr(name.p, '\0', name.n) != NULL;
}

bool
rule_identity_nul(const struct rule_context *context)
{
    if ((context->segment->facts & FACT_NUL) == 0)
        return false;
    return has_nul(context->segment->service) || has_nul(context->segment->instance);
}
