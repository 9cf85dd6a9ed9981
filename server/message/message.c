/* Single fields of a message, and the segments of a collection. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message.h"

#include "message/wire_int.h"

/* The last top-level field of that number and wire type; false when absent. */
static bool
find_field(struct bytes message, uint32_t number, enum wire_type type, struct wire_field *out)
{
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    bool found = false;
    struct wire_field field;
    while (p != end && wire_next(&p, end, &field) == ERR_OK) {
        if (field.number != number || field.type != type)
            continue;
        *out = field;
        found = true;
    }
    return found;
}

struct bytes
message_string_field(struct bytes message, uint32_t number)
{
    struct wire_field field;
    return find_field(message, number, WIRE_LENGTH, &field) ? field.payload : BYTES_NONE;
}

bool
message_varint_field(struct bytes message, uint32_t number, uint64_t *out)
{
    struct wire_field field;
    *out = find_field(message, number, WIRE_VARINT, &field) ? field.value : 0;
    return *out != 0;
}

enum err
message_each_field(struct bytes message, uint32_t number, message_each_fn *each, void *ctx)
{
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    while (p != end) {
        struct wire_field field;
        enum err err = wire_next(&p, end, &field);
        if (err != ERR_OK)
            return err;
        if (field.number == number && field.type == WIRE_LENGTH)
            each(ctx, field.payload);
    }
    return ERR_OK;
}

enum err
message_each_segment(struct bytes collection, message_each_fn *each, void *ctx)
{
    enum { COLLECTION_SEGMENTS = 1 };
    return message_each_field(collection, COLLECTION_SEGMENTS, each, ctx);
}
