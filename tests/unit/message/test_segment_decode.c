/* The segment walker: fields, facts, refusals, bounds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/corpus.h"
#include "message/segment.h"
#include "message/wire_builder.h"

static const struct segment_limits roomy = {100000, 1000000};

struct fixture {
    struct segment_view view;
    struct builder message;
};

static int
set_up(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);
    segment_view_init(&fixture->view);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;
    segment_view_fini(&fixture->view);
    builder_fini(&fixture->message);
    mem_free(fixture);
    return 0;
}

#define assert_bytes(b, text)                    \
    do {                                         \
        assert_int_equal((b).n, strlen(text));   \
        assert_memory_equal((b).p, text, (b).n); \
    } while (0)

static enum err
decode(struct fixture *fixture)
{
    return segment_decode(&fixture->view, builder_bytes(&fixture->message), &roomy);
}

static enum err
decode_raw(struct fixture *fixture, const char *raw, size_t n)
{
    return segment_decode(&fixture->view, bytes_of(raw, n), &roomy);
}
#define DECODE_RAW(fixture, literal) decode_raw((fixture), (literal), sizeof(literal) - 1)

static void
put_full_ref(struct builder *span)
{
    struct builder ref = {NULL, 0, 0};
    put_varint(&ref, 1, REF_CROSS_THREAD);
    put_text(&ref, 2, "trace");
    put_text(&ref, 3, "parent segment");
    put_varint(&ref, 4, 7);
    put_text(&ref, 5, "parent service");
    put_text(&ref, 6, "parent instance");
    put_text(&ref, 7, "/parent");
    put_text(&ref, 8, "10.0.0.1:80");
    put_inner(span, 5, &ref);
}

static void
put_full_span(struct builder *segment)
{
    struct builder span = {NULL, 0, 0};
    put_varint(&span, 1, 3);
    put_varint(&span, 2, UINT64_MAX); /* -1: ten bytes */
    put_varint(&span, 3, 1724000000123);
    put_varint(&span, 4, (uint64_t)INT64_C(-6795364578871));
    put_full_ref(&span);
    put_text(&span, 6, "/in");
    put_text(&span, 7, "db:3306");
    put_varint(&span, 8, SPAN_EXIT);
    put_varint(&span, 9, 7);
    put_varint(&span, 10, 6000);
    put_varint(&span, 11, 1);
    put_pair(&span, 12, "url", "http://x");
    put_pair(&span, 12, "db.type", "sql");
    struct builder log = {NULL, 0, 0};
    put_varint(&log, 1, 1724000000200);
    put_pair(&log, 2, "event", "error");
    put_inner(&span, 13, &log);
    put_varint(&span, 14, 1);
    put_inner(segment, 3, &span);
}

static void
every_field_is_found(void **state)
{
    struct fixture *f = *state;
    put_text(&f->message, 1, "t");
    put_text(&f->message, 2, "s");
    put_full_span(&f->message);
    put_text(&f->message, 4, "service");
    put_text(&f->message, 5, "instance");
    put_varint(&f->message, 6, 1);
    assert_int_equal(decode(f), ERR_OK);

    const struct segment_view *view = &f->view;
    assert_bytes(view->trace_id, "t");
    assert_bytes(view->segment_id, "s");
    assert_bytes(view->service, "service");
    assert_bytes(view->instance, "instance");
    assert_true(view->is_size_limited);
    assert_int_equal(view->facts, 0);
    assert_int_equal(view->n_spans, 1);
    const struct span_view *span = &view->spans[0];
    assert_int_equal(span->id, 3);
    assert_int_equal(span->parent_id, -1);
    assert_true(span->start_ms == 1724000000123);
    assert_true(span->end_ms == -6795364578871);
    assert_bytes(span->operation, "/in");
    assert_bytes(span->peer, "db:3306");
    assert_int_equal(span->type, SPAN_EXIT);
    assert_int_equal(span->layer, 7);
    assert_int_equal(span->component, 6000);
    assert_true(span->is_error);
    assert_true(span->skip_analysis);
    assert_int_equal(span->n_tags, 2);
    assert_int_equal(span->n_refs, 1);
    assert_int_equal(span->n_logs, 1);
}

static void
every_part_is_found(void **state)
{
    struct fixture *f = *state;
    put_full_span(&f->message);
    put_full_span(&f->message);
    assert_int_equal(decode(f), ERR_OK);
    const struct segment_view *view = &f->view;
    assert_int_equal(view->spans[1].first_tag, 2);
    assert_int_equal(view->spans[1].first_ref, 1);
    const struct tag_view *tag = &view->tags[3];
    assert_bytes(tag->key, "db.type");
    assert_bytes(tag->value, "sql");
    const struct ref_view *ref = &view->refs[1];
    assert_int_equal(ref->type, REF_CROSS_THREAD);
    assert_bytes(ref->trace_id, "trace");
    assert_bytes(ref->parent_segment_id, "parent segment");
    assert_int_equal(ref->parent_span_id, 7);
    assert_bytes(ref->parent_service, "parent service");
    assert_bytes(ref->parent_instance, "parent instance");
    assert_bytes(ref->parent_endpoint, "/parent");
    assert_bytes(ref->address, "10.0.0.1:80");
}

static void
raw_and_framed_bytes_are_exact(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(DECODE_RAW(f, "\x1a\x04\x62\x02\x0a\x00\x1a\x82\x00\x08\x01"), ERR_OK);
    const struct segment_view *view = &f->view;
    assert_int_equal(view->n_spans, 2);
    assert_int_equal(view->spans[0].raw.n, 4);
    assert_ptr_equal(view->spans[0].raw.p, view->raw.p + 2);
    assert_int_equal(view->spans[0].framed.n, 6);
    assert_ptr_equal(view->spans[0].framed.p, view->raw.p);
    assert_int_equal(view->tags[0].raw.n, 2);
    assert_ptr_equal(view->tags[0].raw.p, view->raw.p + 4);
    /* The second length is longer than it need be. */
    assert_int_equal(view->spans[1].framed.n, 5);
    assert_int_equal(view->spans[1].id, 1);
}

static void
empty_message_is_an_empty_segment(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(segment_decode(&f->view, BYTES_NONE, &roomy), ERR_OK);
    assert_int_equal(f->view.n_spans, 0);
    assert_int_equal(f->view.segment_id.n, 0);
}

static void
nothing_stays_from_the_message_before(void **state)
{
    struct fixture *f = *state;
    put_full_span(&f->message);
    put_text(&f->message, 4, "service");
    put_varint(&f->message, 6, 1);
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(DECODE_RAW(f, "\x1a\x00"), ERR_OK);
    assert_int_equal(f->view.service.n, 0);
    assert_false(f->view.is_size_limited);
    assert_int_equal(f->view.n_tags, 0);
    assert_int_equal(f->view.spans[0].layer, 0);
    assert_int_equal(f->view.facts, FACT_BLANK_SPAN);
}

static void
the_last_of_repeated_scalars_wins(void **state)
{
    struct fixture *f = *state;
    put_text(&f->message, 4, "one");
    put_text(&f->message, 4, "two");
    assert_int_equal(decode(f), ERR_OK);
    assert_bytes(f->view.service, "two");
    assert_int_equal(DECODE_RAW(f, "\x1a\x04\x08\x05\x08\x00"), ERR_OK);
    assert_int_equal(f->view.spans[0].id, 0);
}

static void
int32_takes_the_low_bits(void **state)
{
    struct fixture *f = *state;
    struct builder span = {NULL, 0, 0};
    put_varint(&span, 1, UINT64_C(0x1234500000007));
    put_varint(&span, 2, UINT32_MAX); /* five bytes, as some encoders write -1 */
    put_inner(&f->message, 3, &span);
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(f->view.spans[0].id, 7);
    assert_int_equal(f->view.spans[0].parent_id, -1);
}

static void
overlong_tags_and_overflowing_varints_pass(void **state)
{
    struct fixture *f = *state;
    /* Field 4 with its tag in three bytes, its length in two. */
    assert_int_equal(DECODE_RAW(f, "\xa2\x80\x00\x81\x00x"), ERR_OK);
    assert_bytes(f->view.service, "x");
    assert_int_equal(f->view.facts, 0);
    /* Ten bytes with bits beyond the 64th. */
    assert_int_equal(DECODE_RAW(f, "\x1a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), ERR_OK);
    assert_int_equal(f->view.spans[0].id, -1);
}

static void
what_is_no_protobuf_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(DECODE_RAW(f, "\x00"), ERR_WIRE_FIELD);
    assert_int_equal(DECODE_RAW(f, "\x02\x00"), ERR_WIRE_FIELD);
    assert_int_equal(DECODE_RAW(f, "\x80\x80\x80\x80\x10\x00"), ERR_WIRE_FIELD);
    assert_int_equal(DECODE_RAW(f, "\x8a\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00"), ERR_WIRE_FIELD);
    assert_int_equal(DECODE_RAW(f, "\x43\x44"), ERR_WIRE_TYPE); /* a balanced group */
    assert_int_equal(DECODE_RAW(f, "\x44"), ERR_WIRE_TYPE);
    assert_int_equal(DECODE_RAW(f, "\x0e"), ERR_WIRE_TYPE);
    assert_int_equal(DECODE_RAW(f, "\x0f"), ERR_WIRE_TYPE);
    assert_int_equal(DECODE_RAW(f, "\x0a\x05xy"), ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x0a"), ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                     ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                     ERR_WIRE_VARINT);
    assert_int_equal(DECODE_RAW(f, "\x30\xff"), ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x79\x01\x02\x03\x04\x05\x06\x07"), ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x7d\x01\x02\x03"), ERR_WIRE_LENGTH);
}

static void
a_child_does_not_read_beyond_its_parent(void **state)
{
    struct fixture *f = *state;
    /* The tag in the span claims one byte more than the span has; the segment has it. */
    assert_int_equal(DECODE_RAW(f, "\x1a\x03\x62\x02\x0a\x00\x00"), ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x1a\x01\x08\x01\x22\x00"), ERR_WIRE_LENGTH);
    assert_int_equal(DECODE_RAW(f, "\x1a\x04\x6a\x02\x12\x01\x30\x01"), ERR_WIRE_LENGTH);
}

static void
truncation_is_found_at_every_byte(void **state)
{
    struct fixture *f = *state;
    put_full_span(&f->message);
    struct bytes whole = builder_bytes(&f->message);
    for (size_t n = 1; n < whole.n; n++) {
        uint8_t *cut = mem_alloc(n); /* exactly n bytes, so that a sanitizer sees a read beyond */
        memcpy(cut, whole.p, n);
        assert_int_equal(segment_decode(&f->view, bytes_of(cut, n), &roomy), ERR_WIRE_LENGTH);
        mem_free(cut);
    }
}

static void
unknown_fields_are_a_fact(void **state)
{
    struct fixture *f = *state;
    static const char *const unknown[] = {
        "\x78\x01",                             /* segment field 15 */
        "\x79\x31\x32\x33\x34\x35\x36\x37\x38", /* fixed64 */
        "\x7d\x31\x32\x33\x34",                 /* fixed32 */
        "\x08\x01",                             /* traceId as a varint */
        "\x1a\x03\x7a\x01\x78",                 /* span field 15 */
        "\x1a\x02\x28\x01",                     /* a ref as a varint */
        "\x1a\x04\x62\x02\x18\x01",             /* in a tag */
        "\x1a\x04\x2a\x02\x48\x01",             /* in a ref */
        "\x1a\x06\x6a\x04\x12\x02\x18\x01",     /* in a log's pair */
        "\x1a\x04\x6a\x02\x18\x01",             /* in a log */
        "\xfa\xff\xff\xff\x0f\x01x",            /* the largest field number */
    };
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(decode_raw(f, unknown[i], strlen(unknown[i])), ERR_OK);
        assert_int_equal(f->view.facts, FACT_UNKNOWN_FIELD);
    }
}

static void
invalid_utf8_is_a_fact_by_place(void **state)
{
    struct fixture *f = *state;
    for (unsigned field = 1; field <= 5; field++) {
        if (field == 3)
            continue;
        builder_fini(&f->message);
        put_string(&f->message, field, BYTES("abcdefgh\xc3\x28"));
        assert_int_equal(decode(f), ERR_OK);
        assert_int_equal(f->view.facts,
                         field == 1 ? FACT_INVALID_UTF8 : FACT_INVALID_UTF8_IDENTITY);
    }
    static const char *const places[] = {
        "\x1a\x03\x32\x01\xff",                 /* operation */
        "\x1a\x03\x3a\x01\xff",                 /* peer */
        "\x1a\x05\x62\x03\x0a\x01\xff",         /* tag key */
        "\x1a\x05\x62\x03\x12\x01\xff",         /* tag value */
        "\x1a\x05\x2a\x03\x12\x01\xff",         /* ref */
        "\x1a\x05\x2a\x03\x42\x01\xff",         /* ref */
        "\x1a\x07\x6a\x05\x12\x03\x0a\x01\xff", /* log key */
        "\x1a\x07\x6a\x05\x12\x03\x12\x01\xff", /* log value */
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_int_equal(decode_raw(f, places[i], strlen(places[i])), ERR_OK);
        assert_int_equal(f->view.facts, FACT_INVALID_UTF8);
    }
}

/* A high bit at every place of strings of every length up to 40, followed and not followed by other
 * bytes: the check by words must neither miss one nor take one from behind the string. */
static void
high_bits_are_seen_exactly_where_they_are(void **state)
{
    struct fixture *f = *state;
    for (size_t n = 1; n <= 40; n++)
        for (size_t at = 0; at <= n; at++)
            for (size_t behind = 0; behind < 12; behind += 11) {
                uint8_t text[64];
                memset(text, 'a', sizeof(text));
                if (at < n)
                    text[at] = 0xff;
                builder_fini(&f->message);
                put_string(&f->message, 1, bytes_of(text, n));
                if (behind > 0)
                    put_varint(&f->message, 6, UINT64_MAX);
                uint8_t *exact = mem_alloc(f->message.n);
                memcpy(exact, f->message.p, f->message.n);
                assert_int_equal(segment_decode(&f->view, bytes_of(exact, f->message.n), &roomy),
                                 ERR_OK);
                assert_int_equal(f->view.facts, at < n ? FACT_INVALID_UTF8 : 0);
                mem_free(exact);
            }
}

static void
lawful_utf8_and_nul_pass(void **state)
{
    struct fixture *f = *state;
    put_string(&f->message, 4,
               BYTES("d\xc3\xa9j\xc3\xa0 \xe8\xae\xa2\xe5\x8d\x95 \xf0\x9f\x98\x80"));
    put_string(&f->message, 5, BYTES("a\0b"));
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(f->view.facts, FACT_NUL);
    assert_int_equal(f->view.instance.n, 3);
    builder_fini(&f->message);
    for (uint32_t field = 1; field <= 5; field++)
        if (field != 3)
            put_string(&f->message, field, BYTES("\x01 \x7f \xc3\xa0"));
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(f->view.facts, 0);
}

static void
blank_parts_are_facts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(DECODE_RAW(f, "\x1a\x02\x62\x00"), ERR_OK);
    assert_int_equal(f->view.facts, FACT_BLANK_TAG);
    assert_int_equal(f->view.spans[0].n_tags, 1);
    assert_int_equal(f->view.tags[0].raw.n, 0);
    assert_int_equal(DECODE_RAW(f, "\x1a\x02\x6a\x00"), ERR_OK);
    assert_int_equal(f->view.facts, 0);
}

static void
span_limit_is_exact(void **state)
{
    struct fixture *f = *state;
    const struct segment_limits two = {2, 10};
    struct bytes spans = BYTES("\x1a\x02\x08\x01\x1a\x02\x08\x02\x1a\x02\x08\x03");
    assert_int_equal(segment_decode(&f->view, bytes_of(spans.p, 8), &two), ERR_OK);
    assert_int_equal(f->view.n_spans, 2);
    assert_int_equal(f->view.facts, 0);
    assert_int_equal(segment_decode(&f->view, spans, &two), ERR_OK);
    assert_int_equal(f->view.n_spans, 0);
    assert_int_equal(f->view.facts, FACT_LIMIT);
}

static void
part_limit_counts_tags_and_refs(void **state)
{
    struct fixture *f = *state;
    const struct segment_limits three = {10, 3};
    struct bytes parts = BYTES("\x1a\x06\x62\x00\x2a\x00\x62\x00\x1a\x02\x2a\x00");
    assert_int_equal(segment_decode(&f->view, bytes_of(parts.p, 8), &three), ERR_OK);
    assert_int_equal(f->view.n_tags, 2);
    assert_int_equal(f->view.n_refs, 1);
    assert_int_equal(segment_decode(&f->view, parts, &three), ERR_OK);
    assert_true(f->view.facts & FACT_LIMIT);
    assert_int_equal(f->view.n_spans + f->view.n_tags + f->view.n_refs, 0);
}

/* Beyond the limit every byte is still checked. */
static void
errors_are_found_beyond_the_limit(void **state)
{
    struct fixture *f = *state;
    const struct segment_limits one = {1, 1};
    struct bytes bad = BYTES("\x1a\x00\x1a\x00\x1a\x03\x62\x01\x0b");
    assert_int_equal(segment_decode(&f->view, bad, &one), ERR_WIRE_TYPE);
    struct bytes odd = BYTES("\x1a\x00\x1a\x00\x22\x01\xff");
    assert_int_equal(segment_decode(&f->view, odd, &one), ERR_OK);
    assert_int_equal(f->view.facts, FACT_LIMIT | FACT_BLANK_SPAN | FACT_INVALID_UTF8_IDENTITY);
    assert_bytes(f->view.service, "\xff");
}

static void
a_giant_fits_and_is_forgotten(void **state)
{
    struct fixture *f = *state;
    uint32_t cap_spans = f->view.cap_spans, cap_tags = f->view.cap_tags;
    uint32_t cap_refs = f->view.cap_refs;
    for (int i = 0; i < 20000; i++)
        put_raw(&f->message, BYTES("\x1a\x18\x08\x01\x62\x04\x0a\x02kk\x2a\x02\x20\x01"
                                   "\x32\x0a/operation"));
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(f->view.n_spans, 20000);
    assert_int_equal(f->view.spans[19999].first_tag, 19999);
    assert_int_equal(f->view.refs[19999].parent_span_id, 1);
    assert_bytes(f->view.tags[19999].key, "kk");
    assert_int_equal(f->view.cap_spans, 20000);
    assert_int_equal(DECODE_RAW(f, "\x1a\x00"), ERR_OK);
    assert_int_equal(f->view.cap_spans, cap_spans);
    assert_int_equal(f->view.cap_tags, cap_tags);
    assert_int_equal(f->view.cap_refs, cap_refs);
}

/* 4 MiB of empty spans, tags or refs: no array grows. */
static void
empty_things_in_millions_cost_no_memory(void **state)
{
    struct fixture *f = *state;
    uint32_t cap_spans = f->view.cap_spans, cap_tags = f->view.cap_tags;
    uint32_t cap_refs = f->view.cap_refs;
    enum { MANY = 2 * 1024 * 1024 };
    struct builder inner = {NULL, 0, 0};
    for (int kind = 0; kind < 3; kind++) {
        static const char *const units[] = {"\x1a", "\x62", "\x2a"};
        struct builder many = {NULL, 0, 0};
        for (int i = 0; i < MANY; i++)
            put_raw(&many, bytes_of((const uint8_t[]){(uint8_t)units[kind][0], 0}, 2));
        if (kind == 0)
            inner = many;
        else
            put_inner(&inner, 3, &many);
        assert_int_equal(segment_decode(&f->view, builder_bytes(&inner), &roomy), ERR_OK);
        assert_true(f->view.facts & FACT_LIMIT);
        assert_int_equal(f->view.cap_spans, cap_spans);
        assert_int_equal(f->view.cap_tags, cap_tags);
        assert_int_equal(f->view.cap_refs, cap_refs);
        builder_fini(&inner);
    }
}

/* Below the limits, but views of 60 times the message. */
static void
empty_parts_are_not_worth_a_giant_view(void **state)
{
    struct fixture *f = *state;
    uint32_t cap_refs = f->view.cap_refs;
    struct builder span = {NULL, 0, 0};
    for (int i = 0; i < 90000; i++)
        put_raw(&span, BYTES("\x2a\x00"));
    put_inner(&f->message, 3, &span);
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(f->view.facts, FACT_LIMIT);
    assert_int_equal(f->view.cap_refs, cap_refs);
    builder_fini(&f->message);
    for (int i = 0; i < 5000; i++) /* small ones are granted whatever they hold */
        put_raw(&span, BYTES("\x2a\x00"));
    put_inner(&f->message, 3, &span);
    assert_int_equal(decode(f), ERR_OK);
    assert_int_equal(f->view.facts, 0);
    assert_int_equal(f->view.n_refs, 5000);
}

static size_t
decode_file(struct fixture *f, const char *path, bool healthy)
{
    struct bytes file = corpus_read(path), list = file, message;
    size_t n_bad = 0;
    while (corpus_next(&list, &message)) {
        enum err err = segment_decode(&f->view, message, &roomy);
        n_bad += err != ERR_OK;
        if (!healthy)
            continue;
        assert_int_equal(err, ERR_OK);
        assert_int_equal(f->view.facts, 0);
        assert_true(f->view.n_spans > 0);
        assert_true(f->view.segment_id.n > 0);
        assert_true(f->view.service.n > 0);
        assert_true(f->view.instance.n > 0);
    }
    mem_free((void *)(uintptr_t)file.p);
    return n_bad;
}

static void
captured_segments_decode(void **state)
{
    decode_file(*state, "tests/corpus/go.bin", true);
    decode_file(*state, "tests/corpus/java.bin", true);
    decode_file(*state, "tests/corpus/node.bin", true);
    decode_file(*state, "tests/corpus/python.bin", true);
    decode_file(*state, "tests/corpus/go-race-clean.bin", true);
}

/* As labelled in go-race-corrupt.json: 0, 1 and 4 undecodable, the others with a blank tag. */
static void
damaged_segments_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct bytes file = corpus_read("tests/corpus/go-race-corrupt.bin"), list = file, message;
    size_t i = 0;
    for (; corpus_next(&list, &message); i++) {
        enum err err = segment_decode(&f->view, message, &roomy);
        if (i == 0 || i == 1 || i == 4) {
            assert_int_not_equal(err, ERR_OK);
        } else {
            assert_int_equal(err, ERR_OK);
            assert_int_equal(f->view.facts, FACT_BLANK_TAG);
        }
    }
    assert_int_equal(i, 7);
    mem_free((void *)(uintptr_t)file.p);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_field_is_found),
        TEST(every_part_is_found),
        TEST(raw_and_framed_bytes_are_exact),
        TEST(empty_message_is_an_empty_segment),
        TEST(nothing_stays_from_the_message_before),
        TEST(the_last_of_repeated_scalars_wins),
        TEST(int32_takes_the_low_bits),
        TEST(overlong_tags_and_overflowing_varints_pass),
        TEST(what_is_no_protobuf_is_refused),
        TEST(a_child_does_not_read_beyond_its_parent),
        TEST(truncation_is_found_at_every_byte),
        TEST(unknown_fields_are_a_fact),
        TEST(invalid_utf8_is_a_fact_by_place),
        TEST(high_bits_are_seen_exactly_where_they_are),
        TEST(lawful_utf8_and_nul_pass),
        TEST(blank_parts_are_facts),
        TEST(span_limit_is_exact),
        TEST(part_limit_counts_tags_and_refs),
        TEST(errors_are_found_beyond_the_limit),
        TEST(a_giant_fits_and_is_forgotten),
        TEST(empty_things_in_millions_cost_no_memory),
        TEST(empty_parts_are_not_worth_a_giant_view),
        TEST(captured_segments_decode),
        TEST(damaged_segments_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
