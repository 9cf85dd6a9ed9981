/* The verb config: settings in force, an example, their schema, what differs, what another's are.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command_config.h"

#include <string.h>

#include "command/schema.h"

static int
show(const struct command_input *in)
{
    const struct conf *conf = NULL;
    struct text out = TEXT_EMPTY;
    int result = command_load_conf(in, NULL, 0, &conf);
    if (result != COMMAND_OK)
        return result;
    conf_print_show(conf, strcmp(in->format, "json") == 0, &out);
    conf_unref(&conf);
    return command_write(&out);
}

static int
example(const struct command_input *in)
{
    struct text out = TEXT_EMPTY;
    (void)in;
    conf_print_example(&out);
    return command_write(&out);
}

static int
schema(const struct command_input *in)
{
    struct text out = TEXT_EMPTY;
    (void)in;
    schema_add(&out);
    return command_write(&out);
}

static const struct {
    const char *name;
    command_fn *run;
    uint32_t n_arguments; /* at most */
} words[] = {
    {"show", show, 1},        {"example", example, 1},        {"schema", schema, 1},
    {"diff", config_diff, 3}, {"convert", config_convert, 2},
};
enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

static int
run(const struct command_input *in)
{
    const char *names[N_WORDS], *what = in->arguments[0];
    for (uint32_t i = 0; i < N_WORDS; i++) {
        names[i] = words[i].name;
        if (strcmp(what, words[i].name) != 0)
            continue;
        if (in->n_arguments > words[i].n_arguments)
            return command_usage(in, "unexpected argument \"%.64s\"",
                                 in->arguments[words[i].n_arguments]);
        if (command_has(in, "from") && words[i].run != config_convert)
            return command_usage(in, "--from is for convert alone");
        return words[i].run(in);
    }
    const char *nearest = text_nearest(what, names, N_WORDS);
    return command_usage(in, "\"%.64s\" is none of show, example, schema, diff and convert%s%s%s",
                         what, nearest != NULL ? "; did you mean \"" : "",
                         nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {{"from", FLAG_VALUE}, {NULL, FLAG_ALONE}};

const struct command_verb command_config_verb = {
    .name = "config",
    .run = run,
    .line = "show, compare, convert settings",
    .arguments = "show|example|schema|diff A B|convert FILE",
    .least = 1,
    .most = 3,
    .formats = formats,
    .flags = flags,
    .help = "show        every setting as serve would run it, with its origin: default, file and\n"
            "            line, SATELLITE_ variable, variable or flag; secrets are masked\n"
            "example     a file with every setting, its default and one sentence\n"
            "schema      JSON Schema of the file, for editors and other checkers\n"
            "diff A B    what differs between two files, and whether a reload takes it up (hot)\n"
            "            or a restart is needed; exit 1 when something does\n"
            "convert --from satellite FILE|-\n"
            "            our file out of SkyWalking Satellite's; what became of each setting is\n"
            "            told on standard error; exit 1 when some cannot be taken over\n"
            "\n"
            "  --format json   of show, diff and convert\n"
            "\n"
            "Examples:\n"
            "  spangate config diff spangate.yaml new.yaml\n"
            "  spangate config convert --from satellite satellite_config.yaml > spangate.yaml\n",
};
