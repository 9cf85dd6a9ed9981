/* The verdict of the verb ci for CI systems: JUnit and SARIF. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "command/ci_report.h"
#include "command/lint_junit.h"
#include "command/lint_sarif.h"

static void
add_junit_instance(struct lint_junit *junit, const struct ci_run *run,
                   const struct ci_instance *instance)
{
    struct text suite = TEXT_EMPTY;
    text_addf(&suite, "%s %s", instance->service.n > 0 ? instance->service.p : "(no service)",
              instance->instance.n > 0 ? instance->instance.p : "(no instance)");
    for (uint32_t rule = 0; rule < RULE_COUNT; rule++) {
        const struct ci_found *found = &instance->found[rule];
        const struct rule_row *row = rule_row((enum rule)rule);
        if ((run->watch->rules >> rule & 1) == 0)
            continue;
        bool is_failed = found->n > 0 && ci_report_fails(run, found->rule_class);
        struct text message = TEXT_EMPTY;
        text_addf(&message, "%s (%" PRIu64 ")", row->sentence, found->n);
        lint_junit_add(junit, &(struct lint_junit_case){
                                  .suite = suite.p,
                                  .name = row->name,
                                  .outcome = is_failed ? JUNIT_FAILED : JUNIT_PASSED,
                                  .message = message.p,
                                  .text = found->n > 0 ? found->example.p : NULL,
                              });
        text_fini(&message);
    }
    lint_junit_end_suite(junit, suite.p);
    text_fini(&suite);
}

static void
add_junit_run(struct lint_junit *junit, const struct ci_run *run, const struct ci_verdict *verdict)
{
    struct text end = TEXT_EMPTY, segments = TEXT_EMPTY, loop = TEXT_EMPTY;
    ci_report_add_end(&end, run->child);
    text_addf(&segments, "%" PRIu64 " segments arrived, --min-segments is %" PRIu64,
              run->watch->n_segments, run->min_segments);
    if (verdict->loop.last != NULL)
        ci_report_add_loop(&loop, verdict);
    const struct lint_junit_case cases[] = {
        {.suite = "run",
         .name = "command",
         .outcome = verdict->has_failed ? JUNIT_ERROR : JUNIT_PASSED,
         .message = end.p,
         .text = run->command},
        {.suite = "run",
         .name = "agents-reported",
         .outcome = verdict->has_too_few ? JUNIT_FAILED : JUNIT_PASSED,
         .message = segments.p,
         .text = segments.p},
        {.suite = "run",
         .name = "no-crash-loop",
         .outcome = verdict->loop.last != NULL ? JUNIT_FAILED : JUNIT_PASSED,
         .message = "it looks like a crash loop",
         .text = loop.p},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        lint_junit_add(junit, &cases[i]);
    lint_junit_end_suite(junit, "run");
    text_fini(&end);
    text_fini(&segments);
    text_fini(&loop);
}

void
ci_export_junit(struct text *out, const struct ci_run *run, const struct ci_verdict *verdict)
{
    struct lint_junit junit = {.suites = TEXT_EMPTY};
    add_junit_run(&junit, run, verdict);
    for (uint32_t i = 0; i < run->watch->n_instances; i++)
        add_junit_instance(&junit, run, run->watch->instances[i]);
    lint_junit_end(&junit, out);
}

/* One result a rule and instance: how often and, as its place, the example. */
static void
add_sarif_instance(struct lint_sarif *sarif, const struct ci_instance *instance)
{
    for (uint32_t rule = 0; rule < RULE_COUNT; rule++) {
        const struct ci_found *found = &instance->found[rule];
        if (found->n == 0)
            continue;
        struct text message = TEXT_EMPTY;
        text_addf(&message, "%s: %" PRIu64 " in %s %s\n", rule_row((enum rule)rule)->sentence,
                  found->n, instance->service.n > 0 ? instance->service.p : "(no service)",
                  instance->instance.n > 0 ? instance->instance.p : "(no instance)");
        text_add_bytes(&message, text_bytes(&found->example));
        lint_sarif_add(sarif, &(struct lint_sarif_result){
                                  .rule = (enum rule)rule,
                                  .rule_class = found->rule_class,
                                  .message = message.p,
                                  .service = text_bytes(&instance->service),
                                  .instance = text_bytes(&instance->instance),
                                  .segment = text_bytes(&found->segment_id),
                                  .has_span = found->has_span,
                                  .span = found->span,
                              });
        text_fini(&message);
    }
}

void
ci_export_sarif(struct text *out, const struct ci_run *run, const struct ci_verdict *verdict)
{
    struct lint_sarif sarif;
    struct text words = TEXT_EMPTY;
    lint_sarif_begin(&sarif, out);
    for (uint32_t i = 0; i < run->watch->n_instances; i++)
        add_sarif_instance(&sarif, run->watch->instances[i]);
    if (verdict->loop.last != NULL) {
        ci_report_add_loop(&words, verdict);
        lint_sarif_note(&sarif, NULL, words.p);
        text_clear(&words);
    }
    if (verdict->has_failed) {
        text_add(&words, "the command failed: ");
        ci_report_add_end(&words, run->child);
        lint_sarif_note(&sarif, NULL, words.p);
        text_clear(&words);
    }
    if (verdict->has_too_few) {
        text_addf(&words, "%" PRIu64 " segments arrived, --min-segments is %" PRIu64,
                  run->watch->n_segments, run->min_segments);
        lint_sarif_note(&sarif, NULL, words.p);
    }
    lint_sarif_end(&sarif, &(struct lint_sarif_run){
                               .is_successful = !verdict->has_failed && !verdict->has_too_few,
                               .command = run->command,
                               .exit_code = ci_child_code(run->child),
                               .signal = ci_child_signal(run->child),
                           });
    text_fini(&words);
}
