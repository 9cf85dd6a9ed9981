/* Builds protobuf messages for tests, field by field. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_WIRE_BUILDER_H
#define TESTS_WIRE_BUILDER_H

#include "base/check.h"
#include "base/mem.h"
#include "message/message.h"

/* Owner calls builder_fini. */
struct builder {
    uint8_t *p;
    size_t n, size;
};

static inline void
builder_fini(struct builder *b)
{
    mem_free(b->p);
    *b = (struct builder){NULL, 0, 0};
}

static inline struct bytes
builder_bytes(const struct builder *b)
{
    return bytes_of(b->p, b->n);
}

static inline void
put_raw(struct builder *b, struct bytes raw)
{
    if (b->n + raw.n > b->size) {
        b->size = (b->n + raw.n) * 2;
        b->p = mem_resize(b->p, b->size);
    }
    if (raw.n > 0)
        memcpy(b->p + b->n, raw.p, raw.n);
    b->n += raw.n;
}

static inline void
put_string(struct builder *b, uint32_t field, struct bytes value)
{
    uint8_t header[2 * WIRE_VARINT_MAX];
    put_raw(b, bytes_of(header, wire_put_length(header, field, value.n)));
    put_raw(b, value);
}

static inline void
put_text(struct builder *b, uint32_t field, const char *value)
{
    put_string(b, field, bytes_str(value));
}

static inline void
put_varint(struct builder *b, uint32_t field, uint64_t value)
{
    uint8_t raw[2 * WIRE_VARINT_MAX];
    size_t n = wire_put_varint(raw, (uint64_t)field << 3);
    n += wire_put_varint(raw + n, value);
    put_raw(b, bytes_of(raw, n));
}

/* Puts the finished message inner as a field and forgets it. */
static inline void
put_inner(struct builder *b, uint32_t field, struct builder *inner)
{
    put_string(b, field, builder_bytes(inner));
    builder_fini(inner);
}

static inline void
put_pair(struct builder *b, uint32_t field, const char *key, const char *value)
{
    struct builder pair = {NULL, 0, 0};
    put_text(&pair, 1, key);
    put_text(&pair, 2, value);
    put_inner(b, field, &pair);
}

#endif
