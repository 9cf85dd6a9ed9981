/* Finds out what hangs on what, and draws it line by line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/span_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { MAX_SHIFT = 12, STEP = 3, SHOWN_NAME = 60, NAME_COLUMNS = 48, NO_PARENT = -1 };
enum { IS_DRAWN = 1, IS_KEPT = 2 };

struct drawing {
    struct text *out;
    struct text line;
    const struct judgement *judgement;
    const struct segment_view *view;
    const struct span_tree *look;
    uint32_t *by_parent, *by_id; /* indexes of spans: by parent, id, index; by id, index */
    uint8_t *marks;              /* IS_DRAWN, IS_KEPT */
    uint32_t n_free;             /* lines left for spans that are not kept */
    uint32_t n_kept_lines;       /* lines left for those that are */
    uint32_t n_drawn;
};

static int
order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
compare_ids(const void *a, const void *b, void *spans)
{
    const struct span_view *all = spans;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    int by_id = order(all[i].id, all[k].id);
    return by_id != 0 ? by_id : order(i, k);
}

static int
compare_parents(const void *a, const void *b, void *spans)
{
    const struct span_view *all = spans;
    int by_parent = order(all[*(const uint32_t *)a].parent_id, all[*(const uint32_t *)b].parent_id);
    return by_parent != 0 ? by_parent : compare_ids(a, b, spans);
}

/* The first place in by_parent whose span hangs on the id or a later one. */
static uint32_t
first_child(const struct drawing *d, int32_t id)
{
    uint32_t low = 0, high = d->view->n_spans;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (d->view->spans[d->by_parent[middle]].parent_id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The index of the first span with that id; SPAN_NONE: there is none. */
static uint32_t
find_span(const struct drawing *d, int32_t id)
{
    uint32_t low = 0, high = d->view->n_spans;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (d->view->spans[d->by_id[middle]].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < d->view->n_spans && d->view->spans[d->by_id[low]].id == id;
    return found ? d->by_id[low] : SPAN_NONE;
}

static uint64_t
rules_of(const struct drawing *d, uint32_t span)
{
    uint64_t rules = 0;
    for (uint32_t i = 0; i < d->judgement->n_findings; i++)
        if (d->judgement->findings[i].span == span)
            rules |= UINT64_C(1) << d->judgement->findings[i].rule;
    return rules & d->look->rules;
}

/* Marked spans and what they hang on are drawn before others, as far as lines go. */
static void
keep(struct drawing *d, uint32_t span)
{
    while (span != SPAN_NONE && (d->marks[span] & IS_KEPT) == 0 && d->n_free > 0) {
        int32_t parent = d->view->spans[span].parent_id;
        d->marks[span] |= IS_KEPT;
        d->n_free--;
        d->n_kept_lines++;
        if (parent == NO_PARENT)
            return;
        span = find_span(d, parent);
        if (span == SPAN_NONE && d->n_free > 0) {
            d->n_free--; /* the row of the parent that is not there */
            d->n_kept_lines++;
        }
    }
}

static bool
take_line(struct drawing *d, bool is_kept)
{
    uint32_t *left = is_kept ? &d->n_kept_lines : &d->n_free;
    if (*left == 0)
        return false;
    --*left;
    return true;
}

static size_t
columns(const struct text *line)
{
    size_t n = 0;
    for (size_t i = 0; i < line->n; i++)
        n += ((unsigned char)line->p[i] & 0xc0) != 0x80;
    return n;
}

static void
end_line(struct drawing *d, const char *color)
{
    bool is_colored = d->look->color && color != NULL;
    text_addf(d->out, "%*s%s", (int)d->look->indent, "", is_colored ? color : "");
    text_add_bytes(d->out, text_bytes(&d->line));
    text_addf(d->out, "%s\n", is_colored ? "\x1b[0m" : "");
    text_clear(&d->line);
}

static void
add_shift(struct drawing *d, unsigned depth)
{
    unsigned shift = depth > MAX_SHIFT ? MAX_SHIFT : depth;
    text_addf(&d->line, "%*s", shift > 0 ? (int)(STEP * (shift - 1)) : 0, "");
}

static void
add_name(struct text *out, const struct span_view *span)
{
    static const char *const words[] = {
        [SPAN_ENTRY] = "Entry", [SPAN_EXIT] = "Exit", [SPAN_LOCAL] = "Local"};
    if (span->type >= SPAN_ENTRY && span->type <= SPAN_LOCAL)
        text_addf(out, "%d %s ", span->id, words[span->type]);
    else
        text_addf(out, "%d type %d ", span->id, span->type);
    text_add_plain(out, span->operation, SHOWN_NAME);
    if (span->peer.n == 0)
        return;
    text_add(out, " to ");
    text_add_plain(out, span->peer, SHOWN_NAME);
}

static void
add_duration(struct text *out, const struct span_view *span)
{
    char words[32];
    if (span->end_ms == 0)
        snprintf(words, sizeof(words), "no end");
    else
        snprintf(words, sizeof(words), "%" PRId64 "ms",
                 (int64_t)((uint64_t)span->end_ms - (uint64_t)span->start_ms));
    size_t n = columns(out);
    text_addf(out, "%*s%8s%s", n < NAME_COLUMNS ? (int)(NAME_COLUMNS - n) : 0, "", words,
              span->is_error ? " error" : "");
}

static void
add_notes(struct text *out, const struct span_view *span, uint64_t rules, bool is_cut)
{
    const char *comma = "  [";
    if (rules >> RULE_span_parent_missing & 1)
        text_addf(out, "   parent %d is not in this segment", span->parent_id);
    else if (is_cut)
        text_addf(out, "   parent %d: a cycle, cut here", span->parent_id);
    else if (rules >> RULE_span_parent_not_earlier & 1)
        text_addf(out, "   parent %d is no earlier span", span->parent_id);
    for (; rules != 0; rules &= rules - 1) {
        text_addf(out, "%s%s", comma, rule_row((enum rule)__builtin_ctzll(rules))->name);
        comma = ", ";
    }
    if (comma[0] == ',')
        text_add(out, "]");
}

static void
draw_row(struct drawing *d, uint32_t index, unsigned depth, bool is_cut)
{
    const struct span_view *span = &d->view->spans[index];
    uint64_t rules = rules_of(d, index);
    add_shift(d, depth);
    text_add(&d->line, rules != 0 ? "!! " : is_cut ? "?? " : depth > 0 ? "|- " : "");
    add_name(&d->line, span);
    add_duration(&d->line, span);
    add_notes(&d->line, span, rules, is_cut);
    end_line(d, rules != 0 ? "\x1b[31m" : NULL);
}

static void draw_children(struct drawing *, int32_t id, unsigned depth);

/* No deeper than there are lines. */
static void
draw_span(struct drawing *d, uint32_t index, unsigned depth, bool is_cut)
{
    if ((d->marks[index] & IS_DRAWN) != 0 || !take_line(d, (d->marks[index] & IS_KEPT) != 0))
        return;
    d->marks[index] |= IS_DRAWN;
    d->n_drawn++;
    draw_row(d, index, depth, is_cut);
    if (d->view->spans[index].id != NO_PARENT)
        draw_children(d, d->view->spans[index].id, depth + 1);
}

static void
draw_children(struct drawing *d, int32_t id, unsigned depth)
{
    for (uint32_t at = first_child(d, id);
         at < d->view->n_spans && d->view->spans[d->by_parent[at]].parent_id == id; at++)
        draw_span(d, d->by_parent[at], depth, false);
}

/* Spans on a parent that is not there, below a row for it. at: the first of them. */
static void
draw_ghost(struct drawing *d, uint32_t at)
{
    int32_t id = d->view->spans[d->by_parent[at]].parent_id;
    bool is_kept = false;
    for (uint32_t i = at; i < d->view->n_spans; i++) {
        uint32_t span = d->by_parent[i];
        if (d->view->spans[span].parent_id != id)
            break;
        is_kept = is_kept || (d->marks[span] & IS_KEPT) != 0;
    }
    if (!take_line(d, is_kept))
        return;
    text_addf(&d->line, "?? %d is not in this segment", id);
    end_line(d, "\x1b[33m");
    draw_children(d, id, 2);
}

static void
draw_all(struct drawing *d)
{
    draw_children(d, NO_PARENT, 0);
    for (uint32_t at = 0; at < d->view->n_spans; at++) {
        int32_t parent = d->view->spans[d->by_parent[at]].parent_id;
        bool is_first = at == 0 || d->view->spans[d->by_parent[at - 1]].parent_id != parent;
        if (is_first && parent != NO_PARENT && find_span(d, parent) == SPAN_NONE)
            draw_ghost(d, at);
    }
    /* What is left now hangs in a cycle. */
    for (uint32_t i = 0; i < d->view->n_spans; i++)
        draw_span(d, d->by_id[i], 1, true);
}

uint64_t
span_tree_marks(const struct judgement *judgement)
{
    uint64_t marks = 0;
    for (uint64_t rest = judgement->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        enum rule_class rule_class = integrity_found_class(judgement, rule, judgement->agent);
        if (rule_class != CLASS_HINT && rule_class != CLASS_EXTERNAL)
            marks |= UINT64_C(1) << rule;
    }
    return marks;
}

void
span_tree_draw(struct text *out, const struct judgement *judgement, const struct span_tree *look)
{
    const struct segment_view *view = judgement->segment;
    uint32_t n = view->n_spans;
    struct drawing d = {.out = out, .judgement = judgement, .view = view, .look = look};
    d.n_free = look->max_lines < SPAN_TREE_LINES ? look->max_lines : SPAN_TREE_LINES;
    if (n == 0)
        return;
    d.by_parent = mem_new_n(uint32_t, n);
    d.by_id = mem_new_n(uint32_t, n);
    d.marks = mem_new_n(uint8_t, n);
    for (uint32_t i = 0; i < n; i++)
        d.by_parent[i] = d.by_id[i] = i;
    qsort_r(d.by_parent, n, sizeof(d.by_parent[0]), compare_parents, view->spans);
    qsort_r(d.by_id, n, sizeof(d.by_id[0]), compare_ids, view->spans);
    for (uint32_t i = 0; i < judgement->n_findings; i++)
        if (judgement->findings[i].span < n &&
            (look->rules >> judgement->findings[i].rule & 1) != 0)
            keep(&d, judgement->findings[i].span);
    draw_all(&d);
    if (d.n_drawn < n)
        text_addf(out, "%*sand %u more span%s\n", (int)look->indent, "", n - d.n_drawn,
                  n - d.n_drawn == 1 ? "" : "s");
    text_fini(&d.line);
    mem_free(d.by_parent);
    mem_free(d.by_id);
    mem_free(d.marks);
}
