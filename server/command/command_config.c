/* The verb config: settings in force, or the whole commented file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command/command.h"

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
example(void)
{
    struct text out = TEXT_EMPTY;
    conf_print_example(&out);
    return command_write(&out);
}

static int
run(const struct command_input *in)
{
    static const char *const words[] = {"show", "example"};
    const char *what = in->arguments[0];
    if (strcmp(what, "show") == 0)
        return show(in);
    if (strcmp(what, "example") == 0)
        return example();
    const char *nearest = text_nearest(what, words, 2);
    return command_usage(in, "\"%.64s\" is neither show nor example%s%s%s", what,
                         nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                         nearest != NULL ? "\"?" : "");
}

static const char *const formats[] = {"table", "json", NULL};

const struct command_verb command_config_verb = {
    .name = "config",
    .run = run,
    .line = "show: settings and where they come from; example: a commented file",
    .arguments = "show|example",
    .least = 1,
    .most = 1,
    .formats = formats,
    .help = "show      every setting as serve would run it, with its origin: default, file and\n"
            "          line, variable or flag; secrets are masked\n"
            "example   a file with every setting, its default and one sentence\n"
            "\n"
            "Examples:\n"
            "  spangate config show -c spangate.yaml\n"
            "  spangate config example > spangate.yaml\n",
};
