/* Draws a segment's spans as a tree, the ones that a rule found marked. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_CI_TREE_H
#define COMMAND_CI_TREE_H

#include "base/text.h"
#include "integrity/integrity.h"

/* Lines, indented by that many blanks. Draws no more than 40 spans and says so. */
void ci_tree_draw(struct text *, const struct judgement *, enum rule, unsigned indent);

#endif
