/* What tap writes: each segment as a tree, a line, JSON or its bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_TAP_LINES_H
#define COMMAND_TAP_LINES_H

#include "base/text.h"
#include "command/aside_record.h"
#include "message/json_tree.h"

enum tap_form { TAP_AS_TREE, TAP_AS_LINE, TAP_AS_JSON, TAP_AS_PB, TAP_FORMS };

struct tap_lines {
    enum tap_form form;
    bool color;
    struct aside_judge *judge; /* TAP_AS_TREE: marks what is wrong */
};

/* What is asked for in the query's content. */
const char *tap_lines_content(enum tap_form);
/* Adds one segment of the answer (admin/admin_tap_line.h). False: it is none. */
bool tap_lines_add(const struct tap_lines *, const struct json_tree *segment, struct text *out);

#endif
