/* Says on the terminal how far a job is that takes longer than two seconds. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One line, written over itself, on standard error while that is a terminal and -q was not given;
 * never in a pipe or file. One job at a time, on one thread. command_tell and command_write take
 * the line away before they write. */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include "command/command.h"

/* When the command begins. */
void progress_start(void);
/* Call it at every step: the first two seconds say nothing, then four lines a second at most. */
__attribute__((format(printf, 2, 3))) void progress_tell(const struct command_input *,
                                                         const char *format, ...);
void progress_clear(void);

#endif
