/* Tokens of JSON text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/json_scan_int.h"

static bool
fail(struct json_cursor *cursor, const char *why)
{
    cursor->wrong = why;
    return false;
}

uint8_t
json_scan_peek(struct json_cursor *cursor)
{
    const uint8_t *p = cursor->p;
    while (p != cursor->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    cursor->p = p;
    return p != cursor->end ? *p : 0;
}

bool
json_scan_take(struct json_cursor *cursor, uint8_t byte)
{
    if (json_scan_peek(cursor) != byte || cursor->p == cursor->end)
        return false;
    cursor->p++;
    return true;
}

static int
hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t
hex4(const uint8_t *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The bytes of the escape at p, which is behind the backslash; 0 when it is none. */
static size_t
escape_bytes(const uint8_t *p, const uint8_t *end)
{
    if (p == end || *p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL)
        return 0;
    if (*p != 'u')
        return 1;
    return end - p >= 5 && hex4(p + 1) >= 0 ? 5 : 0;
}

bool
json_scan_string(struct json_cursor *cursor, struct json_string *out)
{
    if (!json_scan_take(cursor, '"'))
        return fail(cursor, "a string is expected");
    const uint8_t *start = cursor->p, *p = start, *end = cursor->end;
    out->has_escape = false;
    while (p != end && *p != '"') {
        if (*p < 0x20)
            return fail(cursor, "a control character in a string is not escaped");
        if (*p++ != '\\')
            continue;
        size_t n = escape_bytes(p, end);
        if (n == 0)
            return fail(cursor, "an unknown escape in a string");
        out->has_escape = true;
        p += n;
    }
    if (p == end)
        return fail(cursor, "a string does not end");
    out->raw = bytes_of(start, (size_t)(p - start));
    cursor->p = p + 1;
    return true;
}

static size_t
put_utf8(uint8_t *out, uint32_t point)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xc0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xe0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (point & 0x3f));
    return 4;
}

/* p is behind "\u"; gives the bytes read from there. */
static size_t
unescape_point(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *n)
{
    uint32_t point = (uint32_t)hex4(p);
    size_t used = 4;
    if (point >= 0xd800 && point < 0xdc00 && end - p >= 10 && p[4] == '\\' && p[5] == 'u') {
        uint32_t low = (uint32_t)hex4(p + 6);
        if (low >= 0xdc00 && low < 0xe000) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            used = 10;
        }
    }
    if (point >= 0xd800 && point < 0xe000)
        point = 0xfffd;
    *n += put_utf8(out + *n, point);
    return used;
}

static uint8_t
plain_escape(uint8_t letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

size_t
json_scan_unescape(struct bytes raw, uint8_t *out)
{
    const uint8_t *p = raw.p, *end = raw.p + raw.n;
    size_t n = 0;
    while (p != end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash != NULL ? slash : end) - p);
        memmove(out + n, p, plain);
        n += plain;
        if (slash == NULL)
            break;
        p = slash + 2;
        if (slash[1] == 'u')
            p += unescape_point(p, end, out, &n);
        else
            out[n++] = plain_escape(slash[1]);
    }
    return n;
}

/* Passes digits; false when there is none. */
static bool
digits(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    while (p != end && *p >= '0' && *p <= '9')
        p++;
    bool any = p != *at;
    *at = p;
    return any;
}

/* 0 or [1-9][0-9]* */
static bool
whole_part(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *from = *at;
    return digits(at, end) && (*from != '0' || *at - from == 1);
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
bool
json_scan_number(struct json_cursor *cursor, struct bytes *out)
{
    json_scan_peek(cursor);
    const uint8_t *p = cursor->p, *end = cursor->end;
    p += p != end && *p == '-';
    if (!whole_part(&p, end))
        return fail(cursor, "a number is expected");
    if (p != end && *p == '.' && (p++, !digits(&p, end)))
        return fail(cursor, "digits are missing behind the point");
    if (p != end && (*p | 0x20) == 'e') {
        p++;
        p += p != end && (*p == '+' || *p == '-');
        if (!digits(&p, end))
            return fail(cursor, "digits are missing in the exponent");
    }
    *out = bytes_of(cursor->p, (size_t)(p - cursor->p));
    cursor->p = p;
    return true;
}

bool
json_scan_word(struct json_cursor *cursor, struct bytes word)
{
    json_scan_peek(cursor);
    if (!bytes_starts(bytes_of(cursor->p, (size_t)(cursor->end - cursor->p)), word))
        return fail(cursor, "a value is expected");
    cursor->p += word.n;
    return true;
}

static bool
skip_plain(struct json_cursor *cursor)
{
    struct json_string string;
    struct bytes number;
    switch (json_scan_peek(cursor)) {
    case '"':
        return json_scan_string(cursor, &string);
    case 't':
        return json_scan_word(cursor, BYTES("true"));
    case 'f':
        return json_scan_word(cursor, BYTES("false"));
    case 'n':
        return json_scan_word(cursor, BYTES("null"));
    default:
        return json_scan_number(cursor, &number) || fail(cursor, "a value is expected");
    }
}

/* The name and the colon in front of a member's value. */
static bool
skip_name(struct json_cursor *cursor)
{
    struct json_string name;
    return json_scan_string(cursor, &name) &&
           (json_scan_take(cursor, ':') || fail(cursor, "a colon is expected"));
}

/* One bit a level: 1 for an object. */
struct levels {
    uint8_t bits[JSON_SCAN_DEPTH / 8];
    uint32_t n;
};

static bool
is_in_object(const struct levels *levels)
{
    return (levels->bits[(levels->n - 1) / 8] >> ((levels->n - 1) % 8) & 1) != 0;
}

/* Behind a value: closes what ends here. *done: the outermost value has ended; else the cursor
 * stands before the next value. */
static bool
close_levels(struct json_cursor *cursor, struct levels *levels, bool *done)
{
    while (levels->n > 0) {
        bool in_object = is_in_object(levels);
        if (json_scan_take(cursor, ','))
            return !in_object || skip_name(cursor);
        if (!json_scan_take(cursor, in_object ? '}' : ']'))
            return fail(cursor, "a comma or a closing bracket is expected");
        levels->n--;
    }
    *done = true;
    return true;
}

/* At a bracket: goes in. *is_empty: and out again. */
static bool
open_level(struct json_cursor *cursor, struct levels *levels, bool *is_empty)
{
    bool is_object = *cursor->p++ == '{';
    if (levels->n == JSON_SCAN_DEPTH)
        return fail(cursor, "nested too deep");
    uint8_t bit = (uint8_t)(1u << (levels->n % 8));
    uint8_t *bits = &levels->bits[levels->n++ / 8];
    *bits = (uint8_t)(is_object ? *bits | bit : *bits & ~bit);
    *is_empty = json_scan_take(cursor, is_object ? '}' : ']');
    if (*is_empty)
        levels->n--;
    return *is_empty || !is_object || skip_name(cursor);
}

bool
json_scan_skip(struct json_cursor *cursor)
{
    struct levels levels = {.n = 0};
    bool done = false;
    while (!done) {
        uint8_t first = json_scan_peek(cursor);
        bool is_whole = true;
        if (first == '{' || first == '[') {
            if (!open_level(cursor, &levels, &is_whole))
                return false;
        } else if (!skip_plain(cursor)) {
            return false;
        }
        if (is_whole && !close_levels(cursor, &levels, &done))
            return false;
    }
    return true;
}

/* Behind the opening quote; to behind the closing one, or the end. */
static const uint8_t *
pass_string(const uint8_t *p, const uint8_t *end)
{
    while (p != end && *p != '"')
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    return p == end ? end : p + 1;
}

/* Everything else says nothing about where a value ends. */
static const uint8_t *
pass_plain(const uint8_t *p, const uint8_t *end)
{
    static const bool marks[256] = {
        ['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true, [','] = true};
    while (p != end && !marks[*p])
        p++;
    return p;
}

bool
json_scan_extent(struct json_cursor *cursor, struct bytes *out)
{
    json_scan_peek(cursor);
    const uint8_t *p = cursor->p, *end = cursor->end;
    size_t depth = 0;
    while ((p = pass_plain(p, end)) != end) {
        uint8_t byte = *p;
        if (depth == 0 && (byte == ',' || byte == ']' || byte == '}'))
            break;
        p++;
        if (byte == '"')
            p = pass_string(p, end);
        else if (byte == '{' || byte == '[')
            depth++;
        else if (byte == '}' || byte == ']')
            depth--;
    }
    *out = bytes_of(cursor->p, (size_t)(p - cursor->p));
    cursor->p = p;
    return depth == 0 || fail(cursor, "closing brackets are missing");
}
