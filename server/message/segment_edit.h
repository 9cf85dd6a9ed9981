/* The only edits a segment may get: a tag added, and the loss-free repairs R1 to R5. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 1.6. Everything not edited keeps its bytes and order, unknown fields
 * included. An edit list is built over one decoded view, then applied once; the result lies in the
 * arena. */
#ifndef MESSAGE_SEGMENT_EDIT_H
#define MESSAGE_SEGMENT_EDIT_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "message/segment.h"

struct segment_edit;

/* Empty list over the view; lives in the arena, as does everything given to it. */
struct segment_edit *segment_edit_new(struct arena *, const struct segment_view *);
/* Adds a KeyStringValuePair to a span, after all its other fields. */
enum err segment_edit_add_tag(struct segment_edit *, uint32_t span, struct bytes key,
                              struct bytes value) MUST_CHECK;
/* R2, R3: cuts out a span with its tag and length. */
enum err segment_edit_remove_span(struct segment_edit *, uint32_t span) MUST_CHECK;
/* R2, R3: cuts out a tag (index in view->tags) or a ref (index in view->refs) of a span. */
enum err segment_edit_remove_tag(struct segment_edit *, uint32_t span, uint32_t tag) MUST_CHECK;
enum err segment_edit_remove_ref(struct segment_edit *, uint32_t span, uint32_t ref) MUST_CHECK;
/* R4: gives a tag another key. */
enum err segment_edit_rename_tag(struct segment_edit *, uint32_t span, uint32_t tag,
                                 struct bytes key) MUST_CHECK;
/* R5: skipAnalysis = true on a span. */
enum err segment_edit_skip_analysis(struct segment_edit *, uint32_t span) MUST_CHECK;
/* R1: each invalid byte of every string, at any level, becomes the four characters \xHH. */
enum err segment_edit_fix_utf8(struct segment_edit *) MUST_CHECK;
/* The new message in the arena. ERR_BUDGET when the arena is used up. */
enum err segment_edit_apply(struct segment_edit *, struct bytes *out) MUST_CHECK;

#endif
