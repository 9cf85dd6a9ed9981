/* The JSON Schema of the configuration: one property per row of the option table. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns keep to what ECMA 262, RE2 and Python read alike. */
#include "command/schema.h"

#include <stdbool.h>
#include <string.h>

#include "base/rule_table.h"
#include "tables/options.h"

#define EXPANDED ".*\\\\$\\\\{.*\\\\}.*" /* as it stands between the quotes of JSON */
#define NUMBER "[0-9]+(\\\\.[0-9]+)?"
#define SIZE NUMBER " *(B|KiB|MiB|GiB)"
#define HOST_V6 "\\\\[[0-9A-Fa-f:.]+\\\\]"

enum kind {
    KIND_BOOL,
    KIND_INT,
    KIND_INT_AUTO,
    KIND_FACTOR,
    KIND_SIZE,
    KIND_SIZE_AUTO,
    KIND_DURATION,
    KIND_PERCENT,
    KIND_ENUM,
    KIND_STRING,
    KIND_PATH,
    KIND_ADDRESS,
    KIND_SECRET,
    KIND_STRINGS,
    KIND_ADDRESSES,
    KIND_SECRETS,
    KIND_PAIRS,
    KIND_ACTIONS,
    KIND_SERVICES,
    KIND_SECTION,
    KIND_END
};

enum words {
    WORDS_NONE,
#define WORDS(name, values) WORDS_##name,
    OPTION_ENUMS(WORDS, )
#undef WORDS
};

/* Of each enumeration, with a NULL behind the last. */
static const char *const words_of[][8] = {[WORDS_NONE] = {NULL},
#define VALUE(token, word) word,
#define WORDS(name, values) [WORDS_##name] = {values NULL},
                                          OPTION_ENUMS(WORDS, VALUE)
#undef WORDS
#undef VALUE
};

struct entry {
    const char *name; /* of a section its path */
    enum kind kind;
    enum words words;
    const char *value, *least, *most;
    bool is_live;
    const char *sentence;
};

enum { LIVE = 1, RESTART = 0 };

static const struct entry entries[] = {
#define SECTION(path, name, sentence) \
    {#name, KIND_SECTION, WORDS_NONE, "", "", "", false, sentence},
#define OPTION(section, name, type, detail, value, least, most, reload, sentence) \
    {#name, KIND_##type, WORDS_##detail, value, least, most, reload, sentence},
#define END(name) {#name, KIND_END, WORDS_NONE, "", "", "", false, ""},
    OPTIONS(SECTION, OPTION, END)
#undef SECTION
#undef OPTION
#undef END
};
enum { N_ENTRIES = sizeof(entries) / sizeof(entries[0]) };

struct writer {
    struct text *out;
    bool is_chart;
    unsigned depth;
    bool is_first; /* of the properties of a section */
};

static void
add_quoted(struct text *out, const char *s)
{
    text_add_json(out, bytes_str(s));
}

static void
add_string(struct text *out, const char *pattern)
{
    text_addf(out, "\"type\": \"string\", \"pattern\": \"^(%s|" EXPANDED ")$\"", pattern);
}

/* Words as they stand, or what a variable makes of them. */
static void
add_words(struct writer *writer, const char *const *words)
{
    struct text *out = writer->out;
    bool has_off = false;
    text_add(out, "\"anyOf\": [{\"enum\": [");
    for (size_t i = 0; words[i] != NULL; i++) {
        has_off = has_off || strcmp(words[i], "off") == 0;
        text_addf(out, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
    }
    text_addf(out, "%s]}, {\"type\": \"string\", \"pattern\": \"" EXPANDED "\"}]",
              writer->is_chart && has_off ? ", false" : "");
}

static void
add_bounds(struct text *out, const struct entry *entry)
{
    if (entry->least[0] != '\0')
        text_addf(out, ", \"minimum\": %s", entry->least);
    if (entry->most[0] != '\0')
        text_addf(out, ", \"maximum\": %s", entry->most);
}

static void
add_number(struct text *out, const struct entry *entry)
{
    const char *kind = entry->kind == KIND_FACTOR ? "number" : "integer";
    const char *pattern = entry->kind == KIND_FACTOR     ? NUMBER
                          : entry->kind == KIND_INT_AUTO ? "auto|[0-9]+"
                                                         : "[0-9]+";
    text_addf(out, "\"type\": [\"%s\", \"string\"], \"pattern\": \"^(%s|" EXPANDED ")$\"", kind,
              pattern);
    add_bounds(out, entry);
}

static void
add_list(struct text *out, const char *pattern)
{
    text_addf(out,
              "\"type\": [\"array\", \"string\"], \"items\": {\"type\": \"string\", "
              "\"pattern\": \"%s\"}",
              pattern);
}

static void
add_actions(struct writer *writer)
{
    struct text *out = writer->out;
    text_add(out, "\"type\": [\"object\", \"string\"], \"additionalProperties\": false, "
                  "\"properties\": {");
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        const struct rule_row *row = rule_row((enum rule)i);
        const char *words[ACTION_QUARANTINE + 2];
        size_t n = 0;
        for (unsigned a = ACTION_OBSERVE; a <= ACTION_QUARANTINE; a++)
            if (rule_allows(row, (enum rule_action)a))
                words[n++] = rule_action_label((enum rule_action)a);
        words[n] = NULL;
        text_addf(out, "%s\"%s\": {", i > 0 ? ", " : "", row->name);
        add_words(writer, words);
        text_add(out, "}");
    }
    text_add(out, "}");
}

static void
add_services(struct writer *writer)
{
    text_add(writer->out,
             "\"type\": [\"array\", \"string\"], \"items\": {\"type\": \"object\", \"required\": "
             "[\"match\", \"mode\"], \"additionalProperties\": false, \"properties\": "
             "{\"match\": {\"type\": \"string\", \"minLength\": 1}, \"mode\": {");
    add_words(writer, words_of[WORDS_mode]);
    text_add(writer->out, "}}}");
}

static void
add_many(struct writer *writer, const struct entry *entry)
{
    if (entry->kind == KIND_ACTIONS)
        add_actions(writer);
    else if (entry->kind == KIND_SERVICES)
        add_services(writer);
    else if (entry->kind == KIND_PAIRS)
        text_add(writer->out,
                 "\"type\": [\"object\", \"string\"], \"additionalProperties\": {\"type\": "
                 "[\"string\", \"number\", \"boolean\"]}");
    else if (entry->kind == KIND_ADDRESSES)
        add_list(writer->out,
                 "^((" HOST_V6 "|(dns:///)?[A-Za-z0-9._-]+):[0-9]{1,5}|" EXPANDED ")$");
    else
        add_list(writer->out, ".");
}

/* What the value of this row must be. */
static void
add_kind(struct writer *writer, const struct entry *entry)
{
    static const char *const patterns[] = {
        [KIND_SIZE] = SIZE,
        [KIND_SIZE_AUTO] = "auto|" SIZE,
        [KIND_DURATION] = NUMBER " *(ms|s|m|h|d)",
        [KIND_PERCENT] = NUMBER " *%",
        [KIND_ADDRESS] = "|(" HOST_V6 "|[0-9.]*):[0-9]{1,5}",
        [KIND_SERVICES] = NULL,
    };
    if (entry->kind == KIND_BOOL)
        text_add(writer->out, "\"type\": [\"boolean\", \"string\"], \"pattern\": "
                              "\"^(true|false|" EXPANDED ")$\"");
    else if (entry->kind == KIND_INT || entry->kind == KIND_INT_AUTO || entry->kind == KIND_FACTOR)
        add_number(writer->out, entry);
    else if (entry->kind == KIND_ENUM)
        add_words(writer, words_of[entry->words]);
    else if (entry->kind >= KIND_STRINGS)
        add_many(writer, entry);
    else if (patterns[entry->kind] != NULL)
        add_string(writer->out, patterns[entry->kind]);
    else
        text_add(writer->out, "\"type\": \"string\"");
}

static bool
is_number(const struct entry *entry)
{
    return entry->kind == KIND_BOOL || entry->kind == KIND_INT || entry->kind == KIND_FACTOR;
}

static void
add_default(struct text *out, const struct entry *entry)
{
    text_add(out, ", \"default\": ");
    if (is_number(entry) || entry->kind >= KIND_STRINGS)
        text_add(out, entry->value);
    else
        add_quoted(out, entry->value);
}

static void
add_description(struct text *out, const struct entry *entry, const char *prefix)
{
    struct text words = TEXT_EMPTY;
    text_addf(&words, "%s%s", prefix, entry->sentence);
    if (entry->least[0] != '\0' && entry->most[0] != '\0')
        text_addf(&words, "; %s to %s", entry->least, entry->most);
    else if (entry->least[0] != '\0')
        text_addf(&words, "; from %s", entry->least);
    if (entry->kind != KIND_SECTION)
        text_add(&words, entry->is_live ? "; live" : "; needs a restart");
    text_add(out, ", \"description\": ");
    add_quoted(out, words.p);
    text_fini(&words);
}

static void
begin_line(struct writer *writer, const char *name, const char *suffix)
{
    text_addf(writer->out, "%s\n%*s\"%s%s\": {", writer->is_first ? "" : ",",
              (int)(2 * writer->depth), "", name, suffix);
    writer->is_first = false;
}

static void
begin_section(struct writer *writer, const struct entry *entry)
{
    begin_line(writer, entry->name, "");
    text_add(writer->out, "\"type\": [\"object\", \"null\"]");
    add_description(writer->out, entry, "");
    text_add(writer->out, ", \"additionalProperties\": false, \"properties\": {");
    writer->depth++;
    writer->is_first = true;
}

static void
add_option(struct writer *writer, const struct entry *entry)
{
    begin_line(writer, entry->name, "");
    add_kind(writer, entry);
    add_default(writer->out, entry);
    add_description(writer->out, entry, "");
    text_add(writer->out, "}");
    if (entry->kind != KIND_SECRET && entry->kind != KIND_SECRETS)
        return;
    begin_line(writer, entry->name, "_file");
    text_add(writer->out, "\"type\": \"string\"");
    add_description(writer->out, entry, "a file with this instead: ");
    text_add(writer->out, "}");
}

static void
add_entries(struct writer *writer)
{
    for (size_t i = 0; i < N_ENTRIES; i++) {
        if (entries[i].kind == KIND_SECTION) {
            begin_section(writer, &entries[i]);
        } else if (entries[i].kind == KIND_END) {
            writer->depth--;
            writer->is_first = false;
            text_addf(writer->out, "\n%*s}}", (int)(2 * writer->depth), "");
        } else {
            add_option(writer, &entries[i]);
        }
    }
}

static void
add_object(struct text *out, bool is_chart, const char *head)
{
    struct writer writer = {.out = out, .is_chart = is_chart, .depth = 1, .is_first = true};
    text_addf(out,
              "{%s\"type\": [\"object\", \"null\"], \"additionalProperties\": false, "
              "\"properties\": {",
              head);
    add_entries(&writer);
    text_add(out, "\n}}\n");
}

void
schema_add(struct text *out)
{
    add_object(out, false,
               "\"$schema\": \"http://json-schema.org/draft-07/schema#\", "
               "\"title\": \"spangate.yaml\",\n ");
}

void
schema_add_chart(struct text *out)
{
    add_object(out, true, "");
}
