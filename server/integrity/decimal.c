/* Digits are gathered below zero, where one more value fits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/decimal.h"

static bool
add_digit(int64_t *value, uint8_t c)
{
    return c >= '0' && c <= '9' && !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_sub_overflow(*value, c - '0', value);
}

bool
decimal_parse(struct bytes text, int64_t *out)
{
    size_t n_sign = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+');
    bool is_negative = n_sign == 1 && text.p[0] == '-';
    int64_t value = 0;
    if (text.n == n_sign)
        return false;
    for (size_t i = n_sign; i < text.n; i++)
        if (!add_digit(&value, text.p[i]))
            return false;
    if (!is_negative && value == INT64_MIN)
        return false;
    *out = is_negative ? value : -value;
    return true;
}
