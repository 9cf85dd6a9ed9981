/* 32 hex digits, a dot, a thread or goroutine, a dot, a time with a sequence number. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/agent_shape.h"

#include "integrity/decimal.h"

enum { HEX_DIGITS = 32, VERSION_DIGIT = 12, SEQUENCE = 10000 };

/* Go counts milliseconds from 1899-11-30, Java from 1970: the numbers do not meet. */
static const int64_t go_least_ms = INT64_C(3500000000000);
static const int64_t java_most_ms = INT64_C(2600000000000);

static bool
is_hex(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(p[i] >= '0' && p[i] <= '9') && !(p[i] >= 'a' && p[i] <= 'f'))
            return false;
    return true;
}

/* The two decimals behind the hex digits; the last one is what counts. */
static bool
read_numbers(struct bytes text, int64_t *out)
{
    int64_t thread;
    const uint8_t *dot = text.n > 0 ? memchr(text.p, '.', text.n) : NULL;
    if (dot == NULL)
        return false;
    size_t n = (size_t)(dot - text.p);
    return decimal_parse(bytes_of(text.p, n), &thread) &&
           decimal_parse(bytes_of(dot + 1, text.n - n - 1), out) && *out >= 0;
}

enum agent
agent_shape(struct bytes id)
{
    int64_t number;
    if (id.n <= HEX_DIGITS || id.p[HEX_DIGITS] != '.' || !is_hex(id.p, HEX_DIGITS))
        return AGENT_UNKNOWN;
    if (!read_numbers(bytes_of(id.p + HEX_DIGITS + 1, id.n - HEX_DIGITS - 1), &number))
        return AGENT_UNKNOWN;
    uint8_t version = id.p[VERSION_DIGIT];
    if (version == '1' && number / SEQUENCE > go_least_ms)
        return AGENT_IS_GO;
    return version == '4' && number / SEQUENCE < java_most_ms ? AGENT_IS_JAVA : AGENT_UNKNOWN;
}
