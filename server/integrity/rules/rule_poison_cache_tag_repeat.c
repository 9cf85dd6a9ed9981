/* poison-cache-tag-repeat: OAP puts the tags of a Cache span into a map that takes no key twice. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the span type and even with skipAnalysis; the exception costs the whole segment. */
#include "integrity/key_index.h"
#include "integrity/rule_list.h"

/* Up to here comparing all pairs is cheaper than hashing. */
enum { FEW_TAGS = 12 };

static bool
has_repeat_few(const struct tag_view *tags, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (bytes_equal(tags[i].key, tags[j].key))
                return true;
    return false;
}

static bool
has_repeat(struct key_index *keys, const struct tag_view *tags, uint32_t n)
{
    bool was_there = false;
    key_index_begin(keys, n);
    for (uint32_t i = 0; i < n && !was_there; i++)
        key_index_put(keys, tags[i].key, i, &was_there);
    return was_there;
}

bool
rule_poison_cache_tag_repeat(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    if (s->layer != LAYER_CACHE || s->n_tags < 2)
        return false;
    const struct tag_view *tags = &context->segment->tags[s->first_tag];
    return s->n_tags <= FEW_TAGS ? has_repeat_few(tags, s->n_tags)
                                 : has_repeat(context->keys, tags, s->n_tags);
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
