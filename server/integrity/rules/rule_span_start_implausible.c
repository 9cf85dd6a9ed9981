/* span-start-implausible: a start that OAP files under a day it should not. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Browsers and callers of OpenTracing bring clocks of their own; only Go always has a start, so
 * only a missing one is more than a hint, and only there (see integrity_found_class). */
#include "integrity/rule_list.h"

enum { DAY_MS = 86400000, OLD_DAYS = 30 };

bool
rule_span_start_implausible(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    if (s->start_ms <= 0)
        return s->raw.n > 0;
    if (context->arrival_ms <= 0)
        return false;
    return s->start_ms > context->arrival_ms + DAY_MS ||
           s->start_ms < context->arrival_ms - (int64_t)OLD_DAYS * DAY_MS;
}
