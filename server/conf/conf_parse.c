/* Single values as people write them: numbers with units, addresses, and back again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "conf/conf_int.h"

struct unit {
    const char *name;
    double factor;
};

static const struct unit sizes[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {NULL, 0},
};
static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};
static const struct unit percents[] = {{"%", 1}, {NULL, 0}};

/* What people write instead, and the unit they mean. */
static const char *const meant[][2] = {
    {"k", "KiB"},   {"kb", "KiB"},  {"ki", "KiB"},   {"kib", "KiB"},   {"m", "MiB"},
    {"mb", "MiB"},  {"mi", "MiB"},  {"mib", "MiB"},  {"g", "GiB"},     {"gb", "GiB"},
    {"gi", "GiB"},  {"gib", "GiB"}, {"b", "B"},      {"byte", "B"},    {"bytes", "B"},
    {"msec", "ms"}, {"sec", "s"},   {"secs", "s"},   {"second", "s"},  {"seconds", "s"},
    {"min", "m"},   {"mins", "m"},  {"minute", "m"}, {"minutes", "m"}, {"hr", "h"},
    {"hour", "h"},  {"hours", "h"}, {"day", "d"},    {"days", "d"},    {"ms", "ms"},
    {"s", "s"},     {"h", "h"},     {"d", "d"},      {"millis", "ms"}, {"percent", "%"},
};

static const struct unit *
units_of(enum conf_type type)
{
    if (type == CONF_DURATION)
        return durations;
    return type == CONF_PERCENT ? percents : sizes;
}

/* Digits with at most one point between them; end is what follows. 15 digits are exact in a double
 * and more than any setting needs. */
static bool
parse_number(const char *text, double *out, const char **end)
{
    double value = 0, scale = 1;
    bool point = false;
    int n_digits = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p) || (*p == '.' && !point && p > text); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (++n_digits > 15)
            return false;
        value = value * 10 + (*p - '0');
        scale *= point ? 10 : 1;
    }
    if (n_digits == 0 || p[-1] == '.')
        return false;
    *out = value / scale;
    *end = p;
    return true;
}

enum conf_parse
conf_parse_unit(const char *text, enum conf_type type, double *out)
{
    const char *unit;
    double value;
    if (!parse_number(text, &value, &unit))
        return CONF_PARSE_NUMBER;
    *out = value;
    if (type == CONF_FACTOR)
        return *unit == '\0' ? CONF_PARSE_OK : CONF_PARSE_NUMBER;
    while (*unit == ' ')
        unit++;
    if (*unit == '\0')
        return CONF_PARSE_NO_UNIT;
    for (const struct unit *u = units_of(type); u->name != NULL; u++) {
        if (strcmp(u->name, unit) == 0) {
            *out = value * u->factor;
            return CONF_PARSE_OK;
        }
    }
    return CONF_PARSE_UNIT;
}

const char *
conf_parse_nearest_unit(const char *unit, enum conf_type type)
{
    char lower[8] = {0};
    if (strlen(unit) >= sizeof(lower))
        return NULL;
    for (size_t i = 0; unit[i] != '\0'; i++)
        lower[i] = (char)tolower((unsigned char)unit[i]);
    for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++)
        if (strcmp(meant[i][0], lower) == 0)
            for (const struct unit *u = units_of(type); u->name != NULL; u++)
                if (strcmp(u->name, meant[i][1]) == 0)
                    return u->name;
    return NULL;
}

static bool
parse_whole(const char *text, enum conf_type type, uint64_t *out)
{
    double value;
    if (conf_parse_unit(text, type, &value) != CONF_PARSE_OK || value > 9e15)
        return false;
    *out = (uint64_t)value;
    return (double)*out >= value && (double)*out <= value;
}

bool
conf_parse_size(const char *text, uint64_t *n_bytes)
{
    return parse_whole(text, CONF_SIZE, n_bytes);
}

bool
conf_parse_duration(const char *text, uint64_t *ms)
{
    return parse_whole(text, CONF_DURATION, ms);
}

bool
conf_parse_percent(const char *text, double *percent)
{
    return conf_parse_unit(text, CONF_PERCENT, percent) == CONF_PARSE_OK;
}

static void
add_in_units(struct text *text, uint64_t value, const struct unit *units)
{
    const struct unit *best = units;
    for (const struct unit *u = units; u->name != NULL; u++)
        if (value != 0 && value % (uint64_t)u->factor == 0)
            best = u;
    text_addf(text, "%llu%s", (unsigned long long)(value / (uint64_t)best->factor), best->name);
}

void
conf_add_size(struct text *text, uint64_t n_bytes)
{
    add_in_units(text, n_bytes, sizes);
}

void
conf_add_duration(struct text *text, uint64_t ms)
{
    add_in_units(text, ms, ms == 0 ? durations + 1 : durations);
}

static bool
parse_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    size_t n = strlen(text);
    if (n == 0 || n > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        port = port * 10 + (uint32_t)(*text - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

bool
conf_parse_host_port(const char *text, struct conf_host_port *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !parse_port(colon + 1, &out->port))
        return false;
    size_t n = (size_t)(colon - text);
    out->is_v6 = text[0] == '[';
    if (out->is_v6) {
        if (n < 2 || text[n - 1] != ']')
            return false;
        text++;
        n -= 2;
    }
    if (n >= sizeof(out->host))
        return false;
    memcpy(out->host, text, n);
    out->host[n] = '\0';
    struct in6_addr v6;
    if (out->is_v6)
        return inet_pton(AF_INET6, out->host, &v6) == 1;
    return strchr(out->host, ':') == NULL;
}
