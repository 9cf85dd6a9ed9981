/* The tables as topics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/topics.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rule_text.h"
#include "command/command.h"
#include "integrity/diagnosis.h"
#include "tables/diagnosis_texts.h"

#define PREFIX "spangate_"
enum { MAX_TOPICS = 1024 };

struct numbered {
    unsigned number;
    const char *name, *words, *next;
};

static const struct numbered codes[] = {
#define CODE(number, words, advice) {number, "", words, advice},
    OPTION_CODES(CODE)
#undef CODE
};
static const struct numbered errors[] = {
#define E(token, code, words, status, advice) {code, #token, words, advice},
    ERRORS(E)
#undef E
};
static const struct numbered exits[] = {
#define EXIT(token, number, words, next) {number, "", words, next},
    EXITS(EXIT)
#undef EXIT
};
static const char *const evidence[] = {
#define DIAGNOSIS_TEXT(token, evidence) [DIAGNOSIS_##token] = evidence,
    DIAGNOSIS_TEXTS(DIAGNOSIS_TEXT)
#undef DIAGNOSIS_TEXT
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
take_numbered(const struct numbered *row, const char *letter, struct topic *out)
{
    snprintf(out->name, sizeof(out->name), "%s%0*u", letter, letter[0] != '\0' ? 3 : 1,
             row->number);
    text_addf(&out->title, "%s%s%s", row->name, row->name[0] != '\0' ? ": " : "", row->words);
    text_add(&out->next, row->next);
    return true;
}

static bool
take_code(uint32_t i, struct topic *out)
{
    return i < COUNT(codes) && take_numbered(&codes[i], "C", out);
}

static bool
take_error(uint32_t i, struct topic *out)
{
    if (i >= COUNT(errors) || !take_numbered(&errors[i], "E", out))
        return false;
    int status = err_grpc_status((enum err)errors[i].number);
    if (errors[i].number != 0)
        text_addf(&out->body, "A gRPC client sees status %d, %s.", status, err_status_name(status));
    return true;
}

static bool
take_exit(uint32_t i, struct topic *out)
{
    return i < COUNT(exits) && take_numbered(&exits[i], "", out);
}

static bool
take_diagnosis(uint32_t i, struct topic *out)
{
    if (i >= DIAGNOSIS_COUNT)
        return false;
    const struct diagnosis_row *row = diagnosis_row((enum diagnosis)i);
    snprintf(out->name, sizeof(out->name), "%s", row->code);
    text_add(&out->title, row->name);
    text_addf(&out->body, "%s\nEvidence: %s Confidence: %s.", row->text, evidence[i],
              diagnosis_confidence_label(row->confidence));
    text_add(&out->next, row->next);
    return true;
}

static bool
take_rule(uint32_t i, struct topic *out)
{
    if (i >= RULE_COUNT)
        return false;
    const struct rule_row *row = rule_row((enum rule)i);
    const struct rule_text *text = rule_text(row->rule);
    snprintf(out->name, sizeof(out->name), "%s", row->name);
    text_add(&out->title, row->sentence);
    text_addf(&out->body, "Class %s; action %s.", rule_class_label(row->rule_class),
              rule_action_label(row->action));
    if (text != NULL) {
        text_addf(&out->body, "\nAgents: %s\nOAP without the gate: %s", text->healthy, text->oap);
        text_add(&out->next, text->advice);
    }
    return true;
}

/* The i-th row of docs/metrics.md: it holds all that /metrics shows. */
static struct bytes
find_metric_line(const struct text *document, uint32_t i)
{
    for (const char *line = document->p; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        if (strncmp(line, "| `", 3) == 0 && i-- == 0)
            return bytes_of(line, n);
        line += n + (line[n] == '\n');
    }
    return BYTES_NONE;
}

/* The cell of a markdown row, from 0. */
static struct bytes
find_cell(struct bytes line, uint32_t wanted)
{
    const char *p = (const char *)line.p + 2, *end = (const char *)line.p + line.n;
    while (p < end) {
        const char *stop = strstr(p, " |");
        if (stop == NULL || stop > end)
            break;
        if (wanted-- == 0)
            return bytes_of(p, (size_t)(stop - p));
        p = stop + 3;
    }
    return BYTES_NONE;
}

static bool
take_metric(uint32_t i, struct topic *out)
{
    static struct text document; /* made once: every look at it begins anew */
    if (document.n == 0)
        command_print_metrics(&document);
    struct bytes line = find_metric_line(&document, i);
    if (line.n == 0)
        return false;
    struct bytes name = find_cell(line, 0), kind = find_cell(line, 1), labels = find_cell(line, 2);
    snprintf(out->name, sizeof(out->name), "%.*s", (int)name.n - 2, (const char *)name.p + 1);
    text_add_bytes(&out->title, find_cell(line, 3));
    text_addf(&out->body, "A %.*s; labels: %.*s.", BYTES_ARG(kind), BYTES_ARG(labels));
    return true;
}

static bool
take_setting(uint32_t i, struct topic *out)
{
    const char *path = conf_setting_at(i);
    if (path == NULL)
        return false;
    snprintf(out->name, sizeof(out->name), "%s", path);
    conf_explain_setting(path, &out->title);
    return true;
}

static const struct {
    const char *kind;
    bool (*take)(uint32_t i, struct topic *);
} kinds[] = {
    {"configuration code", take_code}, {"error", take_error}, {"exit code", take_exit},
    {"diagnosis", take_diagnosis},     {"rule", take_rule},   {"setting", take_setting},
    {"metric", take_metric},
};

void
topic_fini(struct topic *topic)
{
    text_fini(&topic->title);
    text_fini(&topic->body);
    text_fini(&topic->next);
}

bool
topic_at(uint32_t i, struct topic *out)
{
    for (size_t kind = 0; kind < COUNT(kinds); kind++) {
        for (uint32_t j = 0;; j++) {
            *out = (struct topic){.kind = kinds[kind].kind};
            if (!kinds[kind].take(j, out))
                break;
            if (i-- == 0)
                return true;
            topic_fini(out);
        }
    }
    return false;
}

/* "C12", "c012" and "C012"; "BUDGET" for E101; the metric without its prefix. */
static bool
is_meant(const char *word, const struct topic *topic)
{
    const char *name = topic->name;
    size_t n_prefix = sizeof(PREFIX) - 1;
    if (strcasecmp(word, name) == 0)
        return true;
    if (strncmp(name, PREFIX, n_prefix) == 0)
        return strcasecmp(word, name + n_prefix) == 0;
    if (strchr("CE", name[0]) != NULL && toupper((unsigned char)word[0]) == name[0] &&
        isdigit((unsigned char)word[1]) && isdigit((unsigned char)name[1]))
        return strtoul(word + 1, NULL, 10) == strtoul(name + 1, NULL, 10) &&
               word[1 + strspn(word + 1, "0123456789")] == '\0';
    size_t n = strlen(word);
    return strcmp(topic->kind, "error") == 0 && strncasecmp(topic->title.p, word, n) == 0 &&
           topic->title.p[n] == ':';
}

bool
topic_find(const char *word, struct topic *out, char nearest[TOPIC_NAME])
{
    char **names = mem_new_n(char *, MAX_TOPICS);
    uint32_t n = 0;
    bool is_found = false;
    nearest[0] = '\0';
    while (n < MAX_TOPICS && topic_at(n, out)) {
        is_found = is_meant(word, out);
        if (is_found)
            break;
        names[n++] = mem_string(out->name);
        topic_fini(out);
    }
    const char *near = is_found ? NULL : text_nearest(word, (const char *const *)names, n);
    if (near != NULL)
        snprintf(nearest, TOPIC_NAME, "%s", near);
    for (uint32_t i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
    return is_found;
}
