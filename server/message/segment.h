/* What a SegmentObject says: a bounded view over its bytes, nothing copied, nothing allocated per
 * span. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 4.1 (SegmentObject, SpanObject, SegmentReference, Log). One view per worker,
 * reused for every message; its arrays grow to what the largest message needed, shrink again after
 * a giant, and never hold more than segment_limits allow. The view is void once the message's bytes
 * are gone or the next message is decoded. */
#ifndef MESSAGE_SEGMENT_H
#define MESSAGE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* SpanType and SpanLayer numbers that rules ask for; others are lawful (open enums). */
enum { SPAN_ENTRY = 0, SPAN_EXIT = 1, SPAN_LOCAL = 2 };
enum {
    LAYER_UNKNOWN = 0,
    LAYER_DATABASE = 1,
    LAYER_HTTP = 3,
    LAYER_MQ = 4,
    LAYER_CACHE = 5,
    LAYER_LAST = 7
};
enum { REF_CROSS_PROCESS = 0, REF_CROSS_THREAD = 1 };

struct tag_view {
    struct bytes raw; /* the KeyStringValuePair's own bytes, without its tag and length */
    struct bytes key, value;
};

struct ref_view {
    struct bytes raw;
    struct bytes trace_id, parent_segment_id, parent_service, parent_instance, parent_endpoint;
    struct bytes address; /* networkAddressUsedAtPeer */
    int32_t parent_span_id;
    int32_t type;
};

struct span_view {
    struct bytes raw;    /* the SpanObject's own bytes, without its tag and length */
    struct bytes framed; /* the same with tag and length: what is cut out to remove it */
    struct bytes operation, peer;
    int64_t start_ms, end_ms; /* Unix */
    int32_t id, parent_id;    /* absent means 0; -1 = no parent */
    int32_t type, layer, component;
    uint32_t first_tag, n_tags; /* in segment_view.tags */
    uint32_t first_ref, n_refs; /* in segment_view.refs */
    uint32_t n_logs;
    bool is_error, skip_analysis;
};

/* Facts the walk finds besides the fields. */
enum segment_fact {
    FACT_UNKNOWN_FIELD = 1u << 0, /* a field number or wire type not in the table, at any level */
    FACT_INVALID_UTF8 = 1u << 1,  /* in a string other than the three below */
    FACT_INVALID_UTF8_IDENTITY = 1u << 2, /* in traceSegmentId, service or serviceInstance */
    FACT_BLANK_TAG = 1u << 3,             /* a tag of zero bytes */
    FACT_BLANK_SPAN = 1u << 4,            /* a span of zero bytes */
    /* A control character (below U+0020, or U+007F) in an operation, a peer or a tag value. */
    FACT_CONTROL = 1u << 6,
    FACT_NUL = 1u << 7, /* U+0000 in traceId, traceSegmentId, service or serviceInstance */
    /* More spans or parts than the limits, or a giant of nearly empty parts, whose views would take
     * over 16 times its bytes: only bytes were checked. */
    FACT_LIMIT = 1u << 5,
};

struct segment_view {
    struct bytes raw; /* the whole message */
    struct bytes trace_id, segment_id, service, instance;
    bool is_size_limited;
    uint32_t facts; /* enum segment_fact */
    uint32_t n_spans, n_tags, n_refs;
    struct span_view *spans;
    struct tag_view *tags;
    struct ref_view *refs;
    uint32_t cap_spans, cap_tags, cap_refs; /* of the arrays; for segment_decode only */
};

struct segment_limits {
    uint32_t max_spans; /* integrity.max_spans */
    uint32_t max_parts; /* tags and refs in all */
};

void segment_view_init(struct segment_view *);
void segment_view_fini(struct segment_view *);

/* Walks one message. ERR_OK, or ERR_WIRE_* when the bytes are no SegmentObject (rule
 * proto-undecodable): the view is then void. Linear in the message's length; with FACT_LIMIT the
 * walk still checks every byte, but spans, tags and refs are void (n_* = 0). Strings are checked
 * for UTF-8, log pairs included. Repeated scalars: the last wins. */
enum err segment_decode(struct segment_view *, struct bytes message,
                        const struct segment_limits *) MUST_CHECK;

#endif
