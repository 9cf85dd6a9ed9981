/* The man pages spangate(1) and spangate.yaml(5), made from the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command/command.h"

enum { SOURCE_WIDTH = 70 };
#define PAGE_DATE "2026-11-23" /* of the last change to what stands here by hand */

/* Roff takes a backslash, a leading dot or quote, and a hyphen for its own. */
static void
add_escaped(struct text *out, const char *s, size_t n)
{
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        if (is_first && (s[i] == '.' || s[i] == '\''))
            text_add(out, "\\&");
        if (s[i] == '\\')
            text_add(out, "\\(rs");
        else if (s[i] == '-')
            text_add(out, "\\-");
        else if (s[i] == '~')
            text_add(out, "\\(ti");
        else if (s[i] == '^')
            text_add(out, "\\(ha");
        else
            text_add_bytes(out, bytes_of(s + i, 1));
        is_first = s[i] == '\n';
    }
}

/* In lines of the source that people can read; what is shown is filled anew. */
static void
add_words(struct text *out, const char *s)
{
    struct text lines = TEXT_EMPTY;
    size_t column = 0;
    while (*s != '\0') {
        size_t n = strcspn(s, " ");
        if (column > 0 && column + 1 + n > SOURCE_WIDTH) {
            text_add(&lines, "\n");
            column = 0;
        } else if (column > 0) {
            text_add(&lines, " ");
            column++;
        }
        text_add_bytes(&lines, bytes_of(s, n));
        column += n;
        s += n + (s[n] == ' ');
    }
    if (lines.n > 0)
        add_escaped(out, lines.p, lines.n);
    text_fini(&lines);
}

static void
add_head(struct text *out, const char *page, const char *section, const char *name)
{
    text_addf(out,
              ".\\\" Made by spangate print man%s.\n.TH %s %s " PAGE_DATE " \"spangate "
              "" SPANGATE_VERSION "\"\n.SH NAME\n%s\n",
              section, page, section, name);
}

/* A verb's help as it is shown: its columns are part of it. */
static void
add_verb(struct text *out, const struct command_verb *verb)
{
    text_add(out, ".SS ");
    add_words(out, verb->name);
    text_add(out, "\n.B spangate ");
    add_words(out, verb->name);
    text_add(out, "\n[flags]\n");
    add_words(out, verb->arguments);
    text_add(out, verb->arguments[0] != '\0' ? "\n.PP\n" : ".PP\n");
    add_words(out, verb->line);
    text_add(out, ".\n.PP\n.nf\n");
    for (const char *line = verb->help; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        if (n == 0)
            text_add(out, ".sp\n");
        else
            add_escaped(out, line, n + 1);
        line += n + (line[n] == '\n');
    }
    text_add(out, ".fi\n");
}

static void
add_entry(struct text *out, const char *name, const char *words)
{
    text_add(out, ".TP\n.B ");
    add_words(out, name);
    text_add(out, "\n");
    add_words(out, words);
    text_add(out, "\n");
}

static void
add_exits(struct text *out)
{
    text_add(out, ".SH EXIT STATUS\n");
#define EXIT(token, number, words, next)    \
    if ((number) < 2)                       \
        add_entry(out, #number, words "."); \
    else                                    \
        add_entry(out, #number, words "; " next ".");
    EXITS(EXIT)
#undef EXIT
}

void
command_print_man1(struct text *out)
{
    add_head(out, "SPANGATE", "1",
             "spangate \\- takes SkyWalking agents\\(aq data, judges it, keeps it, forwards it");
    text_add(out, ".SH SYNOPSIS\n.B spangate\n.I verb\n[flags] [arguments]\n.SH DESCRIPTION\n"
                  "spangate stands between SkyWalking agents and OAP.\n"
                  "It takes what agents report, finds out what is damaged,\n"
                  "keeps everything on disk until a backend has it,\n"
                  "and accounts for each item.\n.PP\nData goes to standard output, words for "
                  "people to standard error.\n.SH OPTIONS\nEvery verb takes these:\n");
    add_entry(out, "-c, --config FILE", "settings, see spangate.yaml(5)");
    add_entry(out, "--set PATH=VALUE", "one setting, over file and environment; repeatable");
    add_entry(out, "--addr ADDRESS",
              "of a service: HOST:PORT, or unix:PATH where a socket is spoken");
    add_entry(out, "--format FORMAT", "table or json, where the verb has both");
    add_entry(out, "--color WHEN", "auto, always or never");
    add_entry(out, "-q, -v", "fewer or more words");
    add_entry(out, "-h, --help", "help of the verb");
    text_add(out, ".SH VERBS\n");
    for (uint32_t i = 0; i < command_count(); i++)
        if (command_at(i)->line != NULL)
            add_verb(out, command_at(i));
    add_exits(out);
    text_add(out, ".SH ENVIRONMENT\n");
    add_entry(out, "SPANGATE_A__B",
              "the setting a.b: its path in upper case, two underscores for each dot");
    add_entry(out, "SATELLITE_*",
              "variables of SkyWalking Satellite are taken over, each with a notice");
    add_entry(out, "NO_COLOR", "not empty: no colour");
    text_add(out, ".SH FILES\n");
    add_entry(out, "/var/lib/spangate/spool",
              "what waits for the backend, unless buffer.disk.path says otherwise");
    add_entry(out, "/var/lib/spangate/quarantine",
              "what was set aside, unless quarantine.path says otherwise");
    text_add(out, ".SH SEE ALSO\n.BR spangate.yaml (5)\n");
}

/* The sections between the setting before and this one. */
static void
add_sections(struct text *out, const char *before, const char *path)
{
    const char *last = strrchr(path, '.');
    size_t n = last != NULL ? (size_t)(last - path) : 0;
    if (n == 0 || (strncmp(before, path, n + 1) == 0 && strchr(before + n + 1, '.') == NULL))
        return;
    text_add(out, ".SS ");
    add_escaped(out, path, n);
    text_add(out, "\n");
    const char *sentence = conf_section_sentence(path, n);
    if (sentence != NULL) {
        add_words(out, sentence);
        text_add(out, ".\n");
    }
}

void
command_print_man5(struct text *out)
{
    const char *path, *before = "";
    add_head(out, "SPANGATE.YAML", "5", "spangate.yaml \\- settings of spangate");
    text_add(out, ".SH DESCRIPTION\nOne YAML file, given with\n.BR \\-c .\n"
                  "Flags\n.RB ( \\-\\-set\n.IR a.b=c )\noverride the environment, that overrides "
                  "the file, that overrides the defaults.\nAn unknown key is an error.\n.PP\n"
                  "Inside values: ${NAME}, ${NAME:default}, ${NAME:?message},\nand $$ for a dollar "
                  "sign.\nUnits are a must: B KiB MiB GiB, ms s m h d, %.\n"
                  "Secrets have a twin whose name ends in _file\nand that names a file with the "
                  "value.\n.PP\n"
                  "A reload (SIGHUP) takes up some settings; the others need a restart.\n"
                  ".SH SETTINGS\n");
    for (uint32_t i = 0; (path = conf_setting_at(i)) != NULL; i++) {
        struct text words = TEXT_EMPTY;
        add_sections(out, before, path);
        conf_explain_setting(path, &words);
        text_add(&words, ".");
        add_entry(out, path, words.p);
        text_fini(&words);
        before = path;
    }
    text_add(out, ".SH EXAMPLE\n.nf\nversion: 1\nupstream:\n  addresses: [\"oap:11800\"]\nlog:\n"
                  "  level: info\n.fi\n.PP\nA file with every setting and its default: spangate "
                  "config example.\n.SH SEE ALSO\n.BR spangate (1)\n");
}
