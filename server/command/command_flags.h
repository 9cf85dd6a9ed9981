/* Reading the command line: the flags all verbs share, and those of one verb. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_COMMAND_FLAGS_H
#define COMMAND_COMMAND_FLAGS_H

#include "command/command.h"

/* Owner: command_run. The strings are argv's. */
struct command_flags {
    struct command_input in;
    const char **sets;
    struct command_given *given;
    const char *format; /* as given, not yet checked */
    bool wants_help, wants_version;
};

void command_flags_init(struct command_flags *, int argc);
void command_flags_fini(struct command_flags *);
/* Flags in front of the verb; n_read: where the verb stands. */
int command_flags_read_common(struct command_flags *, int argc, char **argv, int *n_read);
/* The long names that every verb takes; NULL beyond the last. */
const char *command_flags_common_at(uint32_t i);
/* argv[0] is the verb; in.verb is set. Flags and arguments may be mixed. */
int command_flags_read(struct command_flags *, int argc, char **argv);

#endif
