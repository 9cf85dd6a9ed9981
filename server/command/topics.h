/* Everything that has a name or a number and can be explained: from the tables, one list. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_TOPICS_H
#define COMMAND_TOPICS_H

#include <stdbool.h>

#include "base/text.h"

enum { TOPIC_NAME = 96 };

/* Owner frees with topic_fini. */
struct topic {
    const char *kind;      /* "configuration code", "error", "diagnosis", "rule", "metric",
                              "setting", "exit code" */
    char name[TOPIC_NAME]; /* "C012", "E101", "D1", "span-parent-missing", "buffer.disk.max" */
    struct text title;     /* a few words */
    struct text body;      /* sentences, one paragraph a line; empty: the title says it all */
    struct text next;      /* what to do; empty: nothing */
};

/* The n-th name of all, with its title alone; false beyond the last. */
bool topic_at(uint32_t i, struct topic *out);
/* By code, name, or a number in other writing ("c12", "spangate_ready", "69"), whole; false: there
 * is none, and *nearest is the name that was probably meant, or empty. */
bool topic_find(const char *word, struct topic *out, char nearest[TOPIC_NAME]);
void topic_fini(struct topic *);

#endif
