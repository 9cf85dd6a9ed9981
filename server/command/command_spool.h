/* What the three commands of the verb spool share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_COMMAND_SPOOL_H
#define COMMAND_COMMAND_SPOOL_H

#include "command/command.h"
#include "store/spool.h"

/* Looks at the directory that the command line names. COMMAND_OK, or told and COMMAND_NO_INPUT,
 * COMMAND_PERMISSION, COMMAND_IO, COMMAND_SYSTEM; a directory that holds no spool is no input. */
int command_spool_look(const struct command_input *, struct spool_summary *, spool_look_fn *,
                       void *ctx);
/* "held", "done" or "damaged". */
const char *command_spool_state(const struct spool_seen *);
/* A method's path without the slash, or "method 40". */
void command_spool_add_method(struct text *, unsigned number);
/* A file that went away while a running service looked after its spool: no fault. */
bool command_spool_is_gone(const struct spool_summary *, const struct spool_seen *);

int command_spool_verify(const struct command_input *);
int command_spool_dump(const struct command_input *);

#endif
