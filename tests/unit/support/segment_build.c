/* A growing buffer with protobuf fields in it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/segment_build.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { VARINT_BYTES = 10, TYPE_VARINT = 0, TYPE_LENGTH = 2 };

void
segment_build_clear(struct segment_build *build)
{
    build->n = 0;
    build->depth = 0;
}

void
segment_build_fini(struct segment_build *build)
{
    mem_free(build->p);
    *build = (struct segment_build){0};
}

struct bytes
segment_build_bytes(const struct segment_build *build)
{
    check(build->depth == 0);
    return bytes_of(build->p, build->n);
}

static void
reserve(struct segment_build *build, size_t n)
{
    if (build->n + n <= build->size)
        return;
    build->size = 2 * (build->n + n) + 256;
    build->p = mem_resize(build->p, build->size);
}

void
segment_build_raw(struct segment_build *build, struct bytes b)
{
    reserve(build, b.n);
    if (b.n > 0)
        memcpy(build->p + build->n, b.p, b.n);
    build->n += b.n;
}

static size_t
encode(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

static void
put(struct segment_build *build, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES];
    segment_build_raw(build, bytes_of(bytes, encode(bytes, value)));
}

void
segment_build_varint(struct segment_build *build, uint32_t field, uint64_t value)
{
    put(build, (uint64_t)field << 3 | TYPE_VARINT);
    put(build, value);
}

void
segment_build_field(struct segment_build *build, uint32_t field, struct bytes b)
{
    put(build, (uint64_t)field << 3 | TYPE_LENGTH);
    put(build, b.n);
    segment_build_raw(build, b);
}

void
segment_build_string(struct segment_build *build, uint32_t field, const char *s)
{
    if (s != NULL && s[0] != '\0')
        segment_build_field(build, field, bytes_str(s));
}

void
segment_build_open(struct segment_build *build, uint32_t field)
{
    check(build->depth < SEGMENT_BUILD_DEPTH);
    put(build, (uint64_t)field << 3 | TYPE_LENGTH);
    build->open[build->depth++] = build->n;
}

void
segment_build_close(struct segment_build *build)
{
    check(build->depth > 0);
    size_t start = build->open[--build->depth];
    uint8_t length[VARINT_BYTES];
    size_t n = encode(length, build->n - start);
    reserve(build, n);
    memmove(build->p + start + n, build->p + start, build->n - start);
    memcpy(build->p + start, length, n);
    build->n += n;
}

static void
put_number(struct segment_build *build, uint32_t field, int64_t value)
{
    if (value != 0)
        segment_build_varint(build, field, (uint64_t)value);
}

void
segment_build_begin(struct segment_build *build, const char *trace_id, const char *segment_id)
{
    segment_build_clear(build);
    segment_build_string(build, 1, trace_id);
    segment_build_string(build, 2, segment_id);
}

void
segment_build_end(struct segment_build *build, const char *service, const char *instance,
                  bool is_size_limited)
{
    segment_build_string(build, 4, service);
    segment_build_string(build, 5, instance);
    put_number(build, 6, is_size_limited);
}

/* Tags, refs and logs follow the scalars: a decoder takes them in any order. */
void
segment_build_span_open(struct segment_build *build, const struct build_span *span)
{
    segment_build_open(build, 3);
    put_number(build, 1, span->id);
    put_number(build, 2, span->parent);
    put_number(build, 3, span->start);
    put_number(build, 4, span->end);
    segment_build_string(build, 6, span->operation);
    segment_build_string(build, 7, span->peer);
    put_number(build, 8, span->type);
    put_number(build, 9, span->layer);
    put_number(build, 10, span->component);
    put_number(build, 11, span->is_error);
    put_number(build, 14, span->skip_analysis);
}

void
segment_build_span(struct segment_build *build, const struct build_span *span)
{
    segment_build_span_open(build, span);
    segment_build_close(build);
}

void
segment_build_ref(struct segment_build *build, const struct build_ref *ref)
{
    segment_build_open(build, 5);
    put_number(build, 1, ref->type);
    segment_build_string(build, 2, ref->trace);
    segment_build_string(build, 3, ref->segment);
    put_number(build, 4, ref->span);
    segment_build_string(build, 5, ref->service);
    segment_build_string(build, 6, ref->instance);
    segment_build_string(build, 7, ref->endpoint);
    segment_build_string(build, 8, ref->address);
    segment_build_close(build);
}

void
segment_build_tag_bytes(struct segment_build *build, struct bytes key, struct bytes value)
{
    segment_build_open(build, 12);
    if (key.n > 0)
        segment_build_field(build, 1, key);
    if (value.n > 0)
        segment_build_field(build, 2, value);
    segment_build_close(build);
}

void
segment_build_tag(struct segment_build *build, const char *key, const char *value)
{
    segment_build_tag_bytes(build, bytes_str(key), bytes_str(value));
}

void
segment_build_log(struct segment_build *build, int64_t time_ms, const char *key, const char *value)
{
    segment_build_open(build, 13);
    put_number(build, 1, time_ms);
    segment_build_open(build, 2);
    segment_build_string(build, 1, key);
    segment_build_string(build, 2, value);
    segment_build_close(build);
    segment_build_close(build);
}
