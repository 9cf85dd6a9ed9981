/* The generic walk over any message of proto/, guided by its descriptor. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message.h"

#include "base/utf8.h"
#include "message/descriptor_int.h"

static enum err walk_message(const ProtobufCMessageDescriptor *descriptor, struct bytes message,
                             unsigned depth, struct message_facts *facts);

static void
look_at_string(struct bytes string, struct message_facts *facts)
{
    if (!utf8_is_valid(string))
        facts->invalid_utf8 = true;
    if (string.n > 0 && memchr(string.p, '\0', string.n) != NULL)
        facts->nul = true;
}

static enum err
walk_field(const ProtobufCMessageDescriptor *descriptor, const struct wire_field *field,
           unsigned depth, struct message_facts *facts)
{
    const ProtobufCFieldDescriptor *known = descriptor_field(descriptor, field);
    if (known == NULL) {
        facts->unknown_field = true;
        return ERR_OK;
    }
    if (known->type == PROTOBUF_C_TYPE_STRING)
        look_at_string(field->payload, facts);
    if (known->type == PROTOBUF_C_TYPE_MESSAGE)
        return walk_message(descriptor_submessage(known), field->payload, depth + 1, facts);
    return ERR_OK;
}

static enum err
walk_message(const ProtobufCMessageDescriptor *descriptor, struct bytes message, unsigned depth,
             struct message_facts *facts)
{
    if (depth > MESSAGE_MAX_DEPTH)
        return ERR_WIRE_DEPTH;
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    while (p != end) {
        struct wire_field field;
        enum err err = wire_next(&p, end, &field);
        if (err == ERR_OK && descriptor != NULL)
            err = walk_field(descriptor, &field, depth, facts);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err
message_walk(enum message_type type, struct bytes message, struct message_facts *out)
{
    *out = (struct message_facts){false, false, false};
    if (message.n == 0)
        return ERR_OK;
    return walk_message(descriptor_of(type), message, 1, out);
}
