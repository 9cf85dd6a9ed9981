/* Whether a string is plain: ASCII without control characters, eight bytes at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the walker only. Control characters are those below U+0020, and U+007F. */
#ifndef MESSAGE_PLAIN_INT_H
#define MESSAGE_PLAIN_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HOT static inline __attribute__((always_inline))

HOT uint64_t
load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* A high bit is set when one of the eight bytes is not plain: it has one itself, or gets one by
 * taking 0x20 away or by adding 1. Only a byte that is not plain disturbs its neighbour. */
HOT uint64_t
odd_bits(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return word | (word - 0x20 * ones) | (word + ones);
}

/* The first n bytes of the word at p, 0 < n < 8; the others are plain. Reads no further than
 * limit. */
HOT uint64_t
load_plain(const uint8_t *p, size_t n, const uint8_t *limit)
{
    const uint64_t filler = UINT64_C(0x2020202020202020);
    if (__builtin_expect((size_t)(limit - p) >= sizeof(filler), 1)) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return load_word(p) << (64 - 8 * n) | filler >> (8 * n);
#else
        return load_word(p) >> (64 - 8 * n) | filler << (8 * n);
#endif
    }
    uint64_t word = filler;
    for (size_t i = 0; i < n; i++)
        word = word << 8 | p[i];
    return word;
}

/* May read behind the string, up to limit, but what stands there does not count. */
HOT bool
is_plain(const uint8_t *p, size_t n, const uint8_t *limit)
{
    uint64_t sum = 0;
    for (; n >= 16; n -= 16, p += 16)
        sum |= odd_bits(load_word(p)) | odd_bits(load_word(p + 8));
    if (n >= 8) {
        sum |= odd_bits(load_word(p));
        n -= 8;
        p += 8;
    }
    if (n > 0)
        sum |= odd_bits(load_plain(p, n, limit));
    return (sum & UINT64_C(0x8080808080808080)) == 0;
}

#endif
