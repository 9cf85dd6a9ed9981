/* ref-malformed: all of a reference is a caller's sw8 header, whoever that was. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

enum {
    MAX_ID_BYTES = 150,   /* OAP's columns of trace and segment id */
    MAX_NAME_BYTES = 512, /* its widest column */
};

static bool
is_odd_id(struct bytes id)
{
    return id.n == 0 || id.n > MAX_ID_BYTES;
}

static bool
is_malformed(const struct ref_view *ref)
{
    return ref->parent_span_id < 0 || is_odd_id(ref->trace_id) ||
           is_odd_id(ref->parent_segment_id) || ref->parent_service.n > MAX_NAME_BYTES ||
           ref->parent_instance.n > MAX_NAME_BYTES || ref->parent_endpoint.n > MAX_NAME_BYTES ||
           ref->address.n > MAX_NAME_BYTES;
}

bool
rule_ref_malformed(const struct rule_context *context, uint32_t span)
{
    const struct segment_view *segment = context->segment;
    const struct span_view *s = &segment->spans[span];
    for (uint32_t i = s->first_ref; i < s->first_ref + s->n_refs; i++)
        if (is_malformed(&segment->refs[i]))
            return true;
    return false;
}
