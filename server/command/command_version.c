/* The verb version. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command.h"

#include <gnu/libc-version.h>
#include <string.h>

#ifndef SPANGATE_REVISION
#define SPANGATE_REVISION "unknown"
#endif

static int
run(const struct command_input *in)
{
    struct text out = TEXT_EMPTY;
    bool json = command_has(in, "json") || (in->format != NULL && strcmp(in->format, "json") == 0);
    if (json)
        text_addf(&out,
                  "{\"version\": \"%s\", \"revision\": \"%s\", \"compiler\": \"%s\", \"libc\": "
                  "\"glibc %s\"}\n",
                  SPANGATE_VERSION, SPANGATE_REVISION, __VERSION__, gnu_get_libc_version());
    else
        text_addf(&out, "spangate %s (%s)\n", SPANGATE_VERSION, SPANGATE_REVISION);
    return command_write(&out);
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {{"json", FLAG_ALONE}, {NULL, FLAG_ALONE}};

const struct command_verb command_version_verb = {
    .name = "version",
    .run = run,
    .line = "which version this is",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help = "Prints the version and the revision it was built from.\n"
            "\n"
            "  --json   with compiler and C library, as JSON\n"
            "\n"
            "Examples:\n"
            "  spangate version\n"
            "  spangate version --json\n",
};
