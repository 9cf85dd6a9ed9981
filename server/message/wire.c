/* Reading and writing the protobuf wire format. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "message/message.h"
#include "message/wire_int.h"

/* Ten bytes lie at p: a parent of -1 has them. End NULL: it is longer. */
static struct wire_number
varint_of_ten(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    uint64_t ends = ~word & UINT64_C(0x8080808080808080);
    if (ends != 0)
        return (struct wire_number){p + __builtin_ctzll(ends) / 8 + 1,
                                    wire_pack_sevens(word & (ends ^ (ends - 1)))};
    uint64_t value = wire_pack_sevens(word) | (uint64_t)(p[8] & 0x7f) << 56;
    if (p[8] < 0x80)
        return (struct wire_number){p + 9, value};
    return (struct wire_number){p[9] < 0x80 ? p + 10 : NULL, value | (uint64_t)p[9] << 63};
}

struct wire_number
wire_varint_long(const uint8_t *p, const uint8_t *end, enum err *err)
{
    size_t n = (size_t)(end - p) < WIRE_VARINT_MAX ? (size_t)(end - p) : WIRE_VARINT_MAX;
    uint64_t sum = 0;
    if (n == WIRE_VARINT_MAX) {
        struct wire_number number = varint_of_ten(p);
        if (number.end == NULL)
            *err = ERR_WIRE_VARINT;
        return number;
    }
    for (size_t i = 0; i < n; i++) {
        sum |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80)
            return (struct wire_number){p + i + 1, sum};
    }
    *err = ERR_WIRE_LENGTH;
    return (struct wire_number){NULL, 0};
}

static uint64_t
load_little_endian(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

static enum err
read_fixed(const uint8_t **p, const uint8_t *end, unsigned n, struct wire_field *out)
{
    if ((size_t)(end - *p) < n)
        return ERR_WIRE_LENGTH;
    out->value = load_little_endian(*p, n);
    out->payload = bytes_of(*p, n);
    *p += n;
    return ERR_OK;
}

static enum err
read_length(const uint8_t **p, const uint8_t *end, struct wire_field *out)
{
    enum err err = ERR_OK;
    uint64_t length;
    const uint8_t *at = wire_varint(*p, end, &length, &err);
    if (at == NULL)
        return err;
    if (length > (size_t)(end - at))
        return ERR_WIRE_LENGTH;
    out->payload = bytes_of(at, (size_t)length);
    *p = at + length;
    return ERR_OK;
}

static enum err
read_varint(const uint8_t **p, const uint8_t *end, struct wire_field *out)
{
    enum err err = ERR_OK;
    const uint8_t *at = wire_varint(*p, end, &out->value, &err);
    if (at == NULL)
        return err;
    out->payload = bytes_of(*p, (size_t)(at - *p));
    *p = at;
    return ERR_OK;
}

static enum err
read_payload(const uint8_t **p, const uint8_t *end, struct wire_field *out)
{
    out->value = 0;
    switch (out->type) {
    case WIRE_VARINT:
        return read_varint(p, end, out);
    case WIRE_FIXED64:
        return read_fixed(p, end, 8, out);
    case WIRE_LENGTH:
        return read_length(p, end, out);
    case WIRE_FIXED32:
        return read_fixed(p, end, 4, out);
    case WIRE_GROUP_START:
    case WIRE_GROUP_END:
    default: /* 6 and 7 are reserved */
        return ERR_WIRE_TYPE;
    }
}

enum err
wire_next(const uint8_t **p, const uint8_t *end, struct wire_field *out)
{
    enum err err = ERR_OK;
    uint64_t tag;
    const uint8_t *start = *p;
    const uint8_t *at = wire_varint(start, end, &tag, &err);
    if (at == NULL)
        return err;
    if (tag >> 3 == 0 || tag >> 3 > WIRE_FIELD_LAST)
        return ERR_WIRE_FIELD;
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum wire_type)(tag & 7);
    err = read_payload(&at, end, out);
    if (err != ERR_OK)
        return err;
    out->framed = bytes_of(start, (size_t)(at - start));
    *p = at;
    return ERR_OK;
}

size_t
wire_put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

size_t
wire_varint_size(uint64_t value)
{
    size_t n = 1;
    for (; value >= 0x80; value >>= 7)
        n++;
    return n;
}

size_t
wire_put_length(uint8_t *out, uint32_t field, uint64_t length)
{
    size_t n = wire_put_varint(out, WIRE_TAG(field, WIRE_LENGTH));
    return n + wire_put_varint(out + n, length);
}
