/* How a segment view gets its arrays, for message/ only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESSAGE_SEGMENT_INT_H
#define MESSAGE_SEGMENT_INT_H

#include "message/segment.h"

struct segment_counts {
    uint64_t n_spans, n_tags, n_refs;
};

/* Counts by walking the segment's and its spans' own fields, nothing deeper. */
enum err segment_count(struct bytes message, struct segment_counts *out) MUST_CHECK;
/* What views of so many tags and refs take. */
uint64_t segment_parts_bytes(const struct segment_counts *);
/* Room for at least so many; what is in the arrays stays, at another place. The counts fit in 32
 * bits. */
void segment_view_reserve_spans(struct segment_view *, const struct segment_counts *);
void segment_view_reserve_parts(struct segment_view *, const struct segment_counts *);
/* Ready for another message; gives back what a giant needed. */
void segment_view_clear(struct segment_view *, struct bytes message);

#endif
