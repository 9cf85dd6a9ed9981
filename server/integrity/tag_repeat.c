/* Pairs are compared in a short list, keys are hashed in a long one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/tag_repeat.h"

#include "integrity/key_index.h"

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
tag_repeat_find(const struct rule_context *context, uint32_t span)
{
    const struct span_view *s = &context->segment->spans[span];
    if (s->n_tags < 2)
        return false;
    const struct tag_view *tags = &context->segment->tags[s->first_tag];
    return s->n_tags <= FEW_TAGS ? has_repeat_few(tags, s->n_tags)
                                 : has_repeat(context->keys, tags, s->n_tags);
}
