/* A whole file, or standard input, for commands that read captured messages. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_INPUT_FILE_H
#define COMMAND_INPUT_FILE_H

#include "base/bytes.h"
#include "command/command.h"

/* "-" is standard input. Gives errno, 0: fine. The content is the owner's in every case, freed with
 * input_file_free. */
int input_file_read(const char *name, struct bytes *content);
void input_file_free(struct bytes *content);
/* What the process answers for a file that gave this errno. */
enum command_exit input_file_exit(int error_number);

#endif
