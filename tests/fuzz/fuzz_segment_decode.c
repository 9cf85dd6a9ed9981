/* Fuzzes the segment walker and the edits, with the generic walk as the second opinion. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses limits and edits, the rest is the segment. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "message/message.h"
#include "message/segment_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct segment_view view, again;
static struct arena *arena;

static enum err
edit_parts(struct segment_edit *list, uint32_t s, uint8_t choice)
{
    const struct span_view *span = &view.spans[s];
    enum err err = ERR_OK;
    if (span->n_tags > 0 && (choice & 16))
        err = segment_edit_rename_tag(list, s, span->first_tag, BYTES("key.invalid"));
    if (err == ERR_OK && span->n_tags > 1)
        err = segment_edit_remove_tag(list, s, span->first_tag + 1);
    if (err == ERR_OK && span->n_refs > 0)
        err = segment_edit_remove_ref(list, s, span->first_ref);
    return err;
}

static enum err
edit_span(struct segment_edit *list, uint32_t s, uint8_t choice)
{
    enum err err = ERR_OK;
    if (choice & 4)
        err = segment_edit_add_tag(list, s, BYTES("k"), BYTES("value"));
    if (err == ERR_OK && (choice & 8))
        err = segment_edit_skip_analysis(list, s);
    if (err == ERR_OK)
        err = edit_parts(list, s, choice);
    if (err == ERR_OK && (choice & 32))
        err = segment_edit_remove_span(list, s);
    return err;
}

static void
check_edited(struct bytes out, bool fix_utf8, uint32_t n_removed)
{
    const struct segment_limits roomy = {100000, 1000000};
    check(segment_decode(&again, out, &roomy) == ERR_OK);
    if ((view.facts & FACT_LIMIT) == 0)
        check(again.n_spans == view.n_spans - n_removed);
    if (fix_utf8)
        check((again.facts & (FACT_INVALID_UTF8 | FACT_INVALID_UTF8_IDENTITY)) == 0);
    check(bytes_equal(again.trace_id, view.trace_id) || fix_utf8);
}

static void
edit(uint8_t choice, bool fix_utf8)
{
    struct segment_edit *list = segment_edit_new(arena, &view);
    enum err err = fix_utf8 ? segment_edit_fix_utf8(list) : ERR_OK;
    uint32_t n_removed = 0;
    for (uint32_t s = choice & 3; s < view.n_spans && err == ERR_OK; s += 3) {
        err = edit_span(list, s, choice);
        n_removed += (choice & 32) != 0;
    }
    struct bytes out;
    if (err == ERR_OK)
        err = segment_edit_apply(list, &out);
    check(err == ERR_OK || err == ERR_BUDGET);
    if (err == ERR_OK)
        check_edited(out, fix_utf8, n_removed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    if (arena == NULL) {
        segment_view_init(&view);
        segment_view_init(&again);
        arena = arena_new(8 << 20);
    }
    struct segment_limits limits = {100000, 1000000};
    if (data[0] & 128)
        limits = (struct segment_limits){data[0] & 7, data[0] & 15};
    struct bytes message = bytes_of(data + 1, n - 1);
    struct message_facts facts;
    enum err err = segment_decode(&view, message, &limits);
    check(message_walk(MESSAGE_SegmentObject, message, &facts) == err);
    if (err != ERR_OK)
        return 0;
    check(view.n_spans <= limits.max_spans && view.n_tags + view.n_refs <= limits.max_parts);
    bool is_invalid = (view.facts & (FACT_INVALID_UTF8 | FACT_INVALID_UTF8_IDENTITY)) != 0;
    check(is_invalid == facts.invalid_utf8);
    check(((view.facts & FACT_UNKNOWN_FIELD) != 0) == facts.unknown_field);
    arena_reset(arena);
    edit(data[0], is_invalid && (data[0] & 64));
    return 0;
}
