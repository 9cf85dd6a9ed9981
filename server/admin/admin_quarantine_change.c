/* Replays and deletions of what is set aside. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_quarantine_body.h"
#include "admin/admin_quarantine_int.h"
#include "base/mem.h"
#include "store/quarantine_id.h"

/* The body of a change; false: 400 is answered. */
static bool
read_body(struct http1_request *request, struct admin_quarantine_body *body)
{
    const char *why;
    if (admin_quarantine_body_parse(http1_body(request), body, &why))
        return true;
    admin_answer_error(request, 400, why);
    return false;
}

/* Replay. */

static void
add_result(struct text *out, const struct admin_replay_item *item)
{
    static const char *const results[] = {"replayed", "repaired", "gone", "refused", "busy"};
    char id[QUARANTINE_ID_BYTES];
    quarantine_id_fill(item->sequence, id);
    text_addf(out, "{\"id\":\"%s\",\"result\":\"%s\",\"why\":", id, results[item->result]);
    text_add_json(out, bytes_str(item->why != NULL ? item->why : ""));
    text_add(out, "}");
}

static void
on_replay_end(void *ctx)
{
    struct admin_query *query = ctx;
    if (query->is_single) {
        add_result(&query->out, &query->replay.items[0]);
        text_add(&query->out, "\n");
        admin_query_answer(&query, 200);
        return;
    }
    text_add(&query->out, "{\"results\":[");
    for (uint32_t i = 0; i < query->replay.n; i++) {
        text_add(&query->out, i > 0 ? ",\n" : "\n");
        add_result(&query->out, &query->replay.items[i]);
    }
    text_add(&query->out, "]}\n");
    admin_query_answer(&query, 200);
}

static void
start_replay(struct admin_quarantine *quarantine, struct http1_request *request,
             const struct admin_quarantine_body *body, bool is_single)
{
    struct admin_query *query = admin_query_new(quarantine, request);
    if (query == NULL)
        return;
    query->is_single = is_single;
    query->replay = (struct admin_replay){
        .items = mem_new_n(struct admin_replay_item, body->n > 0 ? body->n : 1),
        .n = body->n,
        .is_repair = body->mode == ADMIN_MODE_REPAIR,
        .rate = body->rate,
        .on_end = on_replay_end,
        .ctx = query,
    };
    for (uint32_t i = 0; i < body->n; i++)
        query->replay.items[i].sequence = body->sequences[i];
    if (!quarantine->source.replay(quarantine->source.ctx, &query->replay))
        admin_query_fail(&query, 409, "another replay is under way");
}

void
admin_quarantine_replay_many(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    struct admin_quarantine_body body;
    (void)element;
    if (!admin_quarantine_is_there(quarantine, request) || !read_body(request, &body))
        return;
    if (!body.has_ids || body.mode == ADMIN_MODE_NONE)
        admin_answer_error(request, 400,
                           body.has_ids ? "mode is as-is or repair" : "ids are missing");
    else
        start_replay(quarantine, request, &body, false);
    admin_quarantine_body_fini(&body);
}

void
admin_quarantine_replay_one(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    struct admin_quarantine_body body;
    uint64_t sequence;
    if (!admin_quarantine_is_there(quarantine, request) ||
        !admin_quarantine_id_of(request, element, &sequence) || !read_body(request, &body))
        return;
    if (body.has_ids || body.has_rate || body.mode == ADMIN_MODE_NONE) {
        admin_answer_error(request, 400,
                           body.has_ids    ? "the id stands in the path"
                           : body.has_rate ? "a rate is for several ids"
                                           : "mode is as-is or repair");
    } else {
        body.sequences[0] = sequence;
        body.n = 1;
        start_replay(quarantine, request, &body, true);
    }
    admin_quarantine_body_fini(&body);
}

/* Deletion. */

static void
on_removed(void *ctx, const bool *was_there, uint32_t n, enum err err)
{
    struct admin_query *query = ctx;
    uint32_t n_removed = 0;
    for (uint32_t i = 0; i < n; i++)
        n_removed += was_there[i];
    if (err != ERR_OK) {
        admin_query_fail(&query, 503, err_words(err));
        return;
    }
    if (query->is_single && n_removed == 0) {
        admin_query_fail(&query, 404, "there is no such item: replayed, deleted or expired");
        return;
    }
    text_addf(&query->out, "{\"removed\":%u}\n", n_removed);
    admin_query_answer(&query, 200);
}

static void
start_removal(struct admin_quarantine *quarantine, struct http1_request *request,
              const uint64_t *sequences, uint32_t n, bool is_single)
{
    struct admin_query *query = admin_query_new(quarantine, request);
    if (query == NULL)
        return;
    query->is_single = is_single;
    quarantine->source.remove(quarantine->source.ctx, sequences, n, on_removed, query);
}

void
admin_quarantine_remove_many(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    struct admin_quarantine_body body;
    (void)element;
    if (!admin_quarantine_is_there(quarantine, request) || !read_body(request, &body))
        return;
    if (!body.has_ids || body.has_rate || body.mode != ADMIN_MODE_NONE)
        admin_answer_error(request, 400,
                           body.has_ids ? "the body has ids, nothing else" : "ids are missing");
    else
        start_removal(quarantine, request, body.sequences, body.n, false);
    admin_quarantine_body_fini(&body);
}

void
admin_quarantine_remove_one(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    uint64_t sequence;
    if (admin_quarantine_is_there(quarantine, request) &&
        admin_quarantine_id_of(request, element, &sequence))
        start_removal(quarantine, request, &sequence, 1, true);
}
