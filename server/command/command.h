/* The verbs of the command line: one file and one row each, with the flags all of them share. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A verb lives in command_<verb>.c: its function, its flags and its help are one struct
 * command_verb named command_<verb>_verb, declared below and listed in command.c. Data goes to
 * standard output, words for people to standard error. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"
#include "conf/conf.h"
#include "tables/exits.h"

/* What the process answers: tables/exits.h. */
enum command_exit {
#define EXIT(token, number, words, next) COMMAND_##token = (number),
    EXITS(EXIT)
#undef EXIT
};

enum command_argument { FLAG_ALONE, FLAG_VALUE, FLAG_OPTIONAL_VALUE /* --sink[=DIR] */ };
struct command_flag {
    const char *name; /* "duration" */
    enum command_argument argument;
};

/* What may follow a verb's first argument: "list disable enable" after "backend". */
struct command_following {
    const char *word, *words;
};

struct command_input;
typedef int command_fn(const struct command_input *);

struct command_verb {
    const char *name;
    command_fn *run;
    const char *line;      /* one line for the list of verbs; NULL: not listed */
    const char *arguments; /* "[FILE|-]"; "" for none */
    uint32_t least, most;  /* how many of them */
    const struct command_following
        *following;                   /* for completion, ended by a NULL word; NULL: none */
    const char *const *formats;       /* words --format takes, NULL-terminated, the first is the
                                         default; NULL: --format is not for this verb */
    const struct command_flag *flags; /* its own, ended by a NULL name; NULL: none */
    struct {
        char letter;      /* 'o'; 0: none */
        const char *flag; /* "output", one that takes a value */
    } letter;
    const char *help; /* at most 24 lines with the usage line the framework adds, ends in two
                         examples */
};

/* Flags of the verb's own, as given: value NULL for FLAG_ALONE or an absent optional value. */
struct command_given {
    const char *name, *value;
};

/* Lives as long as the call of the verb's function. */
struct command_input {
    const struct command_verb *verb;
    const char *config_file; /* -c, --config; NULL: none */
    const char *const *sets; /* --set, in order */
    uint32_t n_sets;
    const char *address; /* --addr; NULL: not given */
    const char *format;  /* one of verb->formats; NULL where it has none */
    bool color;          /* for standard output */
    bool color_error;    /* for standard error */
    bool quiet;          /* -q */
    uint32_t verbose;    /* -v, counted */
    const char *const *arguments;
    uint32_t n_arguments;
    const struct command_given *given;
    uint32_t n_given;
    struct text *told; /* gets what a bad configuration is told with, too; NULL: nobody wants it */
};

/* The whole program: finds the verb, reads the flags, runs it. A mistyped verb or flag is told with
 * its nearest neighbour and exit 64. */
int command_run(int argc, char **argv);

/* The verb's own flag was given. */
bool command_has(const struct command_input *, const char *flag);
/* The flag's last value; NULL when not given or without a value. */
const char *command_value(const struct command_input *, const char *flag);
/* The i-th value of a flag that may be repeated, from 0; NULL beyond the last. */
const char *command_value_at(const struct command_input *, const char *flag, uint32_t i);
/* The flag's value as a number up to most, a duration, a size, or a share of 1 ("5%" is 0.05). *out
 * is left alone when the flag was not given. False: told on standard error, return COMMAND_USAGE.
 */
bool command_number(const struct command_input *, const char *flag, uint64_t most, uint64_t *out);
bool command_duration(const struct command_input *, const char *flag, uint64_t *ms);
bool command_size(const struct command_input *, const char *flag, uint64_t *n_bytes);
bool command_percent(const struct command_input *, const char *flag, double *share);
/* "spangate VERB: words" on standard error; gives COMMAND_USAGE. */
int command_usage(const struct command_input *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "spangate VERB: words" on standard error. */
void command_tell(const struct command_input *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Loads what -c, the environment and --set say, plus the given further sets ("upstream.kind=sink").
 * Warnings and errors are printed to standard error. COMMAND_OK and *out (owner unrefs), or
 * COMMAND_CONFIG, COMMAND_NO_INPUT, COMMAND_PERMISSION. */
int command_load_conf(const struct command_input *, const char *const *more_sets,
                      uint32_t n_more_sets, const struct conf **out);
/* What -c, the environment and --set say, to look at, not to run: a missing backend is no
 * matter. */
int command_load_part(const struct command_input *, const struct conf **out);
/* The file of -c alone, without the environment, to look at. */
int command_load_file(const struct command_input *, const struct conf **out);
/* Where one connects to reach a listener: loopback in place of "any address" and of the name.
 * False: it does not fit. */
bool command_reachable(const char *address, char *out, size_t size);
/* Words in lines of at most 96 columns and a line end: the first begins at the column reached, the
 * others behind so many blanks. */
void command_add_wrapped(struct text *, struct bytes words, size_t column, unsigned indent);
/* Writes and frees the text: COMMAND_OK, or COMMAND_IO where standard output refuses. */
int command_write(struct text *);

/* All verbs, listed or not; NULL when there is none of this name. */
const struct command_verb *command_find(const char *name);
/* Tells that there is no such verb, with its nearest neighbour; gives COMMAND_USAGE. */
int command_unknown(const char *name);
uint32_t command_count(void);
const struct command_verb *command_at(uint32_t i);
/* "spangate", the list of verbs and the common flags. */
void command_add_overview(struct text *);
void command_add_help(struct text *, const struct command_verb *);

extern const struct command_verb command_check_config_verb;
extern const struct command_verb command_config_verb;
extern const struct command_verb command_version_verb;
extern const struct command_verb command_health_verb;
extern const struct command_verb command_help_verb;
extern const struct command_verb command_print_verb;
/* Listed once their files exist. */
extern const struct command_verb command_serve_verb;
extern const struct command_verb command_lint_verb;
extern const struct command_verb command_ci_verb;
extern const struct command_verb command_quarantine_verb;
extern const struct command_verb command_ctl_verb;
extern const struct command_verb command_spool_verb;
extern const struct command_verb command_sink_verb;
extern const struct command_verb command_load_verb;
extern const struct command_verb command_send_verb;
extern const struct command_verb command_demo_verb;
extern const struct command_verb command_explain_verb;
extern const struct command_verb command_completion_verb;
extern const struct command_verb command_doctor_verb;
extern const struct command_verb command_top_verb;
extern const struct command_verb command_tap_verb;

/* The markdown of verb print, one function per document, in print_<document>.c. */
void command_print_metrics(struct text *);
void command_print_diagnoses(struct text *);
void command_print_rules(struct text *);
/* Man pages, in roff. */
void command_print_man1(struct text *);
void command_print_man5(struct text *);

#endif
