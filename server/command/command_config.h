/* What command_config.c chooses from: one function per word behind "spangate config". */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_COMMAND_CONFIG_H
#define COMMAND_COMMAND_CONFIG_H

#include "command/command.h"

/* config_diff.c: arguments A and B, two files. */
int config_diff(const struct command_input *);
/* config_convert.c: the file of another product. */
int config_convert(const struct command_input *);

#endif
