/* What a request about several quarantined items says in its body. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A small part of JSON: one flat object, strings without escapes (no id and no mode has any), one
 * array of strings, whole numbers. */
#include "admin/admin_quarantine_body.h"

#include "base/mem.h"
#include "store/quarantine_id.h"

struct cursor {
    const uint8_t *p, *end;
    const char *why;
};

static bool
fail(struct cursor *c, const char *why)
{
    if (c->why == NULL)
        c->why = why;
    return false;
}

static void
skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

/* Takes the character, if it is next. */
static bool
take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->p == c->end || *c->p != (uint8_t)wanted)
        return false;
    c->p++;
    return true;
}

static bool
take_string(struct cursor *c, struct bytes *out)
{
    if (!take(c, '"'))
        return fail(c, "a string was expected in the body");
    const uint8_t *begin = c->p;
    while (c->p < c->end && *c->p != '"') {
        if (*c->p < ' ' || *c->p == '\\')
            return fail(c, "strings of the body have no escapes and no control characters");
        c->p++;
    }
    if (c->p == c->end)
        return fail(c, "the body ends within a string");
    *out = bytes_of(begin, (size_t)(c->p - begin));
    c->p++;
    return true;
}

static bool
take_id(struct cursor *c, struct admin_quarantine_body *body)
{
    struct bytes text;
    if (!take_string(c, &text))
        return false;
    if (body->n == ADMIN_MAX_IDS)
        return fail(c, "at most 1000 ids at once");
    if (!quarantine_id_parse(text, &body->sequences[body->n]))
        return fail(c, "an id looks like q-001A");
    body->n++;
    return true;
}

static bool
take_ids(struct cursor *c, struct admin_quarantine_body *body)
{
    if (body->has_ids)
        return fail(c, "ids stands twice in the body");
    body->has_ids = true;
    if (!take(c, '['))
        return fail(c, "ids is an array of strings");
    if (take(c, ']'))
        return true;
    do {
        if (!take_id(c, body))
            return false;
    } while (take(c, ','));
    return take(c, ']') || fail(c, "ids is an array of strings");
}

static bool
take_mode(struct cursor *c, struct admin_quarantine_body *body)
{
    struct bytes text;
    if (body->mode != ADMIN_MODE_NONE)
        return fail(c, "mode stands twice in the body");
    if (!take_string(c, &text))
        return false;
    if (bytes_equal(text, BYTES("as-is")))
        body->mode = ADMIN_MODE_AS_IS;
    else if (bytes_equal(text, BYTES("repair")))
        body->mode = ADMIN_MODE_REPAIR;
    else
        return fail(c, "mode is as-is or repair");
    return true;
}

static bool
take_rate(struct cursor *c, struct admin_quarantine_body *body)
{
    if (body->has_rate)
        return fail(c, "rate stands twice in the body");
    body->has_rate = true;
    skip_space(c);
    const uint8_t *begin = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && body->rate <= ADMIN_MAX_RATE)
        body->rate = body->rate * 10 + (uint32_t)(*c->p++ - '0');
    if (c->p == begin || body->rate > ADMIN_MAX_RATE)
        return fail(c, "rate is a whole number from 0 to 10000");
    return true;
}

static bool
take_member(struct cursor *c, struct admin_quarantine_body *body)
{
    struct bytes name;
    if (!take_string(c, &name))
        return false;
    if (!take(c, ':'))
        return fail(c, "a colon was expected in the body");
    if (bytes_equal(name, BYTES("ids")))
        return take_ids(c, body);
    if (bytes_equal(name, BYTES("mode")))
        return take_mode(c, body);
    if (bytes_equal(name, BYTES("rate")))
        return take_rate(c, body);
    return fail(c, "the body has ids, mode and rate, nothing else");
}

static bool
take_object(struct cursor *c, struct admin_quarantine_body *body)
{
    skip_space(c);
    if (c->p == c->end)
        return true;
    if (!take(c, '{'))
        return fail(c, "the body is a JSON object");
    if (!take(c, '}')) {
        do {
            if (!take_member(c, body))
                return false;
        } while (take(c, ','));
        if (!take(c, '}'))
            return fail(c, "the body is no JSON object");
    }
    skip_space(c);
    return c->p == c->end || fail(c, "something follows the object in the body");
}

bool
admin_quarantine_body_parse(struct bytes text, struct admin_quarantine_body *body, const char **why)
{
    struct cursor c = {.p = text.p, .end = text.p + text.n};
    *body = (struct admin_quarantine_body){.sequences = mem_new_n(uint64_t, ADMIN_MAX_IDS)};
    bool is_good = take_object(&c, body);
    *why = c.why;
    if (!is_good)
        admin_quarantine_body_fini(body);
    return is_good;
}

void
admin_quarantine_body_fini(struct admin_quarantine_body *body)
{
    mem_free(body->sequences);
    *body = (struct admin_quarantine_body){0};
}
