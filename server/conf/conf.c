/* The option table as rows, and the life of a snapshot. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/conf_int.h"

enum { QUARANTINE_PERCENT = 8 }; /* of limits.memory */

#define ENUM(name, values) static const char *const words_##name[] = {values};
#define VALUE(token, word) word,
OPTION_ENUMS(ENUM, VALUE)
#undef ENUM
#undef VALUE
static const char *const words_NONE[] = {""};

/* The field's name with the unit its type adds. */
#define MEMBER_BOOL(section, name) section name
#define MEMBER_INT(section, name) section name
#define MEMBER_INT_AUTO(section, name) section name
#define MEMBER_FACTOR(section, name) section name
#define MEMBER_SIZE(section, name) section name##_bytes
#define MEMBER_SIZE_AUTO(section, name) section name##_bytes
#define MEMBER_DURATION(section, name) section name##_ms
#define MEMBER_PERCENT(section, name) section name##_percent
#define MEMBER_ENUM(section, name) section name
#define MEMBER_STRING(section, name) section name
#define MEMBER_PATH(section, name) section name
#define MEMBER_ADDRESS(section, name) section name
#define MEMBER_SECRET(section, name) section name
#define MEMBER_STRINGS(section, name) section name
#define MEMBER_ADDRESSES(section, name) section name
#define MEMBER_SECRETS(section, name) section name
#define MEMBER_PAIRS(section, name) section name
#define MEMBER_ACTIONS(section, name) section name
#define MEMBER_SERVICES(section, name) section name

#define RELOAD_LIVE true
#define RELOAD_RESTART false
#define SECTION(path, name, sentence)
#define END(name)
#define OPTION(section, name, type, detail, value, least, most, reload, sentence) \
    {#section,                                                                    \
     #name,                                                                       \
     #section #name,                                                              \
     CONF_##type,                                                                 \
     offsetof(struct conf, MEMBER_##type(section, name)),                         \
     {words_##detail, sizeof(words_##detail) / sizeof(words_##detail[0])},        \
     value,                                                                       \
     least,                                                                       \
     most,                                                                        \
     RELOAD_##reload,                                                             \
     sentence},

/* clang-format off */
static const struct conf_row rows[] = {OPTIONS(SECTION, OPTION, END)};
/* clang-format on */
#undef SECTION
#undef OPTION
#undef END

#define SECTION(path, name, sentence) {path, sentence},
#define OPTION(section, name, type, detail, value, least, most, reload, sentence)
#define END(name)
static const struct conf_section_row sections[] = {OPTIONS(SECTION, OPTION, END)};
#undef SECTION
#undef OPTION
#undef END

struct code_row {
    uint16_t code;
    const char *words, *advice;
};
#define CODE(number, words, advice) {number, words, advice},
static const struct code_row codes[] = {OPTION_CODES(CODE)};
#undef CODE

enum {
    N_ROWS = sizeof(rows) / sizeof(rows[0]),
    N_SECTIONS = sizeof(sections) / sizeof(sections[0]),
    N_CODES = sizeof(codes) / sizeof(codes[0]),
};

uint32_t
conf_row_count(void)
{
    return N_ROWS;
}

const struct conf_row *
conf_row_at(uint32_t i)
{
    check(i < N_ROWS);
    return &rows[i];
}

const struct conf_row *
conf_row_find(const char *path)
{
    for (uint32_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].path, path) == 0)
            return &rows[i];
    return NULL;
}

uint32_t
conf_row_index(const struct conf_row *row)
{
    return (uint32_t)(row - rows);
}

const struct conf_section_row *
conf_section_find(const char *path)
{
    for (uint32_t i = 0; i < N_SECTIONS; i++)
        if (strcmp(sections[i].path, path) == 0)
            return &sections[i];
    return NULL;
}

const struct conf_section_row *
conf_section_at(uint32_t i)
{
    return i < N_SECTIONS ? &sections[i] : NULL;
}

static const struct code_row *
find_code(uint16_t code)
{
    for (uint32_t i = 0; i < N_CODES; i++)
        if (codes[i].code == code)
            return &codes[i];
    check(false);
    return NULL;
}

const char *
conf_code_words(uint16_t code)
{
    return find_code(code)->words;
}

const char *
conf_code_advice(uint16_t code)
{
    return find_code(code)->advice;
}

struct conf_words
conf_mode_words(void)
{
    return (struct conf_words){words_mode, sizeof(words_mode) / sizeof(words_mode[0])};
}

bool
conf_type_is_secret(enum conf_type type)
{
    return type == CONF_SECRET || type == CONF_SECRETS;
}

bool
conf_name_is_secret(const char *name)
{
    static const char *const parts[] = {"password", "secret", "pem",
                                        "token",    "key",    "oauthbearer.config"};
    static const char path_end[] = ".location"; /* of librdkafka's properties: where, not what */
    size_t n = strlen(name), n_end = sizeof(path_end) - 1;
    if (n > n_end && strcmp(name + n - n_end, path_end) == 0)
        return false;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcasestr(name, parts[i]) != NULL)
            return true;
    return false;
}

bool
conf_type_is_many(enum conf_type type)
{
    return type == CONF_STRINGS || type == CONF_ADDRESSES || type == CONF_SECRETS ||
           type == CONF_PAIRS || type == CONF_ACTIONS || type == CONF_SERVICES;
}

const struct conf *
conf_ref(const struct conf *conf)
{
    atomic_fetch_add_explicit(&conf->own->n_refs, 1, memory_order_relaxed);
    return conf;
}

void
conf_unref(const struct conf **conf)
{
    const struct conf *old = *conf;
    *conf = NULL;
    if (old == NULL)
        return;
    if (atomic_fetch_sub_explicit(&old->own->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    struct conf_own *own = old->own;
    arena_free(&own->arena);
    mem_free(own->settings);
    mem_free(own);
    mem_free((void *)(uintptr_t)old);
}

const char *
conf_file(const struct conf *conf)
{
    return conf->own->file;
}

const char *
conf_secret_file_at(const struct conf *conf, uint32_t i)
{
    for (uint32_t row = 0; row < N_ROWS; row++) {
        const char *file = conf->own->settings[row].twin_file;
        if (file != NULL && i-- == 0)
            return file;
    }
    return NULL;
}

void
conf_add_origin(const struct conf *conf, struct text *text)
{
    uint32_t n_environment = 0, n_flags = 0, n_satellite = 0;
    for (uint32_t i = 0; i < N_ROWS; i++) {
        n_environment += conf->own->settings[i].origin == CONF_FROM_ENVIRONMENT;
        n_satellite += conf->own->settings[i].origin == CONF_FROM_SATELLITE;
        n_flags += conf->own->settings[i].origin == CONF_FROM_FLAG;
    }
    text_add(text, conf->own->file != NULL ? conf->own->file : "defaults");
    if (n_satellite > 0)
        text_addf(text, ", %u from SATELLITE_ variables", n_satellite);
    if (n_environment > 0)
        text_addf(text, ", %u setting%s from the environment", n_environment,
                  n_environment == 1 ? "" : "s");
    if (n_flags > 0)
        text_addf(text, ", %u from flags", n_flags);
}

uint64_t
conf_quarantine_bytes(const struct conf *conf)
{
    uint64_t ring = conf->limits.memory_bytes / 100 * QUARANTINE_PERCENT;
    return conf->quarantine.max_bytes < ring ? conf->quarantine.max_bytes : ring;
}
