/* What "spangate top" shows: lines for a terminal, or JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_TOP_VIEW_H
#define COMMAND_TOP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "command/top_rows.h"

struct top_view {
    const char *address; /* of the admin port */
    const char *note;    /* a line of its own at the end; NULL: none */
    uint32_t n_columns;  /* lines are cut there; 0: they are not */
    uint32_t n_lines;    /* instances that do not fit are counted; 0: all are shown */
    bool color;
};

/* Lines with an end each; the last overview is not NULL. */
void top_view_add(const struct top *, const struct top_view *, struct text *out);
/* One object and a line end. */
void top_view_add_json(const struct top *, struct text *out);

#endif
