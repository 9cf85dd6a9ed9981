/* Lists, single items and figures of what is set aside. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/admin_quarantine_int.h"
#include "admin/admin_quarantine_item.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "message/message_json.h"
#include "store/quarantine_id.h"

enum {
    LIST_LIMIT = 100,
    LIST_MAX = 1000,
    MAX_NAMES = 1000, /* counted by themselves; the rest together */
    NAME_BYTES = 256,
    SHOWN_BYTES = 256 * 1024, /* of a message as JSON */
};

/* A list. */

static bool
is_wanted(const struct admin_query *query, const struct quarantine_record *record,
          struct admin_quarantine_item *item)
{
    if (record->received_ms < query->since_ms ||
        (query->rule != NULL && !bytes_equal(record->rule, bytes_str(query->rule))))
        return false;
    admin_quarantine_item_read(item, record, &query->quarantine->view);
    if (query->service != NULL && !bytes_equal(item->service, bytes_str(query->service)))
        return false;
    if (query->filter == NULL)
        return true;
    struct filter_item asked;
    admin_quarantine_item_ask(item, clock_unix_ms(), &asked);
    return filter_matches(query->filter, &asked);
}

static bool
on_list_record(void *ctx, const struct quarantine_record *record)
{
    struct admin_query *query = ctx;
    struct admin_quarantine_item item;
    if (!is_wanted(query, record, &item))
        return true;
    text_add(&query->out, query->n > 0 ? ",\n{" : "\n{");
    admin_quarantine_item_add(&item, &query->out);
    text_add(&query->out, "}");
    query->last = record->sequence;
    return ++query->n < query->limit;
}

static void
on_list_end(void *ctx, const struct spool_map *map)
{
    struct admin_query *query = ctx;
    char id[QUARANTINE_ID_BYTES];
    query->reading = NULL;
    if (map == NULL) {
        admin_query_fail(&query, 503, "the service is ending");
        return;
    }
    quarantine_id_fill(query->last, id);
    if (query->n == query->limit)
        text_addf(&query->out, "],\"next\":\"%s\"}\n", id);
    else
        text_add(&query->out, "],\"next\":null}\n");
    admin_query_answer(&query, 200);
}

static bool
read_before(struct http1_request *request, uint64_t *before)
{
    const char *id = http1_query(request, "before");
    *before = UINT64_MAX;
    if (id == NULL || quarantine_id_parse(bytes_str(id), before))
        return true;
    admin_answer_error(request, 400, "before is an id like q-001A");
    return false;
}

static char *
copy_of(const char *value)
{
    return value != NULL ? mem_string(value) : NULL;
}

void
admin_quarantine_list(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    uint64_t limit, before, since_ms;
    struct filter *filter;
    (void)element;
    if (!admin_quarantine_is_there(quarantine, request) ||
        !admin_query_number(request, "limit", 1, LIST_MAX, LIST_LIMIT, &limit) ||
        !admin_query_number(request, "since", 0, INT64_MAX, 0, &since_ms) ||
        !read_before(request, &before) || !admin_query_filter(request, &filter))
        return;
    char *rule = copy_of(http1_query(request, "rule"));
    char *service = copy_of(http1_query(request, "service"));
    struct admin_query *query = admin_query_new(quarantine, request);
    if (query == NULL) {
        filter_free(&filter);
        mem_free(rule);
        mem_free(service);
        return;
    }
    query->limit = (uint32_t)limit;
    query->since_ms = (int64_t)since_ms;
    query->filter = filter;
    query->rule = rule;
    query->service = service;
    text_add(&query->out, "{\"items\":[");
    struct quarantine_range range = {.before = before, .since_ms = query->since_ms};
    admin_query_read(query, range, on_list_record, on_list_end);
}

/* One item. */

/* The message as JSON, for people's eyes; null where the bytes do not say it or are too many. */
static void
add_message(struct text *out, const struct quarantine_record *record)
{
    const struct method_row *row = method_row(record->method);
    struct arena *arena = arena_new(SHOWN_BYTES);
    text_add(out, ",\"message\":");
    if (row == NULL || record->payload.n > SHOWN_BYTES ||
        message_json_write(row->message, record->payload, arena, out) != ERR_OK)
        text_add(out, "null");
    arena_free(&arena);
}

static bool
on_get_record(void *ctx, const struct quarantine_record *record)
{
    struct admin_query *query = ctx;
    struct admin_quarantine_item item;
    admin_quarantine_item_read(&item, record, &query->quarantine->view);
    text_add(&query->out, "{");
    admin_quarantine_item_add(&item, &query->out);
    text_add(&query->out, ",\"payload\":\"");
    text_add_base64(&query->out, record->payload);
    text_add(&query->out, "\"");
    add_message(&query->out, record);
    text_add(&query->out, "}\n");
    query->n++;
    return false;
}

static void
on_get_end(void *ctx, const struct spool_map *map)
{
    struct admin_query *query = ctx;
    query->reading = NULL;
    if (map == NULL)
        admin_query_fail(&query, 503, "the service is ending");
    else if (query->n == 0)
        admin_query_fail(&query, 404, "there is no such item: replayed, deleted or expired");
    else
        admin_query_answer(&query, 200);
}

void
admin_quarantine_get(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    uint64_t sequence;
    if (!admin_quarantine_is_there(quarantine, request) ||
        !admin_quarantine_id_of(request, element, &sequence))
        return;
    struct admin_query *query = admin_query_new(quarantine, request);
    if (query != NULL)
        admin_query_read(query, (struct quarantine_range){sequence, sequence + 1, INT64_MIN},
                         on_get_record, on_get_end);
}

/* Figures. */

/* By the name as it is written: two that look alike there are one member of the object. Many
 * readers of JSON take no U+0000 in a member's name, so a name ends there. */
static void
count(struct map *map, struct bytes name)
{
    struct text written = TEXT_EMPTY;
    if (name.n > 0)
        name.n = strnlen((const char *)name.p, name.n < NAME_BYTES ? name.n : NAME_BYTES);
    text_add_json(&written, name);
    struct admin_count *one = map_find(map, text_bytes(&written));
    if (one == NULL && map_count(map) >= MAX_NAMES) {
        text_clear(&written);
        text_add(&written, "\"(others)\"");
        one = map_find(map, text_bytes(&written));
    }
    if (one == NULL) {
        one = mem_new(struct admin_count);
        (void)map_put(map, text_bytes(&written), one);
    }
    one->n++;
    text_fini(&written);
}

static bool
on_stats_record(void *ctx, const struct quarantine_record *record)
{
    struct admin_query *query = ctx;
    struct admin_quarantine_item item;
    admin_quarantine_item_read(&item, record, &query->quarantine->view);
    query->n++;
    query->n_bytes += record->payload.n;
    if (query->n == 1 || record->received_ms < query->oldest_ms)
        query->oldest_ms = record->received_ms;
    if (query->n == 1 || record->received_ms > query->newest_ms)
        query->newest_ms = record->received_ms;
    count(query->by_rule, record->rule);
    count(query->by_service, item.service);
    return true;
}

static void
add_count(void *ctx, struct bytes name, void *value)
{
    struct text *out = ctx;
    const struct admin_count *one = value;
    if (out->p[out->n - 1] != '{')
        text_add(out, ",");
    text_add_bytes(out, name);
    text_addf(out, ":%llu", (unsigned long long)one->n);
}

static void
on_stats_end(void *ctx, const struct spool_map *map)
{
    struct admin_query *query = ctx;
    struct text *out = &query->out;
    query->reading = NULL;
    if (map == NULL) {
        admin_query_fail(&query, 503, "the service is ending");
        return;
    }
    text_addf(out, "{\"items\":%u,\"bytes\":%llu,\"capacity_bytes\":%llu,\"oldest\":", query->n,
              (unsigned long long)map->n_bytes,
              (unsigned long long)query->quarantine->source.capacity_bytes);
    admin_add_time(out, query->oldest_ms);
    text_add(out, ",\"newest\":");
    admin_add_time(out, query->newest_ms);
    text_addf(out, ",\"payload_bytes\":%llu,\"by_rule\":{", (unsigned long long)query->n_bytes);
    map_each(query->by_rule, add_count, out);
    text_add(out, "},\"by_service\":{");
    map_each(query->by_service, add_count, out);
    text_add(out, "}}\n");
    admin_query_answer(&query, 200);
}

void
admin_quarantine_stats(void *ctx, struct http1_request *request, struct bytes element)
{
    struct admin_quarantine *quarantine = ctx;
    (void)element;
    if (!admin_quarantine_is_there(quarantine, request))
        return;
    struct admin_query *query = admin_query_new(quarantine, request);
    if (query == NULL)
        return;
    query->by_rule = map_new();
    query->by_service = map_new();
    struct quarantine_range all = {.before = UINT64_MAX, .since_ms = INT64_MIN};
    admin_query_read(query, all, on_stats_record, on_stats_end);
}
