/* 32 hex digits, a dot, a thread or goroutine, a dot, a time with a sequence number. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/agent_shape.h"

#include "base/check.h"

enum { VERSION_DIGIT = 12, SEQUENCE = 10000, MAX_DIGITS = 18 };

/* Go counts milliseconds from 1899-11-30, Java and .NET from 1970: the numbers do not meet. */
static const int64_t go_epoch_ms = INT64_C(-2211753600000);
static const int64_t go_least_ms = INT64_C(3500000000000);
static const int64_t java_most_ms = INT64_C(2600000000000);

static const char *const labels[LANGUAGE_COUNT] = {
    [LANGUAGE_NONE] = "",         [LANGUAGE_GO] = "go",       [LANGUAGE_JAVA] = "java",
    [LANGUAGE_PYTHON] = "python", [LANGUAGE_NODE] = "NodeJS", [LANGUAGE_PHP] = "php",
    [LANGUAGE_RUST] = "rust",     [LANGUAGE_RUBY] = "ruby",   [LANGUAGE_DOTNET] = "dotnet",
    [LANGUAGE_LUA] = "lua",       [LANGUAGE_OTHER] = "other",
};

enum agent_language
agent_language_of(struct bytes value)
{
    if (value.n == 0)
        return LANGUAGE_NONE;
    for (uint32_t i = LANGUAGE_GO; i < LANGUAGE_OTHER; i++)
        if (bytes_equal(value, bytes_str(labels[i])))
            return (enum agent_language)i;
    return LANGUAGE_OTHER;
}

const char *
agent_language_label(enum agent_language language)
{
    check(language < LANGUAGE_COUNT);
    return labels[language];
}

/* Without branches, so that it is done many bytes at a time. */
static bool
is_hex(const uint8_t *p)
{
    uint8_t odd = 0;
    for (size_t i = 0; i < AGENT_ID_HEX; i++) {
        uint8_t is_digit = (uint8_t)(p[i] - '0') < 10, is_letter = (uint8_t)(p[i] - 'a') < 6;
        odd |= !(is_digit | is_letter);
    }
    return odd == 0;
}

/* The digits before end, back to start or to what is none. Longer numbers than any agent's are no
 * number. Gives where they begin, NULL when there are none. */
static const uint8_t *
read_back(const uint8_t *start, const uint8_t *end, int64_t *out)
{
    const uint8_t *p = end;
    int64_t value = 0, weight = 1;
    for (; p > start && (uint8_t)(p[-1] - '0') < 10 && end - p < MAX_DIGITS; p--) {
        value += weight * (p[-1] - '0');
        weight *= 10;
    }
    *out = value;
    return p == end ? NULL : p;
}

bool
agent_id_number(struct bytes id, int64_t *out)
{
    if (id.n <= AGENT_ID_HEX || id.p[AGENT_ID_HEX] != '.')
        return false;
    int64_t thread;
    const uint8_t *start = id.p + AGENT_ID_HEX + 1;
    const uint8_t *p = read_back(start, id.p + id.n, out);
    if (p == NULL || p == start || p[-1] != '.')
        return false;
    return read_back(start, p - 1, &thread) == start;
}

int64_t
agent_go_time_ms(int64_t number)
{
    return number / SEQUENCE + go_epoch_ms;
}

enum agent
agent_shape(struct bytes id)
{
    int64_t number;
    if (!agent_id_number(id, &number) || !is_hex(id.p))
        return AGENT_UNKNOWN;
    uint8_t version = id.p[VERSION_DIGIT];
    if (version == '1' && number / SEQUENCE > go_least_ms)
        return AGENT_IS_GO;
    return version == '4' && number / SEQUENCE < java_most_ms ? AGENT_IS_JAVA : AGENT_UNKNOWN;
}

enum agent
agent_identify(enum agent_language language, struct bytes id)
{
    int64_t number;
    switch (language) {
    case LANGUAGE_GO:
        return agent_shape(id) == AGENT_IS_GO ? AGENT_IS_GO : AGENT_UNKNOWN;
    case LANGUAGE_JAVA:
        return agent_shape(id) == AGENT_IS_JAVA ? AGENT_IS_JAVA : AGENT_UNKNOWN;
    case LANGUAGE_DOTNET:
        /* The hex digits are an MD5: any may stand where a UUID has its version. */
        return agent_id_number(id, &number) && is_hex(id.p) && number / SEQUENCE < java_most_ms
                   ? AGENT_IS_DOTNET
                   : AGENT_UNKNOWN;
    case LANGUAGE_NONE:
        return AGENT_UNKNOWN;
    case LANGUAGE_PYTHON:
    case LANGUAGE_NODE:
    case LANGUAGE_PHP:
    case LANGUAGE_RUST:
    case LANGUAGE_RUBY:
    case LANGUAGE_LUA:
    case LANGUAGE_OTHER:
    case LANGUAGE_COUNT:
    default:
        return AGENT_IS_OTHER;
    }
}
