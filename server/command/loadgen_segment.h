/* Segments as agents of four languages send them, and the same with one kind of damage. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the shapes: integrity.md 3; of the damage: integrity.md 1. Every damage gives exactly
 * one finding above class hint, so that "found = injected" can be checked. */
#ifndef COMMAND_LOADGEN_SEGMENT_H
#define COMMAND_LOADGEN_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rule_table.h"
#include "base/text.h"

enum loadgen_language { LOADGEN_GO, LOADGEN_JAVA, LOADGEN_PYTHON, LOADGEN_NODE, LOADGEN_COUNT };

struct loadgen_shape {
    enum loadgen_language language;
    const char *service, *instance;
    uint32_t n_spans; /* 1..300 */
    uint64_t number;  /* makes ids unique */
    int64_t now_ms;   /* when the request ended, Unix */
    enum rule damage; /* RULE_COUNT: healthy */
};

/* True for the rules whose damage can be made. */
bool loadgen_can_damage(enum rule);
/* Clears out and writes one SegmentObject. */
void loadgen_segment_build(struct text *out, const struct loadgen_shape *);

#endif
