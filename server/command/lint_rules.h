/* The flag --rule of lint and ci: which rules are told of. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_LINT_RULES_H
#define COMMAND_LINT_RULES_H

#include "command/command.h"

/* A bit per rule. With any +name only these count, and -name never does. COMMAND_USAGE: told. */
int lint_rules_read(const struct command_input *, uint64_t *rules);

#endif
