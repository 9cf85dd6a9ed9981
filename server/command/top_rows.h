/* What "spangate top" knows of a service: its totals a moment ago and now, and of each instance the
 * last minute. */
/* SPDX-License-Identifier: Apache-2.0 */
/* From GET /api/v1/overview and /api/v1/instances alone. One thread. */
#ifndef COMMAND_TOP_ROWS_H
#define COMMAND_TOP_ROWS_H

#include "integrity/filter.h"
#include "message/json_tree.h"

enum { TOP_NAME = 96, TOP_HISTORY = 60, TOP_MOST_ROWS = 5000 };

enum top_sort { TOP_BY_BAD, TOP_BY_RATE, TOP_BY_SPANS, TOP_BY_SERVICE, TOP_SORT_COUNT };

struct top_row {
    char service[TOP_NAME], instance[TOP_NAME]; /* escaped for a terminal, cut */
    uint64_t key;                               /* of the whole names */
    uint64_t n_segments, n_bad, n_spans;        /* since the instance began */
    double segments_per_s;                      /* of the newest two seconds */
    double bad_share; /* 0..1, of the last minute; of all where nothing came in it */
    struct {
        uint64_t n_segments, n_bad; /* of one interval */
        double elapsed_s;
    } history[TOP_HISTORY];
    uint32_t n_history; /* intervals known; the newest is at (n_history - 1) % TOP_HISTORY */
    char finding[TOP_NAME], diagnosis[TOP_NAME]; /* "" none */
    bool is_error;                               /* the diagnosis's: data or processes are lost */
    bool is_seen;                                /* in the last answer, and meant by the filter */
};

struct top {
    struct json_tree *before, *now; /* overviews; before: NULL at first */
    uint64_t before_us, now_us;
    struct top_row *rows;
    uint32_t n_rows, n_seen;
    int64_t n_instances; /* all there are */
};

/* Takes an overview and an answer to /api/v1/instances over; both are freed by the next or by
 * top_fini. filter: NULL for all. */
void top_take(struct top *, struct json_tree *overview, struct json_tree *instances,
              uint64_t now_us, const struct filter *);
/* Seen rows first, in that order. */
void top_order(struct top *, enum top_sort);
void top_fini(struct top *);
/* Seconds between the two overviews; 0: there is one. */
double top_elapsed_s(const struct top *);
/* How much a number grew in a second: member of a section, or of the top (section NULL). */
double top_rate(const struct top *, const char *section, const char *member);
/* All numbers of an object together, likewise. */
double top_sum_rate(const struct top *, const char *section);
/* Milliseconds below which 99 % of a histogram lie: of what came between the overviews, or of all
 * where nothing did. list: a list of the same place in both, before NULL for none. Negative: it is
 * empty. */
double top_p99_ms(const struct top *, const struct json_tree *before, const struct json_tree *now);

#endif
