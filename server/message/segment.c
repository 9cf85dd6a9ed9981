/* The life of a segment view and its arrays. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/segment_int.h"

#include "base/mem.h"
#include "message/wire_int.h"

/* What the arrays keep from one message to the next: 400 KiB a worker, of which the untouched
 * pages cost nothing. */
enum { KEEP_SPANS = 512, KEEP_TAGS = 4096, KEEP_REFS = 1024 };
enum { SEGMENT_SPANS = 3, SPAN_REFS = 5, SPAN_TAGS = 12 };

static void
set_spans(struct segment_view *view, uint32_t cap)
{
    view->spans = mem_resize(view->spans, sizeof(*view->spans) * cap);
    view->cap_spans = cap;
}

static void
set_tags(struct segment_view *view, uint32_t cap)
{
    view->tags = mem_resize(view->tags, sizeof(*view->tags) * cap);
    view->cap_tags = cap;
}

static void
set_refs(struct segment_view *view, uint32_t cap)
{
    view->refs = mem_resize(view->refs, sizeof(*view->refs) * cap);
    view->cap_refs = cap;
}

void
segment_view_init(struct segment_view *view)
{
    *view = (struct segment_view){.raw = BYTES_NONE};
    set_spans(view, KEEP_SPANS);
    set_tags(view, KEEP_TAGS);
    set_refs(view, KEEP_REFS);
}

void
segment_view_fini(struct segment_view *view)
{
    mem_free(view->spans);
    mem_free(view->tags);
    mem_free(view->refs);
    *view = (struct segment_view){.raw = BYTES_NONE};
}

uint64_t
segment_parts_bytes(const struct segment_counts *counts)
{
    return counts->n_tags * sizeof(struct tag_view) + counts->n_refs * sizeof(struct ref_view);
}

void
segment_view_reserve_spans(struct segment_view *view, const struct segment_counts *counts)
{
    if (counts->n_spans > view->cap_spans)
        set_spans(view, (uint32_t)counts->n_spans);
}

void
segment_view_reserve_parts(struct segment_view *view, const struct segment_counts *counts)
{
    if (counts->n_tags > view->cap_tags)
        set_tags(view, (uint32_t)counts->n_tags);
    if (counts->n_refs > view->cap_refs)
        set_refs(view, (uint32_t)counts->n_refs);
}

void
segment_view_clear(struct segment_view *view, struct bytes message)
{
    if (view->cap_spans > KEEP_SPANS)
        set_spans(view, KEEP_SPANS);
    if (view->cap_tags > KEEP_TAGS)
        set_tags(view, KEEP_TAGS);
    if (view->cap_refs > KEEP_REFS)
        set_refs(view, KEEP_REFS);
    view->raw = message;
    view->trace_id = view->segment_id = view->service = view->instance = BYTES_NONE;
    view->is_size_limited = false;
    view->facts = 0;
    view->n_spans = view->n_tags = view->n_refs = 0;
}

static enum err
count_span(struct bytes span, struct segment_counts *counts)
{
    const uint8_t *p = span.p;
    const uint8_t *end = wire_end(span);
    while (p != end) {
        struct wire_field field;
        enum err err = wire_next(&p, end, &field);
        if (err != ERR_OK)
            return err;
        if (field.type != WIRE_LENGTH)
            continue;
        counts->n_tags += field.number == SPAN_TAGS;
        counts->n_refs += field.number == SPAN_REFS;
    }
    return ERR_OK;
}

enum err
segment_count(struct bytes message, struct segment_counts *out)
{
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    *out = (struct segment_counts){0};
    while (p != end) {
        struct wire_field field;
        enum err err = wire_next(&p, end, &field);
        if (err == ERR_OK && field.number == SEGMENT_SPANS && field.type == WIRE_LENGTH) {
            out->n_spans++;
            err = count_span(field.payload, out);
        }
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}
