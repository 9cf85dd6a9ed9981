/* What was found of Satellite's settings, and what became of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_satellite.h"

#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/conf_satellite_int.h"

enum { ARENA_BYTES = 16 * 1024 * 1024 };

#define ROW(token, variable, key, how, setting, words) \
    {variable, key, SATELLITE_HOW_##how, setting, words},
static const struct satellite_row rows[] = {SATELLITES(ROW)};
#undef ROW

const struct satellite_row *
satellite_row_at(enum satellite_token token)
{
    check(token < SATELLITE_COUNT);
    return &rows[token];
}

struct conf_satellite *
conf_satellite_new(void)
{
    struct conf_satellite *sat = mem_new(struct conf_satellite);
    sat->arena = arena_new(ARENA_BYTES);
    return sat;
}

void
conf_satellite_free(struct conf_satellite **sat)
{
    struct conf_satellite *old = *sat;
    *sat = NULL;
    if (old == NULL)
        return;
    arena_free(&old->arena);
    text_fini(&old->topics);
    text_fini(&old->properties);
    mem_free(old->items);
    mem_free(old);
}

const char *
conf_satellite_keep(struct conf_satellite *sat, const char *s)
{
    size_t n = strlen(s) + 1;
    char *kept = arena_alloc(sat->arena, n);
    if (kept == NULL) {
        sat->has_no_room = true;
        return "";
    }
    memcpy(kept, s, n);
    return kept;
}

bool
conf_satellite_number(const char *value, uint64_t *out)
{
    uint64_t number = 0;
    size_t n = strspn(value, "0123456789");
    if (n == 0 || n > 15 || value[n] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        number = number * 10 + (uint64_t)(value[i] - '0');
    *out = number;
    return true;
}

/* Digits with at most one point; gives the place behind them, NULL when there are none. */
static const char *
parse_number(const char *p, double *out)
{
    double scale = 1;
    int n_digits = 0;
    *out = 0;
    for (; isdigit((unsigned char)*p) && n_digits < 12; p++, n_digits++)
        *out = *out * 10 + (*p - '0');
    if (*p == '.')
        for (p++; isdigit((unsigned char)*p) && n_digits < 12; p++, n_digits++)
            *out += (*p - '0') * (scale /= 10);
    return n_digits > 0 ? p : NULL;
}

bool
conf_satellite_span(const char *p, uint64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}};
    double sum = 0, number = 0;
    size_t i = 0, n_unit = 1;
    while ((p = parse_number(p, &number)) != NULL) {
        n_unit = strspn(p, "nusmh");
        for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (strlen(units[i].name) == n_unit && strncmp(p, units[i].name, n_unit) == 0)
                break;
        if (i == sizeof(units) / sizeof(units[0]))
            return false;
        sum += number * units[i].ms;
        p += n_unit;
        if (*p == '\0')
            break;
    }
    *ms = (uint64_t)sum + (sum > (double)(uint64_t)sum);
    return p != NULL && sum < 1e12;
}

void
conf_satellite_take(struct conf_satellite *sat, enum satellite_token token, const char *from,
                    uint32_t line, const char *value)
{
    struct satellite_slot *slot = &sat->slots[token];
    uint64_t number = 0;
    if (value[0] == '\0')
        return; /* not set, as Satellite sees it */
    if (!conf_satellite_number(value, &number))
        slot->is_bad = true;
    if (slot->n++ == 0) {
        slot->value = conf_satellite_keep(sat, value);
        slot->from = conf_satellite_keep(sat, from);
        slot->line = line;
        slot->least = slot->most = number;
        return;
    }
    slot->least = number < slot->least ? number : slot->least;
    slot->most = number > slot->most ? number : slot->most;
}

void
conf_satellite_add(struct conf_satellite *sat, const struct conf_satellite_item *item)
{
    if (sat->n_items == sat->size) {
        sat->size = sat->size > 0 ? 2 * sat->size : 64;
        sat->items = mem_resize(sat->items, sat->size * sizeof(*sat->items));
    }
    sat->items[sat->n_items++] = *item;
}

const struct conf_satellite_item *
conf_satellite_item_at(const struct conf_satellite *sat, uint32_t i)
{
    return i < sat->n_items ? &sat->items[i] : NULL;
}

/* Names and values that several keys made together. */
static void
add_pairs(struct conf_satellite *sat, const char *setting, const struct text *pairs)
{
    struct text text = TEXT_EMPTY;
    if (pairs->n == 0)
        return;
    text_addf(&text, "{%s}", pairs->p);
    struct conf_satellite_item item = {
        .verdict = CONF_SATELLITE_MAPPED,
        .from = "sharing.clients.kafka-client",
        .value = "",
        .setting = setting,
        .text = conf_satellite_keep(sat, text.p),
        .words = "",
    };
    conf_satellite_add(sat, &item);
    text_fini(&text);
}

void
conf_satellite_conclude(struct conf_satellite *sat)
{
    for (unsigned token = 0; token < SATELLITE_COUNT; token++)
        if (sat->slots[token].value != NULL)
            conf_satellite_turn(sat, token);
    add_pairs(sat, "upstream.kafka.topics", &sat->topics);
    add_pairs(sat, "upstream.kafka.properties", &sat->properties);
}
