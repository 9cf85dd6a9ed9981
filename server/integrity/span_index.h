/* Who has which span id in one segment: earlier spans with the same id, and parents. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Work is linear in the number of spans whatever the ids are: ids near 0 stand in an array, all
 * others in a seeded hash table. Slots carry the number of the segment that wrote them, so nothing
 * is cleared between two segments. One thread. */
#ifndef INTEGRITY_SPAN_INDEX_H
#define INTEGRITY_SPAN_INDEX_H

#include <stdint.h>

#include "message/segment.h"

struct near_slot {
    uint32_t epoch, span;
};

struct far_slot {
    uint32_t epoch, span;
    int32_t id;
};

struct span_index {
    /* Answers, as in struct rule_context; void at the next build. */
    uint32_t *same_id_before, *parent_index;
    uint32_t first_zero, n_zero, n_roots;
    /* Scratch: near holds the ids below n_near; far is made when the first other id is met. */
    struct near_slot *near;
    struct far_slot *far;
    uint32_t cap_spans, n_near, n_far;
    uint32_t epoch;
    bool has_far; /* the segment at hand has ids outside near */
    uint64_t seed;
};

void span_index_init(struct span_index *);
void span_index_fini(struct span_index *);
/* Answers for all spans of the view. A blank span (no bytes at all) has no id of its own: it is
 * nobody's duplicate, and a parent only where no other span has id 0. */
void span_index_build(struct span_index *, const struct segment_view *);
/* The first span with the id, or SPAN_NONE; blank spans as above. */
uint32_t span_index_find(const struct span_index *, int32_t id);

#endif
