/* poison-cache-tag-repeat: OAP puts the tags of a Cache span into a map that takes no key twice. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the span type and even with skipAnalysis; the exception costs the whole segment. */
#include "integrity/key_index.h"
#include "integrity/rule_list.h"
#include "integrity/tag_repeat.h"

bool
rule_poison_cache_tag_repeat(const struct rule_context *context, uint32_t span)
{
    return context->segment->spans[span].layer == LAYER_CACHE && tag_repeat_find(context, span);
}

/* Marks tags that are byte for byte the copy of an earlier one of the span (R3). */
static void
remove_copies(struct repair *repair, uint32_t span)
{
    const struct span_view *s = &repair->context->segment->spans[span];
    const struct tag_view *tags = repair->context->segment->tags;
    bool was_there;
    key_index_begin(repair->copies, s->n_tags);
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++) {
        if (repair_is_edited_tag(repair, i))
            continue;
        key_index_put(repair->copies, tags[i].raw, i, &was_there);
        if (was_there)
            repair_remove_tag(repair, span, i);
    }
}

/* R3 for copies, R4 for other values. */
bool
repair_poison_cache_tag_repeat(struct repair *repair, uint32_t span)
{
    const struct span_view *s = &repair->context->segment->spans[span];
    const struct tag_view *tags = repair->context->segment->tags;
    remove_copies(repair, span);
    bool was_there;
    key_index_begin(repair->copies, s->n_tags);
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++) {
        if (repair_is_edited_tag(repair, i))
            continue;
        key_index_put(repair->copies, tags[i].key, i, &was_there);
        if (was_there)
            repair_rename_tag(repair, span, i, "");
    }
    return true;
}
