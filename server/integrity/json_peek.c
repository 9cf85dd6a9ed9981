/* One pass over the text with a stack of one bit a level. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/json_peek.h"

struct peek {
    const uint8_t *p, *end;
    uint32_t depth;
    uint64_t is_object[JSON_PEEK_DEPTH / 64]; /* bit per level; else an array */
};

static void
skip_space(struct peek *peek)
{
    while (peek->p != peek->end &&
           (*peek->p == ' ' || *peek->p == '\t' || *peek->p == '\n' || *peek->p == '\r'))
        peek->p++;
}

static bool
take(struct peek *peek, char c)
{
    if (peek->p == peek->end || *peek->p != (uint8_t)c)
        return false;
    peek->p++;
    return true;
}

static bool
take_word(struct peek *peek, struct bytes word)
{
    if (!bytes_starts(bytes_of(peek->p, (size_t)(peek->end - peek->p)), word))
        return false;
    peek->p += word.n;
    return true;
}

static bool
is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the backslash. */
static bool
take_escape(struct peek *peek)
{
    if (peek->p == peek->end)
        return false;
    uint8_t c = *peek->p++;
    if (c != 'u')
        return c != 0 && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++, peek->p++)
        if (peek->p == peek->end || !is_hex(*peek->p))
            return false;
    return true;
}

static bool
take_string(struct peek *peek, struct bytes *out)
{
    if (!take(peek, '"'))
        return false;
    const uint8_t *start = peek->p;
    while (peek->p != peek->end) {
        uint8_t c = *peek->p++;
        if (c == '"') {
            *out = bytes_of(start, (size_t)(peek->p - start) - 1);
            return true;
        }
        if (c == '\\' && !take_escape(peek))
            return false;
    }
    return false;
}

static bool
take_digits(struct peek *peek)
{
    const uint8_t *start = peek->p;
    while (peek->p != peek->end && *peek->p >= '0' && *peek->p <= '9')
        peek->p++;
    return peek->p != start;
}

static bool
take_number(struct peek *peek)
{
    take(peek, '-');
    if (!take(peek, '0') && !take_digits(peek))
        return false;
    if (take(peek, '.') && !take_digits(peek))
        return false;
    if (take(peek, 'e') || take(peek, 'E')) {
        if (!take(peek, '+'))
            take(peek, '-');
        return take_digits(peek);
    }
    return true;
}

static bool
take_scalar(struct peek *peek, enum json_kind *kind, struct bytes *value)
{
    const uint8_t *start = peek->p;
    if (peek->p != peek->end && *peek->p == '"') {
        *kind = JSON_STRING;
        return take_string(peek, value);
    }
    bool ok;
    if (take_word(peek, BYTES("null"))) {
        *kind = JSON_NULL;
        ok = true;
    } else if (take_word(peek, BYTES("true")) || take_word(peek, BYTES("false"))) {
        *kind = JSON_BOOL;
        ok = true;
    } else {
        *kind = JSON_NUMBER;
        ok = take_number(peek);
    }
    *value = bytes_of(start, (size_t)(peek->p - start));
    return ok;
}

static bool
in_object(const struct peek *peek)
{
    uint32_t level = peek->depth - 1;
    return (peek->is_object[level / 64] >> (level % 64) & 1) != 0;
}

static bool
push(struct peek *peek, bool is_object)
{
    if (peek->depth == JSON_PEEK_DEPTH)
        return false;
    uint64_t bit = UINT64_C(1) << (peek->depth % 64);
    uint64_t *word = &peek->is_object[peek->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    peek->depth++;
    return true;
}

/* Behind a value: closes what ends here. True when another value follows, *more, or all is over. */
static bool
after_value(struct peek *peek, bool *more)
{
    *more = false;
    while (peek->depth > 0) {
        skip_space(peek);
        if (take(peek, ',')) {
            *more = true;
            return true;
        }
        if (!take(peek, in_object(peek) ? '}' : ']'))
            return false;
        peek->depth--;
    }
    return true;
}

/* A value; of an object or array only its start, and *is_open when something stands in it. */
static bool
take_value(struct peek *peek, enum json_kind *kind, struct bytes *value, bool *is_open)
{
    *is_open = false;
    skip_space(peek);
    bool is_object = take(peek, '{');
    if (!is_object && !take(peek, '['))
        return take_scalar(peek, kind, value);
    *kind = is_object ? JSON_OBJECT : JSON_ARRAY;
    *value = BYTES_NONE;
    skip_space(peek);
    if (take(peek, is_object ? '}' : ']'))
        return true;
    *is_open = true;
    return push(peek, is_object);
}

static bool
take_name(struct peek *peek, struct bytes *name)
{
    skip_space(peek);
    if (!take_string(peek, name))
        return false;
    skip_space(peek);
    return take(peek, ':');
}

static void
note_member(struct json_member *members, uint32_t n, const struct json_member *found)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!bytes_equal(members[i].name, found->name))
            continue;
        members[i].kind = found->kind;
        members[i].value = found->value;
    }
}

static bool
take_all(struct peek *peek, struct json_member *members, uint32_t n)
{
    struct json_member found;
    bool is_open, more = true;
    if (!take_value(peek, &found.kind, &found.value, &is_open) || found.kind != JSON_OBJECT)
        return false;
    more = is_open;
    while (more) {
        uint32_t depth = peek->depth;
        if (in_object(peek) && !take_name(peek, &found.name))
            return false;
        if (!take_value(peek, &found.kind, &found.value, &is_open))
            return false;
        if (depth == 1)
            note_member(members, n, &found);
        if (!is_open && !after_value(peek, &more))
            return false;
    }
    skip_space(peek);
    return peek->p == peek->end;
}

bool
json_peek_object(struct bytes text, struct json_member *members, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        members[i].kind = JSON_ABSENT;
    if (text.n == 0)
        return false;
    struct peek peek = {.p = text.p, .end = text.p + text.n};
    return take_all(&peek, members, n);
}
