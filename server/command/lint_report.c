/* Formats findings and counts them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lint_report.h"

#include <inttypes.h>

#include "command/span_tree.h"

enum { SHOWN_ID = 150, SHOWN_NAME = 80, SHOWN_EXAMPLES = 10 };

static const char *
class_of(const struct lint_segment *segment, enum rule rule)
{
    return rule_class_label(integrity_found_class(segment->judgement, rule, segment->agent));
}

static bool
is_told(const struct lint_report *report, enum rule rule)
{
    return (report->rules >> rule & 1) != 0;
}

static const char *
type_words(int32_t type)
{
    return type == SPAN_ENTRY   ? "Entry"
           : type == SPAN_EXIT  ? "Exit"
           : type == SPAN_LOCAL ? "Local"
                                : "unknown type";
}

static void
add_number(struct text *out, uint64_t n, const char *what)
{
    text_addf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

/* "file.bin: byte 31" or "file.json: line 4" or "file.json: message 2", counted from 1. */
static void
add_place(struct text *out, const struct lint_segment *segment)
{
    const struct message_file_item *item = segment->item;
    text_addf(out, "%s: ", segment->file);
    if (item->line > 0)
        text_addf(out, "line %zu", item->line);
    else if (item->offset > 0)
        text_addf(out, "byte %zu", item->offset);
    else
        text_addf(out, "message %zu", item->index + 1);
}

static void
add_headline(struct text *out, const struct lint_segment *segment)
{
    const struct segment_view *view = segment->judgement->segment;
    add_place(out, segment);
    if (view != NULL) {
        text_add(out, ": segment ");
        text_add_plain(out, view->segment_id, SHOWN_ID);
        text_add(out, " of ");
        text_add_plain(out, view->service, SHOWN_NAME);
        text_add(out, " ");
        text_add_plain(out, view->instance, SHOWN_NAME);
        text_add(out, ", ");
        add_number(out, view->n_spans, "span");
    } else {
        text_addf(out, ": %zu bytes", segment->item->message.n);
    }
    text_addf(out, ": %s\n", verdict_label(segment->judgement->verdict));
}

static void
add_finding(struct text *out, const struct lint_segment *segment, const struct finding *finding)
{
    const struct rule_row *row = rule_row(finding->rule);
    const struct segment_view *view = segment->judgement->segment;
    if (finding->span != SPAN_NONE && view != NULL) {
        const struct span_view *span = &view->spans[finding->span];
        text_addf(out, "span %d, parent %d, %s \"", span->id, span->parent_id,
                  type_words(span->type));
        text_add_plain(out, span->operation, SHOWN_NAME);
        text_add(out, "\": ");
    }
    text_addf(out, "%s [%s, %s]", row->sentence, row->name, class_of(segment, finding->rule));
}

static void
add_text(struct lint_report *report, const struct lint_segment *segment)
{
    const struct judgement *judgement = segment->judgement;
    uint64_t n_left = 0;
    add_headline(&report->text, segment);
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        if (is_told(report, (enum rule)i))
            n_left += judgement->n_counts[i];
    for (uint32_t i = 0; i < judgement->n_findings; i++) {
        if (!is_told(report, judgement->findings[i].rule))
            continue;
        text_add(&report->text, "  ");
        add_finding(&report->text, segment, &judgement->findings[i]);
        text_add(&report->text, "\n");
        n_left--;
    }
    if (n_left > 0)
        text_addf(&report->text, "  and %" PRIu64 " more\n", n_left);
    if (report->is_verbose && judgement->segment != NULL)
        span_tree_draw(&report->text, judgement,
                       &(struct span_tree){.rules = report->rules & span_tree_marks(judgement),
                                           .indent = 4,
                                           .max_lines = SPAN_TREE_LINES});
}

static void
add_json_name(struct text *out, const char *name, struct bytes value)
{
    text_addf(out, ",\"%s\":", name);
    text_add_json(out, value);
}

static void
add_json_finding(struct text *out, const struct lint_segment *segment,
                 const struct finding *finding)
{
    const struct rule_row *row = rule_row(finding->rule);
    const struct segment_view *view = segment->judgement->segment;
    text_addf(out, "{\"rule\":\"%s\",\"class\":\"%s\"", row->name,
              class_of(segment, finding->rule));
    add_json_name(out, "means", bytes_str(row->sentence));
    if (finding->span != SPAN_NONE && view != NULL) {
        const struct span_view *span = &view->spans[finding->span];
        text_addf(out, ",\"span\":{\"index\":%u,\"id\":%d,\"parent\":%d", finding->span, span->id,
                  span->parent_id);
        add_json_name(out, "operation", span->operation);
        text_add(out, "}");
    }
    text_add(out, "}");
}

static void
add_json(struct lint_report *report, const struct lint_segment *segment)
{
    struct text *out = &report->text;
    const struct judgement *judgement = segment->judgement;
    const struct segment_view *view = judgement->segment;
    text_add(out, report->is_first ? "\n" : ",\n");
    report->is_first = false;
    text_add(out, " {\"file\":");
    text_add_json(out, bytes_str(segment->file));
    text_addf(out, ",\"index\":%zu,\"offset\":%zu,\"line\":%zu,\"bytes\":%zu", segment->item->index,
              segment->item->offset, segment->item->line, segment->item->message.n);
    if (view != NULL) {
        add_json_name(out, "segment", view->segment_id);
        add_json_name(out, "trace", view->trace_id);
        add_json_name(out, "service", view->service);
        add_json_name(out, "instance", view->instance);
        text_addf(out, ",\"spans\":%u", view->n_spans);
    }
    text_addf(out, ",\"verdict\":\"%s\",\"findings\":[", verdict_label(judgement->verdict));
    bool is_first = true;
    for (uint32_t i = 0; i < judgement->n_findings; i++) {
        if (!is_told(report, judgement->findings[i].rule))
            continue;
        text_add(out, is_first ? "" : ",");
        add_json_finding(out, segment, &judgement->findings[i]);
        is_first = false;
    }
    text_add(out, "]}");
}

static void
add_sarif(struct lint_report *report, const struct lint_segment *segment)
{
    const struct judgement *judgement = segment->judgement;
    const struct segment_view *view = judgement->segment;
    const struct message_file_item *item = segment->item;
    struct text words = TEXT_EMPTY;
    for (uint32_t i = 0; i < judgement->n_findings; i++) {
        const struct finding *finding = &judgement->findings[i];
        if (!is_told(report, finding->rule))
            continue;
        bool has_span = finding->span != SPAN_NONE && view != NULL;
        bool has_offset = item->line == 0 && item->offset > 0;
        text_clear(&words);
        add_finding(&words, segment, finding);
        lint_sarif_add(&report->sarif, &(struct lint_sarif_result){
                                           .rule = finding->rule,
                                           .rule_class = integrity_found_class(
                                               judgement, finding->rule, segment->agent),
                                           .message = words.p,
                                           .file = segment->file,
                                           .line = item->line,
                                           .offset = item->offset,
                                           .n_bytes = has_offset ? item->message.n : 0,
                                           .service = view != NULL ? view->service : BYTES_NONE,
                                           .instance = view != NULL ? view->instance : BYTES_NONE,
                                           .segment = view != NULL ? view->segment_id : BYTES_NONE,
                                           .has_span = has_span,
                                           .span = has_span ? view->spans[finding->span].id : 0,
                                       });
    }
    text_fini(&words);
}

/* Whether a finding of the class decides the exit code. */
static bool
is_failure(const struct lint_report *report, enum rule_class rule_class)
{
    return report->fails_on_any || rule_class == CLASS_PROOF || rule_class == CLASS_STRONG;
}

static void
add_junit(struct lint_report *report, const struct lint_segment *segment)
{
    struct lint_report_file *file = &report->file;
    const struct judgement *judgement = segment->judgement;
    for (uint64_t rest = judgement->rules & report->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        file->n_findings[rule] += judgement->n_counts[rule];
        if (is_failure(report, integrity_found_class(judgement, rule, segment->agent)))
            file->failed |= UINT64_C(1) << rule;
    }
    uint64_t shown[RULE_COUNT] = {0};
    for (uint32_t i = 0; i < judgement->n_findings; i++) {
        enum rule rule = judgement->findings[i].rule;
        uint64_t before = file->n_findings[rule] - judgement->n_counts[rule];
        if (!is_told(report, rule) || before + shown[rule]++ >= SHOWN_EXAMPLES)
            continue;
        add_headline(&file->examples[rule], segment);
        text_add(&file->examples[rule], "  ");
        add_finding(&file->examples[rule], segment, &judgement->findings[i]);
        text_add(&file->examples[rule], "\n");
    }
}

/* True when the segment has a finding to tell of. */
static bool
count(struct lint_report *report, const struct lint_segment *segment)
{
    const struct judgement *judgement = segment->judgement;
    bool is_sick = false, is_corrupt = false;
    report->n_segments++;
    report->n_verdicts[judgement->verdict]++;
    if (judgement->segment != NULL)
        report->n_spans += judgement->segment->n_spans;
    for (uint64_t rest = judgement->rules & report->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        enum rule_class rule_class = integrity_found_class(judgement, rule, segment->agent);
        report->n_findings[rule] += judgement->n_counts[rule];
        is_sick = true;
        is_corrupt = is_corrupt || rule_class == CLASS_PROOF || rule_class == CLASS_STRONG;
    }
    report->n_sick += is_sick;
    report->n_corrupt += is_corrupt;
    return is_sick;
}

void
lint_report_begin(struct lint_report *report)
{
    report->text = TEXT_EMPTY;
    report->is_first = true;
    if (report->format == LINT_JSON)
        text_add(&report->text, "{\"segments\":[");
    else if (report->format == LINT_SARIF)
        lint_sarif_begin(&report->sarif, &report->text);
}

void
lint_report_add(struct lint_report *report, const struct lint_segment *segment)
{
    report->file.n_segments++;
    if (!count(report, segment) && !report->is_verbose)
        return;
    switch (report->format) {
    case LINT_TEXT:
    default:
        add_text(report, segment);
        break;
    case LINT_JSON:
        add_json(report, segment);
        break;
    case LINT_SARIF:
        add_sarif(report, segment);
        break;
    case LINT_JUNIT:
        add_junit(report, segment);
        break;
    }
}

void
lint_report_unreadable(struct lint_report *report, const char *file, const char *words)
{
    report->n_unreadable++;
    if (report->format == LINT_SARIF)
        lint_sarif_note(&report->sarif, file, words);
    if (report->format != LINT_JUNIT || report->file.n_unreadable++ >= SHOWN_EXAMPLES)
        return;
    text_add(&report->file.unreadable, words);
    text_add(&report->file.unreadable, "\n");
}

static void
add_junit_rule(struct lint_report *report, const char *name, enum rule rule)
{
    struct lint_report_file *file = &report->file;
    struct text message = TEXT_EMPTY;
    bool is_failed = (file->failed >> rule & 1) != 0;
    text_add(&message, rule_row(rule)->sentence);
    text_addf(&message, " (%" PRIu64 ")", file->n_findings[rule]);
    if (file->n_findings[rule] > SHOWN_EXAMPLES)
        text_addf(&file->examples[rule], "and %" PRIu64 " more\n",
                  file->n_findings[rule] - SHOWN_EXAMPLES);
    lint_junit_add(&report->junit, &(struct lint_junit_case){
                                       .suite = name,
                                       .name = rule_row(rule)->name,
                                       .outcome = is_failed ? JUNIT_FAILED : JUNIT_PASSED,
                                       .message = message.p,
                                       .text = file->examples[rule].p,
                                   });
    text_fini(&message);
    text_fini(&file->examples[rule]);
}

/* One suite a file, one case a rule: the same names in every run, so that CI can compare them. */
void
lint_report_end_file(struct lint_report *report, const char *name)
{
    struct lint_report_file *file = &report->file;
    if (report->format == LINT_JUNIT) {
        lint_junit_add(&report->junit,
                       &(struct lint_junit_case){
                           .suite = name,
                           .name = "readable",
                           .outcome = file->n_unreadable > 0 ? JUNIT_ERROR : JUNIT_PASSED,
                           .message = "not all of it can be read",
                           .text = file->unreadable.p,
                       });
        for (uint32_t i = 0; i < RULE_COUNT; i++)
            if (is_told(report, (enum rule)i) && rule_row((enum rule)i)->scope != SCOPE_STREAM &&
                rule_row((enum rule)i)->scope < SCOPE_STORED)
                add_junit_rule(report, name, (enum rule)i);
        lint_junit_end_suite(&report->junit, name);
        text_fini(&file->unreadable);
    }
    *file = (struct lint_report_file){.n_segments = 0};
}

static void
end_json(struct lint_report *report)
{
    struct text *out = &report->text;
    text_addf(out,
              "%s],\n\"summary\":{\"files\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"spans\":%" PRIu64
              ",\"unreadable\":%" PRIu64 ",\"with_findings\":%" PRIu64 ",\"corrupt\":%" PRIu64
              ",\"verdicts\":{",
              report->is_first ? "" : "\n", report->n_files, report->n_segments, report->n_spans,
              report->n_unreadable, report->n_sick, report->n_corrupt);
    for (uint32_t i = 0; i < METRIC_VERDICTS; i++)
        text_addf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", verdict_label((enum verdict)i),
                  report->n_verdicts[i]);
    text_add(out, "},\"findings\":{");
    bool is_first = true;
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        if (report->n_findings[i] == 0)
            continue;
        text_addf(out, "%s\"%s\":%" PRIu64, is_first ? "" : ",", rule_row((enum rule)i)->name,
                  report->n_findings[i]);
        is_first = false;
    }
    text_add(out, "}}}\n");
}

static void
end_text(struct lint_report *report)
{
    struct text *out = &report->text;
    add_number(out, report->n_segments, "segment");
    text_add(out, ", ");
    add_number(out, report->n_spans, "span");
    if (report->n_unreadable > 0)
        text_addf(out, ", %" PRIu64 " unreadable", report->n_unreadable);
    if (report->n_sick == 0)
        text_add(out, ": no findings\n");
    else
        text_addf(out, ": %" PRIu64 " with findings, %" PRIu64 " corrupt\n", report->n_sick,
                  report->n_corrupt);
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        if (report->n_findings[i] > 0)
            text_addf(out, "%8" PRIu64 "  %s\n", report->n_findings[i],
                      rule_row((enum rule)i)->name);
}

void
lint_report_end(struct lint_report *report)
{
    switch (report->format) {
    case LINT_TEXT:
    default:
        if (!report->is_quiet)
            end_text(report);
        break;
    case LINT_JSON:
        end_json(report);
        break;
    case LINT_SARIF:
        lint_sarif_end(&report->sarif,
                       &(struct lint_sarif_run){.is_successful = report->n_unreadable == 0});
        break;
    case LINT_JUNIT:
        lint_junit_end(&report->junit, &report->text);
        break;
    }
}
