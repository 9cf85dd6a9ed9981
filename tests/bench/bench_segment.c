/* A healthy segment of three spans and an exact size, as a Java agent would send it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Field numbers: protocol.md 4.1. The root comes last, as Java agents order spans. */
#include "bench_segment.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

struct out {
    uint8_t bytes[BENCH_SEGMENT_MAX];
    size_t n;
    bool full;
};

struct span {
    int32_t id, parent;
    int64_t start_ms, end_ms;
    const char *operation, *peer;
    int32_t type, layer, component;
    const char *tags[4][2];
};

/* What fills a segment up to its size. */
struct padding {
    size_t n_url, n_instance;
};

static void
put_bytes(struct out *o, const void *p, size_t n)
{
    if (n > sizeof o->bytes - o->n) {
        o->full = true;
        return;
    }
    memcpy(o->bytes + o->n, p, n);
    o->n += n;
}

static void
put_varint(struct out *o, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        put_bytes(o, &byte, 1);
        v >>= 7;
    } while (v);
}

static void
put_number(struct out *o, uint32_t field, int64_t v)
{
    if (v == 0)
        return;
    put_varint(o, field << 3 | WIRE_VARINT);
    put_varint(o, (uint64_t)v);
}

static void
put_field(struct out *o, uint32_t field, const void *p, size_t n)
{
    put_varint(o, field << 3 | WIRE_BYTES);
    put_varint(o, n);
    put_bytes(o, p, n);
}

static void
put_text(struct out *o, uint32_t field, const char *s)
{
    if (s && *s)
        put_field(o, field, s, strlen(s));
}

static void
put_tag(struct out *o, const char *const tag[2])
{
    struct out pair = {.n = 0};
    put_text(&pair, 1, tag[0]);
    put_text(&pair, 2, tag[1]);
    put_field(o, 12, pair.bytes, pair.n);
}

static void
put_span(struct out *o, const struct span *span)
{
    struct out s = {.n = 0};
    put_number(&s, 1, span->id);
    put_number(&s, 2, span->parent);
    put_number(&s, 3, span->start_ms);
    put_number(&s, 4, span->end_ms);
    put_text(&s, 6, span->operation);
    put_text(&s, 7, span->peer);
    put_number(&s, 8, span->type);
    put_number(&s, 9, span->layer);
    put_number(&s, 10, span->component);
    for (size_t i = 0; i < 4 && span->tags[i][0]; i++)
        put_tag(&s, span->tags[i]);
    o->full = o->full || s.full;
    put_field(o, 3, s.bytes, s.n);
}

static void
put_spans(struct out *o, const struct padding *pad, int64_t now_ms)
{
    char url[BENCH_SEGMENT_MAX];
    int n = snprintf(url, sizeof url, "http://orders:8080/o?");
    size_t used = (size_t)n;
    for (size_t i = 0; i < pad->n_url && used < sizeof url - 1; i++)
        url[used++] = (char)('a' + i % 26);
    url[used] = 0;
    const struct span spans[3] = {
        {2,
         1,
         now_ms - 60,
         now_ms - 20,
         "Mysql/execute",
         "db:3306",
         1,
         1,
         33,
         {{"db.type", "sql"}, {"db.instance", "orders"}}},
        {1, 0, now_ms - 80, now_ms - 10, "OrderService.find", NULL, 2, 0, 0, {{NULL, NULL}}},
        {0,
         -1,
         now_ms - 100,
         now_ms,
         "GET:/o",
         NULL,
         0,
         3,
         14,
         {{"url", url}, {"http.method", "GET"}}},
    };
    for (size_t i = 0; i < 3; i++)
        put_span(o, &spans[i]);
}

static size_t
put_segment(struct out *o, const struct padding *pad, int64_t now_ms)
{
    char id[64], instance[64];
    snprintf(id, sizeof id, "5be17a7f0c2d4d0f9e1f5c1c2b3a4d5e.57.%013lld0001", (long long)now_ms);
    put_text(o, 1, id);
    put_text(o, 2, id);
    size_t counter_at = o->n - BENCH_COUNTER_DIGITS;
    put_spans(o, pad, now_ms);
    put_text(o, 4, "orders");
    snprintf(instance, sizeof instance, "7f3a9c@10.2.0.17%.*s", (int)pad->n_instance, "-pod");
    put_text(o, 5, instance);
    return counter_at;
}

_Bool
bench_segment_build(struct bench_segment *out, size_t n_bytes, int64_t now_ms)
{
    if (n_bytes < BENCH_SEGMENT_MIN || n_bytes > BENCH_SEGMENT_MAX)
        return false;
    /* A length's varint may grow by a byte with the padding: the second filler closes the gap. */
    for (size_t i = 0; i <= 4; i++) {
        for (size_t n = 0; n <= n_bytes; n++) {
            struct padding pad = {n, i};
            struct out o = {.n = 0};
            size_t counter_at = put_segment(&o, &pad, now_ms);
            if (o.full || o.n > n_bytes)
                break;
            if (o.n < n_bytes)
                continue;
            memcpy(out->bytes, o.bytes, o.n);
            out->n = o.n;
            out->counter_at = counter_at;
            return true;
        }
    }
    return false;
}

void
bench_segment_number(uint8_t *digits, uint64_t counter)
{
    for (size_t i = BENCH_COUNTER_DIGITS; i-- > 0; counter /= 10)
        digits[i] = (uint8_t)('0' + counter % 10);
}
