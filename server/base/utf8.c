/* UTF-8 checks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <unistr.h>

/* Bytes before the first one with its high bit set. */
static size_t
ascii_prefix(struct bytes b)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    size_t i = 0;
    for (; i + 8 <= b.n; i += 8) {
        uint64_t word;
        memcpy(&word, b.p + i, 8);
        if (word & high)
            break;
    }
    while (i < b.n && b.p[i] < 0x80)
        i++;
    return i;
}

size_t
utf8_valid_prefix(struct bytes b)
{
    size_t i = ascii_prefix(b);
    if (i == b.n)
        return i;
    const uint8_t *bad = u8_check(b.p + i, b.n - i);
    return bad == NULL ? b.n : (size_t)(bad - b.p);
}

bool
utf8_is_valid(struct bytes b)
{
    return utf8_valid_prefix(b) == b.n;
}
