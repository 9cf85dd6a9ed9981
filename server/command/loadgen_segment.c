/* Writes SegmentObjects by hand, healthy or damaged. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/loadgen_segment.h"

#include <inttypes.h>
#include <stdio.h>

#include "message/message.h"
#include "message/segment.h"

enum { MAX_TAGS = 3, ID_BYTES = 80 };
/* Milliseconds from 1899-11-30 to 1970: the Go agent counts from there (integrity.md 1.3). */
static const int64_t go_epoch_ms = INT64_C(2211753600000);

struct pair {
    const char *key, *value;
};

struct span {
    int32_t id, parent;
    int64_t start_ms, end_ms;
    int32_t type, layer, component;
    struct bytes operation;
    const char *peer;
    struct pair tags[MAX_TAGS];
    uint32_t n_tags;
    struct bytes ref; /* a reference as it stands in the message; empty: none */
};

/* What the children of a root do, in turn. */
static const struct span child_kinds[] = {
    {.type = SPAN_EXIT,
     .layer = LAYER_HTTP,
     .component = 2,
     .operation = {(const uint8_t *)"/stock/item", 11},
     .peer = "stock.shop.svc:8080",
     .tags = {{"url", "http://stock.shop.svc:8080/stock/item"},
              {"http.method", "GET"},
              {"http.status_code", "200"}},
     .n_tags = 3},
    {.type = SPAN_EXIT,
     .layer = LAYER_DATABASE,
     .component = 33,
     .operation = {(const uint8_t *)"Mysql/JDBC/PreparedStatement/executeQuery", 41},
     .peer = "mysql.shop.svc:3306",
     .tags = {{"db.type", "sql"},
              {"db.instance", "shop"},
              {"db.statement", "SELECT id, name, price FROM item WHERE id = ?"}},
     .n_tags = 3},
    {.type = SPAN_LOCAL, .operation = {(const uint8_t *)"cart/price", 10}},
    {.type = SPAN_EXIT,
     .layer = LAYER_CACHE,
     .component = 7,
     .operation = {(const uint8_t *)"Redis/GET", 9},
     .peer = "redis.shop.svc:6379",
     .tags = {{"cache.type", "Redis"}, {"cache.op", "read"}, {"cache.key", "item:1"}},
     .n_tags = 3},
};
enum { N_CHILD_KINDS = sizeof(child_kinds) / sizeof(child_kinds[0]) };

static void
put_length(struct text *out, uint32_t field, uint64_t length)
{
    uint8_t bytes[2 * WIRE_VARINT_MAX];
    text_add_bytes(out, bytes_of(bytes, wire_put_length(bytes, field, length)));
}

static void
put_bytes(struct text *out, uint32_t field, struct bytes value)
{
    if (value.n == 0)
        return;
    put_length(out, field, value.n);
    text_add_bytes(out, value);
}

static void
put_int(struct text *out, uint32_t field, int64_t value)
{
    if (value == 0)
        return;
    uint8_t bytes[2 * WIRE_VARINT_MAX];
    size_t n = wire_put_varint(bytes, (uint64_t)field << 3);
    n += wire_put_varint(bytes + n, (uint64_t)value);
    text_add_bytes(out, bytes_of(bytes, n));
}

static void
put_tag(struct text *out, const struct pair *pair)
{
    struct text tag = TEXT_EMPTY;
    put_bytes(&tag, 1, bytes_str(pair->key));
    put_bytes(&tag, 2, bytes_str(pair->value));
    put_bytes(out, 12, text_bytes(&tag));
    text_fini(&tag);
}

static void
put_span(struct text *out, const struct span *span)
{
    struct text body = TEXT_EMPTY;
    put_int(&body, 1, span->id);
    put_int(&body, 2, span->parent);
    put_int(&body, 3, span->start_ms);
    put_int(&body, 4, span->end_ms);
    put_bytes(&body, 5, span->ref);
    put_bytes(&body, 6, span->operation);
    put_bytes(&body, 7, bytes_str(span->peer));
    put_int(&body, 8, span->type);
    put_int(&body, 9, span->layer);
    put_int(&body, 10, span->component);
    for (uint32_t i = 0; i < span->n_tags; i++)
        put_tag(&body, &span->tags[i]);
    put_length(out, 3, body.n);
    text_add_bytes(out, text_bytes(&body));
    text_fini(&body);
}

static struct span
root_span(const struct loadgen_shape *shape)
{
    return (struct span){
        .id = 0,
        .parent = -1,
        .start_ms = shape->now_ms - 20,
        .end_ms = shape->now_ms,
        .type = SPAN_ENTRY,
        .layer = LAYER_HTTP,
        .component = 1,
        .operation = BYTES("/checkout"),
        .tags = {{"url", "http://shop.example/checkout"}, {"http.method", "POST"}},
        .n_tags = 2,
    };
}

static struct span
child_span(const struct loadgen_shape *shape, uint32_t id)
{
    struct span span = child_kinds[(id - 1) % N_CHILD_KINDS];
    span.id = (int32_t)id;
    span.parent = 0;
    span.start_ms = shape->now_ms - 15;
    span.end_ms = shape->now_ms - 5;
    return span;
}

/* Damage to one span of the segment; extra spans and bytes are damage_end's. */
static void
damage_span(enum rule damage, struct span *span)
{
    if (span->id == 1 && damage == RULE_span_parent_missing)
        span->parent = 4711;
    if (span->id == 1 && damage == RULE_span_parent_not_earlier)
        span->parent = 1;
    if (span->id != 0)
        return;
    if (damage == RULE_string_invalid_utf8)
        span->operation = BYTES("/check\xC3\x28out");
    if (damage == RULE_span_end_unset)
        span->end_ms = 0;
    if (damage == RULE_poison_logic_endpoint)
        span->tags[span->n_tags++] = (struct pair){"x-le", "not json"};
    if (damage == RULE_poison_transmission_latency) {
        span->layer = LAYER_MQ;
        span->tags[span->n_tags++] = (struct pair){"transmission.latency", "soon"};
    }
}

static void
put_extra_span(struct text *out, const struct loadgen_shape *shape)
{
    struct span span = child_span(shape, 4);
    span.id = (int32_t)shape->n_spans;
    if (shape->damage == RULE_span_id_duplicate) {
        span = child_span(shape, 1);
        span.operation = BYTES("/torn/by/a/race");
        put_span(out, &span);
    } else if (shape->damage == RULE_span_blank) {
        put_length(out, 3, 0);
    } else if (shape->damage == RULE_span_id_negative) {
        span.id = -5;
        span.parent = -1;
        put_span(out, &span);
    } else if (shape->damage == RULE_poison_cache_tag_repeat) {
        span.tags[2] = (struct pair){"cache.op", "write"};
        put_span(out, &span);
    }
}

static void
make_id(const struct loadgen_shape *shape, char kind, char *out)
{
    uint64_t a = shape->number * UINT64_C(0x9E3779B97F4A7C15), b = a ^ (a >> 29);
    char version = shape->language == LOADGEN_GO || shape->language == LOADGEN_PYTHON ? '1' : '4';
    int n = snprintf(out, ID_BYTES, "%08x%04x%c%03x%c%07x%08x", (unsigned)(a >> 32),
                     (unsigned)(a & 0xffff), version, (unsigned)(b & 0xfff), kind,
                     (unsigned)(b >> 36), (unsigned)shape->number);
    int64_t base_ms = shape->language == LOADGEN_GO ? go_epoch_ms : 0;
    if (shape->language == LOADGEN_GO || shape->language == LOADGEN_JAVA)
        snprintf(out + n, ID_BYTES - (size_t)n, ".%u.%" PRId64, (unsigned)(shape->number % 200 + 1),
                 (base_ms + shape->now_ms - 20) * 10000 + (int64_t)(shape->number % 9999) + 1);
}

/* The reference that no agent makes: to the span that holds it, or to a thread of another process.
 */
static void
put_bad_ref(struct text *ref, const struct loadgen_shape *shape)
{
    char trace_id[ID_BYTES], segment_id[ID_BYTES];
    bool is_loop = shape->damage == RULE_ref_self_loop;
    make_id(shape, '8', trace_id);
    make_id(shape, is_loop ? 'a' : 'b', segment_id);
    put_int(ref, 1, is_loop ? REF_CROSS_PROCESS : REF_CROSS_THREAD);
    put_bytes(ref, 2, bytes_str(trace_id));
    put_bytes(ref, 3, bytes_str(segment_id));
    put_bytes(ref, 5, BYTES("elsewhere"));
    put_bytes(ref, 6, BYTES("elsewhere-1"));
}

/* Root last as Java and Go finish, first as Node often does. */
static void
put_spans(struct text *out, const struct loadgen_shape *shape)
{
    bool root_first = shape->language == LOADGEN_NODE;
    uint32_t least = shape->damage == RULE_span_parent_missing ||
                             shape->damage == RULE_span_parent_not_earlier ||
                             shape->damage == RULE_span_id_duplicate
                         ? 2
                         : 1;
    uint32_t n = shape->n_spans > least ? shape->n_spans : least;
    struct text ref = TEXT_EMPTY;
    if (shape->damage == RULE_ref_self_loop || shape->damage == RULE_ref_crossthread_foreign)
        put_bad_ref(&ref, shape);
    put_extra_span(out, shape);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = root_first ? i : n - 1 - i;
        struct span span = id == 0 ? root_span(shape) : child_span(shape, id);
        damage_span(shape->damage, &span);
        if (id == 0)
            span.ref = text_bytes(&ref);
        put_span(out, &span);
    }
    text_fini(&ref);
}

/* The only span has id 1, so nothing else is wrong. */
static void
put_without_zero(struct text *out, const struct loadgen_shape *shape)
{
    struct span span = root_span(shape);
    span.id = 1;
    put_span(out, &span);
}

static void
put_identity(struct text *out, const struct loadgen_shape *shape)
{
    put_bytes(out, 4,
              shape->damage == RULE_string_invalid_utf8_identity ? BYTES("checkout\xff")
                                                                 : bytes_str(shape->service));
    put_bytes(out, 5,
              shape->damage == RULE_identity_nul ? BYTES("instance\0one")
                                                 : bytes_str(shape->instance));
}

bool
loadgen_can_damage(enum rule rule)
{
    static const enum rule known[] = {
        RULE_proto_undecodable,
        RULE_string_invalid_utf8_identity,
        RULE_string_invalid_utf8,
        RULE_segment_id_malformed,
        RULE_identity_nul,
        RULE_segment_empty,
        RULE_span_blank,
        RULE_span_id_negative,
        RULE_span_id_duplicate,
        RULE_span_zero_missing,
        RULE_span_parent_missing,
        RULE_span_parent_not_earlier,
        RULE_span_end_unset,
        RULE_ref_self_loop,
        RULE_ref_crossthread_foreign,
        RULE_poison_cache_tag_repeat,
        RULE_poison_logic_endpoint,
        RULE_poison_transmission_latency,
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i] == rule)
            return true;
    return false;
}

void
loadgen_segment_build(struct text *out, const struct loadgen_shape *shape)
{
    char trace_id[ID_BYTES], segment_id[ID_BYTES];
    make_id(shape, '8', trace_id);
    make_id(shape, 'a', segment_id);
    text_clear(out);
    put_bytes(out, 1, bytes_str(trace_id));
    put_bytes(out, 2,
              shape->damage == RULE_segment_id_malformed ? BYTES("an id with spaces")
                                                         : bytes_str(segment_id));
    if (shape->damage == RULE_span_zero_missing)
        put_without_zero(out, shape);
    else if (shape->damage != RULE_segment_empty)
        put_spans(out, shape);
    put_identity(out, shape);
    /* The instance is the last field: without its last bytes its length points beyond the end. */
    if (shape->damage == RULE_proto_undecodable)
        out->n -= 3;
}
