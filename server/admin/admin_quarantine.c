/* What is set aside, for operators: the routes, and the requests that wait for their answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_quarantine.h"

#include "admin/admin_quarantine_int.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/quarantine_id.h"

enum { MAX_QUERIES = 16 };

static const struct admin_route routes[] = {
    {"GET", "/api/v1/quarantine", admin_quarantine_list},
    {"GET", "/api/v1/quarantine/stats", admin_quarantine_stats},
    {"POST", "/api/v1/quarantine/replay", admin_quarantine_replay_many},
    {"POST", "/api/v1/quarantine/remove", admin_quarantine_remove_many},
    {"GET", "/api/v1/quarantine/*", admin_quarantine_get},
    {"DELETE", "/api/v1/quarantine/*", admin_quarantine_remove_one},
    {"POST", "/api/v1/quarantine/*/replay", admin_quarantine_replay_one},
};

struct admin_quarantine *
admin_quarantine_new(struct loop *loop, const struct admin_quarantine_source *source)
{
    struct admin_quarantine *quarantine = mem_new(struct admin_quarantine);
    quarantine->magic = ADMIN_QUARANTINE_MAGIC;
    quarantine->loop = loop;
    quarantine->source = *source;
    quarantine->routes = (struct admin_routes){
        .routes = routes, .n = sizeof(routes) / sizeof(routes[0]), .ctx = quarantine};
    segment_view_init(&quarantine->view);
    LIST_INIT(&quarantine->queries);
    if (source->why_not == NULL) {
        struct admin_map_source maps = {.ctx = source->ctx, .ask = source->map};
        quarantine->readings = admin_readings_new(loop, source->path, &maps);
    }
    return quarantine;
}

const struct admin_routes *
admin_quarantine_routes(const struct admin_quarantine *quarantine)
{
    return &quarantine->routes;
}

static void
free_count(void *ctx, struct bytes key, void *value)
{
    (void)ctx;
    (void)key;
    mem_free(value);
}

static void
free_counts(struct map **map)
{
    if (*map != NULL)
        map_each(*map, free_count, NULL);
    map_free(map);
}

static void
free_query(struct admin_query *query)
{
    LIST_REMOVE(query, link);
    query->quarantine->n_queries--;
    if (query->reading != NULL)
        admin_reading_stop(&query->reading);
    text_fini(&query->out);
    filter_free(&query->filter);
    mem_free(query->rule);
    mem_free(query->service);
    free_counts(&query->by_rule);
    free_counts(&query->by_service);
    mem_free(query->replay.items);
    mem_free(query);
}

void
admin_quarantine_free(struct admin_quarantine **where)
{
    struct admin_quarantine *quarantine = *where;
    if (quarantine == NULL)
        return;
    while (!LIST_EMPTY(&quarantine->queries))
        free_query(LIST_FIRST(&quarantine->queries));
    admin_readings_free(&quarantine->readings);
    segment_view_fini(&quarantine->view);
    quarantine->magic = 0;
    mem_free(quarantine);
    *where = NULL;
}

/* What only reads ends with its client. A change under way goes on to a good end. */
static void
on_gone(void *ctx)
{
    struct admin_query *query = ctx;
    query->pending = NULL;
    query->replay.is_cancelled = true;
    if (query->reading != NULL)
        free_query(query);
}

struct admin_query *
admin_query_new(struct admin_quarantine *quarantine, struct http1_request *request)
{
    if (quarantine->n_queries == MAX_QUERIES) {
        admin_answer_error(request, 503, "too many requests about quarantine at once");
        return NULL;
    }
    struct admin_query *query = mem_new(struct admin_query);
    query->quarantine = quarantine;
    query->pending = http1_defer(request, on_gone, query);
    LIST_INSERT_HEAD(&quarantine->queries, query, link);
    quarantine->n_queries++;
    return query;
}

void
admin_query_answer(struct admin_query **query, int status)
{
    if ((*query)->pending != NULL)
        http1_pending_answer(&(*query)->pending, status, ADMIN_JSON, text_bytes(&(*query)->out));
    free_query(*query);
    *query = NULL;
}

void
admin_query_fail(struct admin_query **query, int status, const char *words)
{
    text_clear(&(*query)->out);
    admin_error_json(&(*query)->out, words);
    admin_query_answer(query, status);
}

void
admin_query_read(struct admin_query *query, struct quarantine_range range,
                 quarantine_record_fn *on_record, void (*on_end)(void *, const struct spool_map *))
{
    struct admin_reading_settings settings = {
        .range = range, .on_record = on_record, .on_end = on_end, .ctx = query};
    query->reading = admin_reading_start(query->quarantine->readings, &settings);
}

bool
admin_quarantine_is_there(const struct admin_quarantine *quarantine, struct http1_request *request)
{
    CHECK_OBJ(quarantine, ADMIN_QUARANTINE_MAGIC);
    if (quarantine->source.why_not == NULL)
        return true;
    admin_answer_error(request, 503, quarantine->source.why_not);
    return false;
}

bool
admin_quarantine_id_of(struct http1_request *request, struct bytes element, uint64_t *sequence)
{
    if (quarantine_id_parse(element, sequence))
        return true;
    admin_answer_error(request, 404, "an id looks like q-001A");
    return false;
}
