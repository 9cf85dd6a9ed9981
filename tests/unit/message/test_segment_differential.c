/* The segment walker against protobuf-c and against the generic walk, on damaged messages. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Captured segments are mutated, and bytes are made up, from a fixed seed. What both take must say
 * the same, field by field. The differences that are meant, and no others:
 *   - protobuf-c refuses a known field with another wire type, or reads any type as a bool; the
 *     walker skips it, as OAP does
 *   - protobuf-c refuses tags and lengths of more than 5 bytes; the walker takes overlong ones up
 *     to 10 bytes, as Java's parser does
 *   - the walker refuses field number 0 in an overlong tag and numbers beyond 2^29-1, which
 *     protobuf-c takes for unknown fields
 *   - protobuf-c's strings end at the first NUL
 *   - protobuf-c knows no UTF-8; the walker's facts are compared with the generic walk's
 *   - the walker's limits (not met here) and protobuf-c's INT_MAX for a length (nor this)
 * Groups, reserved wire types, varints over 10 bytes and cut-off messages both refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/corpus.h"
#include "message/descriptor_int.h"
#include "message/message.h"
#include "message/segment.h"
#include "trace.pb-c.h"

enum { CASES = 240000, SEEDS_MAX = 1024, CASE_BYTES_MAX = 4096 };

static struct bytes files[8], seeds[SEEDS_MAX];
static size_t n_files, n_seeds;
static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t
random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) * n >> 32);
}

/* Bytes that mean something to a parser. */
static uint8_t
telling_byte(void)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0x02, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x12,
                                    0x18, 0x1a, 0x22, 0x2a, 0x30, 0x32, 0x3a, 0x40, 0x48, 0x50,
                                    0x58, 0x62, 0x6a, 0x70, 0x7a, 0x7d, 0x79, 0x7f, 0x80, 0x81,
                                    0x82, 0x8a, 0x9a, 0xc3, 0xe4, 0xed, 0xf4, 0xff, 0xfe, 0x04};
    return random_below(4) == 0 ? (uint8_t)random_below(256) : bytes[random_below(sizeof(bytes))];
}

static size_t
open_gap(uint8_t *p, size_t n, size_t at, size_t gap)
{
    if (n + gap > CASE_BYTES_MAX)
        return n;
    memmove(p + at + gap, p + at, n - at);
    return n + gap;
}

/* 05 becomes 85 80 .. 00: the same number, said longer. */
static size_t
lengthen(uint8_t *p, size_t n, size_t at, size_t run)
{
    size_t grown = n > 0 && p[at] < 0x80 ? open_gap(p, n, at + 1, run) : n;
    if (grown == n)
        return n;
    p[at] |= 0x80;
    memset(p + at + 1, 0x80, run - 1);
    p[at + run] = 0;
    return grown;
}

static size_t
put_telling_bytes(uint8_t *p, size_t n, size_t at, size_t run)
{
    size_t grown = open_gap(p, n, at, run);
    for (size_t i = at; grown > n && i < at + run; i++)
        p[i] = telling_byte();
    return grown;
}

static size_t
put_part_of_another(uint8_t *p, size_t n, size_t at)
{
    struct bytes other = seeds[random_below((uint32_t)n_seeds)];
    size_t from = random_below((uint32_t)other.n), run = 1 + random_below(64);
    run = run < other.n - from ? run : other.n - from;
    size_t grown = open_gap(p, n, at, run);
    if (grown > n)
        memcpy(p + at, other.p + from, run);
    return grown;
}

static size_t
lose_bytes(uint8_t *p, size_t n, size_t at, size_t run)
{
    run = run < n - at ? run : n - at;
    memmove(p + at, p + at + run, n - at - run);
    return n - run;
}

static size_t
mutate(uint8_t *p, size_t n)
{
    size_t at = n > 0 ? random_below((uint32_t)n) : 0;
    size_t run = 1 + random_below(8);
    uint32_t kind = random_below(7);
    if (kind < 2) {
        if (n > 0)
            p[at] = kind == 0 ? p[at] ^ (uint8_t)(1u << random_below(8)) : telling_byte();
        return n;
    }
    if (kind == 2)
        return put_telling_bytes(p, n, at, run);
    if (kind == 3)
        return lose_bytes(p, n, at, run);
    if (kind == 4)
        return at; /* cut off */
    return kind == 5 ? lengthen(p, n, at, run) : put_part_of_another(p, n, at);
}

static size_t
make_case(uint8_t *p)
{
    size_t n = 0;
    if (random_below(5) == 0) {
        n = random_below(64);
        for (size_t i = 0; i < n; i++)
            p[i] = telling_byte();
        return n;
    }
    struct bytes seed = seeds[random_below((uint32_t)n_seeds)];
    n = seed.n < CASE_BYTES_MAX ? seed.n : CASE_BYTES_MAX;
    memcpy(p, seed.p, n);
    for (uint32_t i = random_below(4) + 1; i > 0; i--)
        n = mutate(p, n);
    return n;
}

/* A varint known to be sound; *i moves behind it. */
static uint64_t
slow_varint(const uint8_t *p, size_t *i)
{
    uint64_t value = 0;
    unsigned shift = 0;
    for (;; shift += 7) {
        value |= (uint64_t)(p[*i] & 0x7f) << shift;
        if (p[(*i)++] < 0x80)
            return value;
    }
}

static bool has_quirk(const ProtobufCMessageDescriptor *descriptor, const uint8_t *p, size_t n);

/* The same of the field at *i, which moves behind it. */
static bool
is_quirk(const ProtobufCMessageDescriptor *descriptor, const uint8_t *p, size_t *i)
{
    size_t start = *i;
    uint64_t tag = slow_varint(p, i), length;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, (uint32_t)(tag >> 3));
    if (*i - start > 5 || (field != NULL && descriptor_wire_type(field->type) != (tag & 7)))
        return true;
    start = *i;
    switch (tag & 7) {
    case WIRE_VARINT:
        slow_varint(p, i);
        return false;
    case WIRE_FIXED64:
        *i += 8;
        return false;
    case WIRE_FIXED32:
        *i += 4;
        return false;
    default:
        length = slow_varint(p, i);
        start = *i - start;
        *i += (size_t)length;
        return start > 5 || (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE &&
                             has_quirk(field->descriptor, p + *i - length, (size_t)length));
    }
}

/* True when protobuf-c may see it otherwise though the walker took it; found by a slow scan of its
 * own. */
static bool
has_quirk(const ProtobufCMessageDescriptor *descriptor, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;)
        if (is_quirk(descriptor, p, &i))
            return true;
    return false;
}

static void
same_string(struct bytes mine, const char *theirs)
{
    const uint8_t *nul = mine.n > 0 ? memchr(mine.p, 0, mine.n) : NULL;
    size_t n = nul == NULL ? mine.n : (size_t)(nul - mine.p);
    assert_int_equal(n, strlen(theirs));
    assert_memory_equal(n > 0 ? (const char *)mine.p : "", theirs, n);
}

static bool
same_pair(const struct tag_view *mine, const Skywalking__V3__KeyStringValuePair *theirs)
{
    same_string(mine->key, theirs->key);
    same_string(mine->value, theirs->value);
    return theirs->base.n_unknown_fields > 0;
}

static bool
same_ref(const struct ref_view *mine, const Skywalking__V3__SegmentReference *theirs)
{
    assert_int_equal(mine->type, (int32_t)theirs->reftype);
    same_string(mine->trace_id, theirs->traceid);
    same_string(mine->parent_segment_id, theirs->parenttracesegmentid);
    assert_int_equal(mine->parent_span_id, theirs->parentspanid);
    same_string(mine->parent_service, theirs->parentservice);
    same_string(mine->parent_instance, theirs->parentserviceinstance);
    same_string(mine->parent_endpoint, theirs->parentendpoint);
    same_string(mine->address, theirs->networkaddressusedatpeer);
    return theirs->base.n_unknown_fields > 0;
}

static bool
has_unknown_in_logs(const Skywalking__V3__SpanObject *span)
{
    for (size_t i = 0; i < span->n_logs; i++) {
        if (span->logs[i]->base.n_unknown_fields > 0)
            return true;
        for (size_t k = 0; k < span->logs[i]->n_data; k++)
            if (span->logs[i]->data[k]->base.n_unknown_fields > 0)
                return true;
    }
    return false;
}

/* True when protobuf-c met an unknown field in it. */
static bool
same_span(const struct segment_view *view, const struct span_view *mine,
          const Skywalking__V3__SpanObject *theirs)
{
    bool unknown = theirs->base.n_unknown_fields > 0 || has_unknown_in_logs(theirs);
    assert_int_equal(mine->id, theirs->spanid);
    assert_int_equal(mine->parent_id, theirs->parentspanid);
    assert_true(mine->start_ms == theirs->starttime && mine->end_ms == theirs->endtime);
    same_string(mine->operation, theirs->operationname);
    same_string(mine->peer, theirs->peer);
    assert_int_equal(mine->type, (int32_t)theirs->spantype);
    assert_int_equal(mine->layer, (int32_t)theirs->spanlayer);
    assert_int_equal(mine->component, theirs->componentid);
    assert_int_equal(mine->is_error, theirs->iserror);
    assert_int_equal(mine->skip_analysis, theirs->skipanalysis);
    assert_int_equal(mine->n_logs, theirs->n_logs);
    assert_int_equal(mine->n_tags, theirs->n_tags);
    assert_int_equal(mine->n_refs, theirs->n_refs);
    for (uint32_t i = 0; i < mine->n_tags; i++)
        unknown |= same_pair(&view->tags[mine->first_tag + i], theirs->tags[i]);
    for (uint32_t i = 0; i < mine->n_refs; i++)
        unknown |= same_ref(&view->refs[mine->first_ref + i], theirs->refs[i]);
    return unknown;
}

static void
same_segment(const struct segment_view *mine, const Skywalking__V3__SegmentObject *theirs)
{
    bool unknown = theirs->base.n_unknown_fields > 0;
    same_string(mine->trace_id, theirs->traceid);
    same_string(mine->segment_id, theirs->tracesegmentid);
    same_string(mine->service, theirs->service);
    same_string(mine->instance, theirs->serviceinstance);
    assert_int_equal(mine->is_size_limited, theirs->issizelimited);
    assert_int_equal(mine->n_spans, theirs->n_spans);
    for (uint32_t i = 0; i < mine->n_spans; i++)
        unknown |= same_span(mine, &mine->spans[i], theirs->spans[i]);
    assert_int_equal(unknown, (mine->facts & FACT_UNKNOWN_FIELD) != 0);
}

static void
compare_walks(const struct segment_view *view, enum err err, struct bytes message)
{
    struct message_facts facts;
    assert_int_equal(message_walk(MESSAGE_SegmentObject, message, &facts), err);
    if (err != ERR_OK)
        return;
    assert_int_equal((view->facts & FACT_UNKNOWN_FIELD) != 0, facts.unknown_field);
    assert_int_equal((view->facts & (FACT_INVALID_UTF8 | FACT_INVALID_UTF8_IDENTITY)) != 0,
                     facts.invalid_utf8);
}

struct tally {
    size_t both, neither, quirks, odd_fields;
};

static void
compare(struct segment_view *view, struct bytes message, struct tally *tally)
{
    const struct segment_limits limits = {100000, 1000000};
    enum err err = segment_decode(view, message, &limits);
    compare_walks(view, err, message);
    Skywalking__V3__SegmentObject *theirs =
        skywalking__v3__segment_object__unpack(NULL, message.n, message.p);
    if (err == ERR_OK &&
        has_quirk(&skywalking__v3__segment_object__descriptor, message.p, message.n)) {
        tally->quirks++;
    } else if (err == ERR_OK) {
        assert_non_null(theirs);
        same_segment(view, theirs);
        tally->both++;
    } else if (theirs != NULL) {
        assert_int_equal(err, ERR_WIRE_FIELD);
        tally->odd_fields++;
    } else {
        tally->neither++;
    }
    if (theirs != NULL)
        skywalking__v3__segment_object__free_unpacked(theirs, NULL);
}

static int
load_seeds(void **state)
{
    (void)state;
    static const char *const names[] = {"go",     "java",          "node",
                                        "python", "go-race-clean", "go-race-corrupt"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "tests/corpus/%s.bin", names[i]);
        struct bytes list = files[n_files++] = corpus_read(path);
        while (n_seeds < SEEDS_MAX && corpus_next(&list, &seeds[n_seeds]))
            n_seeds++;
    }
    return n_seeds > 0 ? 0 : -1;
}

static int
free_seeds(void **state)
{
    (void)state;
    while (n_files > 0)
        mem_free((void *)(uintptr_t)files[--n_files].p);
    return 0;
}

static void
walker_and_protobuf_c_agree(void **state)
{
    (void)state;
    struct segment_view view;
    struct tally tally = {0, 0, 0, 0};
    static uint8_t room[CASE_BYTES_MAX];
    segment_view_init(&view);
    for (size_t i = 0; i < n_seeds; i++)
        compare(&view, seeds[i], &tally);
    for (size_t i = 0; i < CASES; i++) {
        size_t n = make_case(room);
        /* In a block of its very size, so that a sanitizer sees a read beyond it. */
        uint8_t *exact = mem_alloc(n);
        memcpy(exact, room, n);
        compare(&view, bytes_of(exact, n), &tally);
        mem_free(exact);
    }
    /* Each kind of outcome was met, or the comparison compares nothing. */
    assert_true(tally.both > CASES / 20);
    assert_true(tally.neither > CASES / 20);
    assert_true(tally.quirks > 100);
    assert_true(tally.odd_fields > 10);
    segment_view_fini(&view);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(walker_and_protobuf_c_agree, load_seeds, free_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
