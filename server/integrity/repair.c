/* Collects a segment's edits and applies them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/repair.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum { NUMBER_BYTES = 12 /* "#4294967295" */ };

void
repair_init(struct repair *repair, struct arena *arena, const struct rule_context *context,
            struct key_index *keys, struct key_index *copies)
{
    *repair = (struct repair){
        .arena = arena,
        .context = context,
        .keys = keys,
        .copies = copies,
        .edit = segment_edit_new(arena, context->segment),
        .keys_span = SPAN_NONE,
        .err = ERR_OK,
    };
}

static void
fail(struct repair *repair, enum err err)
{
    if (repair->err == ERR_OK)
        repair->err = err;
}

/* Sets one flag of an array that is made when the first flag is set. */
static void
set_flag(struct repair *repair, bool **flags, uint32_t n, uint32_t at)
{
    if (*flags == NULL)
        *flags = arena_zeroed(repair->arena, n * sizeof(bool));
    if (*flags == NULL)
        fail(repair, ERR_BUDGET);
    else
        (*flags)[at] = true;
}

static void
find_copies(struct repair *repair)
{
    const struct segment_view *view = repair->context->segment;
    repair->is_copy = arena_zeroed(repair->arena, view->n_spans * sizeof(bool));
    if (repair->is_copy == NULL) {
        fail(repair, ERR_BUDGET);
        return;
    }
    key_index_begin(repair->copies, view->n_spans);
    for (uint32_t i = 0; i < view->n_spans; i++)
        key_index_put(repair->copies, view->spans[i].raw, i, &repair->is_copy[i]);
}

bool
repair_is_copy(struct repair *repair, uint32_t span)
{
    if (repair->is_copy == NULL)
        find_copies(repair);
    return repair->is_copy != NULL && repair->is_copy[span];
}

bool
repair_is_removed(const struct repair *repair, uint32_t span)
{
    return repair->is_removed != NULL && repair->is_removed[span];
}

bool
repair_is_edited_tag(const struct repair *repair, uint32_t tag)
{
    return repair->is_edited_tag != NULL && repair->is_edited_tag[tag];
}

static void
note_tag_edit(struct repair *repair, uint32_t tag, enum err err)
{
    if (err != ERR_OK)
        fail(repair, err);
    set_flag(repair, &repair->is_edited_tag, repair->context->segment->n_tags, tag);
    repair->n_repairs++;
}

void
repair_remove_span(struct repair *repair, uint32_t span)
{
    enum err err = segment_edit_remove_span(repair->edit, span);
    if (err != ERR_OK)
        fail(repair, err);
    set_flag(repair, &repair->is_removed, repair->context->segment->n_spans, span);
    repair->n_repairs++;
}

void
repair_remove_tag(struct repair *repair, uint32_t span, uint32_t tag)
{
    note_tag_edit(repair, tag, segment_edit_remove_tag(repair->edit, span, tag));
}

/* Fills keys with those of the span; each one's number is the next suffix to try. */
static void
load_keys(struct repair *repair, uint32_t at)
{
    if (repair->keys_span == at)
        return;
    const struct segment_view *view = repair->context->segment;
    const struct span_view *span = &view->spans[at];
    bool was_there;
    /* Every tag may add one new key. */
    key_index_begin(repair->keys, 2 * span->n_tags);
    for (uint32_t i = span->first_tag; i < span->first_tag + span->n_tags; i++)
        key_index_put(repair->keys, view->tags[i].key, 2, &was_there);
    repair->keys_span = at;
}

/* Numbers the base until it is new on the span. Each number is tried once per base, and one in use
 * stands in the message, so the work stays linear. */
static size_t
add_number(struct repair *repair, char *key, size_t n_base)
{
    bool was_there;
    uint32_t *next = key_index_put(repair->keys, bytes_of(key, n_base), 2, &was_there);
    size_t n;
    do {
        n = n_base + (size_t)snprintf(key + n_base, NUMBER_BYTES, "#%u", (*next)++);
        key_index_put(repair->keys, bytes_of(key, n), 2, &was_there);
    } while (was_there);
    return n;
}

void
repair_rename_tag(struct repair *repair, uint32_t span, uint32_t tag, const char *suffix)
{
    const struct segment_view *view = repair->context->segment;
    struct bytes old = view->tags[tag].key;
    size_t n = old.n + strlen(suffix);
    char *key = arena_alloc(repair->arena, n + NUMBER_BYTES);
    if (key == NULL) {
        fail(repair, ERR_BUDGET);
        return;
    }
    if (old.n > 0)
        memcpy(key, old.p, old.n);
    memcpy(key + old.n, suffix, strlen(suffix));
    bool is_taken = suffix[0] == '\0';
    if (is_taken || view->spans[span].layer == LAYER_CACHE) {
        load_keys(repair, span);
        if (!is_taken)
            key_index_put(repair->keys, bytes_of(key, n), 2, &is_taken);
        if (is_taken)
            n = add_number(repair, key, n);
    }
    note_tag_edit(repair, tag, segment_edit_rename_tag(repair->edit, span, tag, bytes_of(key, n)));
}

void
repair_skip_analysis(struct repair *repair, uint32_t span)
{
    if (repair->context->segment->spans[span].skip_analysis)
        return;
    enum err err = segment_edit_skip_analysis(repair->edit, span);
    if (err != ERR_OK)
        fail(repair, err);
    repair->n_repairs++;
}

static bool
has_key(const struct segment_view *view, const struct span_view *span, struct bytes key)
{
    for (uint32_t i = span->first_tag; i < span->first_tag + span->n_tags; i++)
        if (bytes_equal(view->tags[i].key, key))
            return true;
    return false;
}

/* The names of the rules in table order, with commas. */
static struct bytes
rule_names(struct repair *repair, uint64_t rules)
{
    if (rules == repair->last_mask)
        return repair->last_text;
    size_t n = 0;
    for (uint64_t rest = rules; rest != 0; rest &= rest - 1)
        n += strlen(rule_row((enum rule)__builtin_ctzll(rest))->name) + 1;
    char *text = arena_alloc(repair->arena, n);
    if (text == NULL) {
        fail(repair, ERR_BUDGET);
        return BYTES_NONE;
    }
    char *at = text;
    for (uint64_t rest = rules; rest != 0; rest &= rest - 1) {
        const char *name = rule_row((enum rule)__builtin_ctzll(rest))->name;
        memcpy(at, name, strlen(name));
        at += strlen(name);
        *at++ = ',';
    }
    repair->last_mask = rules;
    repair->last_text = bytes_of(text, n - 1);
    return repair->last_text;
}

bool
repair_is_tagged(const struct repair *repair, uint32_t span)
{
    const struct segment_view *view = repair->context->segment;
    return has_key(view, &view->spans[span], BYTES(REPAIR_TAG_KEY));
}

void
repair_add_tag(struct repair *repair, uint32_t span, uint64_t rules)
{
    if (rules == 0 || repair_is_tagged(repair, span))
        return;
    struct bytes names = rule_names(repair, rules);
    enum err err = segment_edit_add_tag(repair->edit, span, BYTES(REPAIR_TAG_KEY), names);
    if (err != ERR_OK)
        fail(repair, err);
    repair->n_tags++;
}

uint32_t
repair_segment_span(const struct repair *repair)
{
    if (repair->context->first_zero != SPAN_NONE)
        return repair->context->first_zero;
    uint32_t span = repair->context->segment->n_spans - 1;
    /* The first of several copies is never removed, so there is one left. */
    while (span > 0 && repair_is_removed(repair, span))
        span--;
    return span;
}

enum err
repair_apply(struct repair *repair, struct bytes *out)
{
    if (repair->err == ERR_OK && repair->n_repairs + repair->n_tags > 0)
        repair->err = segment_edit_apply(repair->edit, out);
    else
        *out = repair->context->segment->raw;
    return repair->err;
}
