/* A snapshot and the option table as text: config show, config example, docs/configuration.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "conf/conf_int.h"

#define MASK "********"

static void
add_quoted(struct text *text, const char *s)
{
    text_add_json(text, bytes_str(s));
}

static void
add_list(struct text *text, const struct conf_list *list, bool secret)
{
    text_add(text, "[");
    for (uint32_t i = 0; i < list->n; i++) {
        text_add(text, i > 0 ? ", " : "");
        add_quoted(text, secret ? MASK : list->items[i]);
    }
    text_add(text, "]");
}

static void
add_pairs(struct text *text, const struct conf_pairs *pairs)
{
    text_add(text, "{");
    for (uint32_t i = 0; i < pairs->n; i++) {
        text_add(text, i > 0 ? ", " : "");
        add_quoted(text, pairs->items[i].key);
        text_add(text, ": ");
        add_quoted(text, conf_name_is_secret(pairs->items[i].key) ? MASK : pairs->items[i].value);
    }
    text_add(text, "}");
}

static void
add_actions(struct text *text, const struct conf_actions *actions)
{
    const char *comma = "";
    text_add(text, "{");
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        if ((actions->set >> i & 1) == 0)
            continue;
        text_addf(text, "%s\"%s\": \"%s\"", comma, rule_row((enum rule)i)->name,
                  rule_action_label(actions->of[i]));
        comma = ", ";
    }
    text_add(text, "}");
}

static void
add_services(struct text *text, const struct conf_services *services)
{
    text_add(text, "[");
    for (uint32_t i = 0; i < services->n; i++) {
        text_add(text, i > 0 ? ", {\"match\": " : "{\"match\": ");
        add_quoted(text, services->items[i].match);
        text_addf(text, ", \"mode\": \"%s\"}", conf_mode_words().items[services->items[i].mode]);
    }
    text_add(text, "]");
}

static void
add_text(struct text *text, const struct conf_row *row, const char *value)
{
    bool secret = row->type == CONF_SECRET && value[0] != '\0';
    add_quoted(text, secret ? MASK : value);
}

static void
add_many(struct text *text, const struct conf_row *row, const void *field)
{
    if (row->type == CONF_PAIRS)
        add_pairs(text, field);
    else if (row->type == CONF_ACTIONS)
        add_actions(text, field);
    else if (row->type == CONF_SERVICES)
        add_services(text, field);
    else
        add_list(text, field, row->type == CONF_SECRETS);
}

void
conf_add_value(const struct conf *conf, const struct conf_row *row, struct text *text)
{
    const void *field = conf_field_of(conf, row);
    if (conf_type_is_many(row->type))
        add_many(text, row, field);
    else if (row->type == CONF_BOOL)
        text_add(text, *(const bool *)field ? "true" : "false");
    else if (row->type == CONF_INT || row->type == CONF_INT_AUTO)
        text_addf(text, "%u", *(const uint32_t *)field);
    else if (row->type == CONF_FACTOR)
        text_addf(text, "%g", *(const double *)field);
    else if (row->type == CONF_SIZE || row->type == CONF_SIZE_AUTO)
        conf_add_size(text, *(const uint64_t *)field);
    else if (row->type == CONF_DURATION)
        conf_add_duration(text, *(const uint64_t *)field);
    else if (row->type == CONF_PERCENT)
        text_addf(text, "%u%%", *(const uint32_t *)field);
    else if (row->type == CONF_ENUM)
        text_add(text, row->words.items[*(const uint32_t *)field]);
    else
        add_text(text, row, *(const char *const *)field);
}

void
conf_add_setting(const struct conf *conf, const char *path, struct text *text)
{
    const struct conf_row *row = conf_row_find(path);
    check(row != NULL);
    conf_add_value(conf, row, text);
}

static void
add_origin(struct text *text, const struct conf_setting *setting)
{
    if (setting->origin == CONF_FROM_DEFAULT) {
        text_add(text, setting->is_auto ? "default (auto)" : "default");
        return;
    }
    if (setting->place.line > 0)
        text_addf(text, "%s:%u", setting->place.file, setting->place.line);
    else if (setting->origin == CONF_FROM_FLAG)
        text_add(text, "--set");
    else
        text_add(text, setting->place.file);
    if (setting->is_auto)
        text_add(text, " (auto)");
}

static const char *
origin_word(enum conf_origin origin)
{
    static const char *const words[] = {"default", "file", "satellite", "env", "flag"};
    return words[origin];
}

static void
add_json_row(struct text *out, const struct conf *conf, const struct conf_row *row)
{
    const struct conf_setting *setting = conf_setting_of(conf, row);
    struct text value = TEXT_EMPTY, origin = TEXT_EMPTY;
    conf_add_value(conf, row, &value);
    add_origin(&origin, setting);
    bool is_json = value.p[0] == '"' || value.p[0] == '[' || value.p[0] == '{' ||
                   row->type == CONF_BOOL || row->type == CONF_INT || row->type == CONF_INT_AUTO ||
                   row->type == CONF_FACTOR;
    text_addf(out, "  \"%s\": {\"value\": ", row->path);
    if (is_json)
        text_add_bytes(out, text_bytes(&value));
    else
        text_add_json(out, text_bytes(&value));
    text_addf(out, ", \"origin\": \"%s\", \"where\": ", origin_word(setting->origin));
    text_add_json(out, text_bytes(&origin));
    text_addf(out, ", \"auto\": %s}", setting->is_auto ? "true" : "false");
    text_fini(&value);
    text_fini(&origin);
}

static void
add_table_row(struct text *out, const struct conf *conf, const struct conf_row *row)
{
    struct text value = TEXT_EMPTY;
    conf_add_value(conf, row, &value);
    text_addf(out, "%-36s %-32s ", row->path, value.p);
    add_origin(out, conf_setting_of(conf, row));
    text_add(out, "\n");
    text_fini(&value);
}

void
conf_print_show(const struct conf *conf, bool json, struct text *out)
{
    if (json)
        text_add(out, "{\n");
    for (uint32_t i = 0; i < conf_row_count(); i++) {
        if (!json) {
            add_table_row(out, conf, conf_row_at(i));
            continue;
        }
        add_json_row(out, conf, conf_row_at(i));
        text_add(out, i + 1 < conf_row_count() ? ",\n" : "\n");
    }
    if (json)
        text_add(out, "}\n");
}

static const char *
default_of(const struct conf_row *row)
{
    static const char *const examples[][2] = {
#define EXAMPLE(path, value) {path, value},
        OPTION_EXAMPLES(EXAMPLE)
#undef EXAMPLE
    };
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
        if (strcmp(examples[i][0], row->path) == 0)
            return examples[i][1];
    return row->value;
}

static bool
is_quoted_in_yaml(const struct conf_row *row)
{
    return row->type == CONF_STRING || row->type == CONF_PATH || row->type == CONF_ADDRESS ||
           row->type == CONF_SECRET;
}

static uint32_t
depth_of(const char *path)
{
    uint32_t depth = 0;
    for (; *path != '\0'; path++)
        depth += *path == '.';
    return depth;
}

static void
add_example_row(struct text *out, const struct conf_row *row)
{
    struct text line = TEXT_EMPTY;
    text_addf(&line, "%*s%s: ", (int)(2 * depth_of(row->path)), "", row->name);
    if (is_quoted_in_yaml(row))
        add_quoted(&line, default_of(row));
    else
        text_add(&line, default_of(row));
    text_addf(out, "%-44s # %s%s\n", line.p, row->is_live ? "" : "[R] ", row->sentence);
    text_fini(&line);
}

/* The headings of the sections between the row before and this one. */
static void
add_example_sections(struct text *out, const char *before, const char *section)
{
    const struct conf_section_row *row;
    for (uint32_t i = 0; (row = conf_section_at(i)) != NULL; i++) {
        size_t n = strlen(row->path);
        bool around_now = strncmp(section, row->path, n) == 0 && section[n] == '.';
        bool around_before = strncmp(before, row->path, n) == 0 && before[n] == '.';
        if (!around_now || around_before)
            continue;
        uint32_t depth = depth_of(row->path);
        const char *dot = strrchr(row->path, '.');
        text_addf(out, "%s%*s%s:%*s # %s\n", depth == 0 ? "\n" : "", (int)(2 * depth), "",
                  dot != NULL ? dot + 1 : row->path,
                  (int)(43 - 2 * depth - strlen(dot != NULL ? dot + 1 : row->path)), "",
                  row->sentence);
    }
}

void
conf_print_example(struct text *out)
{
    text_add(out,
             "# spangate.yaml: every setting with its default. [R] needs a restart. Units are a "
             "must: B KiB MiB GiB,\n# ms s m h d, %. Inside values: ${NAME}, ${NAME:default}, "
             "${NAME:?message}, $$. In the environment:\n# SPANGATE_BUFFER__MEMORY__MAX=256MiB.\n");
    const char *before = "";
    for (uint32_t i = 0; i < conf_row_count(); i++) {
        const struct conf_row *row = conf_row_at(i);
        if (strcmp(before, row->section) != 0)
            add_example_sections(out, before, row->section);
        before = row->section;
        add_example_row(out, row);
    }
}

static const char *
type_words(const struct conf_row *row, struct text *words)
{
    static const char *const names[] = {
        [CONF_BOOL] = "true or false",
        [CONF_INT] = "number",
        [CONF_INT_AUTO] = "number or auto",
        [CONF_FACTOR] = "number",
        [CONF_SIZE] = "size",
        [CONF_SIZE_AUTO] = "size or auto",
        [CONF_DURATION] = "time",
        [CONF_PERCENT] = "percentage",
        [CONF_STRING] = "text",
        [CONF_PATH] = "path",
        [CONF_ADDRESS] = "address",
        [CONF_SECRET] = "secret",
        [CONF_STRINGS] = "list of texts",
        [CONF_ADDRESSES] = "list of addresses",
        [CONF_SECRETS] = "list of secrets",
        [CONF_PAIRS] = "names and values",
        [CONF_ACTIONS] = "rules and actions",
        [CONF_SERVICES] = "list of match and mode",
    };
    if (row->type != CONF_ENUM)
        return names[row->type];
    text_clear(words);
    for (uint32_t i = 0; i < row->words.n; i++)
        text_addf(words, "%s%s", i > 0 ? ", " : "", row->words.items[i]);
    return words->p;
}

static void
add_bounds(struct text *out, const struct conf_row *row)
{
    if (row->least[0] != '\0' && row->most[0] != '\0')
        text_addf(out, "%s to %s", row->least, row->most);
    else if (row->least[0] != '\0')
        text_addf(out, "from %s", row->least);
}

static void
add_markdown_row(struct text *out, const struct conf_row *row, struct text *words)
{
    text_addf(out, "| `%s` | %s | `%s` | ", row->path, type_words(row, words),
              row->value[0] != '\0' ? row->value : "\"\"");
    add_bounds(out, row);
    text_addf(out, " | %s | %s", row->is_live ? "live" : "restart", row->sentence);
    if (conf_type_is_secret(row->type))
        text_addf(out, "; `%s_file` names a file with it", row->name);
    text_add(out, " |\n");
}

static void
add_markdown_codes(struct text *out)
{
    static const uint16_t numbers[] = {
#define CODE(number, words, advice) number,
        OPTION_CODES(CODE)
#undef CODE
    };
    text_add(out, "\n## What check-config says\n\n| code | what happened | what to do |\n"
                  "|---|---|---|\n");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        text_addf(out, "| C%03u | %s | %s |\n", numbers[i], conf_code_words(numbers[i]),
                  conf_code_advice(numbers[i]));
}

const char *
conf_setting_at(uint32_t i)
{
    return i < conf_row_count() ? conf_row_at(i)->path : NULL;
}

const char *
conf_section_sentence(const char *path, size_t n)
{
    const struct conf_section_row *row;
    for (uint32_t i = 0; (row = conf_section_at(i)) != NULL; i++)
        if (strlen(row->path) == n && strncmp(row->path, path, n) == 0)
            return row->sentence;
    return NULL;
}

void
conf_explain_setting(const char *path, struct text *out)
{
    const struct conf_row *row = conf_row_find(path);
    struct text words = TEXT_EMPTY;
    check(row != NULL);
    text_addf(out, "%s; %s; default %s", row->sentence, type_words(row, &words),
              row->value[0] != '\0' ? row->value : "\"\"");
    if (row->least[0] != '\0') {
        text_add(out, "; ");
        add_bounds(out, row);
    }
    text_addf(out, "; %s", row->is_live ? "a reload takes it up" : "a change needs a restart");
    text_fini(&words);
}

void
conf_print_markdown(struct text *out)
{
    struct text words = TEXT_EMPTY;
    text_add(out, "# Configuration\n\nMade by `spangate print options` from "
                  "`server/tables/options.h`.\n\n");
    text_add(
        out,
        "One YAML file, given with `-c`. Flags (`--set a.b=c`) override the environment, that "
        "overrides the file,\nthat overrides the defaults. In the environment a key is "
        "`SPANGATE_` and its path in upper case with `__` for\neach dot: "
        "`SPANGATE_BUFFER__MEMORY__MAX`; lists by comma or as JSON. An unknown key, and an "
        "unknown\n`SPANGATE_` variable with `__` in it, is an error; names like "
        "`SPANGATE_PORT` are ignored.\n\nInside the file's values: `${NAME}`, "
        "`${NAME:default}`, `${NAME:?message}`, and `$$` for a dollar sign; an\nempty variable "
        "is a value. Units are a must: `B KiB MiB GiB`, `ms s m h d`, `%`.\n\n| key | type | "
        "default | bounds | change | meaning |\n|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < conf_row_count(); i++)
        add_markdown_row(out, conf_row_at(i), &words);
    add_markdown_codes(out);
    text_fini(&words);
}
