/* Whether a string is plain (ASCII without control characters), or ASCII: 16 bytes at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the walker only. Control characters are those below U+0020, and U+007F. May read behind the
 * string, up to limit, but what stands there does not count. */
#ifndef MESSAGE_PLAIN_INT_H
#define MESSAGE_PLAIN_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define HOT static inline __attribute__((always_inline))

enum { PLAIN_STEP = 16, PLAIN_ALL = 0xffff };

/* The compiler makes of it what the processor has; every x86-64 and ARMv8 compares 16 bytes at
 * once. */
typedef uint8_t plain_lanes __attribute__((vector_size(PLAIN_STEP)));
typedef int8_t plain_signed __attribute__((vector_size(PLAIN_STEP)));

HOT plain_lanes
plain_load(const uint8_t *p)
{
    plain_lanes lanes;
    memcpy(&lanes, p, sizeof(lanes));
    return lanes;
}

/* Sets the high bit of each byte that is plain. One more than a plain byte is above 0x20 as a
 * signed number, and no other byte is: 0x7f becomes -128. */
HOT plain_lanes
plain_text(plain_lanes lanes)
{
    return (plain_lanes)((plain_signed)(lanes + 1) > 0x20);
}

/* The high bits, that of the first byte lowest. */
HOT uint32_t
plain_high_bits(plain_lanes lanes)
{
#ifdef __SSE2__
    return (uint32_t)_mm_movemask_epi8((__m128i)lanes);
#else
    uint32_t bits = 0;
    for (int i = 0; i < PLAIN_STEP; i++)
        bits |= (uint32_t)(lanes[i] >> 7) << i;
    return bits;
#endif
}

/* The bits of the first n bytes, n < 16. */
HOT uint32_t
plain_first(size_t n)
{
    return (UINT32_C(1) << n) - 1;
}

HOT bool
is_plain(const uint8_t *p, size_t n, const uint8_t *limit)
{
    if (n >= PLAIN_STEP) {
        const uint8_t *last = p + n - PLAIN_STEP;
        plain_lanes plain = plain_text(plain_load(last));
        for (; p < last; p += PLAIN_STEP)
            plain &= plain_text(plain_load(p));
        return plain_high_bits(plain) == PLAIN_ALL;
    }
    if (__builtin_expect(limit - p >= PLAIN_STEP, 1))
        return (~plain_high_bits(plain_text(plain_load(p))) & plain_first(n)) == 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            return false;
    return true;
}

HOT bool
is_ascii(const uint8_t *p, size_t n, const uint8_t *limit)
{
    if (n >= PLAIN_STEP) {
        const uint8_t *last = p + n - PLAIN_STEP;
        plain_lanes sum = plain_load(last);
        for (; p < last; p += PLAIN_STEP)
            sum |= plain_load(p);
        return plain_high_bits(sum) == 0;
    }
    if (__builtin_expect(limit - p >= PLAIN_STEP, 1))
        return (plain_high_bits(plain_load(p)) & plain_first(n)) == 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] > 0x7f)
            return false;
    return true;
}

#endif
