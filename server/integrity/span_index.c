/* Ids near 0 in an array, the others in an open-addressing table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/span_index.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "integrity/rule.h"

/* What is kept from one segment to the next; a giant's arrays go with the next segment. */
enum { KEEP_SPANS = 4096 };

static void
set_capacity(struct span_index *index, uint32_t cap_spans)
{
    mem_free(index->same_id_before);
    mem_free(index->parent_index);
    mem_free(index->near);
    mem_free(index->far);
    index->same_id_before = mem_new_n(uint32_t, cap_spans);
    index->parent_index = mem_new_n(uint32_t, cap_spans);
    index->cap_spans = cap_spans;
    index->n_near = 2 * cap_spans;
    index->near = mem_new_n(struct near_slot, index->n_near);
    index->far = NULL;
    index->n_far = 0;
    index->epoch = 0;
}

void
span_index_init(struct span_index *index)
{
    *index = (struct span_index){.seed = hash_bytes(BYTES("span ids")) | 1};
    set_capacity(index, KEEP_SPANS);
}

void
span_index_fini(struct span_index *index)
{
    mem_free(index->same_id_before);
    mem_free(index->parent_index);
    mem_free(index->near);
    mem_free(index->far);
    *index = (struct span_index){0};
}

static void
make_room(struct span_index *index, uint32_t n_spans)
{
    uint32_t cap = KEEP_SPANS;
    while (cap < n_spans)
        cap *= 2;
    if (cap != index->cap_spans)
        set_capacity(index, cap);
    if (index->epoch == UINT32_MAX) {
        memset(index->near, 0, sizeof(*index->near) * index->n_near);
        if (index->far != NULL)
            memset(index->far, 0, sizeof(*index->far) * index->n_far);
        index->epoch = 0;
    }
    index->epoch++;
    index->has_far = false;
}

/* The slot of an id, or the empty one where it belongs. The table is never more than half full. */
static struct far_slot *
far_slot(const struct span_index *index, int32_t id)
{
    uint32_t mask = index->n_far - 1;
    uint32_t at = (uint32_t)(((uint32_t)id * index->seed) >> 32) & mask;
    while (index->far[at].epoch == index->epoch && index->far[at].id != id)
        at = (at + 1) & mask;
    return &index->far[at];
}

/* Gives the first span with the id; the new one becomes it when there is none. */
static __attribute__((noinline)) uint32_t
add_far(struct span_index *index, int32_t id, uint32_t span)
{
    if (index->far == NULL) {
        index->n_far = 2 * index->cap_spans;
        index->far = mem_new_n(struct far_slot, index->n_far);
    }
    index->has_far = true;
    struct far_slot *slot = far_slot(index, id);
    if (slot->epoch == index->epoch)
        return slot->span;
    *slot = (struct far_slot){.epoch = index->epoch, .span = span, .id = id};
    return SPAN_NONE;
}

static inline uint32_t
add_id(struct span_index *index, int32_t id, uint32_t span)
{
    if (__builtin_expect((uint32_t)id >= index->n_near, 0))
        return add_far(index, id, span);
    struct near_slot *slot = &index->near[id];
    if (slot->epoch == index->epoch)
        return slot->span;
    *slot = (struct near_slot){.epoch = index->epoch, .span = span};
    return SPAN_NONE;
}

uint32_t
span_index_find(const struct span_index *index, int32_t id)
{
    if ((uint32_t)id < index->n_near)
        return index->near[id].epoch == index->epoch ? index->near[id].span : SPAN_NONE;
    if (!index->has_far)
        return SPAN_NONE;
    const struct far_slot *slot = far_slot(index, id);
    return slot->epoch == index->epoch ? slot->span : SPAN_NONE;
}

void
span_index_build(struct span_index *index, const struct segment_view *view)
{
    make_room(index, view->n_spans);
    uint32_t first_blank = SPAN_NONE;
    index->n_zero = index->n_roots = 0;
    for (uint32_t i = 0; i < view->n_spans; i++) {
        const struct span_view *span = &view->spans[i];
        index->n_roots += span->parent_id == -1;
        index->n_zero += span->id == 0;
        index->same_id_before[i] = SPAN_NONE;
        if (span->raw.n > 0)
            index->same_id_before[i] = add_id(index, span->id, i);
        else if (first_blank == SPAN_NONE)
            first_blank = i;
    }
    index->first_zero = span_index_find(index, 0);
    if (index->first_zero == SPAN_NONE && first_blank != SPAN_NONE) {
        index->first_zero = first_blank;
        add_id(index, 0, first_blank);
    }
    for (uint32_t i = 0; i < view->n_spans; i++) {
        int32_t parent = view->spans[i].parent_id;
        index->parent_index[i] = parent == -1 ? SPAN_NONE : span_index_find(index, parent);
    }
}
