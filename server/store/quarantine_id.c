/* The name people give to a record in quarantine: "q-" and its sequence in Crockford's base 32. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quarantine_id.h"

#include "store/spool_format.h"

enum { PREFIX_BYTES = 2, LEAST_DIGITS = 4, MOST_DIGITS = 13, DIGIT_BITS = 5, NO_DIGIT = 32 };

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void
quarantine_id_fill(uint64_t sequence, char out[QUARANTINE_ID_BYTES])
{
    int n = LEAST_DIGITS;
    while (n < MOST_DIGITS && sequence >> (n * DIGIT_BITS) != 0)
        n++;
    out[0] = 'q';
    out[1] = '-';
    for (int i = n; i > 0; i--) {
        out[PREFIX_BYTES + i - 1] = digits[sequence & 31];
        sequence >>= DIGIT_BITS;
    }
    out[PREFIX_BYTES + n] = '\0';
}

static uint32_t
digit_of(uint8_t c)
{
    if (c >= 'a' && c <= 'z')
        c = (uint8_t)(c - 'a' + 'A');
    if (c == 'O')
        return 0;
    if (c == 'I' || c == 'L')
        return 1;
    for (uint32_t i = 0; i < NO_DIGIT; i++)
        if ((uint8_t)digits[i] == c)
            return i;
    return NO_DIGIT;
}

bool
quarantine_id_parse(struct bytes id, uint64_t *sequence)
{
    uint64_t value = 0;
    if (id.n <= PREFIX_BYTES || id.n > PREFIX_BYTES + MOST_DIGITS ||
        (id.p[0] != 'q' && id.p[0] != 'Q') || id.p[1] != '-')
        return false;
    for (size_t i = PREFIX_BYTES; i < id.n; i++) {
        uint32_t digit = digit_of(id.p[i]);
        if (digit == NO_DIGIT || value >> (64 - DIGIT_BITS) != 0)
            return false;
        value = value << DIGIT_BITS | digit;
    }
    *sequence = value;
    return value < SPOOL_SEQUENCE_END;
}
