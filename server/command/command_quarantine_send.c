/* quarantine replay --to: from here to another endpoint; the records stay in quarantine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "command/aside_record.h"
#include "command/caller.h"
#include "command/command_quarantine.h"
#include "command/progress.h"

enum { MOST_RATE = 10000 };

struct sender {
    const struct command_quarantine *q;
    struct aside_judge judge;
    struct caller *caller;
    bool is_as_is;
    uint64_t n_called, n_taken, n_refused;
    struct text out;
    bool is_taken; /* the record at hand */
    struct text why;
};

/* What goes out; false: nothing may, why says so. */
static bool
choose_payload(struct sender *sender, const struct aside_record *record, struct bytes *out)
{
    *out = record->payload;
    if (aside_record_is_prefix(record))
        text_add(&sender->why, "only its first bytes are kept");
    else if (record->row == NULL)
        text_add(&sender->why, "a method this version does not know");
    else if (!sender->is_as_is && record->is_judged &&
             (record->judgement.verdict == VERDICT_QUARANTINED ||
              record->judgement.verdict == VERDICT_DROPPED))
        text_addf(&sender->why, "no repair cures it (%s); --as-is sends it nevertheless",
                  rule_row(record->judgement.reason)->name);
    else if (!sender->is_as_is && record->is_judged)
        *out = record->judgement.payload;
    return sender->why.n == 0;
}

static int
call(struct sender *sender, const char *path, struct bytes payload)
{
    struct caller_answer answer = {.is_taken = false};
    int result = caller_call(sender->caller, path, payload, &answer);
    sender->n_called += result == COMMAND_OK;
    sender->is_taken = answer.is_taken;
    text_add(&sender->why, answer.why != NULL ? answer.why : "");
    return result;
}

static void
add_result(struct sender *sender, const char *id, bool is_repaired)
{
    struct text *out = &sender->out;
    const char *word = !sender->is_taken ? "refused" : is_repaired ? "repaired" : "replayed";
    sender->n_taken += sender->is_taken;
    sender->n_refused += !sender->is_taken;
    if (sender->q->is_json) {
        text_addf(out,
                  "%s\n  {\"id\": \"%s\", \"result\": \"%s\", \"why\": ", out->n > 0 ? "," : "", id,
                  word);
        text_add_json(out, text_bytes(&sender->why));
        text_add(out, "}");
    } else if (!sender->is_taken || !sender->q->has_choice || sender->q->in->verbose > 0) {
        text_addf(out, "%s  %s%s%s\n", id, word, sender->why.n > 0 ? ": " : "",
                  sender->why.n > 0 ? sender->why.p : "");
    }
}

static int
send_one(struct sender *sender, const char *id)
{
    struct json_tree *item;
    struct aside_record record;
    struct bytes payload;
    int result = command_quarantine_fetch(sender->q, id, &item);
    text_clear(&sender->why);
    sender->is_taken = false;
    if (result == COMMAND_NO_INPUT) { /* told; the others are sent all the same */
        sender->n_refused++;
        return COMMAND_OK;
    }
    if (result != COMMAND_OK)
        return result;
    if (!aside_record_open(&record, item, &sender->judge, LANGUAGE_NONE)) {
        text_add(&sender->why, "its payload is no base64");
        add_result(sender, id, false);
    } else {
        if (choose_payload(sender, &record, &payload))
            result = call(sender, record.row->path, payload);
        if (result == COMMAND_OK)
            add_result(sender, id, !bytes_equal(payload, record.payload));
        aside_record_close(&record);
    }
    json_tree_free(&item);
    return result;
}

static int
write_results(struct sender *sender)
{
    struct text out = TEXT_EMPTY;
    if (sender->q->is_json)
        text_addf(&out,
                  "{\"results\": [%s%s],\n \"summary\": {\"taken\": %" PRIu64
                  ", \"refused\": %" PRIu64 "}}\n",
                  sender->out.n > 0 ? sender->out.p : "", sender->out.n > 0 ? "\n" : "",
                  sender->n_taken, sender->n_refused);
    else
        text_addf(&out, "%s%" PRIu64 " taken by %s, %" PRIu64 " refused; all stay in quarantine\n",
                  sender->out.n > 0 ? sender->out.p : "", sender->n_taken,
                  command_value(sender->q->in, "to"), sender->n_refused);
    text_fini(&sender->out);
    return command_write(&out);
}

static int
send_all(struct sender *sender, const struct command_quarantine_ids *ids)
{
    int result = COMMAND_OK;
    aside_judge_init(&sender->judge, sender->q->client.conf);
    for (uint32_t i = 0; i < ids->n && result == COMMAND_OK; i++) {
        result = send_one(sender, ids->ids[i]);
        progress_tell(sender->q->in, "%" PRIu32 " of %" PRIu32 " sent", i + 1, ids->n);
    }
    if (result == COMMAND_OK || sender->n_called > 0) {
        int written = write_results(sender);
        result = result != COMMAND_OK ? result : written;
    }
    aside_judge_fini(&sender->judge);
    text_fini(&sender->why);
    text_fini(&sender->out);
    return result;
}

int
command_quarantine_send(const struct command_quarantine *q)
{
    struct sender sender = {.q = q, .is_as_is = command_has(q->in, "as-is")};
    struct command_quarantine_ids ids = {.n = 0};
    struct caller_settings settings = {
        .flag = "--to", .address = command_value(q->in, "to"), .token = ""};
    if (!command_number(q->in, "rate", MOST_RATE, &settings.rate))
        return COMMAND_USAGE;
    int result = caller_open(q->in, &settings, &sender.caller);
    if (result == COMMAND_OK)
        result = command_quarantine_pick(q, &ids);
    if (result == COMMAND_OK)
        result = send_all(&sender, &ids);
    command_quarantine_ids_fini(&ids);
    caller_close(&sender.caller);
    if (result != COMMAND_OK)
        return result;
    return sender.n_refused > 0 ? COMMAND_FOUND : COMMAND_OK;
}
