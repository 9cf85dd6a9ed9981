/* Applies tags and loss-free repairs to a segment, all other bytes staying as they came. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Edits are sorted by span and place, then one pass over the segment copies everything up to an
 * edited span, writes that span anew behind a gap, puts its tag and length into the gap, closes it,
 * and goes on behind the span. R1 runs last, over the result. */
#include "message/segment_edit.h"

#include <stdlib.h>

#include "base/check.h"
#include "message/message.h"
#include "message/wire_int.h"

enum { SPAN_REFS = 5, SPAN_TAGS = 12, SPAN_SKIP_ANALYSIS = 14, PAIR_KEY = 1, PAIR_VALUE = 2 };

/* The order in which the edits of a span are met: the span itself, its refs, its tags, its end. */
enum edit_kind { REMOVE_SPAN, REMOVE_REF, REMOVE_TAG, RENAME_TAG, SKIP_ANALYSIS, ADD_TAG };

struct edit {
    struct edit *next; /* in the order they were given */
    enum edit_kind kind;
    uint32_t span;
    uint32_t part; /* which of the span's refs or tags */
    uint32_t order;
    struct bytes key, value;
};

struct segment_edit {
    struct arena *arena;
    const struct segment_view *view;
    struct edit *first, *last;
    uint32_t n_edits;
    bool fix_utf8;
};

/* What segment_edit_new gives when the arena is used up: every call on it says ERR_BUDGET. */
static struct segment_edit no_room;

/* Tag and length of a field, at most; a frame's content is written this far behind its start. */
enum { FRAME_BYTES = 2 * WIRE_VARINT_MAX, EDIT_BYTES = 4 * FRAME_BYTES };

struct segment_edit *
segment_edit_new(struct arena *arena, const struct segment_view *view)
{
    struct segment_edit *edit = arena_zeroed(arena, sizeof(*edit));
    if (edit == NULL)
        return &no_room;
    edit->arena = arena;
    edit->view = view;
    return edit;
}

static enum err
add_edit(struct segment_edit *list, const struct edit *edit)
{
    if (list == &no_room)
        return ERR_BUDGET;
    check(edit->span < list->view->n_spans);
    struct edit *copy = arena_alloc(list->arena, sizeof(*copy));
    if (copy == NULL)
        return ERR_BUDGET;
    *copy = *edit;
    copy->order = list->n_edits++;
    if (list->last == NULL)
        list->first = copy;
    else
        list->last->next = copy;
    list->last = copy;
    return ERR_OK;
}

static const struct span_view *
span_of(const struct segment_edit *list, uint32_t span)
{
    check(span < list->view->n_spans); /* a caller's mistake, not input */
    return &list->view->spans[span];
}

enum err
segment_edit_add_tag(struct segment_edit *list, uint32_t span, struct bytes key, struct bytes value)
{
    return add_edit(list,
                    &(struct edit){.kind = ADD_TAG, .span = span, .key = key, .value = value});
}

enum err
segment_edit_remove_span(struct segment_edit *list, uint32_t span)
{
    return add_edit(list, &(struct edit){.kind = REMOVE_SPAN, .span = span});
}

enum err
segment_edit_remove_tag(struct segment_edit *list, uint32_t span, uint32_t tag)
{
    if (list == &no_room)
        return ERR_BUDGET;
    uint32_t part = tag - span_of(list, span)->first_tag;
    check(part < span_of(list, span)->n_tags);
    return add_edit(list, &(struct edit){.kind = REMOVE_TAG, .span = span, .part = part});
}

enum err
segment_edit_remove_ref(struct segment_edit *list, uint32_t span, uint32_t ref)
{
    if (list == &no_room)
        return ERR_BUDGET;
    uint32_t part = ref - span_of(list, span)->first_ref;
    check(part < span_of(list, span)->n_refs);
    return add_edit(list, &(struct edit){.kind = REMOVE_REF, .span = span, .part = part});
}

enum err
segment_edit_rename_tag(struct segment_edit *list, uint32_t span, uint32_t tag, struct bytes key)
{
    if (list == &no_room)
        return ERR_BUDGET;
    uint32_t part = tag - span_of(list, span)->first_tag;
    check(part < span_of(list, span)->n_tags);
    return add_edit(list,
                    &(struct edit){.kind = RENAME_TAG, .span = span, .part = part, .key = key});
}

enum err
segment_edit_skip_analysis(struct segment_edit *list, uint32_t span)
{
    return add_edit(list, &(struct edit){.kind = SKIP_ANALYSIS, .span = span});
}

enum err
segment_edit_fix_utf8(struct segment_edit *list)
{
    if (list == &no_room)
        return ERR_BUDGET;
    list->fix_utf8 = true;
    return ERR_OK;
}

/* Where in the span an edit is met. */
static unsigned
place_of(const struct edit *edit)
{
    switch (edit->kind) {
    case REMOVE_SPAN:
        return 0;
    case REMOVE_REF:
        return 1;
    case REMOVE_TAG:
    case RENAME_TAG:
        return 2;
    case SKIP_ANALYSIS:
    case ADD_TAG:
    default:
        return 3;
    }
}

static int
compare_edits(const void *pa, const void *pb)
{
    const struct edit *a = *(const struct edit *const *)pa;
    const struct edit *b = *(const struct edit *const *)pb;
    if (a->span != b->span)
        return a->span < b->span ? -1 : 1;
    if (place_of(a) != place_of(b))
        return place_of(a) < place_of(b) ? -1 : 1;
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static uint8_t *
put_bytes(uint8_t *out, struct bytes b)
{
    if (b.n > 0)
        memcpy(out, b.p, b.n);
    return out + b.n;
}

static uint8_t *
put_field(uint8_t *out, uint32_t number, struct bytes payload)
{
    out += wire_put_length(out, number, payload.n);
    return put_bytes(out, payload);
}

/* The content lies from start + FRAME_BYTES to end: it gets its tag and length, and moves up. */
static uint8_t *
close_frame(uint8_t *start, uint8_t *end, uint32_t number)
{
    size_t n = (size_t)(end - start) - FRAME_BYTES;
    uint8_t *to = start + wire_put_length(start, number, n);
    memmove(to, start + FRAME_BYTES, n);
    return to + n;
}

/* The last key, which is the one that counts, makes way for the new one; a pair without gets it. */
static uint8_t *
put_renamed(uint8_t *out, struct bytes pair, struct bytes key)
{
    const uint8_t *p = pair.p;
    const uint8_t *end = wire_end(pair);
    struct bytes old = bytes_of(end, 0);
    struct wire_field field;
    while (p != end && wire_next(&p, end, &field) == ERR_OK)
        if (field.number == PAIR_KEY && field.type == WIRE_LENGTH)
            old = field.framed;
    uint8_t *at = put_bytes(out + FRAME_BYTES, bytes_of(pair.p, (size_t)(old.p - pair.p)));
    at = put_field(at, PAIR_KEY, key);
    at = put_bytes(at, bytes_of(old.p + old.n, (size_t)(end - old.p) - old.n));
    return close_frame(out, at, SPAN_TAGS);
}

static uint8_t *
put_new_tag(uint8_t *out, const struct edit *edit)
{
    uint8_t *at = put_field(out + FRAME_BYTES, PAIR_KEY, edit->key);
    at = put_field(at, PAIR_VALUE, edit->value);
    return close_frame(out, at, SPAN_TAGS);
}

/* The edits of one span, sorted. */
struct span_edits {
    struct edit *const *at, *const *end;
};

/* Writes one field of an edited span. part counts the fields of its kind up to here. */
static uint8_t *
put_part(uint8_t *out, const struct wire_field *field, unsigned place, uint32_t part,
         struct span_edits *edits)
{
    const struct edit *rename = NULL;
    bool removed = false;
    while (edits->at != edits->end && place_of(*edits->at) < place)
        edits->at++;
    for (; edits->at != edits->end; edits->at++) {
        const struct edit *edit = *edits->at;
        if (place_of(edit) != place || edit->part != part)
            break;
        if (edit->kind == RENAME_TAG)
            rename = edit;
        else
            removed = true;
    }
    if (removed)
        return out;
    if (rename != NULL)
        return put_renamed(out, field->payload, rename->key);
    return put_bytes(out, field->framed);
}

static uint8_t *
put_fields(uint8_t *out, const struct span_view *span, struct span_edits edits)
{
    /* Refs and tags may come in any order, so each has a cursor of its own. */
    struct span_edits for_refs = edits, for_tags = edits;
    uint32_t n_refs = 0, n_tags = 0;
    const uint8_t *p = span->raw.p;
    const uint8_t *end = wire_end(span->raw);
    struct wire_field field;
    while (p != end && wire_next(&p, end, &field) == ERR_OK) {
        if (field.number == SPAN_REFS && field.type == WIRE_LENGTH)
            out = put_part(out, &field, 1, n_refs++, &for_refs);
        else if (field.number == SPAN_TAGS && field.type == WIRE_LENGTH)
            out = put_part(out, &field, 2, n_tags++, &for_tags);
        else
            out = put_bytes(out, field.framed);
    }
    return out;
}

static uint8_t *
put_span(uint8_t *out, const struct span_view *span, struct span_edits edits)
{
    enum { SEGMENT_SPANS = 3 };
    if ((*edits.at)->kind == REMOVE_SPAN)
        return out;
    uint8_t *at = put_fields(out + FRAME_BYTES, span, edits);
    for (; edits.at != edits.end; edits.at++) {
        if ((*edits.at)->kind == SKIP_ANALYSIS) {
            at += wire_put_varint(at, WIRE_TAG(SPAN_SKIP_ANALYSIS, WIRE_VARINT));
            at += wire_put_varint(at, 1);
        }
        if ((*edits.at)->kind == ADD_TAG)
            at = put_new_tag(at, *edits.at);
    }
    return close_frame(out, at, SEGMENT_SPANS);
}

static uint8_t *
put_segment(uint8_t *out, const struct segment_view *view, struct edit *const *edits, uint32_t n)
{
    const uint8_t *copied = view->raw.p;
    for (uint32_t i = 0; i < n;) {
        struct span_edits of_span = {edits + i, edits + i};
        while (of_span.end != edits + n && (*of_span.end)->span == edits[i]->span)
            of_span.end++;
        const struct span_view *span = &view->spans[edits[i]->span];
        out = put_bytes(out, bytes_of(copied, (size_t)(span->framed.p - copied)));
        out = put_span(out, span, of_span);
        copied = wire_end(span->framed);
        i += (uint32_t)(of_span.end - of_span.at);
    }
    return put_bytes(out, bytes_of(copied, (size_t)(wire_end(view->raw) - copied)));
}

static struct edit **
sort_edits(const struct segment_edit *list)
{
    struct edit **edits = arena_alloc(list->arena, sizeof(struct edit *) * list->n_edits);
    if (edits == NULL)
        return NULL;
    uint32_t n = 0;
    for (struct edit *edit = list->first; edit != NULL; edit = edit->next)
        edits[n++] = edit;
    qsort(edits, n, sizeof(struct edit *), compare_edits);
    return edits;
}

static enum err
apply_list(const struct segment_edit *list, struct bytes *out)
{
    size_t most = list->view->raw.n;
    for (const struct edit *edit = list->first; edit != NULL; edit = edit->next)
        most += edit->key.n + edit->value.n + EDIT_BYTES;
    struct edit **edits = sort_edits(list);
    uint8_t *copy = edits == NULL ? NULL : arena_alloc(list->arena, most);
    if (copy == NULL)
        return ERR_BUDGET;
    uint8_t *end = put_segment(copy, list->view, edits, list->n_edits);
    *out = bytes_of(copy, (size_t)(end - copy));
    return ERR_OK;
}

enum err
segment_edit_apply(struct segment_edit *list, struct bytes *out)
{
    if (list == &no_room)
        return ERR_BUDGET;
    *out = list->view->raw;
    if (list->n_edits > 0) {
        enum err err = apply_list(list, out);
        if (err != ERR_OK)
            return err;
    }
    if (!list->fix_utf8)
        return ERR_OK;
    return message_repair(MESSAGE_SegmentObject, *out, false, list->arena, out);
}
