/* Which records of the quarantine are meant: ids given, or what flags choose, page by page. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "command/command_quarantine.h"
#include "command/progress.h"

enum { PAGE = 1000 };

static void
add_page_path(const struct command_quarantine *q, uint64_t n, const char *before, struct text *out)
{
    text_addf(out, "/api/v1/quarantine?limit=%" PRIu64, n);
    if (before[0] != '\0')
        admin_client_add_query(out, "before", before);
    if (q->since_ms > 0)
        text_addf(out, "&since=%" PRId64, q->since_ms);
    if (command_value(q->in, "rule") != NULL)
        admin_client_add_query(out, "rule", command_value(q->in, "rule"));
    if (q->filter.n > 0)
        admin_client_add_query(out, "filter", q->filter.p);
}

/* "" where there is no next page. False: it is no id, or the one that was asked from. */
static bool
take_next(const struct json_tree *page, char before[QUARANTINE_ID_BYTES])
{
    struct bytes next = json_tree_text(page, "next");
    uint64_t sequence;
    char id[QUARANTINE_ID_BYTES] = "";
    if (next.n > 0) {
        if (!quarantine_id_parse(next, &sequence))
            return false;
        quarantine_id_fill(sequence, id);
        if (strcmp(id, before) == 0)
            return false;
    }
    memcpy(before, id, sizeof(id));
    return true;
}

int
command_quarantine_each(const struct command_quarantine *q, uint64_t limit,
                        command_quarantine_item_fn *fn, void *ctx)
{
    char before[QUARANTINE_ID_BYTES] = "";
    uint64_t n = 0;
    int result = COMMAND_OK;
    do {
        struct text path = TEXT_EMPTY;
        struct json_tree *page;
        uint64_t left = limit > 0 ? limit - n : PAGE;
        add_page_path(q, left < PAGE ? left : PAGE, before, &path);
        result = admin_client_call(&q->client, &(struct admin_client_call){.path = path.p}, &page);
        const struct json_tree *items = json_tree_member(page, "items");
        for (size_t i = 0; i < json_tree_n(items) && result == COMMAND_OK; i++, n++)
            result = fn(ctx, json_tree_at(items, i));
        if (result == COMMAND_OK && !take_next(page, before)) {
            command_tell(q->in, "%s does not answer as this version does", q->client.address);
            result = COMMAND_UNAVAILABLE;
        }
        json_tree_free(&page);
        text_fini(&path);
        progress_tell(q->in, "%" PRIu64 " looked at", n);
    } while (result == COMMAND_OK && before[0] != '\0' && (limit == 0 || n < limit));
    return result;
}

bool
command_quarantine_add_id(struct command_quarantine_ids *ids, struct bytes id)
{
    uint64_t sequence;
    if (!quarantine_id_parse(id, &sequence))
        return false;
    if (ids->n == ids->size) {
        ids->size = ids->size > 0 ? 2 * ids->size : 64;
        ids->ids = mem_resize(ids->ids, ids->size * sizeof(ids->ids[0]));
    }
    quarantine_id_fill(sequence, ids->ids[ids->n++]);
    return true;
}

static int
pick_item(void *ctx, const struct json_tree *item)
{
    (void)command_quarantine_add_id(ctx, json_tree_text(item, "id"));
    return COMMAND_OK;
}

int
command_quarantine_pick(const struct command_quarantine *q, struct command_quarantine_ids *ids)
{
    const struct command_input *in = q->in;
    if (in->n_arguments > 1 && q->has_choice)
        return command_usage(in, "give IDs or --filter, --rule, --service, --since, not both");
    if (in->n_arguments == 1 && !q->has_choice)
        return command_usage(in, "%s: of what? See: spangate quarantine list", in->arguments[0]);
    for (uint32_t i = 1; i < in->n_arguments; i++)
        if (!command_quarantine_add_id(ids, bytes_str(in->arguments[i])))
            return command_usage(in, "\"%.64s\" is no ID; they look like q-001A", in->arguments[i]);
    return q->has_choice ? command_quarantine_each(q, 0, pick_item, ids) : COMMAND_OK;
}

void
command_quarantine_ids_fini(struct command_quarantine_ids *ids)
{
    mem_free(ids->ids);
    *ids = (struct command_quarantine_ids){.n = 0};
}

int
command_quarantine_fetch(const struct command_quarantine *q, const char *id, struct json_tree **out)
{
    struct text path = TEXT_EMPTY;
    text_addf(&path, "/api/v1/quarantine/%s", id);
    int result = admin_client_call(
        &q->client, &(struct admin_client_call){.path = path.p, .is_missing_quiet = true}, out);
    text_fini(&path);
    if (result == COMMAND_NO_INPUT)
        command_tell(q->in, "%s is not in quarantine: replayed, removed, evicted or never there",
                     id);
    return result;
}
