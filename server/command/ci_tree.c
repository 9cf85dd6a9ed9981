/* The drawing: roots first, children below their parents, what hangs nowhere at the end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/ci_tree.h"

#include <inttypes.h>

enum { MAX_DRAWN = 40, MAX_DEPTH = 16, SHOWN_NAME = 60 };

struct drawing {
    struct text *out;
    const struct judgement *judgement;
    enum rule rule;
    unsigned indent;
    uint32_t n; /* spans to draw */
    bool is_drawn[MAX_DRAWN];
};

static bool
is_found(const struct drawing *drawing, uint32_t span)
{
    const struct judgement *judgement = drawing->judgement;
    for (uint32_t i = 0; i < judgement->n_findings; i++)
        if (judgement->findings[i].rule == drawing->rule && judgement->findings[i].span == span)
            return true;
    return false;
}

static const char *
type_words(int32_t type)
{
    static const char *const words[] = {
        [SPAN_ENTRY] = "Entry", [SPAN_EXIT] = "Exit", [SPAN_LOCAL] = "Local"};
    return type >= SPAN_ENTRY && type <= SPAN_LOCAL ? words[type] : "?";
}

static void
draw_span(struct drawing *drawing, uint32_t index, unsigned depth)
{
    const struct span_view *span = &drawing->judgement->segment->spans[index];
    struct text *out = drawing->out;
    bool is_marked = is_found(drawing, index);
    unsigned shift = depth > 0 ? 3 * (depth - 1) : 0;
    drawing->is_drawn[index] = true;
    text_addf(out, "%*s%s%d %s ", (int)(drawing->indent + shift), "",
              is_marked   ? "!! "
              : depth > 0 ? "|- "
                          : "",
              span->id, type_words(span->type));
    text_add_plain(out, span->operation, SHOWN_NAME);
    if (span->peer.n > 0) {
        text_add(out, " to ");
        text_add_plain(out, span->peer, SHOWN_NAME);
    }
    text_addf(out, "  %" PRId64 "ms", (int64_t)((uint64_t)span->end_ms - (uint64_t)span->start_ms));
    if (is_marked)
        text_addf(out, "   parent %d  [%s]", span->parent_id, rule_row(drawing->rule)->name);
    text_add(out, "\n");
}

/* Each span once: cycles and repeated ids end where they meet. */
static void
draw_below(struct drawing *drawing, int32_t parent, unsigned depth)
{
    const struct segment_view *view = drawing->judgement->segment;
    for (uint32_t i = 0; i < drawing->n && depth < MAX_DEPTH; i++) {
        if (drawing->is_drawn[i] || view->spans[i].parent_id != parent)
            continue;
        draw_span(drawing, i, depth);
        if (view->spans[i].id >= 0)
            draw_below(drawing, view->spans[i].id, depth + 1);
    }
}

void
ci_tree_draw(struct text *out, const struct judgement *judgement, enum rule rule, unsigned indent)
{
    const struct segment_view *view = judgement->segment;
    struct drawing drawing = {
        .out = out, .judgement = judgement, .rule = rule, .indent = indent, .n = view->n_spans};
    if (drawing.n > MAX_DRAWN)
        drawing.n = MAX_DRAWN;
    draw_below(&drawing, -1, 0);
    for (uint32_t i = 0; i < drawing.n; i++) {
        if (drawing.is_drawn[i])
            continue;
        draw_span(&drawing, i, 1);
        if (view->spans[i].id >= 0)
            draw_below(&drawing, view->spans[i].id, 2);
    }
    if (view->n_spans > drawing.n)
        text_addf(out, "%*sand %u more spans\n", (int)indent, "", view->n_spans - drawing.n);
}
