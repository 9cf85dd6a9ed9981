/* Writes findings as a SARIF 2.1.0 log, the form that code scanners and CI systems read. */
/* SPDX-License-Identifier: Apache-2.0 */
/* begin, then one call per result, then end; the text may be written out and cleared in between. */
#ifndef COMMAND_LINT_SARIF_H
#define COMMAND_LINT_SARIF_H

#include "base/text.h"
#include "integrity/integrity.h"

struct lint_sarif {
    struct text *out;
    uint64_t n_results;
    struct text notes; /* what is not a finding: notifications, JSON objects with commas between */
    uint32_t n_notes, n_notes_left_out;
};

struct lint_sarif_result {
    enum rule rule;
    enum rule_class rule_class;
    const char *message;            /* one line, plain */
    const char *file;               /* NULL: no file */
    size_t line;                    /* from 1; 0: no line */
    size_t offset, n_bytes;         /* n_bytes 0: no region */
    struct bytes instance, segment; /* BYTES_NONE where unknown */
    struct bytes service;
    bool has_span;
    int32_t span; /* its id */
};

/* How the run ended. */
struct lint_sarif_run {
    bool is_successful;  /* all could be read, or the command did what it should */
    const char *command; /* what was run; NULL: nothing */
    int exit_code;       /* of the command */
    int signal;          /* that ended the command; 0: none */
};

void lint_sarif_begin(struct lint_sarif *, struct text *out);
void lint_sarif_add(struct lint_sarif *, const struct lint_sarif_result *);
/* An error that is no finding: a file that cannot be read, a command that failed. */
void lint_sarif_note(struct lint_sarif *, const char *file, const char *words);
void lint_sarif_end(struct lint_sarif *, const struct lint_sarif_run *);

#endif
