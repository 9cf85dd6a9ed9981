/* Asks a parsed filter about an item. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/filter.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rule_table.h"
#include "integrity/filter_int.h"

enum {
    NUMBER_BYTES = 40,
    /* So many characters are compared for an item: what a pattern costs beyond that no reasonable
     * one costs, and who matches may be a thread that others wait for. */
    STEPS = 32 * 1024,
    STEPS_PER_BYTE = 32,
};

/* One item, and what may still be compared. */
struct matching {
    const struct filter_item *item;
    int64_t n_left;
};

void
filter_free(struct filter **filter)
{
    mem_free(*filter);
    *filter = NULL;
}

bool
filter_number(struct bytes text, double *out)
{
    char copy[NUMBER_BYTES + 1], *end;
    if (text.n == 0 || text.n > NUMBER_BYTES)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == 0 || strchr("0123456789+-.eE", text.p[i]) == NULL)
            return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out);
}

/* The set that begins behind '[' at p[at]: whether c is in it, and where it ends; 0: no set. */
static size_t
match_set(struct matching *m, struct bytes p, size_t at, uint8_t c, bool *is_in)
{
    size_t i = at + 1;
    bool is_not = i < p.n && (p.p[i] == '!' || p.p[i] == '^'), found = false;
    i += is_not;
    for (size_t first = i; i < p.n && (p.p[i] != ']' || i == first); i++) {
        uint8_t low = p.p[i], high = low;
        if (i + 2 < p.n && p.p[i + 1] == '-' && p.p[i + 2] != ']') {
            high = p.p[i + 2];
            i += 2;
        }
        found = found || (c >= low && c <= high);
    }
    *is_in = found != is_not;
    m->n_left -= (int64_t)(i - at);
    return i < p.n ? i + 1 - at : 0;
}

/* Bytes of the pattern at which c matches; 0: it does not. */
static size_t
match_one(struct matching *m, struct bytes p, size_t at, uint8_t c)
{
    if (at >= p.n)
        return 0;
    if (p.p[at] == '?')
        return 1;
    if (p.p[at] == '\\' && at + 1 < p.n)
        return p.p[at + 1] == c ? 2 : 0;
    if (p.p[at] == '[') {
        bool is_in;
        size_t n = match_set(m, p, at, c, &is_in);
        if (n > 0)
            return is_in ? n : 0;
    }
    return p.p[at] == c ? 1 : 0;
}

/* fnmatch without a locale, on bytes that may hold U+0000. Goes back to the last star only, which
 * is enough: at most pattern times text steps. When they are used up nothing matches. */
static bool
match_text(struct matching *m, struct bytes p, struct bytes text)
{
    size_t at = 0, i = 0, star = SIZE_MAX, mark = 0;
    if (text.n > FILTER_VALUE_BYTES)
        text.n = FILTER_VALUE_BYTES;
    for (; i < text.n && m->n_left > 0; m->n_left--) {
        size_t n = match_one(m, p, at, text.p[i]);
        if (at < p.n && p.p[at] == '*') {
            star = at++;
            mark = i;
        } else if (n > 0) {
            at += n;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (at < p.n && p.p[at] == '*')
        at++;
    return i == text.n && at == p.n;
}

static bool
match_number(enum filter_operator op, double value, double wanted)
{
    switch (op) {
    case FILTER_MORE:
        return value > wanted;
    case FILTER_AT_LEAST:
        return value >= wanted;
    case FILTER_LESS:
        return value < wanted;
    case FILTER_AT_MOST:
        return value <= wanted;
    case FILTER_EQUAL:
    case FILTER_CONTAINS:
    default:
        return value == wanted;
    }
}

static bool
match_rule(struct matching *m, const struct filter_node *node)
{
    const struct filter_item *item = m->item;
    for (uint64_t rest = item->rules; rest != 0; rest &= rest - 1) {
        unsigned rule = (unsigned)__builtin_ctzll(rest);
        if (rule < RULE_COUNT && match_text(m, node->pattern, bytes_str(rule_row(rule)->name)))
            return true;
    }
    return match_text(m, node->pattern, item->rule);
}

static struct bytes
method_of(const struct filter_item *item)
{
    bool has_slash = item->method.n > 0 && item->method.p[0] == '/';
    return bytes_of(item->method.p + has_slash, item->method.n - has_slash);
}

static bool
match_tag(struct matching *m, const struct filter_node *node, const struct tag_view *tag)
{
    double value;
    if (!bytes_equal(tag->key, node->tag))
        return false;
    if (node->op == FILTER_EQUAL || node->op == FILTER_CONTAINS)
        return match_text(m, node->pattern, tag->value);
    return filter_number(tag->value, &value) && match_number(node->op, value, node->real);
}

static bool
match_span(struct matching *m, const struct filter_node *node, uint32_t index)
{
    const struct segment_view *segment = m->item->segment;
    const struct span_view *span = &segment->spans[index];
    if (node->key == FILTER_OPERATION)
        return match_text(m, node->pattern, span->operation);
    if (node->key == FILTER_PEER)
        return match_text(m, node->pattern, span->peer);
    if (node->key == FILTER_ERROR)
        return span->is_error;
    for (uint32_t i = 0; i < span->n_tags; i++)
        if (match_tag(m, node, &segment->tags[span->first_tag + i]))
            return true;
    return false;
}

/* Of any span; error=false: of none. */
static bool
match_spans(struct matching *m, const struct filter_node *node)
{
    const struct segment_view *segment = m->item->segment;
    bool found = false;
    if (segment == NULL)
        return false;
    for (uint32_t i = 0; i < segment->n_spans && !found; i++)
        found = match_span(m, node, i);
    return node->key == FILTER_ERROR ? found == (node->number == 1) : found;
}

static bool
match_named(struct matching *m, const struct filter_node *node)
{
    const struct filter_item *item = m->item;
    const struct bytes texts[FILTER_KEYS] = {
        [FILTER_SERVICE] = item->service,    [FILTER_INSTANCE] = item->instance,
        [FILTER_VERDICT] = item->verdict,    [FILTER_SIGNAL] = item->signal,
        [FILTER_METHOD] = method_of(item),   [FILTER_TRACE] = item->trace_id,
        [FILTER_SEGMENT] = item->segment_id,
    };
    return match_text(m, node->pattern, texts[node->key]);
}

static bool
compare(struct matching *m, const struct filter_node *node)
{
    const struct filter_item *item = m->item;
    int64_t age_ms = item->age_ms > 0 ? item->age_ms : 0;
    switch (node->key) {
    case FILTER_SPANS:
        return match_number(node->op, (double)item->n_spans, (double)node->number);
    case FILTER_BYTES:
        return match_number(node->op, (double)item->n_bytes, (double)node->number);
    case FILTER_AGE:
        return match_number(node->op, (double)age_ms, (double)node->number);
    case FILTER_RULE:
        return match_rule(m, node);
    case FILTER_OPERATION:
    case FILTER_PEER:
    case FILTER_ERROR:
    case FILTER_TAG:
        return match_spans(m, node);
    case FILTER_SERVICE:
    case FILTER_INSTANCE:
    case FILTER_VERDICT:
    case FILTER_SIGNAL:
    case FILTER_METHOD:
    case FILTER_TRACE:
    case FILTER_SEGMENT:
    case FILTER_KEYS:
    default:
        return match_named(m, node);
    }
}

/* No deeper than FILTER_MAX_NODES. */
static bool
ask(struct matching *m, const struct filter *filter, uint32_t at)
{
    const struct filter_node *node = &filter->nodes[at];
    switch (node->kind) {
    case FILTER_AND:
        return ask(m, filter, node->left) && ask(m, filter, node->right);
    case FILTER_OR:
        return ask(m, filter, node->left) || ask(m, filter, node->right);
    case FILTER_NOT:
        return !ask(m, filter, node->left);
    case FILTER_COMPARE:
    default:
        return compare(m, node) != node->is_negated;
    }
}

bool
filter_matches(const struct filter *filter, const struct filter_item *item)
{
    struct matching matching = {item, STEPS + STEPS_PER_BYTE * (int64_t)item->n_bytes};
    return ask(&matching, filter, filter->root) && matching.n_left > 0;
}

bool
filter_needs_segment(const struct filter *filter)
{
    for (uint32_t i = 0; i < filter->n_nodes; i++) {
        const struct filter_node *node = &filter->nodes[i];
        if (node->kind == FILTER_COMPARE && node->key >= FILTER_OPERATION)
            return true;
    }
    return false;
}
