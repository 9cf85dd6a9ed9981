/* quarantine replay and remove: by the service itself, in small portions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "command/command_quarantine.h"
#include "command/progress.h"

/* PORTION: ids a request. BUSY: so often the service is asked again for what it has no room for. */
enum { PORTION = 100, MOST_RATE = 10000, BUSY_ROUNDS = 10, BUSY_WAIT_MS = 1000 };

enum outcome { REPLAYED, REPAIRED, GONE, REFUSED, BUSY, OUTCOMES };
static const char *const outcomes[OUTCOMES] = {"replayed", "repaired", "gone", "refused", "busy"};

struct replay {
    const struct command_quarantine *q;
    const char *mode;
    uint64_t rate;
    struct text out; /* table: a line a result worth telling; json: the results */
    uint64_t n[OUTCOMES];
    struct command_quarantine_ids busy; /* of the round */
};

static void
add_ids(struct text *out, const struct command_quarantine_ids *ids, uint32_t from, uint32_t n)
{
    text_add(out, "{\"ids\":[");
    for (uint32_t i = from; i < from + n; i++)
        text_addf(out, "%s\"%s\"", i > from ? "," : "", ids->ids[i]);
    text_add(out, "]");
}

static enum outcome
outcome_of(const struct json_tree *result)
{
    struct bytes word = json_tree_text(result, "result");
    for (int i = 0; i < OUTCOMES; i++)
        if (bytes_equal(word, bytes_str(outcomes[i])))
            return (enum outcome)i;
    return REFUSED;
}

/* Ids that were given are told one by one; of those that flags chose, what did not go. */
static void
add_result(struct replay *replay, const struct json_tree *result, enum outcome outcome)
{
    bool is_told = !replay->q->has_choice || outcome == REFUSED || outcome == BUSY ||
                   replay->q->in->verbose > 0;
    struct bytes why = json_tree_text(result, "why");
    if (replay->q->is_json) {
        text_add(&replay->out, replay->out.n > 0 ? ",\n  " : "\n  ");
        json_tree_write(result, &replay->out);
        return;
    }
    if (!is_told)
        return;
    text_add_plain(&replay->out, json_tree_text(result, "id"), QUARANTINE_ID_BYTES);
    text_addf(&replay->out, "  %s", outcomes[outcome]);
    if (why.n > 0) {
        text_add(&replay->out, ": ");
        text_add_plain(&replay->out, why, 300);
    }
    text_add(&replay->out, "\n");
}

static void
take_results(struct replay *replay, const struct json_tree *answer, bool is_last_round)
{
    const struct json_tree *results = json_tree_member(answer, "results");
    for (size_t i = 0; i < json_tree_n(results); i++) {
        const struct json_tree *result = json_tree_at(results, i);
        enum outcome outcome = outcome_of(result);
        if (outcome == BUSY && !is_last_round) {
            command_quarantine_add_id(&replay->busy, json_tree_text(result, "id"));
            continue;
        }
        replay->n[outcome]++;
        add_result(replay, result, outcome);
    }
}

/* About a second's worth, so that the rate holds and the call ends. */
static uint32_t
portion(const struct replay *replay, uint32_t n_left)
{
    uint32_t n = replay->rate > 0 && replay->rate < PORTION ? (uint32_t)replay->rate : PORTION;
    return n < n_left ? n : n_left;
}

static int
replay_portion(struct replay *replay, const struct command_quarantine_ids *ids, uint32_t from,
               bool is_last_round, uint32_t *n)
{
    struct text body = TEXT_EMPTY;
    struct json_tree *answer;
    *n = portion(replay, ids->n - from);
    add_ids(&body, ids, from, *n);
    text_addf(&body, ",\"mode\":\"%s\",\"rate\":%" PRIu64 "}", replay->mode, replay->rate);
    int result = admin_client_call(&replay->q->client,
                                   &(struct admin_client_call){.method = "POST",
                                                               .path = "/api/v1/quarantine/replay",
                                                               .body = text_bytes(&body)},
                                   &answer);
    if (result == COMMAND_OK)
        take_results(replay, answer, is_last_round);
    json_tree_free(&answer);
    text_fini(&body);
    return result;
}

/* The service paces a portion; the next one is due when this one's time is over. */
static int
replay_round(struct replay *replay, const struct command_quarantine_ids *ids, bool is_last_round)
{
    int result = COMMAND_OK;
    uint64_t due_us = clock_fresh_us();
    for (uint32_t from = 0, n; from < ids->n && result == COMMAND_OK; from += n) {
        uint64_t now_us = clock_fresh_us();
        if (due_us > now_us)
            poll(NULL, 0, (int)((due_us - now_us) / 1000));
        result = replay_portion(replay, ids, from, is_last_round, &n);
        progress_tell(replay->q->in, "%" PRIu32 " of %" PRIu32 " asked for", from + n, ids->n);
        if (replay->rate > 0)
            due_us = (due_us > now_us ? due_us : now_us) + n * UINT64_C(1000000) / replay->rate;
    }
    return result;
}

static int
replay_all(struct replay *replay, const struct command_quarantine_ids *given)
{
    struct command_quarantine_ids ids = *given;
    int result = COMMAND_OK;
    for (int round = 1; result == COMMAND_OK; round++) {
        result = replay_round(replay, &ids, round == BUSY_ROUNDS);
        if (ids.ids != given->ids)
            command_quarantine_ids_fini(&ids);
        ids = replay->busy;
        replay->busy = (struct command_quarantine_ids){.n = 0};
        if (ids.n == 0)
            break;
        poll(NULL, 0, BUSY_WAIT_MS);
    }
    if (ids.ids != given->ids)
        command_quarantine_ids_fini(&ids);
    return result;
}

static void
add_summary(struct replay *replay)
{
    struct text summary = TEXT_EMPTY;
    for (int i = 0; i < OUTCOMES; i++) {
        if (replay->q->is_json)
            text_addf(&summary, "%s\"%s\": %" PRIu64, i > 0 ? ", " : "", outcomes[i], replay->n[i]);
        else if (replay->n[i] > 0)
            text_addf(&summary, "%s%" PRIu64 " %s", summary.n > 0 ? ", " : "", replay->n[i],
                      outcomes[i]);
    }
    if (replay->q->is_json) {
        struct text results = replay->out;
        replay->out = TEXT_EMPTY;
        text_addf(&replay->out, "{\"results\": [%s%s],\n \"summary\": {%s}}\n",
                  results.n > 0 ? results.p : "", results.n > 0 ? "\n" : "", summary.p);
        text_fini(&results);
    } else {
        text_addf(&replay->out, "%s\n", summary.n > 0 ? summary.p : "nothing to replay");
    }
    text_fini(&summary);
}

static int
read_flags(struct replay *replay)
{
    const struct command_input *in = replay->q->in;
    bool is_as_is = command_has(in, "as-is");
    if (is_as_is && command_has(in, "repair"))
        return command_usage(in, "--as-is or --repair, not both");
    replay->mode = is_as_is ? "as-is" : "repair";
    return command_number(in, "rate", MOST_RATE, &replay->rate) ? COMMAND_OK : COMMAND_USAGE;
}

/* What did not go, of what was given by id; of what flags chose, a record that went meanwhile is
 * nobody's loss. */
static int
exit_of(const struct replay *replay)
{
    uint64_t n_failed = replay->n[REFUSED] + replay->n[BUSY];
    if (!replay->q->has_choice)
        n_failed += replay->n[GONE];
    return n_failed > 0 ? COMMAND_FOUND : COMMAND_OK;
}

static int
replay_here(struct replay *replay)
{
    struct command_quarantine_ids ids = {.n = 0};
    uint64_t n_told = 0;
    int result = command_quarantine_pick(replay->q, &ids);
    if (result == COMMAND_OK)
        result = replay_all(replay, &ids);
    for (int i = 0; i < OUTCOMES; i++)
        n_told += replay->n[i];
    if (result == COMMAND_OK || n_told > 0)
        add_summary(replay);
    int written = command_write(&replay->out);
    command_quarantine_ids_fini(&replay->busy);
    command_quarantine_ids_fini(&ids);
    if (replay->n[REFUSED] > 0 && strcmp(replay->mode, "repair") == 0 && !replay->q->in->quiet)
        command_tell(replay->q->in, "what no repair cures can be sent by --as-is");
    if (result == COMMAND_OK)
        result = written;
    return result == COMMAND_OK ? exit_of(replay) : result;
}

int
command_quarantine_replay(const struct command_quarantine *q)
{
    struct replay replay = {.q = q};
    int result = read_flags(&replay);
    if (result != COMMAND_OK)
        return result;
    if (command_has(q->in, "dry-run"))
        return command_quarantine_dry_run(q, "replayed");
    return command_has(q->in, "to") ? command_quarantine_send(q) : replay_here(&replay);
}

/* remove */

static int
remove_all(const struct command_quarantine *q, const struct command_quarantine_ids *ids,
           uint64_t *n_removed)
{
    int result = COMMAND_OK;
    for (uint32_t from = 0; from < ids->n && result == COMMAND_OK; from += PORTION) {
        struct text body = TEXT_EMPTY;
        struct json_tree *answer;
        uint32_t n = ids->n - from < PORTION ? ids->n - from : PORTION;
        add_ids(&body, ids, from, n);
        text_add(&body, "}");
        result = admin_client_call(&q->client,
                                   &(struct admin_client_call){.method = "POST",
                                                               .path = "/api/v1/quarantine/remove",
                                                               .body = text_bytes(&body)},
                                   &answer);
        *n_removed += (uint64_t)json_tree_number(answer, "removed");
        progress_tell(q->in, "%" PRIu64 " of %" PRIu32 " removed", *n_removed, ids->n);
        json_tree_free(&answer);
        text_fini(&body);
    }
    return result;
}

static int
remove_picked(const struct command_quarantine *q, const struct command_quarantine_ids *ids)
{
    struct text out = TEXT_EMPTY;
    uint64_t n_removed = 0;
    int result = remove_all(q, ids, &n_removed);
    if (result == COMMAND_OK || n_removed > 0)
        text_addf(&out, q->is_json ? "{\"removed\": %" PRIu64 "}\n" : "%" PRIu64 " removed\n",
                  n_removed);
    int written = command_write(&out);
    if (result != COMMAND_OK || written != COMMAND_OK)
        return result != COMMAND_OK ? result : written;
    if (q->has_choice || n_removed == ids->n)
        return COMMAND_OK;
    command_tell(q->in, "%" PRIu64 " of %" PRIu32 " were not in quarantine", ids->n - n_removed,
                 ids->n);
    return COMMAND_FOUND;
}

int
command_quarantine_remove(const struct command_quarantine *q)
{
    struct command_quarantine_ids ids = {.n = 0};
    if (command_has(q->in, "dry-run"))
        return command_quarantine_dry_run(q, "removed");
    int result = command_quarantine_pick(q, &ids);
    if (result == COMMAND_OK && q->has_choice && !command_has(q->in, "yes"))
        result = command_usage(q->in,
                               "%" PRIu32 " match; add --yes to remove them for good, or "
                               "--dry-run to see them",
                               ids.n);
    if (result == COMMAND_OK)
        result = remove_picked(q, &ids);
    command_quarantine_ids_fini(&ids);
    return result;
}
