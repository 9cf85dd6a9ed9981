/* Judges a run of the verb ci and tells it to people. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/ci_report.h"

#include <inttypes.h>
#include <string.h>

#include "command/command.h"
#include "integrity/diagnosis.h"

/* A life of a crash loop: integrity.md 2 (instance-churn) and 4 (D2). */
static const uint64_t short_life_us = UINT64_C(10) * 60 * 1000000;
enum { FEW_SEGMENTS = 3 };

static uint64_t
life_us(const struct ci_life *life)
{
    return life->n_connections == 0 && life->ended_us > life->began_us
               ? life->ended_us - life->began_us
               : 0;
}

static bool
is_dying_young(const struct ci_life *life)
{
    return life->n_segments <= FEW_SEGMENTS && life_us(life) < short_life_us;
}

/* The row that ends with this life; young: only while its lives die young. */
static struct ci_chain
chain_to(const struct ci_life *last, bool young)
{
    struct ci_chain chain = {.last = last};
    for (const struct ci_life *life = last; life != NULL; life = life->previous) {
        if (young && !is_dying_young(life))
            break;
        chain.n++;
        if (life->n_segments > chain.most_segments)
            chain.most_segments = life->n_segments;
        if (life_us(life) > chain.longest_us)
            chain.longest_us = life_us(life);
    }
    return chain;
}

static void
judge_lives(const struct ci_run *run, struct ci_verdict *verdict)
{
    const struct ci_watch *watch = run->watch;
    for (uint32_t i = 0; i < watch->n_lives; i++) {
        const struct ci_life *life = watch->lives[i];
        if (!life->is_registered)
            continue;
        struct ci_chain all = chain_to(life, false), young = chain_to(life, true);
        if (all.n > verdict->restarts.n)
            verdict->restarts = all;
        if (run->max_restarts > 0 && young.n > run->max_restarts && young.n > verdict->loop.n)
            verdict->loop = young;
    }
    verdict->is_race =
        verdict->loop.last != NULL && verdict->loop.last->instance->language == LANGUAGE_GO;
}

bool
ci_report_fails(const struct ci_run *run, enum rule_class rule_class)
{
    switch (rule_class) {
    case CLASS_PROOF:
    case CLASS_STRONG:
        return true;
    case CLASS_POISON:
        return run->fail_on != CI_CORRUPT;
    case CLASS_EXTERNAL:
    case CLASS_HINT:
    default:
        return run->fail_on == CI_ANY;
    }
}

void
ci_report_judge(const struct ci_run *run, struct ci_verdict *verdict)
{
    const struct ci_watch *watch = run->watch;
    *verdict = (struct ci_verdict){.code = COMMAND_OK};
    for (uint32_t i = 0; i < watch->n_instances; i++) {
        for (uint32_t rule = 0; rule < RULE_COUNT; rule++) {
            const struct ci_found *found = &watch->instances[i]->found[rule];
            if (found->n > 0 && ci_report_fails(run, found->rule_class))
                verdict->n_failing += found->n;
            else
                verdict->n_others += found->n;
        }
    }
    judge_lives(run, verdict);
    verdict->has_failed = ci_child_code(run->child) != 0;
    verdict->has_too_few = watch->n_segments < run->min_segments;
    if (verdict->n_failing > 0 || verdict->loop.last != NULL)
        verdict->code = COMMAND_FOUND;
    else if (verdict->has_failed)
        verdict->code = ci_child_code(run->child);
    else if (verdict->has_too_few)
        verdict->code = COMMAND_FOUND;
}

static void
add_count(struct text *out, uint64_t n, const char *what)
{
    text_addf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

void
ci_report_add_end(struct text *out, const struct ci_child *child)
{
    int number = ci_child_signal(child);
    if (number != 0)
        text_addf(out, "killed by signal %d (%s)", number, strsignal(number));
    else
        text_addf(out, "exit %d", ci_child_code(child));
}

static void
add_place(struct text *out, const struct ci_instance *instance)
{
    text_addf(out, "%s", instance->service.n > 0 ? instance->service.p : "(no service)");
    if (instance->hostname.n > 0)
        text_addf(out, " on %s", instance->hostname.p);
}

static void
add_chain(struct text *out, const struct ci_chain *chain)
{
    add_place(out, chain->last->instance);
    text_addf(out,
              ": %u processes registered one strictly after another; the longest life was %.1f s, "
              "the most that one reported ",
              chain->n, (double)chain->longest_us / 1e6);
    add_count(out, chain->most_segments, "segment");
    text_add(out, "\n");
}

void
ci_report_add_loop(struct text *out, const struct ci_verdict *verdict)
{
    add_chain(out, &verdict->loop);
    const struct diagnosis_row *row =
        diagnosis_row(verdict->is_race ? DIAGNOSIS_race_build_loop : DIAGNOSIS_crash_loop);
    struct text words = TEXT_EMPTY;
    text_addf(&words, "%s %s: %s", row->code, row->name, row->text);
    command_add_wrapped(out, text_bytes(&words), 0, 0);
    text_clear(&words);
    text_addf(&words, "Next: %s", row->next);
    command_add_wrapped(out, text_bytes(&words), 0, 0);
    text_fini(&words);
    text_add(out, "What the wire shows is that they came and went, not why they ended. If the "
                  "command starts short\n"
                  "processes one by one on purpose, raise --restarts; 0 turns this off.\n");
}

static void
add_life_note(struct text *out, const struct ci_verdict *verdict)
{
    if (verdict->loop.last != NULL) {
        text_add(out, "\nRESTARTS  ");
        ci_report_add_loop(out, verdict);
    } else if (verdict->restarts.n > 1) {
        text_add(out, "\nRESTARTS  ");
        add_chain(out, &verdict->restarts);
    }
}

static void
add_instance(struct text *out, const struct ci_run *run, const struct ci_instance *instance)
{
    const char *language = agent_language_label(instance->language);
    text_addf(out, "\n%s  %s%s%s%s  ",
              instance->service.n > 0 ? instance->service.p : "(no service)",
              instance->instance.n > 0 ? instance->instance.p : "(no instance)",
              language[0] != '\0' ? " (" : "", language, language[0] != '\0' ? ")" : "");
    add_count(out, instance->n_segments, "segment");
    text_add(out, ", ");
    add_count(out, instance->n_spans, "span");
    text_add(out, ", ");
    add_count(out, instance->n_others, "other message");
    text_add(out, "\n");
    for (uint32_t rule = 0; rule < RULE_COUNT; rule++) {
        const struct ci_found *found = &instance->found[rule];
        const struct rule_row *row = rule_row((enum rule)rule);
        if (found->n == 0)
            continue;
        text_addf(out, "  %s %6" PRIu64 "  %s [%s]: %s\n",
                  ci_report_fails(run, found->rule_class) ? "!!" : "  ", found->n, row->name,
                  rule_class_label(found->rule_class), row->sentence);
        text_add_bytes(out, text_bytes(&found->example));
    }
}

/* Between what is told. */
static void
add_break(struct text *out, bool *is_first)
{
    if (!*is_first)
        text_add(out, "; ");
    *is_first = false;
}

static void
add_traces(struct text *out, const struct ci_run *run, const struct ci_verdict *verdict)
{
    uint64_t n = run->watch->n_segments;
    if (verdict->has_too_few)
        text_add(out, "no verdict on the traces: ");
    else if (verdict->code == COMMAND_OK && n > 0)
        text_add(out, "clean: ");
    add_count(out, n, "segment");
    if (verdict->has_too_few)
        text_addf(out, " arrived, --min-segments is %" PRIu64, run->min_segments);
    else
        text_add(out, n > 0 ? " judged, nothing that counts found"
                            : " arrived, as --min-segments 0 allows");
}

/* What makes the run fail, or why it does not. */
void
ci_report_add_result(struct text *out, const struct ci_run *run, const struct ci_verdict *verdict)
{
    static const char *const kinds[] = {" of corruption", " of corruption or backend poison", ""};
    bool is_first = true;
    if (verdict->n_failing > 0) {
        add_break(out, &is_first);
        add_count(out, verdict->n_failing, "finding");
        text_add(out, kinds[run->fail_on]);
    }
    if (verdict->loop.last != NULL) {
        add_break(out, &is_first);
        text_add(out, "it looks like a crash loop");
    }
    if (verdict->has_failed) {
        add_break(out, &is_first);
        text_add(out, "the command itself failed: ");
        ci_report_add_end(out, run->child);
    }
    if (verdict->n_failing == 0 || verdict->has_too_few) {
        add_break(out, &is_first);
        add_traces(out, run, verdict);
    }
}

static void
add_nobody(struct text *out)
{
    text_add(out, "\nNo agent reported a segment. Is the agent built in and switched on, does it "
                  "report by gRPC, "
                  "and does it\n"
                  "take its back end from SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE or "
                  "SW_AGENT_COLLECTOR_BACKEND_SERVICES?\n");
}

void
ci_report_text(struct text *out, const struct ci_run *run, const struct ci_verdict *verdict)
{
    const struct ci_watch *watch = run->watch;
    for (uint32_t i = 0; i < watch->n_instances; i++)
        add_instance(out, run, watch->instances[i]);
    if (watch->is_full)
        text_add(out, "\nMore instances than are kept apart: the rest stands as (others).\n");
    if (watch->has_all_lives)
        text_add(out, "\nMore processes than are kept apart: RESTARTS tells of the first ones.\n");
    add_life_note(out, verdict);
    if (watch->n_segments == 0)
        add_nobody(out);
    text_addf(out, "\nCOMMAND   %s: ", run->command);
    ci_report_add_end(out, run->child);
    text_addf(out, " after %.1f s\n", (double)(run->child->ended_us - run->child->began_us) / 1e6);
    text_add(out, "ARRIVED   ");
    add_count(out, watch->n_segments, "segment");
    text_add(out, ", ");
    add_count(out, watch->n_spans, "span");
    text_add(out, ", ");
    add_count(out, watch->n_messages - watch->n_segments, "other message");
    text_add(out, " from ");
    add_count(out, watch->n_instances, "instance");
    if (!run->is_settled)
        text_add(out, "; agents were still sending when --settle was over");
    text_add(out, "\nRESULT    ");
    text_add(out, verdict->code == COMMAND_OK ? "good: " : "NOT GOOD: ");
    ci_report_add_result(out, run, verdict);
    text_add(out, "\n");
}
