/* What a rule is: a pure predicate over one item of its scope and a read-only context. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each row of tables/rules.h with scope SEGMENT or SPAN has one file rules/rule_<token>.c with one
 * function rule_<token>. No log, no allocation, no clock: the engine walks the spans once and asks
 * every rule. A rule that needs a repair says so with repair_<token> in the same file. */
#ifndef INTEGRITY_RULE_H
#define INTEGRITY_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rule_table.h"
#include "message/segment.h"

/* Who reported, as far as it is proven (integrity.md 0). */
enum agent {
    AGENT_UNKNOWN,
    AGENT_IS_GO,
    AGENT_IS_JAVA,
    AGENT_IS_DOTNET,
    AGENT_IS_OTHER,
};

enum { SPAN_NONE = UINT32_MAX };

struct key_index;
struct span_index;

/* What the engine prepared for one segment; all by span index. */
struct rule_context {
    const struct segment_view *segment;
    int64_t arrival_ms; /* 0: not known, as in a file */
    enum agent agent;
    /* same_id_before[i]: an earlier span with span i's id, or SPAN_NONE */
    const uint32_t *same_id_before;
    /* parent_index[i]: a span whose id is span i's parentSpanId, or SPAN_NONE (also for -1) */
    const uint32_t *parent_index;
    uint32_t first_zero; /* first span with id 0 that is not blank where one exists; SPAN_NONE */
    uint32_t n_zero;     /* spans with id 0 */
    uint32_t n_roots;    /* spans with parentSpanId -1 */
    const struct span_index *ids; /* for span_index_find */
    /* Scratch for a predicate that looks for repeats in a long list; void between two calls. */
    struct key_index *keys;
};

typedef bool rule_segment_fn(const struct rule_context *);
typedef bool rule_span_fn(const struct rule_context *, uint32_t span);

#endif
