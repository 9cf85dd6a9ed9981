/* Protobuf to JSON, guided by a message's descriptor. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each field of the descriptor is looked for in the message's bytes, so that members come in number
 * order and lists together: some 20 looks at each byte, which is fine for people's eyes. */
#include "message/message_json.h"

#include <inttypes.h>
#include <math.h>

#include "message/descriptor_int.h"
#include "message/message.h"

struct writer {
    struct text *out;
    struct arena *arena;
    enum err err;
};

/* All fields of one number and the right type in a message. */
struct found {
    struct wire_field last;
    size_t n;
    size_t n_bytes; /* of all payloads */
};

static void write_message(struct writer *writer, const ProtobufCMessageDescriptor *descriptor,
                          struct bytes message);

static struct found
find(const ProtobufCFieldDescriptor *field, struct bytes message)
{
    struct found found = {.n = 0};
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    enum wire_type type = descriptor_wire_type(field->type);
    struct wire_field at;
    while (p != end && wire_next(&p, end, &at) == ERR_OK) {
        if (at.number != field->id || at.type != type)
            continue;
        found.last = at;
        found.n++;
        found.n_bytes += at.payload.n;
    }
    return found;
}

static void
write_enum(struct writer *writer, const ProtobufCFieldDescriptor *field, int32_t value)
{
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value(field->descriptor, value);
    if (known != NULL)
        text_add_json(writer->out, bytes_str(known->name));
    else
        text_addf(writer->out, "%" PRId32, value);
}

static void
write_double(struct writer *writer, uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    if (isnan(value))
        text_add(writer->out, "\"NaN\"");
    else if (isinf(value))
        text_add(writer->out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else
        text_addf(writer->out, "%.17g", value);
}

static void
write_value(struct writer *writer, const ProtobufCFieldDescriptor *field,
            const struct wire_field *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
        text_addf(writer->out, "%" PRId32, (int32_t)(uint32_t)value->value);
        break;
    case PROTOBUF_C_TYPE_INT64:
        text_addf(writer->out, "\"%" PRId64 "\"", (int64_t)value->value);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(writer, field, (int32_t)(uint32_t)value->value);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        text_add(writer->out, value->value != 0 ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_double(writer, value->value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        text_add_json(writer->out, value->payload);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        write_message(writer, descriptor_submessage(field), value->payload);
        break;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_BYTES:
    default: /* in no message that has a JSON form; a unit test holds proto/ to that */
        text_add(writer->out, "null");
        break;
    }
}

/* An entry of a map: "key":"value". A key given twice comes twice, and the last one counts, as in
 * protobuf. */
static void
write_entry(struct writer *writer, const ProtobufCFieldDescriptor *field, struct bytes entry)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_submessage(field);
    struct found key = find(&descriptor->fields[0], entry);
    struct found value = find(&descriptor->fields[1], entry);
    text_add_json(writer->out, key.n > 0 ? key.last.payload : BYTES_NONE);
    text_add(writer->out, ":");
    text_add_json(writer->out, value.n > 0 ? value.last.payload : BYTES_NONE);
}

static void
write_list(struct writer *writer, const ProtobufCFieldDescriptor *field, bool is_map,
           struct bytes message)
{
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    const char *comma = "";
    struct wire_field at;
    text_add(writer->out, is_map ? "{" : "[");
    while (p != end && writer->err == ERR_OK && wire_next(&p, end, &at) == ERR_OK) {
        if (at.number != field->id || at.type != descriptor_wire_type(field->type))
            continue;
        text_add(writer->out, comma);
        comma = ",";
        if (is_map)
            write_entry(writer, field, at.payload);
        else
            write_value(writer, field, &at);
    }
    text_add(writer->out, is_map ? "}" : "]");
}

/* A message field given in parts means one message with all their fields, one part behind the
 * other. */
static void
join_parts(struct writer *writer, struct bytes message, struct found *found)
{
    uint8_t *whole = arena_alloc(writer->arena, found->n_bytes);
    if (whole == NULL) {
        writer->err = ERR_BUDGET;
        return;
    }
    const uint8_t *p = message.p;
    const uint8_t *end = wire_end(message);
    size_t n = 0;
    struct wire_field at;
    while (p != end && wire_next(&p, end, &at) == ERR_OK) {
        if (at.number != found->last.number || at.type != WIRE_LENGTH)
            continue;
        if (at.payload.n > 0)
            memcpy(whole + n, at.payload.p, at.payload.n);
        n += at.payload.n;
    }
    found->last.payload = bytes_of(whole, n);
}

/* False when a later member of the same oneof took the field's place. */
static bool
holds_oneof(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
            const struct found *found, struct bytes message)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return true;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &descriptor->fields[i];
        if (other == field || (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
            other->quantifier_offset != field->quantifier_offset)
            continue;
        struct found rival = find(other, message);
        if (rival.n > 0 && rival.last.framed.p > found->last.framed.p)
            return false;
    }
    return true;
}

static bool
is_default(const ProtobufCFieldDescriptor *field, const struct wire_field *value)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    return field->type == PROTOBUF_C_TYPE_STRING ? value->payload.n == 0 : value->value == 0;
}

static void
write_message(struct writer *writer, const ProtobufCMessageDescriptor *descriptor,
              struct bytes message)
{
    const char *comma = "";
    text_add(writer->out, "{");
    for (unsigned i = 0; i < descriptor->n_fields && writer->err == ERR_OK; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        struct found found = find(field, message);
        if (found.n == 0 || is_default(field, &found.last) ||
            !holds_oneof(descriptor, field, &found, message))
            continue;
        text_addf(writer->out, "%s\"%s\":", comma, field->name);
        comma = ",";
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            write_list(writer, field, descriptor_is_map(descriptor, field), message);
            continue;
        }
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && found.n > 1)
            join_parts(writer, message, &found);
        write_value(writer, field, &found.last);
    }
    text_add(writer->out, "}");
}

enum err
message_json_write(enum message_type type, struct bytes message, struct arena *arena,
                   struct text *out)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(type);
    struct message_facts facts;
    enum err err = descriptor == NULL ? ERR_JSON : message_walk(type, message, &facts);
    if (err != ERR_OK)
        return err;
    size_t before = out->n;
    struct writer writer = {out, arena, ERR_OK};
    write_message(&writer, descriptor, message);
    if (writer.err != ERR_OK) {
        out->n = before;
        out->p[before] = '\0';
    }
    return writer.err;
}
