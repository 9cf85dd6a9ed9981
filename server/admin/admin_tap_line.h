/* A tapped segment as a line of JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_TAP_LINE_H
#define ADMIN_ADMIN_TAP_LINE_H

#include "base/arena.h"
#include "base/text.h"
#include "integrity/tap.h"
#include "message/segment.h"

/* Of the segment itself: nothing, its bytes as base64, or its JSON. */
enum tap_content { TAP_NONE, TAP_PAYLOAD, TAP_MESSAGE };

/* What writes lines: one for many. */
struct tap_line {
    struct segment_view view;
    struct arena *arena;
};
void tap_line_init(struct tap_line *);
void tap_line_fini(struct tap_line *);

/* {"segment":{"received","received_ms","verdict","rule","rules","method","bytes","service",
 * "service_instance","segment_id","trace_id","operation","spans","errors"}} and its content, and a
 * line end. Strings are empty and numbers 0 where the bytes do not say. */
void tap_line_add(struct tap_line *, const struct tap_item *, enum tap_content, struct text *out);

#endif
