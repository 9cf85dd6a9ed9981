/* Draws a segment's spans as a tree, with what the rules found marked. */
/* SPDX-License-Identifier: Apache-2.0 */
/*   0 Entry POST /checkout                            120ms
 *   |- 1 Exit mysql/SELECT to db:3306                  14ms
 *   ?? 5 is not in this segment
 *      !! 7 Exit GET /stock                             8ms   parent 5 ...  [span-parent-missing]
 *
 * Children stand below their parents in the order of their ids. Whatever the ids say, each span is
 * drawn at most once: copies stand where they hang, a cycle is cut at its lowest id. Beyond the
 * lines allowed the marked spans and what they hang on come first; the rest is counted. */
#ifndef COMMAND_SPAN_TREE_H
#define COMMAND_SPAN_TREE_H

#include "base/text.h"
#include "integrity/integrity.h"

enum { SPAN_TREE_LINES = 200 };

struct span_tree {
    uint64_t rules;     /* bit per rule whose findings are marked */
    unsigned indent;    /* blanks before each line */
    uint32_t max_lines; /* at most SPAN_TREE_LINES */
    bool color;
};

/* Bit per rule that was found and is more than a hint or a stranger's bytes. */
uint64_t span_tree_marks(const struct judgement *);
/* Adds lines. The judgement has a segment. */
void span_tree_draw(struct text *, const struct judgement *, const struct span_tree *);

#endif
