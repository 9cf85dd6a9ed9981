/* Numbered messages: their bytes follow from their number, and what became of each is kept. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "ids.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "loop.h"

enum {
    STATE_KIND = 3,
    STATE_ANSWERED = 4,
    STATE_DELIVERED = 8,
    DIGITS = 16,
};

/* splitmix64 */
static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t
random_next(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15u);
}

uint32_t
random_between(uint64_t *state, uint32_t least, uint32_t most)
{
    return least + (uint32_t)(random_next(state) % (most - least + 1));
}

void
ids_init(struct ids *ids, uint32_t pad_least, uint32_t pad_most)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *ids = (struct ids){
        .first = 1,
        .next = 1,
        .capacity = 1 << 16,
        .started_ms = (int64_t)now.tv_sec * 1000,
        .pad_least = pad_least,
        .pad_most = pad_most,
    };
    ids->begin_us = ids->now_us = now_us();
    ids->state = mem_alloc(ids->capacity);
    ids->deliveries = mem_alloc(ids->capacity * sizeof *ids->deliveries);
}

void
ids_fini(struct ids *ids)
{
    mem_free(ids->state);
    mem_free(ids->deliveries);
    mem_free(ids->lives_end_ms);
}

uint64_t
ids_send(struct ids *ids, enum id_kind kind)
{
    uint64_t at = ids->next - ids->first;
    if (at == ids->capacity) {
        ids->capacity *= 2;
        ids->state = mem_resize(ids->state, ids->capacity);
        ids->deliveries = mem_resize(ids->deliveries, ids->capacity * sizeof *ids->deliveries);
    }
    ids->state[at] = (uint8_t)kind;
    ids->n_sent++;
    return ids->next++;
}

void
ids_answer(struct ids *ids, uint64_t id)
{
    uint8_t *state = &ids->state[id - ids->first];
    if (!(*state & STATE_ANSWERED))
        ids->n_answered++;
    *state |= STATE_ANSWERED;
}

uint64_t
ids_missing(const struct ids *ids)
{
    uint64_t n = 0;
    for (uint64_t at = 0; at < ids->next - ids->first; at++)
        n += (ids->state[at] & (STATE_ANSWERED | STATE_DELIVERED)) == STATE_ANSWERED;
    return n;
}

void
ids_settle(struct ids *ids)
{
    ids->n_lost += ids_missing(ids);
    ids->first = ids->next;
}

/* Writing protobuf. */

static uint8_t *
put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *
put_number(uint8_t *p, uint32_t field, uint64_t v)
{
    return put_varint(put_varint(p, field << 3), v);
}

static uint8_t *
put_bytes(uint8_t *p, uint32_t field, const void *bytes, size_t n)
{
    p = put_varint(put_varint(p, field << 3 | 2), n);
    memcpy(p, bytes, n);
    return p + n;
}

static uint8_t *
put_text(uint8_t *p, uint32_t field, const char *s)
{
    return put_bytes(p, field, s, strlen(s));
}

/* Field 1 of a message of its own: the number as text, first in every message. */
static void
write_digits(uint64_t id, char digits[DIGITS + 1])
{
    for (int i = 0; i < DIGITS; i++)
        digits[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
    digits[DIGITS] = '\0';
}

/* A pair of key and value, the value so long that messages differ in size. */
static uint8_t *
put_pad(uint8_t *p, const struct ids *ids, uint64_t id, uint32_t field, const char *key)
{
    uint8_t pair[MESSAGE_MAX_BYTES], *at = pair;
    uint32_t n = ids->pad_least + (uint32_t)(mix(id) % (ids->pad_most - ids->pad_least + 1));
    if (key)
        at = put_text(at, 1, key);
    at = put_varint(put_varint(at, (key ? 2 : 1) << 3 | 2), n);
    memset(at, 'a' + (int)(id % 26), n);
    return put_bytes(p, field, pair, (size_t)(at + n - pair));
}

static uint8_t *
put_span(uint8_t *p, const struct ids *ids, uint64_t id)
{
    uint8_t span[MESSAGE_MAX_BYTES], *at = span;
    at = put_number(at, 2, UINT64_MAX); /* parentSpanId -1 */
    at = put_number(at, 3, (uint64_t)ids->started_ms);
    at = put_number(at, 4, (uint64_t)ids->started_ms + 40);
    at = put_text(at, 6, "/checkout");
    at = put_number(at, 9, 3);
    at = put_number(at, 10, 6000);
    at = put_pad(at, ids, id, 12, "note");
    return put_bytes(p, 3, span, (size_t)(at - span));
}

static uint8_t *
put_log(uint8_t *p, const struct ids *ids, uint64_t id, const char *digits)
{
    static const char *const services[] = {"pay", "shop", "stock", "web"};
    uint8_t body[MESSAGE_MAX_BYTES], *at = put_text(body, 1, "text");
    at = put_pad(at, ids, id, 2, NULL);
    p = put_text(p, 3, digits); /* serviceInstance; first, so that it is found */
    p = put_text(p, 2, services[id % 4]);
    p = put_number(p, 1, (uint64_t)ids->started_ms);
    return put_bytes(p, 5, body, (size_t)(at - body));
}

static uint8_t *
put_jvm(uint8_t *p, const struct ids *ids, const char *digits)
{
    const uint8_t usage[] = {2 << 3 | 1, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f};
    uint8_t metric[64], *at = put_number(metric, 1, (uint64_t)ids->started_ms);
    at = put_bytes(at, 2, usage, sizeof usage);
    p = put_text(p, 3, digits);
    p = put_text(p, 2, "shop");
    return put_bytes(p, 1, metric, (size_t)(at - metric));
}

size_t
ids_write(const struct ids *ids, enum id_kind kind, uint64_t id, uint8_t *out)
{
    char digits[DIGITS + 1];
    write_digits(id, digits);
    uint8_t *p = out;
    switch (kind) {
    case KIND_SEGMENT:
        p = put_text(p, 2, digits);
        p = put_text(p, 1, digits);
        p = put_span(p, ids, id);
        p = put_text(p, 4, "shop");
        p = put_text(p, 5, "shop-1");
        break;
    case KIND_LOG:
        p = put_log(p, ids, id, digits);
        break;
    case KIND_KEEP_ALIVE:
        p = put_text(p, 2, digits);
        p = put_text(p, 1, "shop");
        break;
    case KIND_JVM:
        p = put_jvm(p, ids, digits);
        break;
    case N_KINDS:
        break;
    }
    return (size_t)(p - out);
}

/* The digits stand behind one byte of tag and one of length. */
static bool
read_digits(const uint8_t *message, size_t n, uint64_t *id)
{
    *id = 0;
    if (n < 2 + DIGITS || message[1] != DIGITS)
        return false;
    for (int i = 0; i < DIGITS; i++) {
        const char *hex = "0123456789abcdef";
        const char *at = memchr(hex, message[2 + i], 16);
        if (!at)
            return false;
        *id = *id << 4 | (uint64_t)(at - hex);
    }
    return true;
}

static uint32_t
ms_since_begin(const struct ids *ids)
{
    return (uint32_t)((ids->now_us - ids->begin_us) / 1000);
}

void
ids_end_life(struct ids *ids)
{
    if (ids->n_lives == ids->lives_capacity) {
        ids->lives_capacity = ids->lives_capacity * 2 + 64;
        ids->lives_end_ms =
            mem_resize(ids->lives_end_ms, ids->lives_capacity * sizeof *ids->lives_end_ms);
    }
    ids->now_us = now_us();
    ids->lives_end_ms[ids->n_lives++] = ms_since_begin(ids);
}

static void
note_double(struct ids *ids, const struct id_delivery *before)
{
    ids->n_doubled++;
    if (before->life == ids->n_lives)
        return; /* a connection was cut under it */
    uint32_t end_ms = ids->lives_end_ms[before->life];
    uint32_t ms = end_ms > before->at_ms ? end_ms - before->at_ms : 0;
    if (ms > ids->oldest_doubled_ms)
        ids->oldest_doubled_ms = ms;
}

void
ids_deliver(struct ids *ids, enum id_kind kind, const uint8_t *message, size_t n)
{
    uint64_t id;
    if (!read_digits(message, n, &id) || id == 0 || id >= ids->next) {
        ids->n_unknown++;
        return;
    }
    uint8_t expected[MESSAGE_MAX_BYTES];
    if (ids_write(ids, kind, id, expected) != n || memcmp(expected, message, n) != 0)
        ids->n_altered++;
    if (id < ids->first) {
        ids->n_settled_again++;
        return;
    }
    uint8_t *state = &ids->state[id - ids->first];
    struct id_delivery *delivery = &ids->deliveries[id - ids->first];
    if ((*state & STATE_KIND) != kind)
        ids->n_altered++;
    if (*state & STATE_DELIVERED)
        note_double(ids, delivery);
    *state |= STATE_DELIVERED;
    *delivery = (struct id_delivery){ids->n_lives, ms_since_begin(ids)};
    ids->n_delivered++;
}
