/* The table of verbs, and the way from the command line to one of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "command/command_flags.h"
#include "command/progress.h"
#include "forward/kafka_setup.h"
#include "net/tls.h"

/* In the order of "spangate help". */
static const struct command_verb *const verbs[] = {
    &command_serve_verb,   &command_demo_verb,       &command_check_config_verb,
    &command_config_verb,  &command_explain_verb,    &command_doctor_verb,
    &command_top_verb,     &command_tap_verb,        &command_lint_verb,
    &command_ci_verb,      &command_quarantine_verb, &command_ctl_verb,
    &command_spool_verb,   &command_sink_verb,       &command_load_verb,
    &command_send_verb,    &command_health_verb,     &command_completion_verb,
    &command_version_verb, &command_help_verb,       &command_print_verb,
};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]), WIDTH = 96, COLUMN = 33 };

const struct command_verb *
command_find(const char *name)
{
    for (uint32_t i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

uint32_t
command_count(void)
{
    return N_VERBS;
}

const struct command_verb *
command_at(uint32_t i)
{
    check(i < N_VERBS);
    return verbs[i];
}

/* The listed verb of that place in the list, from 0; NULL beyond the last. */
static const struct command_verb *
listed_at(uint32_t wanted)
{
    for (uint32_t i = 0; i < N_VERBS; i++)
        if (verbs[i]->line != NULL && wanted-- == 0)
            return verbs[i];
    return NULL;
}

/* Two columns, read downwards, so that all of it fits one screen. */
static void
add_verbs(struct text *out)
{
    uint32_t n = 0;
    while (listed_at(n) != NULL)
        n++;
    uint32_t n_rows = (n + 1) / 2;
    for (uint32_t i = 0; i < n_rows; i++) {
        const struct command_verb *left = listed_at(i), *right = listed_at(i + n_rows);
        text_addf(out, "  %-12s %-*s", left->name, right != NULL ? COLUMN : 0, left->line);
        if (right != NULL)
            text_addf(out, " %-12s %s", right->name, right->line);
        text_add(out, "\n");
    }
}

void
command_add_overview(struct text *out)
{
    text_add(out, "spangate: takes SkyWalking agents' data, judges it, keeps it, forwards it.\n"
                  "usage: spangate VERB [flags]; more of each: spangate help VERB\n\n");
    add_verbs(out);
    text_add(out, "\n"
                  "  -c, --config FILE   settings        --set a.b=c   one setting, repeatable\n"
                  "  --addr ADDRESS      of a service    --format F    table or json\n"
                  "  --color WHEN        auto, always or never      -q, -v   less or more words\n"
                  "\n"
                  "Examples:\n"
                  "  spangate demo\n"
                  "  spangate serve --sink=/tmp/oap\n");
}

void
command_add_help(struct text *out, const struct command_verb *verb)
{
    text_addf(out, "usage: spangate %s [flags]%s%s\n\n%s", verb->name,
              verb->arguments[0] != '\0' ? " " : "", verb->arguments, verb->help);
}

void
command_add_wrapped(struct text *out, struct bytes words, size_t column, unsigned indent)
{
    bool is_first = true; /* of its line */
    for (size_t at = 0; at < words.n;) {
        const uint8_t *blank = memchr(words.p + at, ' ', words.n - at);
        size_t end = blank != NULL ? (size_t)(blank - words.p) : words.n;
        if (!is_first && column + 1 + end - at > WIDTH) {
            text_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            text_add(out, " ");
            column++;
        }
        is_first = false;
        text_add_bytes(out, bytes_of(words.p + at, end - at));
        column += end - at;
        at = end + 1;
    }
    text_add(out, "\n");
}

int
command_write(struct text *text)
{
    progress_clear();
    bool fine = text->n == 0 || fwrite(text->p, text->n, 1, stdout) == 1;
    fine = fflush(stdout) == 0 && fine;
    int error_number = errno;
    text_fini(text);
    if (fine)
        return COMMAND_OK;
    fprintf(stderr, "spangate: cannot write: %s\n", strerror(error_number));
    return COMMAND_IO;
}

static void
tell(const char *verb, const char *format, va_list args)
{
    struct text text = TEXT_EMPTY;
    text_addf(&text, "spangate%s%s: ", verb != NULL ? " " : "", verb != NULL ? verb : "");
    text_addv(&text, format, args);
    text_add(&text, "\n");
    progress_clear();
    fputs(text.p, stderr);
    text_fini(&text);
}

void
command_tell(const struct command_input *in, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(in->verb != NULL ? in->verb->name : NULL, format, args);
    va_end(args);
}

int
command_usage(const struct command_input *in, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(in->verb != NULL ? in->verb->name : NULL, format, args);
    va_end(args);
    return COMMAND_USAGE;
}

static int
exit_of(enum err err)
{
    if (err == ERR_OK)
        return COMMAND_OK;
    if (err == ERR_CONFIG)
        return COMMAND_CONFIG;
    return err == ERR_PERMISSION ? COMMAND_PERMISSION : COMMAND_NO_INPUT;
}

static int
load(const struct command_input *in, const struct conf_input *input, const struct conf **out)
{
    struct conf_diags diags = {0};
    struct text text = TEXT_EMPTY;
    enum err err = conf_load(input, &diags, out);
    conf_diags_print(&diags, in->color_error, &text);
    if (text.n > 0)
        fputs(text.p, stderr);
    text_fini(&text);
    if (in->told != NULL)
        conf_diags_print(&diags, false, in->told);
    conf_diags_fini(&diags);
    return exit_of(err);
}

int
command_load_conf(const struct command_input *in, const char *const *more_sets,
                  uint32_t n_more_sets, const struct conf **out)
{
    const char **sets = mem_new_n(const char *, in->n_sets + n_more_sets);
    for (uint32_t i = 0; i < in->n_sets; i++)
        sets[i] = in->sets[i];
    for (uint32_t i = 0; i < n_more_sets; i++)
        sets[in->n_sets + i] = more_sets[i];
    struct conf_input input = {
        .file = in->config_file,
        .environment = environ,
        .sets = sets,
        .n_sets = in->n_sets + n_more_sets,
        .check_tls = tls_check_files,
        .check_kafka = kafka_setup_check,
    };
    int result = load(in, &input, out);
    mem_free(sets);
    return result;
}

int
command_load_part(const struct command_input *in, const struct conf **out)
{
    struct conf_input input = {
        .file = in->config_file,
        .environment = environ,
        .sets = in->sets,
        .n_sets = in->n_sets,
        .is_part = true,
    };
    return load(in, &input, out);
}

int
command_load_file(const struct command_input *in, const struct conf **out)
{
    struct conf_input input = {.file = in->config_file, .is_part = true};
    return load(in, &input, out);
}

bool
command_reachable(const char *address, char *out, size_t size)
{
    static const char *const from[] = {"0.0.0.0:", "[::]:", "localhost:", ":"};
    static const char *const to[] = {"127.0.0.1:", "[::1]:", "127.0.0.1:", "127.0.0.1:"};
    if (strncmp(address, "http://", 7) == 0)
        address += 7;
    size_t n = strcspn(address, "/");
    const char *host = "";
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        size_t n_from = strlen(from[i]);
        if (strncmp(address, from[i], n_from) != 0 || n < n_from)
            continue;
        host = to[i];
        address += n_from;
        n -= n_from;
        break;
    }
    int written = snprintf(out, size, "%s%.*s", host, (int)n, address);
    return written > 0 && written < (int)size;
}

static int
print_help(const struct command_verb *verb)
{
    struct text out = TEXT_EMPTY;
    if (verb != NULL)
        command_add_help(&out, verb);
    else
        command_add_overview(&out);
    return command_write(&out);
}

int
command_unknown(const char *name)
{
    const char *names[N_VERBS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_VERBS; i++)
        if (verbs[i]->line != NULL)
            names[n++] = verbs[i]->name;
    const char *nearest = text_nearest(name, names, n);
    struct text shown = TEXT_EMPTY;
    text_add_plain(&shown, bytes_str(name), 64);
    fprintf(stderr, "spangate: unknown verb \"%s\"", shown.p != NULL ? shown.p : "");
    if (nearest != NULL)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\nSee: spangate help\n");
    text_fini(&shown);
    return COMMAND_USAGE;
}

static int
run_verb(struct command_flags *flags, int argc, char **argv)
{
    const struct command_verb *verb = command_find(argv[0]);
    if (verb == NULL)
        return command_unknown(argv[0]);
    flags->in.verb = verb;
    int result = command_flags_read(flags, argc, argv);
    if (result != COMMAND_OK)
        return result;
    if (flags->wants_help)
        return print_help(verb);
    progress_start();
    result = verb->run(&flags->in);
    progress_clear();
    return result;
}

int
command_run(int argc, char **argv)
{
    struct command_flags flags;
    int n_read = 0;
    hash_init();
    command_flags_init(&flags, argc);
    int result = command_flags_read_common(&flags, argc, argv, &n_read);
    if (result == COMMAND_OK && flags.wants_version)
        result = command_version_verb.run(&flags.in);
    else if (result == COMMAND_OK && (flags.wants_help || n_read >= argc))
        result = print_help(NULL);
    else if (result == COMMAND_OK)
        result = run_verb(&flags, argc - n_read, argv + n_read);
    command_flags_fini(&flags);
    return result;
}
