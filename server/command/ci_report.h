/* The verdict of the verb ci, and the forms in which it is told. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_CI_REPORT_H
#define COMMAND_CI_REPORT_H

#include "command/ci_child.h"
#include "command/ci_watch.h"

/* What fails a run, each includes those before: findings of class proof or strong, of class poison,
 * all. */
enum ci_fail_on { CI_CORRUPT, CI_POISON, CI_ANY };

struct ci_run {
    const struct ci_watch *watch;
    const struct ci_child *child;
    const char *command; /* as one line */
    enum ci_fail_on fail_on;
    uint64_t max_restarts; /* of one service: more are a crash loop; 0: never */
    uint64_t min_segments; /* fewer are no answer */
    bool is_settled;       /* false: agents were still connected and sending when time was up */
};

/* A row of processes, each gone before the next came. */
struct ci_chain {
    const struct ci_life *last; /* NULL: none */
    uint32_t n;
    uint64_t most_segments; /* of one of them */
    uint64_t longest_us;    /* life of one that ended */
};

struct ci_verdict {
    uint64_t n_failing, n_others; /* findings that fail the run, and that do not */
    struct ci_chain loop;         /* a crash loop; last is NULL where there is none */
    struct ci_chain restarts;     /* the longest row, whatever it reported */
    bool is_race;                 /* the loop looks like a race build of a Go program (D2) */
    bool has_failed;              /* the command */
    bool has_too_few;
    int code; /* for exit */
};

void ci_report_judge(const struct ci_run *, struct ci_verdict *);
bool ci_report_fails(const struct ci_run *, enum rule_class);
/* "exit 3", "killed by signal 11 (Segmentation fault)" */
void ci_report_add_end(struct text *, const struct ci_child *);
/* What a loop is and what to do, lines; one sentence on its evidence first. */
void ci_report_add_loop(struct text *, const struct ci_verdict *);
/* One line. */
void ci_report_add_result(struct text *, const struct ci_run *, const struct ci_verdict *);

void ci_report_text(struct text *, const struct ci_run *, const struct ci_verdict *);
/* In ci_export.c. */
void ci_export_junit(struct text *, const struct ci_run *, const struct ci_verdict *);
void ci_export_sarif(struct text *, const struct ci_run *, const struct ci_verdict *);

#endif
