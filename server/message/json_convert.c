/* JSON to protobuf in one pass, guided by a message's descriptor. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Members become fields in the order in which they come. A nested message is written behind one
 * byte for its length, and moved when it needs more. Recursion follows the descriptors, not the
 * document. */
#include "message/json_convert.h"

#include <math.h>
#include <stdlib.h>

#include "message/descriptor_int.h"
#include "message/json_place_int.h"
#include "message/json_scan_int.h"
#include "message/message.h"

/* NAME_BYTES: longer than any member's name. NUMBER_BYTES: longer than anybody writes one. */
enum { NAME_BYTES = 64, NUMBER_BYTES = 128, STRING_NUMBER_BYTES = 64 };
/* ROOM_BYTES: for what needs some in a message of hardly any text. SLACK_BYTES: and the arena's
 * rounding. */
enum { ROOM_BYTES = 48, SLACK_BYTES = 64 };

struct converter {
    struct json_cursor in;
    uint8_t *out;
    size_t n, size;
    struct message_json_error *error;
};

static enum err
refuse(struct converter *to, const struct json_place *place, const char *expected)
{
    return json_place_refuse(to->error, place, expected);
}

/* What the cursor could not read. */
static enum err
refuse_text(struct converter *to, const struct json_place *place)
{
    return refuse(to, place, to->in.wrong != NULL ? to->in.wrong : "no JSON");
}

static enum err
put(struct converter *to, struct bytes bytes)
{
    if (to->size - to->n < bytes.n)
        return ERR_BUDGET;
    if (bytes.n > 0)
        memcpy(to->out + to->n, bytes.p, bytes.n);
    to->n += bytes.n;
    return ERR_OK;
}

static enum err
put_varint(struct converter *to, uint64_t value)
{
    uint8_t raw[WIRE_VARINT_MAX];
    return put(to, bytes_of(raw, wire_put_varint(raw, value)));
}

static enum err
put_field(struct converter *to, const ProtobufCFieldDescriptor *field, uint64_t value)
{
    enum err err = put_varint(to, WIRE_TAG(field->id, WIRE_VARINT));
    return err == ERR_OK ? put_varint(to, value) : err;
}

static enum err
begin_frame(struct converter *to, uint32_t number, size_t *start)
{
    enum err err = put_varint(to, WIRE_TAG(number, WIRE_LENGTH));
    *start = to->n;
    return err == ERR_OK ? put_varint(to, 0) : err;
}

static enum err
end_frame(struct converter *to, size_t start)
{
    size_t n = to->n - start - 1, head = wire_varint_size(n);
    if (to->size - to->n < head - 1)
        return ERR_BUDGET;
    if (head > 1)
        memmove(to->out + start + head, to->out + start + 1, n);
    wire_put_varint(to->out + start, n);
    to->n += head - 1;
    return ERR_OK;
}

/* A string behind its length; the cursor gave it. */
static enum err
put_string(struct converter *to, uint32_t number, const struct json_string *string)
{
    size_t start = 0;
    enum err err = begin_frame(to, number, &start);
    if (err != ERR_OK)
        return err;
    if (to->size - to->n < string->raw.n)
        return ERR_BUDGET;
    if (string->has_escape)
        to->n += json_scan_unescape(string->raw, to->out + to->n);
    else
        err = put(to, string->raw);
    return err == ERR_OK ? end_frame(to, start) : err;
}

/* Numbers. */

/* What a value says as a number: its text, and whether it stood in quotes. */
struct number_text {
    struct bytes text;
    bool is_quoted;
    uint8_t plain[NAME_BYTES];
};

static bool
read_number_text(struct converter *to, struct number_text *out)
{
    struct json_string string;
    uint8_t first = json_scan_peek(&to->in);
    out->is_quoted = first == '"';
    if (first != '-' && !(first >= '0' && first <= '9') && !out->is_quoted)
        return false;
    if (!out->is_quoted)
        return json_scan_number(&to->in, &out->text);
    if (!json_scan_string(&to->in, &string))
        return false;
    out->text = string.raw;
    if (string.has_escape && string.raw.n <= sizeof(out->plain))
        out->text = bytes_of(out->plain, json_scan_unescape(string.raw, out->plain));
    return true;
}

/* Digits alone, with a sign or without. */
static bool
whole_of(struct bytes text, int64_t *out)
{
    const uint8_t *p = text.p, *end = text.p + text.n;
    bool is_negative = text.n > 0 && *p == '-';
    uint64_t sum = 0, most = (uint64_t)INT64_MAX + is_negative;
    p += is_negative;
    if (p == end)
        return false;
    for (; p != end; p++) {
        unsigned digit = (unsigned)*p - '0';
        if (digit > 9 || sum > most / 10 || sum * 10 > most - digit)
            return false;
        sum = sum * 10 + digit;
    }
    *out = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

static bool
named_real(struct bytes text, double *out)
{
    if (bytes_equal(text, BYTES("NaN")))
        *out = NAN;
    else if (bytes_equal(text, BYTES("Infinity")))
        *out = INFINITY;
    else if (bytes_equal(text, BYTES("-Infinity")))
        *out = -INFINITY;
    else
        return false;
    return true;
}

/* In quotes also what strtod takes beyond JSON: "+1", "01", ".5", and the three names. */
static bool
real_of(const struct number_text *number, double *out)
{
    char text[NUMBER_BYTES + 1], *end;
    size_t n = number->text.n;
    if (number->is_quoted && named_real(number->text, out))
        return true;
    if (n == 0 || n > (number->is_quoted ? STRING_NUMBER_BYTES : NUMBER_BYTES))
        return false;
    memcpy(text, number->text.p, n);
    text[n] = '\0';
    if (strspn(text, "+-.0123456789eE") != n)
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && (number->is_quoted || isfinite(*out));
}

/* A whole number in whatever clothes: 5, "5", 5.0, "5e0". */
static bool
integer_of(const struct number_text *number, int64_t *out)
{
    double real;
    if (whole_of(number->text, out))
        return true;
    if (!real_of(number, &real) || !(fabs(real) < 9223372036854775808.0) || real != floor(real))
        return false; /* -2^63 itself was a whole one */
    *out = (int64_t)real;
    return true;
}

/* Values. */

static enum err
put_integer(struct converter *to, const struct json_place *place,
            const ProtobufCFieldDescriptor *field, int64_t number)
{
    bool is_wide = field->type == PROTOBUF_C_TYPE_INT64;
    if (!is_wide && (number < INT32_MIN || number > INT32_MAX))
        return refuse(to, place, "the number does not fit 32 bits");
    return number == 0 ? ERR_OK : put_field(to, field, (uint64_t)number);
}

static enum err
convert_integer(struct converter *to, const struct json_place *place,
                const ProtobufCFieldDescriptor *field)
{
    struct number_text text;
    int64_t number;
    if (!read_number_text(to, &text) || !integer_of(&text, &number))
        return refuse(to, place, "a whole number of at most 64 bits is expected");
    return put_integer(to, place, field, number);
}

static enum err
convert_enum(struct converter *to, const struct json_place *place,
             const ProtobufCFieldDescriptor *field)
{
    struct number_text text;
    char name[NAME_BYTES];
    int64_t number;
    if (!read_number_text(to, &text))
        return refuse(to, place, "a name or a number is expected");
    if (!text.is_quoted && !integer_of(&text, &number))
        return refuse(to, place, "a whole number is expected");
    if (text.is_quoted && !whole_of(text.text, &number)) {
        const ProtobufCEnumValue *known = NULL;
        if (text.text.n < sizeof(name)) {
            memcpy(name, text.text.p, text.text.n);
            name[text.text.n] = '\0';
            known = protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, name);
        }
        number = known != NULL ? known->value : 0; /* 0: a name of the future */
    }
    return put_integer(to, place, field, number);
}

static enum err
convert_bool(struct converter *to, const struct json_place *place,
             const ProtobufCFieldDescriptor *field)
{
    struct json_string string;
    bool is_true, is_false;
    if (json_scan_peek(&to->in) == '"') {
        if (!json_scan_string(&to->in, &string))
            return refuse_text(to, place);
        is_true = bytes_equal(string.raw, BYTES("true"));
        is_false = bytes_equal(string.raw, BYTES("false"));
    } else {
        is_true = json_scan_word(&to->in, BYTES("true"));
        is_false = !is_true && json_scan_word(&to->in, BYTES("false"));
    }
    if (!is_true && !is_false)
        return refuse(to, place, "true or false is expected");
    return is_true ? put_field(to, field, 1) : ERR_OK;
}

static enum err
convert_double(struct converter *to, const struct json_place *place,
               const ProtobufCFieldDescriptor *field)
{
    union {
        double number;
        uint64_t bits;
    } both = {.bits = 0};
    struct number_text text;
    uint8_t raw[8];
    if (!read_number_text(to, &text) || !real_of(&text, &both.number))
        return refuse(to, place, "a number is expected");
    if (both.bits == 0)
        return ERR_OK;
    for (unsigned i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)(both.bits >> (8 * i));
    enum err err = put_varint(to, WIRE_TAG(field->id, WIRE_FIXED64));
    return err == ERR_OK ? put(to, bytes_of(raw, sizeof(raw))) : err;
}

static enum err
convert_string(struct converter *to, const struct json_place *place,
               const ProtobufCFieldDescriptor *field)
{
    struct json_string string;
    if (!json_scan_string(&to->in, &string))
        return refuse_text(to, place);
    if (string.raw.n == 0 && field->label != PROTOBUF_C_LABEL_REPEATED)
        return ERR_OK;
    return put_string(to, field->id, &string);
}

static enum err convert_object(struct converter *to, const struct json_place *place,
                               const ProtobufCMessageDescriptor *descriptor);

static enum err
convert_message(struct converter *to, const struct json_place *place,
                const ProtobufCFieldDescriptor *field)
{
    size_t start = 0;
    enum err err = begin_frame(to, field->id, &start);
    if (err == ERR_OK)
        err = convert_object(to, place, descriptor_submessage(field));
    return err == ERR_OK ? end_frame(to, start) : err;
}

static enum err
convert_value(struct converter *to, const struct json_place *place,
              const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_INT64:
        return convert_integer(to, place, field);
    case PROTOBUF_C_TYPE_ENUM:
        return convert_enum(to, place, field);
    case PROTOBUF_C_TYPE_BOOL:
        return convert_bool(to, place, field);
    case PROTOBUF_C_TYPE_DOUBLE:
        return convert_double(to, place, field);
    case PROTOBUF_C_TYPE_STRING:
        return convert_string(to, place, field);
    case PROTOBUF_C_TYPE_MESSAGE:
        return convert_message(to, place, field);
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
        return refuse(to, place, "no JSON form for this type");
    }
}

static enum err
convert_list(struct converter *to, const struct json_place *place,
             const ProtobufCFieldDescriptor *field)
{
    struct json_place element = {place, NULL, 0};
    if (!json_scan_take(&to->in, '['))
        return refuse(to, place, "a list is expected");
    if (json_scan_take(&to->in, ']'))
        return ERR_OK;
    do {
        enum err err = convert_value(to, &element, field);
        if (err != ERR_OK)
            return err;
        element.index++;
    } while (json_scan_take(&to->in, ','));
    return json_scan_take(&to->in, ']')
               ? ERR_OK
               : refuse(to, place, "a comma or a closing bracket is expected");
}

/* "name": before its value. */
static enum err
read_name(struct converter *to, const struct json_place *place, struct json_string *name)
{
    if (!json_scan_string(&to->in, name))
        return refuse(to, place, "the name of a member is expected");
    if (!json_scan_take(&to->in, ':'))
        return refuse(to, place, "a colon is expected");
    return ERR_OK;
}

/* map<string, string>: each member becomes an entry of key and value. */
static enum err
convert_entry(struct converter *to, const struct json_place *place,
              const ProtobufCFieldDescriptor *field)
{
    struct json_string key;
    size_t start = 0;
    enum err err = read_name(to, place, &key);
    if (err == ERR_OK)
        err = begin_frame(to, field->id, &start);
    if (err == ERR_OK)
        err = put_string(to, 1, &key);
    if (err == ERR_OK)
        err = convert_value(to, place, &descriptor_submessage(field)->fields[1]);
    return err == ERR_OK ? end_frame(to, start) : err;
}

static enum err
convert_map(struct converter *to, const struct json_place *place,
            const ProtobufCFieldDescriptor *field)
{
    if (!json_scan_take(&to->in, '{'))
        return refuse(to, place, "an object is expected");
    if (json_scan_take(&to->in, '}'))
        return ERR_OK;
    do {
        enum err err = convert_entry(to, place, field);
        if (err != ERR_OK)
            return err;
    } while (json_scan_take(&to->in, ','));
    return json_scan_take(&to->in, '}')
               ? ERR_OK
               : refuse(to, place, "a comma or a closing bracket is expected");
}

/* NULL for a name that the message does not have. */
static const ProtobufCFieldDescriptor *
field_of(const ProtobufCMessageDescriptor *descriptor, const struct json_string *name)
{
    char text[NAME_BYTES];
    size_t n = name->raw.n;
    if (n >= sizeof(text))
        return NULL;
    if (name->has_escape)
        n = json_scan_unescape(name->raw, (uint8_t *)text);
    else
        memcpy(text, name->raw.p, n);
    text[n] = '\0';
    return strlen(text) == n ? protobuf_c_message_descriptor_get_field_by_name(descriptor, text)
                             : NULL;
}

/* The members seen so far, by their index in the descriptor: seen, and seen with a value. */
struct seen {
    uint64_t names, values;
};

static bool
is_oneof_taken(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
               uint64_t values)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return false;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &descriptor->fields[i];
        if ((values >> i & 1) != 0 && (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
            other->quantifier_offset == field->quantifier_offset)
            return true;
    }
    return false;
}

static enum err
convert_known(struct converter *to, const struct json_place *parent,
              const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
              struct seen *seen)
{
    struct json_place place = {parent, field->name, 0};
    uint64_t bit = UINT64_C(1) << (field - descriptor->fields);
    if ((seen->names & bit) != 0)
        return refuse(to, &place, "given twice");
    seen->names |= bit;
    if (json_scan_peek(&to->in) == 'n')
        return json_scan_word(&to->in, BYTES("null")) ? ERR_OK : refuse_text(to, &place);
    if (is_oneof_taken(descriptor, field, seen->values))
        return refuse(to, &place, "another member of its oneof is set too");
    seen->values |= bit;
    if (descriptor_is_map(descriptor, field))
        return convert_map(to, &place, field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return convert_list(to, &place, field);
    return convert_value(to, &place, field);
}

static enum err
convert_member(struct converter *to, const struct json_place *place,
               const ProtobufCMessageDescriptor *descriptor, struct seen *seen)
{
    struct json_string name;
    enum err err = read_name(to, place, &name);
    if (err != ERR_OK)
        return err;
    const ProtobufCFieldDescriptor *field = field_of(descriptor, &name);
    if (field != NULL)
        return convert_known(to, place, descriptor, field, seen);
    return json_scan_skip(&to->in) ? ERR_OK : refuse_text(to, place);
}

static enum err
convert_object(struct converter *to, const struct json_place *place,
               const ProtobufCMessageDescriptor *descriptor)
{
    struct seen seen = {0, 0};
    if (!json_scan_take(&to->in, '{'))
        return refuse(to, place, "an object is expected");
    if (json_scan_take(&to->in, '}'))
        return ERR_OK;
    do {
        enum err err = convert_member(to, place, descriptor, &seen);
        if (err != ERR_OK)
            return err;
    } while (json_scan_take(&to->in, ','));
    return json_scan_take(&to->in, '}')
               ? ERR_OK
               : refuse(to, place, "a comma or a closing bracket is expected");
}

/* The most that a text of n bytes can grow to is a number of one digit, or of two with its sign, in
 * the shortest member: "col":-1 becomes 11 bytes. */
size_t
json_convert_bytes(size_t n)
{
    return 2 * n + SLACK_BYTES;
}

enum err
json_convert(enum message_type type, struct bytes element, struct arena *arena, struct bytes *out,
             struct message_json_error *error)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(type);
    struct converter to = {
        .in = {.p = element.p, .end = element.n > 0 ? element.p + element.n : element.p},
        .size = 2 * element.n + ROOM_BYTES,
        .error = error,
    };
    to.out = arena_alloc(arena, to.size);
    if (to.out == NULL)
        return ERR_BUDGET;
    if (descriptor == NULL)
        return refuse(&to, NULL, "no JSON form for this type");
    enum err err = convert_object(&to, NULL, descriptor);
    if (err != ERR_OK)
        return err;
    json_scan_peek(&to.in);
    if (to.in.p != to.in.end)
        return refuse(&to, NULL, "something follows behind the end");
    *out = bytes_of(to.out, to.n);
    return ERR_OK;
}
