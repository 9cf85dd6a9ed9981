/* quarantine explain: a message as a tree, why it was set aside, and what to do. */
/* SPDX-License-Identifier: Apache-2.0 */
/* What it means comes from the table of rules, what lies behind it from the diagnoses that the
 * service holds of the instance. */
#include <ctype.h>
#include <inttypes.h>

#include "base/rule_text.h"
#include "command/aside_record.h"
#include "command/command_quarantine.h"

enum { SHOWN_ID = 150, SHOWN_NAME = 80, SHOWN_WORDS = 1000, LABEL = 6 };
enum { MAX_FINDINGS = 8 }; /* of an instance, told */

struct explain {
    const struct command_quarantine *q;
    struct aside_judge judge;
    struct text out;
};

/* Adds a paragraph and clears it; only the first of a row keeps its label. */
static void
add_paragraph(struct text *out, const char **label, struct text *words)
{
    if (words->n > 0) {
        text_addf(out, "%-*s", LABEL, *label);
        command_add_wrapped(out, text_bytes(words), LABEL, LABEL);
        *label = "";
    }
    text_clear(words);
}

static void
add_name(struct text *out, struct bytes service, struct bytes instance)
{
    text_add_plain(out, service.n > 0 ? service : BYTES("(no service)"), SHOWN_NAME);
    text_add(out, " ");
    text_add_plain(out, instance.n > 0 ? instance : BYTES("(no instance)"), SHOWN_NAME);
}

static bool
has_name(const struct json_tree *item)
{
    return json_tree_text(item, "service").n + json_tree_text(item, "service_instance").n > 0;
}

static void
add_head(struct text *out, const struct aside_record *record)
{
    const struct json_tree *item = record->item;
    const struct segment_view *segment = aside_record_segment(record);
    if (segment != NULL) {
        text_add(out, "segment ");
        text_add_plain(out, segment->segment_id, SHOWN_ID);
    } else {
        text_addf(out, "%" PRId64 " bytes to ", json_tree_number(item, "bytes"));
        text_add_plain(out, json_tree_text(item, "method"), SHOWN_NAME);
    }
    text_add(out, ", ");
    if (has_name(item)) {
        add_name(out, json_tree_text(item, "service"), json_tree_text(item, "service_instance"));
        text_add(out, ", ");
    }
    text_add_plain(out, json_tree_text(item, "received"), SHOWN_NAME);
    if (segment != NULL) {
        text_addf(out, ", %u span%s, trace ", segment->n_spans, segment->n_spans == 1 ? "" : "s");
        text_add_plain(out, segment->trace_id, SHOWN_ID);
    }
    text_add(out, "\n");
}

/* Why: the rule that decided, in the words of the catalogue. */
static void
add_reason(struct text *out, const struct aside_record *record)
{
    if (record->reason == RULE_COUNT) {
        text_add(out, "The backend refused this message alone and again, while it took others; a "
                      "batch with it would be refused for ever. [rejected-by-backend]");
        return;
    }
    const struct rule_row *row = rule_row(record->reason);
    const struct rule_text *words = rule_text(record->reason);
    text_addf(out, "%c%s [%s, %s].", toupper((unsigned char)row->sentence[0]), row->sentence + 1,
              row->name,
              rule_class_label(record->is_judged
                                   ? integrity_found_class(&record->judgement, record->reason,
                                                           record->judgement.agent)
                                   : row->rule_class));
    if (words != NULL)
        text_addf(out, " %s OAP without the gate: %s", words->healthy, words->oap);
}

static void
add_others(struct text *out, const struct aside_record *record)
{
    const struct judgement *judgement = &record->judgement;
    for (uint32_t i = 0; i < RULE_COUNT && record->is_judged; i++) {
        if ((judgement->rules >> i & 1) == 0 || record->reason == (enum rule)i)
            continue;
        text_addf(
            out, "%s%s (%s) %" PRIu32,
            out->n > 0 ? ", " : "Found in it besides: ", rule_row((enum rule)i)->name,
            rule_class_label(integrity_found_class(judgement, (enum rule)i, judgement->agent)),
            judgement->n_counts[i]);
    }
    if (out->n > 0)
        text_add(out, ".");
}

struct counts {
    struct text *out;
    unsigned n;
};

static bool
add_count(void *ctx, struct bytes name, const struct json_tree *value)
{
    struct counts *counts = ctx;
    if (json_tree_value(value) == 0)
        return true;
    if (counts->n++ == MAX_FINDINGS) {
        text_add(counts->out, " and others");
        return false;
    }
    text_add(counts->out, counts->n == 1 ? ": " : ", ");
    text_add_plain(counts->out, name, SHOWN_NAME);
    text_addf(counts->out, " %" PRId64, json_tree_value(value));
    return true;
}

/* What the service saw of the instance since it started. */
static void
add_evidence(struct text *out, const struct json_tree *item, const struct json_tree *instance)
{
    if (instance == NULL) {
        text_add(out, has_name(item)
                          ? "Nothing is known of this instance: it has been silent for long, or "
                            "spangate was restarted since."
                          : "Its bytes do not say whose it is.");
        return;
    }
    struct bytes language = json_tree_text(instance, "language");
    add_name(out, json_tree_text(instance, "service"),
             json_tree_text(instance, "service_instance"));
    if (language.n > 0) {
        text_add(out, " (");
        text_add_plain(out, language, SHOWN_NAME);
        text_add(out, ")");
    }
    text_addf(out, " reported %" PRId64 " segments, %.2f %% of them damaged",
              json_tree_number(instance, "segments"), 100 * json_tree_real(instance, "bad_ratio"));
    json_tree_each(json_tree_member(instance, "findings"), add_count, &(struct counts){.out = out});
    text_add(out, ".");
}

static void
add_diagnosis(struct text *out, const struct json_tree *diagnosis)
{
    static const char *const parts[] = {"code", "name", "confidence", "since", "text", "evidence"};
    static const char *const before[] = {"", " ", ", ", " confidence, since ", ": ", " Evidence: "};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct bytes value = json_tree_text(diagnosis, parts[i]);
        if (value.n == 0)
            continue;
        text_add(out, before[i]);
        text_add_plain(out, value, SHOWN_WORDS);
    }
}

static void
add_why(struct text *out, const struct aside_record *record, const struct json_tree *instance)
{
    const struct json_tree *diagnoses = json_tree_member(instance, "diagnoses");
    const char *label = "why";
    struct text words = TEXT_EMPTY;
    add_reason(&words, record);
    add_paragraph(out, &label, &words);
    add_others(&words, record);
    add_paragraph(out, &label, &words);
    add_evidence(&words, record->item, instance);
    add_paragraph(out, &label, &words);
    for (size_t i = 0; i < json_tree_n(diagnoses); i++) {
        add_diagnosis(&words, json_tree_at(diagnoses, i));
        add_paragraph(out, &label, &words);
    }
    text_fini(&words);
}

/* Next: what the diagnoses say, else the catalogue. */
static void
add_next(struct text *out, const struct aside_record *record, const struct json_tree *instance)
{
    const struct json_tree *diagnoses = json_tree_member(instance, "diagnoses");
    const struct rule_text *rule = record->reason != RULE_COUNT ? rule_text(record->reason) : NULL;
    const char *label = "next";
    struct text words = TEXT_EMPTY;
    for (size_t i = 0; i < json_tree_n(diagnoses); i++) {
        text_add_plain(&words, json_tree_text(json_tree_at(diagnoses, i), "next"), SHOWN_WORDS);
        add_paragraph(out, &label, &words);
    }
    if (record->reason == RULE_COUNT)
        text_add(&words, "Look into OAP's log at the time it was received; after OAP is mended, "
                         "replay it.");
    else if (rule != NULL)
        text_add(&words, rule->advice);
    add_paragraph(out, &label, &words);
    text_fini(&words);
}

/* Of an answer that has only those of its name, unless the name was cut. */
static const struct json_tree *
find_instance(const struct json_tree *instances, const struct json_tree *item)
{
    const struct json_tree *list = json_tree_member(instances, "instances");
    for (size_t i = 0; i < json_tree_n(list); i++) {
        const struct json_tree *one = json_tree_at(list, i);
        if (bytes_equal(json_tree_text(one, "service"), json_tree_text(item, "service")) &&
            bytes_equal(json_tree_text(one, "service_instance"),
                        json_tree_text(item, "service_instance")))
            return one;
    }
    return NULL;
}

static void
add_text(struct explain *explain, const struct aside_record *record,
         const struct json_tree *instance)
{
    struct text *out = &explain->out;
    if (out->n > 0)
        text_add(out, "\n");
    add_head(out, record);
    aside_record_draw(out, record, explain->q->in->color);
    add_why(out, record, instance);
    add_next(out, record, instance);
}

static void
add_json_words(struct text *out, const char *name, const struct text *words)
{
    text_addf(out, ",\"%s\":", name);
    text_add_json(out, text_bytes(words));
}

/* The catalogue's words, and what the service says of the instance as it said it. */
static void
add_json(struct explain *explain, const struct aside_record *record,
         const struct json_tree *instance)
{
    struct text *out = &explain->out, words = TEXT_EMPTY;
    const struct rule_text *rule = record->reason != RULE_COUNT ? rule_text(record->reason) : NULL;
    text_add(out, "{\"id\":");
    text_add_json(out, json_tree_text(record->item, "id"));
    text_add(out, ",\"rule\":");
    text_add_json(out, json_tree_text(record->item, "rule"));
    add_reason(&words, record);
    add_json_words(out, "why", &words);
    text_clear(&words);
    text_add(&words, rule != NULL ? rule->advice : "");
    add_json_words(out, "next", &words);
    text_add(out, ",\"instance\":");
    if (instance != NULL)
        json_tree_write(instance, out);
    else
        text_add(out, "null");
    text_add(out, "}\n");
    text_fini(&words);
}

static void
add_value(struct text *path, const char *name, struct bytes value)
{
    struct text copy = TEXT_EMPTY;
    text_add_bytes(&copy, value);
    admin_client_add_query(path, name, copy.n > 0 ? copy.p : "");
    text_fini(&copy);
}

static int
ask_instance(const struct explain *explain, const struct json_tree *item, struct json_tree **out)
{
    struct text path = TEXT_EMPTY;
    text_add(&path, "/api/v1/instances?limit=1");
    add_value(&path, "service", json_tree_text(item, "service"));
    add_value(&path, "service_instance", json_tree_text(item, "service_instance"));
    int result =
        admin_client_call(&explain->q->client, &(struct admin_client_call){.path = path.p}, out);
    text_fini(&path);
    return result;
}

static int
explain_one(struct explain *explain, const char *id)
{
    struct json_tree *item, *instances = NULL;
    struct aside_record record;
    int result = command_quarantine_fetch(explain->q, id, &item);
    if (result == COMMAND_OK && has_name(item))
        result = ask_instance(explain, item, &instances);
    if (result != COMMAND_OK) {
        json_tree_free(&item);
        return result;
    }
    const struct json_tree *instance = find_instance(instances, item);
    enum agent_language language = agent_language_of(json_tree_text(instance, "language"));
    if (!aside_record_open(&record, item, &explain->judge, language)) {
        command_tell(explain->q->in, "%s: its payload is no base64", id);
        result = COMMAND_DATA;
    } else {
        if (explain->q->is_json)
            add_json(explain, &record, instance);
        else
            add_text(explain, &record, instance);
        aside_record_close(&record);
    }
    json_tree_free(&instances);
    json_tree_free(&item);
    return result;
}

int
command_quarantine_explain(const struct command_quarantine *q)
{
    struct explain explain = {.q = q};
    struct command_quarantine_ids ids = {.n = 0};
    int result = command_quarantine_pick(q, &ids);
    aside_judge_init(&explain.judge, q->client.conf);
    for (uint32_t i = 0; i < ids.n && (result == COMMAND_OK || result == COMMAND_NO_INPUT); i++) {
        int explained = explain_one(&explain, ids.ids[i]);
        result = explained != COMMAND_OK ? explained : result;
    }
    int written = command_write(&explain.out);
    aside_judge_fini(&explain.judge);
    command_quarantine_ids_fini(&ids);
    return result != COMMAND_OK ? result : written;
}
