/* segment-id-malformed: every agent makes ids of hex, decimals, dashes and dots; column width 150.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/rule_list.h"

enum { MAX_ID_BYTES = 150, WORD_BYTES = 8 };

/* True when one of eight bytes lies outside 0x21..0x7E. Carries between bytes can only make a false
 * alarm about a higher byte when a lower one is wrong already. */
static bool
is_odd_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t below = word - 0x21 * ones;
    uint64_t above = word + 0x01 * ones;
    return ((word | below | above) & (0x80 * ones)) != 0;
}

bool
rule_segment_id_malformed(const struct rule_context *context)
{
    struct bytes id = context->segment->segment_id;
    if (id.n == 0 || id.n > MAX_ID_BYTES)
        return true;
    if (id.n >= WORD_BYTES) {
        for (size_t i = 0; i + WORD_BYTES < id.n; i += WORD_BYTES)
            if (is_odd_word(id.p + i))
                return true;
        return is_odd_word(id.p + id.n - WORD_BYTES);
    }
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] < 0x21 || id.p[i] > 0x7E)
            return true;
    return false;
}
