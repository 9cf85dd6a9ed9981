/* What the files behind the quarantine's routes share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_QUARANTINE_INT_H
#define ADMIN_ADMIN_QUARANTINE_INT_H

#include <sys/queue.h>

#include "admin/admin_quarantine.h"
#include "base/map.h"
#include "base/text.h"
#include "integrity/filter.h"
#include "message/segment.h"

enum { ADMIN_QUARANTINE_MAGIC = 0x51415041 };

struct admin_query;
LIST_HEAD(admin_queries, admin_query);

struct admin_quarantine {
    uint32_t magic;
    struct loop *loop;
    struct admin_quarantine_source source;
    struct admin_readings *readings; /* NULL: none on disk */
    struct admin_routes routes;
    struct segment_view view; /* of the item at hand */
    struct admin_queries queries;
    uint32_t n_queries;
};

/* What is counted for one name. */
struct admin_count {
    uint64_t n;
};

/* A request under way. */
struct admin_query {
    LIST_ENTRY(admin_query) link;
    struct admin_quarantine *quarantine;
    struct http1_pending *pending; /* NULL: the client is gone */
    struct admin_reading *reading; /* NULL: none under way */
    struct text out;
    /* A list. */
    uint32_t limit, n;
    uint64_t last;
    char *rule, *service; /* NULL: any */
    int64_t since_ms;
    struct filter *filter; /* NULL: any */
    /* Figures. */
    uint64_t n_bytes;
    int64_t oldest_ms, newest_ms;
    struct map *by_rule, *by_service; /* to struct admin_count */
    /* Removals and replays. */
    struct admin_replay replay;
    bool is_single; /* one item, named in the path */
};

/* The request is deferred; NULL: too many are, and 503 is answered. */
struct admin_query *admin_query_new(struct admin_quarantine *, struct http1_request *);
/* Answers, if somebody is there, and frees it. */
void admin_query_answer(struct admin_query **, int status);
/* The same with an error in plain words. */
void admin_query_fail(struct admin_query **, int status, const char *words);
/* Reads the range; on_end gets the query. */
void admin_query_read(struct admin_query *, struct quarantine_range, quarantine_record_fn *,
                      void (*on_end)(void *ctx, const struct spool_map *));

/* admin_quarantine_look.c: the routes that read. */
void admin_quarantine_list(void *ctx, struct http1_request *, struct bytes element);
void admin_quarantine_get(void *ctx, struct http1_request *, struct bytes element);
void admin_quarantine_stats(void *ctx, struct http1_request *, struct bytes element);
/* admin_quarantine_change.c: the routes that change. */
void admin_quarantine_replay_many(void *ctx, struct http1_request *, struct bytes element);
void admin_quarantine_replay_one(void *ctx, struct http1_request *, struct bytes element);
void admin_quarantine_remove_many(void *ctx, struct http1_request *, struct bytes element);
void admin_quarantine_remove_one(void *ctx, struct http1_request *, struct bytes element);

/* False: there is none on disk, and 503 is answered. */
bool admin_quarantine_is_there(const struct admin_quarantine *, struct http1_request *);
/* The item that the path names; false: no such name, and 404 is answered. */
bool admin_quarantine_id_of(struct http1_request *, struct bytes element, uint64_t *sequence);

#endif
