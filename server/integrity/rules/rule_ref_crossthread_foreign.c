/* ref-crossthread-foreign: a thread lives in its process; agents fill in their own names. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

static bool
is_foreign(const struct segment_view *segment, const struct ref_view *ref)
{
    return ref->type == REF_CROSS_THREAD && (!bytes_equal(ref->parent_service, segment->service) ||
                                             !bytes_equal(ref->parent_instance, segment->instance));
}

bool
rule_ref_crossthread_foreign(const struct rule_context *context, uint32_t span)
{
    const struct segment_view *segment = context->segment;
    const struct span_view *s = &segment->spans[span];
    for (uint32_t i = s->first_ref; i < s->first_ref + s->n_refs; i++)
        if (is_foreign(segment, &segment->refs[i]))
            return true;
    return false;
}
