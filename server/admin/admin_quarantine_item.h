/* A quarantined record as people see it: whose it is, and as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_QUARANTINE_ITEM_H
#define ADMIN_ADMIN_QUARANTINE_ITEM_H

#include "base/text.h"
#include "integrity/filter.h"
#include "message/segment.h"
#include "store/quarantine_reader.h"

/* Views into the record; what cannot be decoded is empty. */
struct admin_quarantine_item {
    const struct quarantine_record *record;
    struct bytes method, signal; /* "" for a number of a newer version */
    struct bytes service, instance, trace_id, segment_id;
    uint32_t n_spans;
    const struct segment_view *segment; /* NULL: none */
};

/* view: the memory for it, initialised. */
void admin_quarantine_item_read(struct admin_quarantine_item *, const struct quarantine_record *,
                                struct segment_view *view);
void admin_quarantine_item_ask(const struct admin_quarantine_item *, int64_t now_ms,
                               struct filter_item *);
/* The members of an object, without its braces; each string is cut at 256 bytes. */
void admin_quarantine_item_add(const struct admin_quarantine_item *, struct text *out);

#endif
