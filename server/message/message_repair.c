/* Makes every string of a message valid UTF-8 (repair R1), and free of NUL where asked. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes: how long does it become, then write it. A length is asked again on each level, which
 * the descriptors bound (the deepest message has five levels). Messages that need no change keep
 * their bytes, overlong varints included. */
#include "message/message.h"

#include "base/utf8.h"
#include "message/descriptor_int.h"

enum { ESCAPED_BYTES = 4 }; /* \xHH */

struct repair {
    bool fix_nul;
    enum err err;
};

/* How many bytes from the start of the string need no escape. */
static size_t
sound_prefix(const struct repair *repair, struct bytes string)
{
    size_t n = utf8_valid_prefix(string);
    const uint8_t *nul = repair->fix_nul && n > 0 ? memchr(string.p, '\0', n) : NULL;
    return nul == NULL ? n : (size_t)(nul - string.p);
}

static size_t
string_size(const struct repair *repair, struct bytes string)
{
    size_t size = 0;
    while (string.n > 0) {
        size_t n = sound_prefix(repair, string);
        size += n;
        if (n == string.n)
            break;
        size += ESCAPED_BYTES;
        string = bytes_of(string.p + n + 1, string.n - n - 1);
    }
    return size;
}

static uint8_t *
put_string(const struct repair *repair, struct bytes string, uint8_t *out)
{
    static const char digits[] = "0123456789ABCDEF";
    while (string.n > 0) {
        size_t n = sound_prefix(repair, string);
        memcpy(out, string.p, n);
        out += n;
        if (n == string.n)
            break;
        *out++ = '\\';
        *out++ = 'x';
        *out++ = (uint8_t)digits[string.p[n] >> 4];
        *out++ = (uint8_t)digits[string.p[n] & 15];
        string = bytes_of(string.p + n + 1, string.n - n - 1);
    }
    return out;
}

static size_t message_size(struct repair *repair, const ProtobufCMessageDescriptor *descriptor,
                           struct bytes message);

/* Of a field's payload once repaired. */
static size_t
payload_size(struct repair *repair, const ProtobufCFieldDescriptor *known, struct bytes payload)
{
    if (known != NULL && known->type == PROTOBUF_C_TYPE_STRING)
        return string_size(repair, payload);
    if (known != NULL && known->type == PROTOBUF_C_TYPE_MESSAGE)
        return message_size(repair, descriptor_submessage(known), payload);
    return payload.n;
}

static size_t
message_size(struct repair *repair, const ProtobufCMessageDescriptor *descriptor,
             struct bytes message)
{
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    size_t size = 0;
    while (p != end) {
        struct wire_field field;
        repair->err = wire_next(&p, end, &field);
        if (repair->err != ERR_OK)
            return 0;
        size_t n = payload_size(repair, descriptor_field(descriptor, &field), field.payload);
        if (repair->err != ERR_OK)
            return 0;
        if (n == field.payload.n)
            size += field.framed.n;
        else
            size += wire_varint_size(WIRE_TAG(field.number, WIRE_LENGTH)) + wire_varint_size(n) + n;
    }
    return size;
}

static uint8_t *
put_message(struct repair *repair, const ProtobufCMessageDescriptor *descriptor,
            struct bytes message, uint8_t *out)
{
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    while (p != end) {
        struct wire_field field;
        repair->err = wire_next(&p, end, &field);
        if (repair->err != ERR_OK)
            break;
        const ProtobufCFieldDescriptor *known = descriptor_field(descriptor, &field);
        size_t n = payload_size(repair, known, field.payload);
        if (n == field.payload.n) {
            memcpy(out, field.framed.p, field.framed.n);
            out += field.framed.n;
            continue;
        }
        out += wire_put_length(out, field.number, n);
        out = known->type == PROTOBUF_C_TYPE_STRING
                  ? put_string(repair, field.payload, out)
                  : put_message(repair, descriptor_submessage(known), field.payload, out);
    }
    return out;
}

enum err
message_repair(enum message_type type, struct bytes message, bool fix_nul, struct arena *arena,
               struct bytes *out)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(type);
    *out = message;
    if (descriptor == NULL || message.n == 0)
        return ERR_OK;
    struct repair repair = {.fix_nul = fix_nul, .err = ERR_OK};
    size_t size = message_size(&repair, descriptor, message);
    if (repair.err != ERR_OK)
        return repair.err;
    uint8_t *copy = arena_alloc(arena, size);
    if (copy == NULL)
        return ERR_BUDGET;
    put_message(&repair, descriptor, message, copy);
    *out = bytes_of(copy, size);
    return repair.err;
}
