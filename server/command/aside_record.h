/* One record of the quarantine as the admin port gives it: decoded, and judged again here. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The rules are asked as the configuration at hand says (-c), without those that remember. */
#ifndef COMMAND_ASIDE_RECORD_H
#define COMMAND_ASIDE_RECORD_H

#include "base/method.h"
#include "base/rule_table.h"
#include "daemon/worker_judging.h"
#include "integrity/integrity.h"
#include "message/json_tree.h"

/* What judges: one for many records. */
struct aside_judge {
    struct worker_judging judging;
    struct integrity *engine;
};
void aside_judge_init(struct aside_judge *, const struct conf *);
void aside_judge_fini(struct aside_judge *);

struct aside_record {
    const struct json_tree *item; /* lent */
    const struct method_row *row; /* NULL: a method this version does not know */
    uint8_t *bytes;
    struct bytes payload; /* in bytes */
    enum rule reason;     /* RULE_COUNT: none of the rules, as where the backend refused it */
    /* Of the payload; void with the next record of the same judge. All zeros where it was not
     * judged: no method, or an opaque message. */
    bool is_judged;
    struct judgement judgement;
};

/* language: of its instance, LANGUAGE_NONE where it is not known: then the id's shape decides.
 * False: the item's payload is no base64. */
bool aside_record_open(struct aside_record *, const struct json_tree *item, struct aside_judge *,
                       enum agent_language language);
void aside_record_close(struct aside_record *);
/* A whole SegmentObject that can be drawn. */
const struct segment_view *aside_record_segment(const struct aside_record *);
/* Its spans as a tree, lines behind two blanks; marked is the rule that decided, and whatever is
 * more than a hint. Nothing where there is no segment. */
void aside_record_draw(struct text *, const struct aside_record *, bool color);
/* Bytes that stand for the first part of a longer message. */
bool aside_record_is_prefix(const struct aside_record *);

#endif
