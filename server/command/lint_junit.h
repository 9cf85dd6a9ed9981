/* Writes checks as JUnit XML, the form in which CI systems show tests. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Suites of cases; their sums stand before them, so nothing is written before the end. Strings may
 * hold strangers' bytes: what XML forbids becomes \xHH. */
#ifndef COMMAND_LINT_JUNIT_H
#define COMMAND_LINT_JUNIT_H

#include "base/text.h"

enum lint_junit_outcome { JUNIT_PASSED, JUNIT_FAILED, JUNIT_ERROR, JUNIT_SKIPPED };

struct lint_junit_sums {
    uint32_t n_tests, n_failed, n_errors, n_skipped;
};

/* Zero is the beginning. */
struct lint_junit {
    struct text suites, cases;
    struct lint_junit_sums all, suite;
};

struct lint_junit_case {
    const char *suite, *name;
    enum lint_junit_outcome outcome;
    const char *message; /* of a failure, an error or a skip: one line */
    const char *text;    /* lines; NULL: none */
};

void lint_junit_add(struct lint_junit *, const struct lint_junit_case *);
/* Closes the suite of the cases added since the last one. */
void lint_junit_end_suite(struct lint_junit *, const char *name);
/* The document; frees what is kept. */
void lint_junit_end(struct lint_junit *, struct text *out);

#endif
