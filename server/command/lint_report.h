/* What lint writes: findings as text for people, JSON, SARIF or JUnit, and the sums of a run. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_LINT_REPORT_H
#define COMMAND_LINT_REPORT_H

#include "base/text.h"
#include "command/lint_junit.h"
#include "command/lint_sarif.h"
#include "integrity/integrity.h"
#include "message/message_file.h"

enum lint_format { LINT_TEXT, LINT_JSON, LINT_SARIF, LINT_JUNIT };

/* JUnit: of the file at hand, by rule. */
struct lint_report_file {
    uint64_t n_findings[RULE_COUNT], n_segments;
    uint64_t failed; /* bit per rule: a finding of it fails the run */
    struct text examples[RULE_COUNT];
    struct text unreadable;
    uint64_t n_unreadable;
};

struct lint_report {
    enum lint_format format;
    bool is_quiet, is_verbose;
    bool fails_on_any; /* --fail-on any */
    uint64_t rules;    /* bit per rule to tell of */
    struct text text;  /* not yet written */
    bool is_first;     /* JSON: no segment was written yet */
    uint64_t n_files, n_segments, n_spans, n_unreadable;
    uint64_t n_sick;    /* segments with a finding that counts */
    uint64_t n_corrupt; /* segments with a finding of class proof or strong */
    uint64_t n_verdicts[METRIC_VERDICTS];
    uint64_t n_findings[RULE_COUNT];
    struct lint_sarif sarif;
    struct lint_junit junit;
    struct lint_report_file file;
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
/* A file, or a message of it, that cannot be read: told on standard error already. */
void lint_report_unreadable(struct lint_report *, const char *file, const char *words);
/* The file's last segment was added. */
void lint_report_end_file(struct lint_report *, const char *file);
/* The summary. */
void lint_report_end(struct lint_report *);

#endif
