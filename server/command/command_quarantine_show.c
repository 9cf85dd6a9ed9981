/* quarantine show: one message, with all that its rules found in it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/arena.h"
#include "command/aside_record.h"
#include "command/command_quarantine.h"
#include "message/message_json.h"

enum { SHOWN_ID = 150, SHOWN_MESSAGE = 4096, SHOWN_BYTES = 256, ROW_BYTES = 16 };
/* Only for fields that came in parts. */
static const size_t arena_bytes = (size_t)1 << 30;

struct show {
    const struct command_quarantine *q;
    struct aside_judge judge;
    struct arena *arena;
    struct text out;
};

static const char *
class_of(const struct aside_record *record, enum rule rule)
{
    const struct judgement *judgement = &record->judgement;
    return rule_class_label(integrity_found_class(judgement, rule, judgement->agent));
}

static void
add_field(struct text *out, const char *name, struct bytes value)
{
    if (value.n == 0)
        return;
    text_addf(out, "%-10s", name);
    text_add_plain(out, value, SHOWN_ID);
    text_add(out, "\n");
}

static void
add_identity(struct text *out, const struct aside_record *record)
{
    const struct json_tree *item = record->item;
    text_add_plain(out, json_tree_text(item, "id"), SHOWN_ID);
    text_add(out, ": ");
    text_add_plain(out, json_tree_text(item, "rule"), SHOWN_ID);
    text_add(out, "\n");
    add_field(out, "received", json_tree_text(item, "received"));
    add_field(out, "method", json_tree_text(item, "method"));
    add_field(out, "service", json_tree_text(item, "service"));
    add_field(out, "instance", json_tree_text(item, "service_instance"));
    add_field(out, "segment", json_tree_text(item, "segment_id"));
    add_field(out, "trace", json_tree_text(item, "trace_id"));
    text_addf(out, "%-10s%" PRId64 "%s\n", "bytes", json_tree_number(item, "bytes"),
              aside_record_is_prefix(record)      ? " kept of a larger message"
              : json_tree_is_true(item, "edited") ? ", edited before"
                                                  : "");
}

static void
add_findings(struct text *out, const struct aside_record *record)
{
    const struct judgement *judgement = &record->judgement;
    bool has_reason = false;
    if (!record->is_judged)
        return;
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        if ((judgement->rules >> i & 1) == 0)
            continue;
        has_reason = has_reason || record->reason == (enum rule)i;
        text_addf(out, "\n%-8" PRIu32 "  %s [%s]: %s", judgement->n_counts[i],
                  rule_row((enum rule)i)->name, class_of(record, (enum rule)i),
                  rule_row((enum rule)i)->sentence);
    }
    if (!has_reason && record->reason != RULE_COUNT)
        text_addf(out, "\n%-8s  %s: %s", "-", rule_row(record->reason)->name,
                  rule_row(record->reason)->sentence);
    text_add(out, "\n");
}

/* "0000  0a 24 35 62 ...  .$5b" */
static void
add_hex(struct text *out, struct bytes bytes)
{
    size_t n = bytes.n < SHOWN_BYTES ? bytes.n : SHOWN_BYTES;
    for (size_t at = 0; at < n; at += ROW_BYTES) {
        char row[ROW_BYTES + 1] = "";
        text_addf(out, "%04zx ", at);
        for (size_t i = 0; i < ROW_BYTES; i++) {
            if (at + i >= n) {
                text_add(out, "   ");
                continue;
            }
            uint8_t c = bytes.p[at + i];
            text_addf(out, " %02x", c);
            row[i] = c >= 0x20 && c < 0x7f ? (char)c : '.';
        }
        text_addf(out, "  %s\n", row);
    }
    if (n < bytes.n)
        text_addf(out, "and %zu more bytes\n", bytes.n - n);
}

/* The tree of a segment; of other messages what they say; else the bytes. */
static void
add_content(struct show *show, const struct aside_record *record)
{
    struct text *out = &show->out, message = TEXT_EMPTY;
    text_add(out, "\n");
    if (aside_record_segment(record) != NULL) {
        aside_record_draw(out, record, show->q->in->color);
        return;
    }
    arena_reset(show->arena);
    bool is_readable =
        record->is_judged &&
        message_json_write(record->row->message, record->payload, show->arena, &message) == ERR_OK;
    if (is_readable) {
        text_add_plain(out, text_bytes(&message), SHOWN_MESSAGE);
        text_add(out, "\n");
    } else {
        add_hex(out, record->payload);
    }
    text_fini(&message);
}

static void
add_json_finding(struct text *out, const struct aside_record *record, enum rule rule)
{
    text_addf(out, "{\"rule\":\"%s\",\"class\":\"%s\",\"count\":%" PRIu32 ",\"means\":",
              rule_row(rule)->name, class_of(record, rule), record->judgement.n_counts[rule]);
    text_add_json(out, bytes_str(rule_row(rule)->sentence));
    text_add(out, "}");
}

/* The item as it came, and the findings. */
static void
add_json(struct text *out, const struct aside_record *record)
{
    const char *comma = "";
    json_tree_write(record->item, out);
    out->n--; /* the closing brace */
    text_add(out, ",\"findings\":[");
    for (uint32_t i = 0; i < RULE_COUNT && record->is_judged; i++) {
        if ((record->judgement.rules >> i & 1) == 0)
            continue;
        text_add(out, comma);
        add_json_finding(out, record, (enum rule)i);
        comma = ",";
    }
    text_add(out, "]}\n");
}

static int
show_one(struct show *show, const char *id, bool is_first)
{
    struct json_tree *item;
    struct aside_record record;
    int result = command_quarantine_fetch(show->q, id, &item);
    if (result == COMMAND_OK && !aside_record_open(&record, item, &show->judge, LANGUAGE_NONE)) {
        command_tell(show->q->in, "%s: its payload is no base64", id);
        result = COMMAND_DATA;
    }
    if (result == COMMAND_OK) {
        if (show->q->is_json) {
            add_json(&show->out, &record);
        } else {
            text_add(&show->out, is_first ? "" : "\n");
            add_identity(&show->out, &record);
            add_findings(&show->out, &record);
            add_content(show, &record);
        }
        aside_record_close(&record);
    }
    json_tree_free(&item);
    return result;
}

int
command_quarantine_show(const struct command_quarantine *q)
{
    struct show show = {.q = q};
    struct command_quarantine_ids ids = {.n = 0};
    int result = command_quarantine_pick(q, &ids);
    aside_judge_init(&show.judge, q->client.conf);
    show.arena = arena_new(arena_bytes);
    for (uint32_t i = 0; i < ids.n; i++) {
        int shown = show_one(&show, ids.ids[i], i == 0);
        result = result == COMMAND_OK ? shown : result;
        if (shown != COMMAND_OK && shown != COMMAND_NO_INPUT)
            break;
    }
    int written = command_write(&show.out);
    arena_free(&show.arena);
    aside_judge_fini(&show.judge);
    command_quarantine_ids_fini(&ids);
    return result != COMMAND_OK ? result : written;
}
