/* The verb help: all verbs, or one of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command.h"

static int
run(const struct command_input *in)
{
    struct text out = TEXT_EMPTY;
    if (in->n_arguments == 0) {
        command_add_overview(&out);
        return command_write(&out);
    }
    const struct command_verb *verb = command_find(in->arguments[0]);
    if (verb == NULL)
        return command_unknown(in->arguments[0]);
    command_add_help(&out, verb);
    return command_write(&out);
}

const struct command_verb command_help_verb = {
    .name = "help",
    .run = run,
    .line = "this list, or help of one verb",
    .arguments = "[VERB]",
    .most = 1,
    .help = "Prints the list of verbs, or what one of them does and which flags it takes.\n"
            "\n"
            "Examples:\n"
            "  spangate help\n"
            "  spangate help check-config\n",
};
