/* Reading the protobuf wire format, for message/ only: varints and one field at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Never reads outside [p, end). Refused: field number 0 or beyond 2^29-1, groups and the reserved
 * wire types, varints over 10 bytes, lengths beyond the enclosing message. Taken, as protobuf does:
 * varints longer than need be, and bits beyond the 64th. */
#ifndef MESSAGE_WIRE_INT_H
#define MESSAGE_WIRE_INT_H

#include <stdint.h>

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

/* The varint's end, or NULL with *err set. Any length; for wire_varint. */
const uint8_t *wire_varint_long(const uint8_t *p, const uint8_t *end, uint64_t *value,
                                enum err *err);

static inline const uint8_t *
wire_varint(const uint8_t *p, const uint8_t *end, uint64_t *value, enum err *err)
{
    if (__builtin_expect(p < end && *p < 0x80, 1)) {
        *value = *p;
        return p + 1;
    }
    return wire_varint_long(p, end, value, err);
}

/* The start of the field at *p, which is before end: moves *p past it. */
enum err wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *out) MUST_CHECK;

/* Number of bytes wire_put_varint writes. */
size_t wire_varint_size(uint64_t value);

#endif
