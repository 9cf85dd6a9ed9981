/* What lint writes: findings as text for people or as one JSON document, and the sums of a run. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_LINT_REPORT_H
#define COMMAND_LINT_REPORT_H

#include "base/text.h"
#include "integrity/integrity.h"
#include "message/message_file.h"

struct lint_report {
    bool is_json, is_quiet, is_verbose;
    uint64_t rules;   /* bit per rule to tell of */
    struct text text; /* not yet written */
    bool is_first;    /* JSON: no segment was written yet */
    uint64_t n_files, n_segments, n_spans, n_unreadable;
    uint64_t n_sick;    /* segments with a finding that counts */
    uint64_t n_corrupt; /* segments with a finding of class proof or strong */
    uint64_t n_verdicts[METRIC_VERDICTS];
    uint64_t n_findings[RULE_COUNT];
};

/* One judged segment. */
struct lint_segment {
    const char *file;
    const struct message_file_item *item;
    const struct judgement *judgement;
    enum agent agent;
};

void lint_report_begin(struct lint_report *);
void lint_report_add(struct lint_report *, const struct lint_segment *);
/* The summary. */
void lint_report_end(struct lint_report *);

#endif
