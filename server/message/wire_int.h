/* Reading the protobuf wire format, for message/ only: varints and one field at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Never reads outside [p, end). Refused: field number 0 or beyond 2^29-1, groups and the reserved
 * wire types, varints over 10 bytes, lengths beyond the enclosing message. Taken, as protobuf does:
 * varints longer than need be, and bits beyond the 64th. */
#ifndef MESSAGE_WIRE_INT_H
#define MESSAGE_WIRE_INT_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_LENGTH = 2,
    WIRE_GROUP_START = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5,
};

#define WIRE_TAG(field, type) ((uint64_t)(field) << 3 | (type))
#define WIRE_FIELD_LAST UINT32_C(536870911)

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;       /* of varint and fixed fields */
    struct bytes payload; /* without tag and length */
    struct bytes framed;  /* with them */
};

static inline const uint8_t *
wire_end(struct bytes message)
{
    return message.n == 0 ? message.p : message.p + message.n;
}

/* A varint's value and its end; end NULL: there is none. Two registers, nothing in memory. */
struct wire_number {
    const uint8_t *end;
    uint64_t value;
};

/* Any length; *err says why there is none. For wire_varint. */
struct wire_number wire_varint_long(const uint8_t *p, const uint8_t *end, enum err *err);

static inline const uint8_t *
wire_varint(const uint8_t *p, const uint8_t *end, uint64_t *value, enum err *err)
{
    if (__builtin_expect(p < end && *p < 0x80, 1)) {
        *value = *p;
        return p + 1;
    }
    struct wire_number number = wire_varint_long(p, end, err);
    *value = number.value;
    return number.end;
}

/* The low seven bits of each byte, side by side: of eight bytes, the first one lowest. */
static inline uint64_t
wire_pack_sevens(uint64_t x)
{
    x &= UINT64_C(0x7f7f7f7f7f7f7f7f);
    x -= (x & UINT64_C(0x7f007f007f007f00)) >> 1;
    x = (x & UINT64_C(0x00003fff00003fff)) | (x & UINT64_C(0x3fff00003fff0000)) >> 2;
    return (x & UINT64_C(0x000000000fffffff)) | (x & UINT64_C(0x0fffffff00000000)) >> 4;
}

/* As wire_varint, for what is mostly longer than one byte and shorter than nine, as times are. */
static inline const uint8_t *
wire_varint_wide(const uint8_t *p, const uint8_t *end, uint64_t *value, enum err *err)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (__builtin_expect(end - p >= 8, 1)) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        uint64_t ends = ~word & UINT64_C(0x8080808080808080);
        if (__builtin_expect(ends != 0, 1)) {
            *value = wire_pack_sevens(word & (ends ^ (ends - 1)));
            return p + __builtin_ctzll(ends) / 8 + 1;
        }
    }
#endif
    return wire_varint(p, end, value, err);
}

/* The start of the field at *p, which is before end: moves *p past it. */
enum err wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *out) MUST_CHECK;

/* Number of bytes wire_put_varint writes. */
size_t wire_varint_size(uint64_t value);

#endif
