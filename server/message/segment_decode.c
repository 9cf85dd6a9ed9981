/* The walker on the hot path: one pass over a SegmentObject's bytes fills a segment_view. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 4.1 for the field numbers, integrity.md 1.1 for what is refused. Every step
 * takes the position and the end of the message it is in, and gives the new position, or NULL with
 * walk->err set. Tags are compared whole, number and wire type at once; what matches none is
 * skipped as unknown. Nothing is recursive: the table is four messages deep. */
#include "message/segment.h"

#include "base/utf8.h"
#include "message/plain_int.h"
#include "message/segment_int.h"
#include "message/wire_int.h"

#define COLD static __attribute__((noinline, cold))

enum segment_tag {
    SEGMENT_TRACE_ID = WIRE_TAG(1, WIRE_LENGTH),
    SEGMENT_ID = WIRE_TAG(2, WIRE_LENGTH),
    SEGMENT_SPAN = WIRE_TAG(3, WIRE_LENGTH),
    SEGMENT_SERVICE = WIRE_TAG(4, WIRE_LENGTH),
    SEGMENT_INSTANCE = WIRE_TAG(5, WIRE_LENGTH),
    SEGMENT_SIZE_LIMITED = WIRE_TAG(6, WIRE_VARINT),
};

enum span_tag {
    SPAN_ID = WIRE_TAG(1, WIRE_VARINT),
    SPAN_PARENT = WIRE_TAG(2, WIRE_VARINT),
    SPAN_START = WIRE_TAG(3, WIRE_VARINT),
    SPAN_END = WIRE_TAG(4, WIRE_VARINT),
    SPAN_REF = WIRE_TAG(5, WIRE_LENGTH),
    SPAN_OPERATION = WIRE_TAG(6, WIRE_LENGTH),
    SPAN_PEER = WIRE_TAG(7, WIRE_LENGTH),
    SPAN_TYPE = WIRE_TAG(8, WIRE_VARINT),
    SPAN_LAYER = WIRE_TAG(9, WIRE_VARINT),
    SPAN_COMPONENT = WIRE_TAG(10, WIRE_VARINT),
    SPAN_ERROR = WIRE_TAG(11, WIRE_VARINT),
    SPAN_TAG = WIRE_TAG(12, WIRE_LENGTH),
    SPAN_LOG = WIRE_TAG(13, WIRE_LENGTH),
    SPAN_SKIP = WIRE_TAG(14, WIRE_VARINT),
};

enum ref_tag {
    REF_TYPE = WIRE_TAG(1, WIRE_VARINT),
    REF_TRACE_ID = WIRE_TAG(2, WIRE_LENGTH),
    REF_SEGMENT_ID = WIRE_TAG(3, WIRE_LENGTH),
    REF_SPAN_ID = WIRE_TAG(4, WIRE_VARINT),
    REF_SERVICE = WIRE_TAG(5, WIRE_LENGTH),
    REF_INSTANCE = WIRE_TAG(6, WIRE_LENGTH),
    REF_ENDPOINT = WIRE_TAG(7, WIRE_LENGTH),
    REF_ADDRESS = WIRE_TAG(8, WIRE_LENGTH),
};

enum log_tag { LOG_TIME = WIRE_TAG(1, WIRE_VARINT), LOG_PAIR = WIRE_TAG(2, WIRE_LENGTH) };
enum pair_tag { PAIR_KEY = WIRE_TAG(1, WIRE_LENGTH), PAIR_VALUE = WIRE_TAG(2, WIRE_LENGTH) };

/* The views of an agent's tags and refs do not take 10 times their bytes; those of empty ones, of 2
 * bytes each, would take 24 and 60 times theirs. (Spans are few enough by max_spans alone.) */
enum { PARTS_FACTOR = 16, PARTS_BYTES_SMALL = 1 << 20 };

/* Where goes what is not recorded. */
struct scratch {
    struct span_view span;
    struct tag_view tag;
    struct ref_view ref;
};

struct walk {
    struct segment_view *view;
    const struct segment_limits *limits;
    const uint8_t *message_end;
    uint32_t room_spans; /* spans that may be recorded before fits is asked */
    uint32_t facts;
    enum err err;
    bool is_counted, is_fit;
    struct segment_counts counts; /* of all that the message holds, once is_counted */
    struct scratch *scratch;
};

COLD const uint8_t *
fail(struct walk *walk, enum err err)
{
    walk->err = err;
    return NULL;
}

/* A field of any number and type, from its first byte: checked, but not looked into. */
COLD const uint8_t *
skip_field(struct walk *walk, const uint8_t *start, const uint8_t *end)
{
    struct wire_field field;
    enum err err = wire_next(&start, end, &field);
    if (err != ERR_OK)
        return fail(walk, err);
    walk->facts |= FACT_UNKNOWN_FIELD;
    return start;
}

HOT const uint8_t *
read_varint(struct walk *walk, const uint8_t *p, const uint8_t *end, uint64_t *value)
{
    return wire_varint(p, end, value, &walk->err);
}

HOT const uint8_t *
read_int32(struct walk *walk, const uint8_t *p, const uint8_t *end, int32_t *out)
{
    uint64_t value = 0;
    p = read_varint(walk, p, end, &value);
    *out = (int32_t)(uint32_t)value;
    return p;
}

HOT const uint8_t *
read_int64(struct walk *walk, const uint8_t *p, const uint8_t *end, int64_t *out)
{
    uint64_t value = 0;
    p = wire_varint_wide(p, end, &value, &walk->err);
    *out = (int64_t)value;
    return p;
}

HOT const uint8_t *
read_bool(struct walk *walk, const uint8_t *p, const uint8_t *end, bool *out)
{
    uint64_t value = 0;
    p = read_varint(walk, p, end, &value);
    *out = value != 0;
    return p;
}

/* The payload of a length-delimited field lies at the returned position, *n bytes. */
HOT const uint8_t *
read_length(struct walk *walk, const uint8_t *p, const uint8_t *end, size_t *n)
{
    uint64_t length = 0;
    p = read_varint(walk, p, end, &length);
    if (__builtin_expect(p == NULL, 0))
        return NULL;
    if (__builtin_expect(length > (size_t)(end - p), 0))
        return fail(walk, ERR_WIRE_LENGTH);
    *n = (size_t)length;
    return p;
}

COLD void
check_utf8(struct walk *walk, const uint8_t *p, size_t n, uint32_t fact)
{
    if (!utf8_is_valid(bytes_of(p, n)))
        walk->facts |= fact;
}

HOT const uint8_t *
read_string(struct walk *walk, const uint8_t *p, const uint8_t *end, struct bytes *out,
            uint32_t fact)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    if (__builtin_expect(p == NULL, 0))
        return NULL;
    *out = bytes_of(p, n);
    if (__builtin_expect(!is_ascii(p, n, walk->message_end), 0))
        check_utf8(walk, p, n, fact);
    return p + n;
}

COLD void
check_text(struct walk *walk, struct bytes text)
{
    check_utf8(walk, text.p, text.n, FACT_INVALID_UTF8);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] == 0x7F)
            walk->facts |= FACT_CONTROL;
}

/* A string in which control characters are looked for as well. */
HOT const uint8_t *
read_text(struct walk *walk, const uint8_t *p, const uint8_t *end, struct bytes *out)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    if (__builtin_expect(p == NULL, 0))
        return NULL;
    *out = bytes_of(p, n);
    if (__builtin_expect(!is_plain(p, n, walk->message_end), 0))
        check_text(walk, *out);
    return p + n;
}

COLD void
check_identity(struct walk *walk, struct bytes name, uint32_t fact)
{
    check_utf8(walk, name.p, name.n, fact);
    if (memchr(name.p, 0, name.n) != NULL)
        walk->facts |= FACT_NUL;
}

/* A string of the segment itself: one look for what is not ASCII and for U+0000. */
HOT const uint8_t *
read_identity(struct walk *walk, const uint8_t *p, const uint8_t *end, struct bytes *out,
              uint32_t fact)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    if (__builtin_expect(p == NULL, 0))
        return NULL;
    *out = bytes_of(p, n);
    if (__builtin_expect(!is_plain(p, n, walk->message_end), 0))
        check_identity(walk, *out, fact);
    return p + n;
}

/* The tag at *p, number and wire type; *p moves behind it. Overlong tags take the cold way. */
HOT uint64_t
read_tag(struct walk *walk, const uint8_t **p, const uint8_t *end)
{
    uint64_t tag = 0;
    const uint8_t *at = read_varint(walk, *p, end, &tag);
    if (__builtin_expect(at != NULL, 1))
        *p = at;
    return tag; /* 0 is no known tag: skip_field tells what is wrong */
}

/* Of a tag or, where control characters are ordinary, of a log. */
HOT const uint8_t *
walk_pair(struct walk *walk, const uint8_t *p, const uint8_t *end, bool is_tag,
          struct tag_view *out)
{
    while (p < end) {
        const uint8_t *start = p;
        switch (read_tag(walk, &p, end)) {
        case PAIR_KEY:
            p = read_string(walk, p, end, &out->key, FACT_INVALID_UTF8);
            break;
        case PAIR_VALUE:
            p = is_tag ? read_text(walk, p, end, &out->value)
                       : read_string(walk, p, end, &out->value, FACT_INVALID_UTF8);
            break;
        default:
            p = skip_field(walk, start, end);
            break;
        }
        if (__builtin_expect(p == NULL, 0))
            return NULL;
    }
    return p;
}

static const uint8_t *
walk_log(struct walk *walk, const uint8_t *p, const uint8_t *end)
{
    struct tag_view pair;
    int64_t time_ms;
    size_t n = 0;
    while (p < end) {
        const uint8_t *start = p;
        switch (read_tag(walk, &p, end)) {
        case LOG_TIME:
            p = read_int64(walk, p, end, &time_ms);
            break;
        case LOG_PAIR:
            p = read_length(walk, p, end, &n);
            p = p == NULL ? NULL : walk_pair(walk, p, p + n, false, &pair);
            break;
        default:
            p = skip_field(walk, start, end);
            break;
        }
        if (p == NULL)
            return NULL;
    }
    return p;
}

static const uint8_t *
walk_ref(struct walk *walk, const uint8_t *p, const uint8_t *end, struct ref_view *out)
{
    *out = (struct ref_view){.raw = bytes_of(p, (size_t)(end - p))};
    while (p < end) {
        const uint8_t *start = p;
        switch (read_tag(walk, &p, end)) {
        case REF_TYPE:
            p = read_int32(walk, p, end, &out->type);
            break;
        case REF_TRACE_ID:
            p = read_string(walk, p, end, &out->trace_id, FACT_INVALID_UTF8);
            break;
        case REF_SEGMENT_ID:
            p = read_string(walk, p, end, &out->parent_segment_id, FACT_INVALID_UTF8);
            break;
        case REF_SPAN_ID:
            p = read_int32(walk, p, end, &out->parent_span_id);
            break;
        case REF_SERVICE:
            p = read_string(walk, p, end, &out->parent_service, FACT_INVALID_UTF8);
            break;
        case REF_INSTANCE:
            p = read_string(walk, p, end, &out->parent_instance, FACT_INVALID_UTF8);
            break;
        case REF_ENDPOINT:
            p = read_string(walk, p, end, &out->parent_endpoint, FACT_INVALID_UTF8);
            break;
        case REF_ADDRESS:
            p = read_string(walk, p, end, &out->address, FACT_INVALID_UTF8);
            break;
        default:
            p = skip_field(walk, start, end);
            break;
        }
        if (__builtin_expect(p == NULL, 0))
            return NULL;
    }
    return p;
}

/* A span, tag or ref finds no place: counts once what the message holds. True when there may be
 * room for exactly that; else recording is given up, and the scratch places serve. */
COLD bool
fits(struct walk *walk)
{
    if (walk->is_counted)
        return walk->is_fit;
    walk->is_counted = true;
    const struct segment_counts *counts = &walk->counts;
    if (segment_count(walk->view->raw, &walk->counts) != ERR_OK)
        return false; /* the walk comes to the same error */
    walk->is_fit =
        counts->n_spans <= walk->limits->max_spans &&
        counts->n_tags + counts->n_refs <= walk->limits->max_parts &&
        segment_parts_bytes(counts) <= PARTS_BYTES_SMALL + PARTS_FACTOR * walk->view->raw.n;
    if (!walk->is_fit)
        walk->facts |= FACT_LIMIT;
    return walk->is_fit;
}

/* Between two spans only: they move. */
COLD bool
make_room_for_spans(struct walk *walk)
{
    if (!fits(walk))
        return false;
    segment_view_reserve_spans(walk->view, &walk->counts);
    walk->room_spans = walk->view->cap_spans;
    return true;
}

/* In the middle of a span, which stays where it is. */
COLD bool
make_room_for_parts(struct walk *walk)
{
    if (!fits(walk))
        return false;
    segment_view_reserve_parts(walk->view, &walk->counts);
    return true;
}

HOT struct span_view *
next_span(struct walk *walk)
{
    struct segment_view *view = walk->view;
    if (__builtin_expect(view->n_spans >= walk->room_spans, 0)) {
        if (!make_room_for_spans(walk))
            return &walk->scratch->span;
    }
    return &view->spans[view->n_spans++];
}

/* Of tags and refs in all; the limit is met exactly, whichever kind comes last. */
HOT bool
has_part_room(const struct walk *walk, uint32_t n, uint32_t cap)
{
    const struct segment_view *view = walk->view;
    return n < cap && (uint64_t)view->n_tags + view->n_refs < walk->limits->max_parts;
}

HOT struct tag_view *
next_tag(struct walk *walk)
{
    struct segment_view *view = walk->view;
    if (__builtin_expect(!has_part_room(walk, view->n_tags, view->cap_tags), 0))
        if (!make_room_for_parts(walk))
            return &walk->scratch->tag;
    return &view->tags[view->n_tags++];
}

HOT struct ref_view *
next_ref(struct walk *walk)
{
    struct segment_view *view = walk->view;
    if (__builtin_expect(!has_part_room(walk, view->n_refs, view->cap_refs), 0))
        if (!make_room_for_parts(walk))
            return &walk->scratch->ref;
    return &view->refs[view->n_refs++];
}

HOT const uint8_t *
read_tag_pair(struct walk *walk, const uint8_t *p, const uint8_t *end)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    if (__builtin_expect(p == NULL, 0))
        return NULL;
    if (__builtin_expect(n == 0, 0))
        walk->facts |= FACT_BLANK_TAG;
    struct tag_view *tag = next_tag(walk);
    *tag = (struct tag_view){.raw = bytes_of(p, n)};
    return walk_pair(walk, p, p + n, true, tag);
}

HOT const uint8_t *
read_ref(struct walk *walk, const uint8_t *p, const uint8_t *end)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    return __builtin_expect(p == NULL, 0) ? NULL : walk_ref(walk, p, p + n, next_ref(walk));
}

HOT const uint8_t *
read_log(struct walk *walk, const uint8_t *p, const uint8_t *end, uint32_t *n_logs)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    ++*n_logs;
    return __builtin_expect(p == NULL, 0) ? NULL : walk_log(walk, p, p + n);
}

static const uint8_t *
walk_span(struct walk *walk, const uint8_t *p, const uint8_t *end, struct span_view *out)
{
    while (p < end) {
        const uint8_t *start = p;
        switch (read_tag(walk, &p, end)) {
        case SPAN_ID:
            p = read_int32(walk, p, end, &out->id);
            break;
        case SPAN_PARENT:
            p = read_int32(walk, p, end, &out->parent_id);
            break;
        case SPAN_START:
            p = read_int64(walk, p, end, &out->start_ms);
            break;
        case SPAN_END:
            p = read_int64(walk, p, end, &out->end_ms);
            break;
        case SPAN_REF:
            p = read_ref(walk, p, end);
            break;
        case SPAN_OPERATION:
            p = read_text(walk, p, end, &out->operation);
            break;
        case SPAN_PEER:
            p = read_text(walk, p, end, &out->peer);
            break;
        case SPAN_TYPE:
            p = read_int32(walk, p, end, &out->type);
            break;
        case SPAN_LAYER:
            p = read_int32(walk, p, end, &out->layer);
            break;
        case SPAN_COMPONENT:
            p = read_int32(walk, p, end, &out->component);
            break;
        case SPAN_ERROR:
            p = read_bool(walk, p, end, &out->is_error);
            break;
        case SPAN_TAG:
            p = read_tag_pair(walk, p, end);
            break;
        case SPAN_LOG:
            p = read_log(walk, p, end, &out->n_logs);
            break;
        case SPAN_SKIP:
            p = read_bool(walk, p, end, &out->skip_analysis);
            break;
        default:
            p = skip_field(walk, start, end);
            break;
        }
        if (__builtin_expect(p == NULL, 0))
            return NULL;
    }
    return p;
}

/* start is where the field began, p behind its tag. */
static const uint8_t *
read_span(struct walk *walk, const uint8_t *start, const uint8_t *p, const uint8_t *end)
{
    size_t n = 0;
    p = read_length(walk, p, end, &n);
    if (__builtin_expect(p == NULL, 0))
        return NULL;
    if (__builtin_expect(n == 0, 0))
        walk->facts |= FACT_BLANK_SPAN;
    struct segment_view *view = walk->view;
    struct span_view *span = next_span(walk);
    *span = (struct span_view){
        .raw = bytes_of(p, n),
        .framed = bytes_of(start, (size_t)(p + n - start)),
        .first_tag = view->n_tags,
        .first_ref = view->n_refs,
    };
    p = walk_span(walk, p, p + n, span);
    span->n_tags = view->n_tags - span->first_tag;
    span->n_refs = view->n_refs - span->first_ref;
    return p;
}

static const uint8_t *
walk_segment(struct walk *walk, const uint8_t *p, const uint8_t *end)
{
    struct segment_view *view = walk->view;
    while (p < end) {
        const uint8_t *start = p;
        switch (read_tag(walk, &p, end)) {
        case SEGMENT_TRACE_ID:
            p = read_identity(walk, p, end, &view->trace_id, FACT_INVALID_UTF8);
            break;
        case SEGMENT_ID:
            p = read_identity(walk, p, end, &view->segment_id, FACT_INVALID_UTF8_IDENTITY);
            break;
        case SEGMENT_SPAN:
            p = read_span(walk, start, p, end);
            break;
        case SEGMENT_SERVICE:
            p = read_identity(walk, p, end, &view->service, FACT_INVALID_UTF8_IDENTITY);
            break;
        case SEGMENT_INSTANCE:
            p = read_identity(walk, p, end, &view->instance, FACT_INVALID_UTF8_IDENTITY);
            break;
        case SEGMENT_SIZE_LIMITED:
            p = read_bool(walk, p, end, &view->is_size_limited);
            break;
        default:
            p = skip_field(walk, start, end);
            break;
        }
        if (__builtin_expect(p == NULL, 0))
            return NULL;
    }
    return p;
}

enum err
segment_decode(struct segment_view *view, struct bytes message, const struct segment_limits *limits)
{
    segment_view_clear(view, message);
    struct scratch scratch;
    struct walk walk = {
        .view = view,
        .limits = limits,
        .message_end = wire_end(message),
        .room_spans = limits->max_spans < view->cap_spans ? limits->max_spans : view->cap_spans,
        .scratch = &scratch,
        .err = ERR_OK,
    };
    if (walk_segment(&walk, message.p, walk.message_end) == NULL)
        return walk.err;
    view->facts = walk.facts;
    if (walk.facts & FACT_LIMIT)
        view->n_spans = view->n_tags = view->n_refs = 0;
    return ERR_OK;
}
