/* Overwrites the values of chosen tags before a message is kept. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redact.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

/* Tag bytes of KeyStringValuePair: field 1 (key) and field 2 (value), length-delimited. */
enum { KEY_TAG = 0x0A, VALUE_TAG = 0x12, VARINT_BYTES = 10 };

struct redact {
    uint32_t n;
    struct bytes *keys;
};

struct redact *
redact_new(const char *const *keys, uint32_t n)
{
    struct redact *redact = mem_new(struct redact);
    redact->keys = mem_new_n(struct bytes, n > 0 ? n : 1);
    for (uint32_t i = 0; i < n; i++) {
        struct bytes key = bytes_str(keys[i]);
        if (key.n > 0)
            redact->keys[redact->n++] = bytes_of(mem_string_n(key.p, key.n), key.n);
    }
    if (redact->n == 0)
        redact_free(&redact);
    return redact;
}

void
redact_free(struct redact **redact)
{
    if (*redact == NULL)
        return;
    for (uint32_t i = 0; i < (*redact)->n; i++)
        mem_free((void *)(uintptr_t)(*redact)->keys[i].p);
    mem_free((*redact)->keys);
    mem_free(*redact);
    *redact = NULL;
}

/* Bytes taken by the varint at p; 0: there is none. */
static size_t
varint_at(const uint8_t *p, size_t n, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n && i < VARINT_BYTES; i++) {
        *value |= (uint64_t)(p[i] & 0x7F) << (7 * i);
        if ((p[i] & 0x80) == 0)
            return i + 1;
    }
    return 0;
}

static bool
is_key(const struct redact *redact, const uint8_t *p, uint64_t n)
{
    for (uint32_t i = 0; i < redact->n; i++)
        if (redact->keys[i].n == n && memcmp(redact->keys[i].p, p, n) == 0)
            return true;
    return false;
}

/* A pair with such a key begins at p: where its value stands, as far as it is there. */
static bool
find_value(const struct redact *redact, const uint8_t *p, size_t n, size_t *from, size_t *end)
{
    uint64_t n_key, n_value;
    size_t at = 1 + varint_at(p + 1, n - 1, &n_key);
    if (at == 1 || n_key >= n - at || !is_key(redact, p + at, n_key))
        return false;
    at += (size_t)n_key;
    if (p[at++] != VALUE_TAG)
        return false;
    size_t n_length = varint_at(p + at, n - at, &n_value);
    if (n_length == 0)
        return false;
    *from = at + n_length;
    *end = n_value < n - *from ? *from + (size_t)n_value : n;
    return true;
}

uint32_t
redact_apply(const struct redact *redact, uint8_t *p, size_t n)
{
    uint32_t n_found = 0;
    size_t i = 0;
    while (i < n) {
        uint8_t *tag = memchr(p + i, KEY_TAG, n - i);
        size_t from, end;
        if (tag == NULL)
            break;
        i = (size_t)(tag - p);
        if (find_value(redact, tag, n - i, &from, &end)) {
            memset(tag + from, '*', end - from);
            n_found++;
            i += end;
        } else {
            i++;
        }
    }
    return n_found;
}
