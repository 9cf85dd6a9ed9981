/* Flags by getopt_long, with the nearest neighbour of a mistyped one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command_flags.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    MAX_FLAGS = 48,
    MAX_LETTERS = 16,
    CODE_SET = 256,
    CODE_ADDR,
    CODE_COLOR,
    CODE_FORMAT,
    CODE_OWN = 1000, /* the verb's own, by index */
};

static const struct option common[] = {
    {"config", required_argument, NULL, 'c'},
    {"set", required_argument, NULL, CODE_SET},
    {"addr", required_argument, NULL, CODE_ADDR},
    {"color", required_argument, NULL, CODE_COLOR},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"format", required_argument, NULL, CODE_FORMAT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
};
enum { N_COMMON = sizeof(common) / sizeof(common[0]) };

const char *
command_flags_common_at(uint32_t i)
{
    return i < N_COMMON ? common[i].name : NULL;
}

static bool
color_by_itself(int descriptor)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(descriptor) != 0 && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

void
command_flags_init(struct command_flags *flags, int argc)
{
    size_t n = argc > 0 ? (size_t)argc : 1;
    *flags = (struct command_flags){.sets = NULL};
    flags->sets = mem_new_n(const char *, n);
    flags->given = mem_new_n(struct command_given, n);
    flags->in.sets = flags->sets;
    flags->in.given = flags->given;
    flags->in.color = color_by_itself(STDOUT_FILENO);
    flags->in.color_error = color_by_itself(STDERR_FILENO);
}

void
command_flags_fini(struct command_flags *flags)
{
    mem_free(flags->sets);
    mem_free(flags->given);
}

static int
set_color(struct command_flags *flags, const char *when)
{
    bool always = strcmp(when, "always") == 0;
    if (strcmp(when, "auto") == 0)
        return COMMAND_OK;
    if (!always && strcmp(when, "never") != 0)
        return command_usage(&flags->in, "--color is auto, always or never");
    flags->in.color = flags->in.color_error = always;
    return COMMAND_OK;
}

/* The name of the verb's own flag. */
static const char *
own_name(const struct command_flags *flags, int code)
{
    const struct command_verb *verb = flags->in.verb;
    return code >= CODE_OWN ? verb->flags[code - CODE_OWN].name : verb->letter.flag;
}

static int
take(struct command_flags *flags, int code)
{
    switch (code) {
    case 'c':
        flags->in.config_file = optarg;
        break;
    case 'q':
        flags->in.quiet = true;
        break;
    case 'v':
        flags->in.verbose++;
        break;
    case 'h':
        flags->wants_help = true;
        break;
    case 'V':
        flags->wants_version = true;
        break;
    case CODE_SET:
        flags->sets[flags->in.n_sets++] = optarg;
        break;
    case CODE_ADDR:
        flags->in.address = optarg;
        break;
    case CODE_COLOR:
        return set_color(flags, optarg);
    case CODE_FORMAT:
        flags->format = optarg;
        break;
    default:
        flags->given[flags->in.n_given++] = (struct command_given){own_name(flags, code), optarg};
    }
    return COMMAND_OK;
}

/* "--strct" or "-x": what nobody knows, and its neighbour. */
static int
unknown_flag(const struct command_flags *flags, const struct option *options, const char *given)
{
    const char *names[MAX_FLAGS];
    size_t n = 0;
    char name[64];
    for (; options[n].name != NULL; n++)
        names[n] = options[n].name;
    size_t n_name = strcspn(given, "=");
    if (strncmp(given, "--", 2) != 0 || n_name - 2 >= sizeof(name))
        return command_usage(&flags->in, "unknown flag \"%.64s\"", given);
    memcpy(name, given + 2, n_name - 2);
    name[n_name - 2] = '\0';
    const char *nearest = text_nearest(name, names, n);
    if (nearest != NULL)
        return command_usage(&flags->in, "unknown flag \"--%s\"; did you mean \"--%s\"?", name,
                             nearest);
    return command_usage(&flags->in, "unknown flag \"--%s\"", name);
}

static int
wrong_flag(const struct command_flags *flags, const struct option *options, int code,
           const char *given)
{
    if (code == ':')
        return command_usage(&flags->in, "%s needs a value", given);
    for (size_t i = 0; optopt != 0 && options[i].name != NULL; i++)
        if (options[i].val == optopt && strncmp(given, "--", 2) == 0)
            return command_usage(&flags->in, "--%s takes no value", options[i].name);
    if (optopt != 0 && optopt < 256 && strncmp(given, "--", 2) != 0)
        return command_usage(&flags->in, "unknown flag \"-%c\"", optopt);
    return unknown_flag(flags, options, given);
}

static int
read_flags(struct command_flags *flags, const char *letters, const struct option *options, int argc,
           char **argv)
{
    int code, result = COMMAND_OK;
    optind = 0; /* glibc: start anew */
    opterr = 0;
    while (result == COMMAND_OK && (code = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (code == '?' || code == ':')
            result = wrong_flag(flags, options, code, argv[optind - 1]);
        else
            result = take(flags, code);
    }
    return result;
}

int
command_flags_read_common(struct command_flags *flags, int argc, char **argv, int *n_read)
{
    struct option options[N_COMMON + 1] = {{0}};
    memcpy(options, common, sizeof(common));
    int result = read_flags(flags, "+:c:qvhV", options, argc, argv);
    *n_read = optind;
    return result;
}

static int
check_format(struct command_flags *flags)
{
    const char *const *formats = flags->in.verb->formats;
    uint32_t n = 0;
    struct text words = TEXT_EMPTY;
    if (formats == NULL && flags->format != NULL)
        return command_usage(&flags->in, "--format is not for this verb");
    if (formats == NULL)
        return COMMAND_OK;
    flags->in.format = flags->format == NULL ? formats[0] : NULL;
    for (; formats[n] != NULL; n++) {
        if (flags->format != NULL && strcmp(flags->format, formats[n]) == 0)
            flags->in.format = formats[n];
        text_addf(&words, "%s%s", n == 0 ? "" : ", ", formats[n]);
    }
    int result = COMMAND_OK;
    if (flags->in.format == NULL)
        result = command_usage(&flags->in, "--format is one of %s", words.p);
    text_fini(&words);
    return result;
}

static int
check_arguments(const struct command_flags *flags)
{
    const struct command_verb *verb = flags->in.verb;
    uint32_t n = flags->in.n_arguments;
    if (n > verb->most)
        return command_usage(&flags->in, "unexpected argument \"%.64s\"",
                             flags->in.arguments[verb->most]);
    if (n < verb->least)
        return command_usage(&flags->in, "needs %s; see: spangate help %s", verb->arguments,
                             verb->name);
    return COMMAND_OK;
}

int
command_flags_read(struct command_flags *flags, int argc, char **argv)
{
    static const int kinds[] = {no_argument, required_argument, optional_argument};
    const struct command_flag *own = flags->in.verb->flags;
    struct option options[MAX_FLAGS + 1] = {{0}};
    char letters[MAX_LETTERS] = ":c:qvhV";
    memcpy(options, common, sizeof(common));
    size_t n = N_COMMON, n_letters = strlen(letters);
    for (size_t i = 0; own != NULL && own[i].name != NULL && n < MAX_FLAGS; i++)
        options[n++] =
            (struct option){own[i].name, kinds[own[i].argument], NULL, CODE_OWN + (int)i};
    if (flags->in.verb->letter.letter != 0)
        snprintf(letters + n_letters, sizeof(letters) - n_letters,
                 "%c:", flags->in.verb->letter.letter);
    int result = read_flags(flags, letters, options, argc, argv);
    if (result != COMMAND_OK || flags->wants_help)
        return result;
    flags->in.arguments = (const char *const *)argv + optind;
    flags->in.n_arguments = (uint32_t)(argc - optind);
    result = check_format(flags);
    return result == COMMAND_OK ? check_arguments(flags) : result;
}

bool
command_has(const struct command_input *in, const char *flag)
{
    for (uint32_t i = 0; i < in->n_given; i++)
        if (strcmp(in->given[i].name, flag) == 0)
            return true;
    return false;
}

const char *
command_value(const struct command_input *in, const char *flag)
{
    const char *value = NULL;
    for (uint32_t i = 0; i < in->n_given; i++)
        if (strcmp(in->given[i].name, flag) == 0)
            value = in->given[i].value;
    return value;
}

const char *
command_value_at(const struct command_input *in, const char *flag, uint32_t wanted)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n_given; i++)
        if (strcmp(in->given[i].name, flag) == 0 && n++ == wanted)
            return in->given[i].value;
    return NULL;
}

bool
command_number(const struct command_input *in, const char *flag, uint64_t most, uint64_t *out)
{
    const char *value = command_value(in, flag);
    if (value == NULL)
        return true;
    errno = 0;
    char *end;
    unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number > most) {
        (void)command_usage(in, "--%s \"%.64s\" is no number from 0 to %llu", flag, value,
                            (unsigned long long)most);
        return false;
    }
    *out = number;
    return true;
}

bool
command_duration(const struct command_input *in, const char *flag, uint64_t *ms)
{
    const char *value = command_value(in, flag);
    if (value == NULL || conf_parse_duration(value, ms))
        return true;
    (void)command_usage(in, "--%s \"%.64s\" is no time with a unit, as 200ms or 15s", flag, value);
    return false;
}

bool
command_size(const struct command_input *in, const char *flag, uint64_t *n_bytes)
{
    const char *value = command_value(in, flag);
    if (value == NULL || conf_parse_size(value, n_bytes))
        return true;
    (void)command_usage(in, "--%s \"%.64s\" is no size with a unit, as 64MiB", flag, value);
    return false;
}

bool
command_percent(const struct command_input *in, const char *flag, double *share)
{
    const char *value = command_value(in, flag);
    double percent = 0;
    if (value == NULL)
        return true;
    if (!conf_parse_percent(value, &percent) || percent > 100) {
        (void)command_usage(in, "--%s \"%.64s\" is no percentage up to 100%%", flag, value);
        return false;
    }
    *share = percent / 100;
    return true;
}
