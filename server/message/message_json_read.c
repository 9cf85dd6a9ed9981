/* JSON to protobuf, guided by a message's descriptor. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Fields are written in number order into a growing text; a nested message is written behind a gap
 * that then gets its tag and length. Recursion follows the descriptors, not the document. */
#include "message/message_json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "message/descriptor_int.h"
#include "message/json_place_int.h"
#include "message/message.h"

struct message_json {
    json_t *root;
};

struct reader {
    struct text out;
    struct message_json_error *error;
};

enum err
message_json_open(struct bytes json, struct message_json **out, struct message_json_error *error)
{
    json_error_t why;
    json_t *root =
        json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (root == NULL) {
        size_t line = why.line > 0 ? (size_t)why.line : 0;
        size_t column = why.line > 0 && why.column >= 0 ? (size_t)why.column + 1 : 0;
        json_place_say(error, line, column, bytes_str(why.text));
        return ERR_JSON;
    }
    *out = mem_new(struct message_json);
    (*out)->root = root;
    return ERR_OK;
}

void
message_json_close(struct message_json **document)
{
    if (*document == NULL)
        return;
    json_decref((*document)->root);
    mem_free(*document);
    *document = NULL;
}

bool
message_json_is_list(const struct message_json *document)
{
    return json_is_array(document->root);
}

size_t
message_json_count(const struct message_json *document)
{
    return json_is_array(document->root) ? json_array_size(document->root) : 1;
}

static enum err
refuse(struct reader *reader, const struct json_place *place, const char *expected)
{
    return json_place_refuse(reader->error, place, expected);
}

static void
add_varint(struct reader *reader, uint64_t value)
{
    uint8_t raw[WIRE_VARINT_MAX];
    text_add_bytes(&reader->out, bytes_of(raw, wire_put_varint(raw, value)));
}

static void
add_string(struct reader *reader, uint32_t number, struct bytes value)
{
    add_varint(reader, WIRE_TAG(number, WIRE_LENGTH));
    add_varint(reader, value.n);
    text_add_bytes(&reader->out, value);
}

/* Leaves room for a tag and a length; end_frame fills it and moves the content up. */
enum { FRAME_BYTES = 2 * WIRE_VARINT_MAX };

static size_t
begin_frame(struct reader *reader)
{
    static const uint8_t gap[FRAME_BYTES];
    size_t start = reader->out.n;
    text_add_bytes(&reader->out, bytes_of(gap, sizeof(gap)));
    return start;
}

static void
end_frame(struct reader *reader, size_t start, uint32_t number)
{
    struct text *out = &reader->out;
    uint8_t *at = (uint8_t *)out->p + start;
    size_t n = out->n - start - FRAME_BYTES;
    size_t head = wire_put_length(at, number, n);
    memmove(at + head, at + FRAME_BYTES, n);
    out->n = start + head + n;
    out->p[out->n] = '\0';
}

/* "12", "-1", "1e3", "NaN": false when the string is no number from end to end. */
static bool
number_of_string(const json_t *value, double *out)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    *out = 0;
    if (n == 0 || n > 64 || strspn(text, "+-.0123456789eE") != n) {
        bool is_negative = strcmp(text, "-Infinity") == 0;
        if (strcmp(text, "NaN") == 0)
            *out = NAN;
        else if (is_negative || strcmp(text, "Infinity") == 0)
            *out = is_negative ? -INFINITY : INFINITY;
        else
            return false;
        return strlen(text) == n;
    }
    char *end;
    *out = strtod(text, &end);
    return *end == '\0';
}

static bool
integer_of_string(const json_t *value, int64_t *out)
{
    const char *text = json_string_value(value);
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && (*text == '-' || *text >= '0') &&
           strlen(text) == json_string_length(value);
}

/* A whole number in whatever clothes: 5, "5", 5.0, "5e0". */
static bool
integer_of(const json_t *value, int64_t *out)
{
    double real;
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (json_is_string(value)) {
        if (integer_of_string(value, out))
            return true;
        if (!number_of_string(value, &real))
            return false;
    } else if (json_is_real(value)) {
        real = json_real_value(value);
    } else {
        return false;
    }
    if (!(fabs(real) < 9223372036854775808.0) || real != floor(real))
        return false; /* -2^63 itself comes as an integer */
    *out = (int64_t)real;
    return true;
}

static enum err
read_integer(struct reader *reader, const struct json_place *place,
             const ProtobufCFieldDescriptor *field, const json_t *value)
{
    int64_t number;
    if (!integer_of(value, &number))
        return refuse(reader, place, "a whole number is expected");
    if (field->type == PROTOBUF_C_TYPE_INT32 && (number < INT32_MIN || number > INT32_MAX))
        return refuse(reader, place, "the number does not fit 32 bits");
    if (number == 0)
        return ERR_OK;
    add_varint(reader, WIRE_TAG(field->id, WIRE_VARINT));
    add_varint(reader, (uint64_t)number);
    return ERR_OK;
}

static enum err
read_enum(struct reader *reader, const struct json_place *place,
          const ProtobufCFieldDescriptor *field, const json_t *value)
{
    int64_t number;
    if (json_is_string(value)) {
        const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value_by_name(
            field->descriptor, json_string_value(value));
        if (known != NULL)
            number = known->value;
        else if (!integer_of_string(value, &number))
            return ERR_OK; /* a name of the future */
    } else if (!integer_of(value, &number)) {
        return refuse(reader, place, "a name or a number is expected");
    }
    if (number < INT32_MIN || number > INT32_MAX)
        return refuse(reader, place, "the number does not fit 32 bits");
    if (number == 0)
        return ERR_OK;
    add_varint(reader, WIRE_TAG(field->id, WIRE_VARINT));
    add_varint(reader, (uint64_t)number);
    return ERR_OK;
}

static enum err
read_bool(struct reader *reader, const struct json_place *place,
          const ProtobufCFieldDescriptor *field, const json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    bool is_true = json_is_true(value) || strcmp(text, "true") == 0;
    if (!is_true && !json_is_false(value) && strcmp(text, "false") != 0)
        return refuse(reader, place, "true or false is expected");
    if (is_true) {
        add_varint(reader, WIRE_TAG(field->id, WIRE_VARINT));
        add_varint(reader, 1);
    }
    return ERR_OK;
}

static enum err
read_double(struct reader *reader, const struct json_place *place,
            const ProtobufCFieldDescriptor *field, const json_t *value)
{
    union {
        double number;
        uint64_t bits;
    } both = {.bits = 0};
    if (json_is_number(value))
        both.number = json_number_value(value);
    else if (!json_is_string(value) || !number_of_string(value, &both.number))
        return refuse(reader, place, "a number is expected");
    if (both.bits == 0)
        return ERR_OK;
    add_varint(reader, WIRE_TAG(field->id, WIRE_FIXED64));
    uint8_t raw[8];
    for (unsigned i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)(both.bits >> (8 * i));
    text_add_bytes(&reader->out, bytes_of(raw, sizeof(raw)));
    return ERR_OK;
}

static enum err
read_string(struct reader *reader, const struct json_place *place,
            const ProtobufCFieldDescriptor *field, const json_t *value)
{
    if (!json_is_string(value))
        return refuse(reader, place, "a string is expected");
    struct bytes string = bytes_of(json_string_value(value), json_string_length(value));
    if (string.n > 0 || field->label == PROTOBUF_C_LABEL_REPEATED)
        add_string(reader, field->id, string);
    return ERR_OK;
}

static enum err read_object(struct reader *reader, const struct json_place *place,
                            const ProtobufCMessageDescriptor *descriptor, const json_t *object);

static enum err
read_message(struct reader *reader, const struct json_place *place,
             const ProtobufCFieldDescriptor *field, const json_t *value)
{
    if (!json_is_object(value))
        return refuse(reader, place, "an object is expected");
    size_t start = begin_frame(reader);
    enum err err = read_object(reader, place, descriptor_submessage(field), value);
    end_frame(reader, start, field->id);
    return err;
}

static enum err
read_value(struct reader *reader, const struct json_place *place,
           const ProtobufCFieldDescriptor *field, const json_t *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
        return read_integer(reader, place, field, value);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reader, place, field, value);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(reader, place, field, value);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_double(reader, place, field, value);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(reader, place, field, value);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(reader, place, field, value);
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
        return refuse(reader, place, "no JSON form for this type");
    }
}

static enum err
read_list(struct reader *reader, const struct json_place *place,
          const ProtobufCFieldDescriptor *field, const json_t *list)
{
    if (!json_is_array(list))
        return refuse(reader, place, "a list is expected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct json_place element = {place, NULL, i};
        enum err err = read_value(reader, &element, field, json_array_get(list, i));
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* map<string, string>: each member becomes an entry of key and value. */
static enum err
read_map(struct reader *reader, const struct json_place *place,
         const ProtobufCFieldDescriptor *field, json_t *object)
{
    if (!json_is_object(object))
        return refuse(reader, place, "an object is expected");
    const ProtobufCFieldDescriptor *of_value = &descriptor_submessage(field)->fields[1];
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        struct json_place member = {place, key, 0};
        size_t start = begin_frame(reader);
        add_string(reader, 1, bytes_of(key, json_object_iter_key_len(at)));
        enum err err = read_value(reader, &member, of_value, json_object_iter_value(at));
        end_frame(reader, start, field->id);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* The member of the same oneof that is set besides the field; NULL when none is. */
static const char *
other_of_oneof(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
               const json_t *object)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return NULL;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &descriptor->fields[i];
        if (other == field || (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
            other->quantifier_offset != field->quantifier_offset)
            continue;
        const json_t *value = json_object_get(object, other->name);
        if (value != NULL && !json_is_null(value))
            return other->name;
    }
    return NULL;
}

static enum err
read_object(struct reader *reader, const struct json_place *place,
            const ProtobufCMessageDescriptor *descriptor, const json_t *object)
{
    enum err err = ERR_OK;
    for (unsigned i = 0; i < descriptor->n_fields && err == ERR_OK; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        json_t *value = json_object_get(object, field->name);
        if (value == NULL || json_is_null(value))
            continue;
        struct json_place member = {place, field->name, 0};
        if (other_of_oneof(descriptor, field, object) != NULL)
            err = refuse(reader, &member, "another member of its oneof is set too");
        else if (descriptor_is_map(descriptor, field))
            err = read_map(reader, &member, field, value);
        else if (field->label == PROTOBUF_C_LABEL_REPEATED)
            err = read_list(reader, &member, field, value);
        else
            err = read_value(reader, &member, field, value);
    }
    return err;
}

enum err
message_json_read(const struct message_json *document, size_t index, enum message_type type,
                  struct arena *arena, struct bytes *out, struct message_json_error *error)
{
    struct reader reader = {TEXT_EMPTY, error};
    struct json_place place = {NULL, NULL, index};
    bool is_list = json_is_array(document->root);
    const json_t *object = is_list ? json_array_get(document->root, index) : document->root;
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(type);
    enum err err = ERR_OK;
    if (descriptor == NULL || !json_is_object(object))
        err = refuse(&reader, is_list ? &place : NULL, "an object is expected");
    else
        err = read_object(&reader, is_list ? &place : NULL, descriptor, object);
    uint8_t *copy = err == ERR_OK ? arena_alloc(arena, reader.out.n) : NULL;
    if (err == ERR_OK && copy == NULL)
        err = ERR_BUDGET;
    if (err == ERR_OK) {
        if (reader.out.n > 0)
            memcpy(copy, reader.out.p, reader.out.n);
        *out = bytes_of(copy, reader.out.n);
    }
    text_fini(&reader.out);
    return err;
}
