/* The hidden verb print: the documents that are made from the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/http_path.h"
#include "base/method.h"
#include "command/command.h"
#include "command/schema.h"

static void
print_errors(struct text *out)
{
    static const struct {
        const char *name;
        unsigned code;
        const char *words;
        int status;
        const char *advice;
    } rows[] = {
#define E(token, code, words, status, advice) {#token, code, words, status, advice},
        ERRORS(E)
#undef E
    };
    text_add(out,
             "# Errors\n\nMade by `spangate print errors` from `server/tables/errors.h`. Codes "
             "of configuration files (C001 and so\non) are in configuration.md.\n\n"
             "| code | name | what happened | gRPC status | what to do |\n"
             "|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        text_addf(out, "| E%03u | %s | %s | %d | %s |\n", rows[i].code, rows[i].name, rows[i].words,
                  rows[i].status, rows[i].advice);
}

static const char *
answer_of(const struct method_row *row)
{
    switch (row->method_class) {
    case KIND_A:
        return "here, forwarded later";
    case KIND_B:
        return "OAP's own answer is needed";
    case KIND_C:
        return "one relayed call";
    case KIND_L:
        return "here";
    }
    return "";
}

static void
add_method(struct text *out, const struct method_row *row)
{
    static const char *const streams[] = {"unary", "client stream", "both ways"};
    text_addf(out, "| %u | `%s` | %s | %s | %s | %s |\n", row->method, row->path,
              streams[row->stream], answer_of(row), signal_label(row->signal), row->sentence);
}

static void
add_http_paths(struct text *out)
{
    text_add(out,
             "\n## Over HTTP\n\nPOST to `listen.http.address`, from `server/tables/http_paths.h`; "
             "docs/http.md tells of forms and answers.\n\n"
             "| path | body | is kept and forwarded as | what travels |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < HTTP_PATH_COUNT; i++) {
        const struct http_path_row *row = http_path_row((enum http_path)i);
        text_addf(out, "| `%s` | %s | `%s` | %s |\n", row->text,
                  row->is_list ? "JSON list" : "JSON or protobuf", method_row(row->method)->path,
                  row->sentence);
    }
}

static void
print_methods(struct text *out)
{
    static const struct {
        const char *path;
        enum method method;
    } aliases[] = {
#define ALIAS(path, token) {path, METHOD_##token},
        METHOD_ALIASES(ALIAS)
#undef ALIAS
    };
    text_add(out,
             "# Methods\n\nMade by `spangate print methods` from `server/tables/methods.h`.\n\n"
             "| number | path | stream | answered | signal | what travels |\n"
             "|---|---|---|---|---|---|\n");
    for (unsigned number = 1; number < METHOD_COUNT; number++)
        if (method_row(number) != NULL)
            add_method(out, method_row(number));
    text_add(out, "\n## Paths without the package\n\nOld agents still use them.\n\n"
                  "| path | is |\n|---|---|\n");
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        text_addf(out, "| `%s` | `%s` |\n", aliases[i].path, method_row(aliases[i].method)->path);
    add_http_paths(out);
}

/* The key "config" of the chart's values: what "config example" shows, but out of force, since the
 * defaults are the program's own. */
static void
print_chart_values(struct text *out)
{
    struct text example = TEXT_EMPTY;
    conf_print_example(&example);
    text_add(out, "config:\n");
    for (const char *line = example.p; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        bool is_prose = strncmp(line, "# ", 2) == 0 && line[2] != ' ';
        if (strncmp(line, "version:", 8) == 0)
            text_add(out, "  ");
        else if (n > 0 && !is_prose)
            text_add(out, "  # ");
        if (!is_prose) {
            text_add_bytes(out, bytes_of(line, n));
            text_add(out, "\n");
        }
        line += n + (line[n] == '\n');
    }
    text_fini(&example);
}

static const struct {
    const char *name;
    void (*print)(struct text *);
} documents[] = {
    {"options", conf_print_markdown},
    {"metrics", command_print_metrics},
    {"errors", print_errors},
    {"methods", print_methods},
    {"rules", command_print_rules},
    {"diagnoses", command_print_diagnoses},
    {"chart-values", print_chart_values},
    {"chart-schema", schema_add_chart},
    {"man1", command_print_man1},
    {"man5", command_print_man5},
};
enum { N_DOCUMENTS = sizeof(documents) / sizeof(documents[0]) };

static int
run(const struct command_input *in)
{
    const char *names[N_DOCUMENTS];
    for (size_t i = 0; i < N_DOCUMENTS; i++) {
        names[i] = documents[i].name;
        if (strcmp(names[i], in->arguments[0]) != 0)
            continue;
        struct text out = TEXT_EMPTY;
        documents[i].print(&out);
        return command_write(&out);
    }
    const char *nearest = text_nearest(in->arguments[0], names, N_DOCUMENTS);
    return command_usage(in, "there is no document \"%.64s\"%s%s%s", in->arguments[0],
                         nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                         nearest != NULL ? "\"?" : "");
}

const struct command_verb command_print_verb = {
    .name = "print",
    .run = run,
    .arguments = "DOCUMENT",
    .least = 1,
    .most = 1,
    .help = "Prints a document made from the tables. For docs/, in markdown: options, metrics,\n"
            "errors, methods, rules or diagnoses. For the chart: chart-values, chart-schema.\n"
            "Man pages: man1, man5.\n"
            "\n"
            "Examples:\n"
            "  spangate print options > docs/configuration.md\n"
            "  spangate print metrics > docs/metrics.md\n",
};
