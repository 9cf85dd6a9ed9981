/* The SARIF writer. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: OASIS "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", sections 3.14
 * (run), 3.20 (invocation), 3.27 (result), 3.49 (reportingDescriptor), 3.58 (notification). */
#include "command/lint_sarif.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_NOTES = 100 };

static const char *
level_of(enum rule_class rule_class)
{
    switch (rule_class) {
    case CLASS_PROOF:
    case CLASS_STRONG:
        return "error";
    case CLASS_POISON:
        return "warning";
    case CLASS_EXTERNAL:
    case CLASS_HINT:
    default:
        return "note";
    }
}

/* A path as a URI reference: RFC 3986, unreserved characters and the slash as they are. */
static void
add_uri(struct text *out, const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    text_add(out, path[0] == '/' ? "\"file://" : "\"");
    for (const char *p = path; *p != '\0'; p++) {
        if (strchr(plain, *p) != NULL)
            text_add_bytes(out, bytes_of((const uint8_t *)p, 1));
        else
            text_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
    text_add(out, "\"");
}

static void
add_physical(struct text *out, const struct lint_sarif_result *result)
{
    text_add(out, "\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
    add_uri(out, result->file);
    text_add(out, "}");
    if (result->line > 0)
        text_addf(out, ",\"region\":{\"startLine\":%zu}", result->line);
    else if (result->n_bytes > 0)
        text_addf(out, ",\"region\":{\"byteOffset\":%zu,\"byteLength\":%zu}", result->offset,
                  result->n_bytes);
    text_add(out, "}");
}

/* "checkout/7f3a@10.2.0.17/5be1-7/3": service, instance, segment, span. */
static void
add_name(struct text *out, const struct lint_sarif_result *result)
{
    struct text name = TEXT_EMPTY;
    text_add_bytes(&name, result->service);
    text_add(&name, "/");
    text_add_bytes(&name, result->instance);
    text_add(&name, "/");
    text_add_bytes(&name, result->segment);
    if (result->has_span)
        text_addf(&name, "/%d", result->span);
    text_add_json(out, text_bytes(&name));
    text_fini(&name);
}

static void
add_place(struct text *out, const struct lint_sarif_result *result)
{
    bool is_named = result->service.n + result->instance.n + result->segment.n > 0;
    if (result->file == NULL && !is_named)
        return;
    text_add(out, ",\"locations\":[{");
    if (result->file != NULL)
        add_physical(out, result);
    if (is_named) {
        text_addf(out, "%s\"logicalLocations\":[{\"fullyQualifiedName\":",
                  result->file != NULL ? "," : "");
        add_name(out, result);
        text_add(out, ",\"kind\":\"element\"}]");
    }
    text_add(out, "}]");
    if (!is_named)
        return;
    text_add(out, ",\"partialFingerprints\":{\"segmentSpanRule/v1\":");
    add_name(out, result);
    text_add(out, "}");
}

void
lint_sarif_begin(struct lint_sarif *sarif, struct text *out)
{
    *sarif = (struct lint_sarif){.out = out};
    text_add(out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
                  "\"version\":\"2.1.0\",\n\"runs\":[{\"columnKind\":\"unicodeCodePoints\","
                  "\"results\":[");
}

void
lint_sarif_add(struct lint_sarif *sarif, const struct lint_sarif_result *result)
{
    struct text *out = sarif->out;
    text_addf(out, "%s\n {\"ruleId\":\"%s\",\"ruleIndex\":%u,\"kind\":\"fail\",\"level\":\"%s\",",
              sarif->n_results++ > 0 ? "," : "", rule_row(result->rule)->name,
              (unsigned)result->rule, level_of(result->rule_class));
    text_add(out, "\"message\":{\"text\":");
    text_add_json(out, bytes_str(result->message));
    text_add(out, "}");
    add_place(out, result);
    text_addf(out, ",\"properties\":{\"class\":\"%s\"}}", rule_class_label(result->rule_class));
}

void
lint_sarif_note(struct lint_sarif *sarif, const char *file, const char *words)
{
    struct text *out = &sarif->notes;
    if (sarif->n_notes >= MAX_NOTES) {
        sarif->n_notes_left_out++;
        return;
    }
    text_addf(out,
              "%s\n {\"level\":\"error\",\"message\":{\"text\":", sarif->n_notes++ > 0 ? "," : "");
    text_add_json(out, bytes_str(words));
    text_add(out, "}");
    if (file != NULL) {
        text_add(out, ",\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
        add_uri(out, file);
        text_add(out, "}}}]");
    }
    text_add(out, "}");
}

static void
add_rules(struct text *out)
{
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        const struct rule_row *row = rule_row((enum rule)i);
        text_addf(out, "%s\n {\"id\":\"%s\",\"shortDescription\":{\"text\":", i > 0 ? "," : "",
                  row->name);
        text_add_json(out, bytes_str(row->sentence));
        text_addf(out,
                  "},\"defaultConfiguration\":{\"level\":\"%s\"},"
                  "\"properties\":{\"class\":\"%s\",\"action\":\"%s\"}}",
                  level_of(row->rule_class), rule_class_label(row->rule_class),
                  rule_action_label(row->action));
    }
}

static void
add_invocation(struct lint_sarif *sarif, const struct lint_sarif_run *run)
{
    struct text *out = sarif->out;
    text_addf(out, "\"invocations\":[{\"executionSuccessful\":%s",
              run->is_successful ? "true" : "false");
    if (run->command != NULL) {
        text_add(out, ",\"commandLine\":");
        text_add_json(out, bytes_str(run->command));
        if (run->signal != 0)
            text_addf(out, ",\"exitSignalNumber\":%d", run->signal);
        else
            text_addf(out, ",\"exitCode\":%d", run->exit_code);
    }
    if (sarif->n_notes_left_out > 0)
        text_addf(&sarif->notes, ",\n {\"level\":\"error\",\"message\":{\"text\":\"and %u more\"}}",
                  sarif->n_notes_left_out);
    text_add(out, ",\"toolExecutionNotifications\":[");
    text_add_bytes(out, text_bytes(&sarif->notes));
    text_add(out, "]}]");
}

void
lint_sarif_end(struct lint_sarif *sarif, const struct lint_sarif_run *run)
{
    struct text *out = sarif->out;
    text_add(out, "],\n");
    add_invocation(sarif, run);
    text_addf(out, ",\n\"tool\":{\"driver\":{\"name\":\"spangate\",\"version\":\"%s\",\"rules\":[",
              SPANGATE_VERSION);
    add_rules(out);
    text_add(out, "]}}}]}\n");
    text_fini(&sarif->notes);
}
