/* Between the files that read Satellite's settings and the one that turns them into ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CONF_SATELLITE_INT_H
#define CONF_CONF_SATELLITE_INT_H

#include "conf/conf_int.h"
#include "conf/conf_satellite.h"
#include "tables/satellite.h"

#define SATELLITE_TOKEN(token, variable, key, how, setting, words) SATELLITE_##token,
enum satellite_token { SATELLITES(SATELLITE_TOKEN) SATELLITE_COUNT };
#undef SATELLITE_TOKEN

enum satellite_how {
    SATELLITE_HOW_TEXT,
    SATELLITE_HOW_FLAG,
    SATELLITE_HOW_COUNT,
    SATELLITE_HOW_LISTEN,
    SATELLITE_HOW_BACKENDS,
    SATELLITE_HOW_BROKERS,
    SATELLITE_HOW_SECONDS,
    SATELLITE_HOW_SPAN,
    SATELLITE_HOW_LEVEL,
    SATELLITE_HOW_TLS_CLIENT,
    SATELLITE_HOW_TLS_KAFKA,
    SATELLITE_HOW_TLS_SERVER,
    SATELLITE_HOW_EXPORT,
    SATELLITE_HOW_OAP,
    SATELLITE_HOW_OAP_SECONDS,
    SATELLITE_HOW_FINDER,
    SATELLITE_HOW_KUBERNETES,
    SATELLITE_HOW_FIXED,
    SATELLITE_HOW_QUEUE,
    SATELLITE_HOW_PARTITION,
    SATELLITE_HOW_SEGMENT,
    SATELLITE_HOW_SEGMENTS,
    SATELLITE_HOW_DIRECTORY,
    SATELLITE_HOW_FLUSH,
    SATELLITE_HOW_MOST,
    SATELLITE_HOW_LEAST_MILLIS,
    SATELLITE_HOW_PROPERTY,
    SATELLITE_HOW_ACKS,
    SATELLITE_HOW_CODEC,
    SATELLITE_HOW_MINUTES,
    SATELLITE_HOW_TOPIC,
    SATELLITE_HOW_PLUGIN,
    SATELLITE_HOW_SILENT,
    SATELLITE_HOW_NONE,
};

struct satellite_row {
    const char *variable, *key;
    enum satellite_how how;
    const char *setting, *words;
};
const struct satellite_row *satellite_row_at(enum satellite_token);

/* What was found for one row; several pipes may have set it. */
struct satellite_slot {
    const char *value; /* the first; NULL: nothing was found */
    const char *from;
    uint32_t line;
    uint32_t n;           /* how often */
    uint64_t least, most; /* of those that are whole numbers */
    bool is_bad;          /* one of them is no whole number, where one is wanted */
};

struct conf_satellite {
    struct arena *arena;
    struct satellite_slot slots[SATELLITE_COUNT];
    uint64_t n_events;      /* all memory queues together */
    uint64_t n_spool_bytes; /* all queues on disk together */
    bool is_file;           /* else variables alone */
    bool has_no_room;       /* of the arena */
    struct text topics, properties;
    struct conf_satellite_item *items;
    uint32_t n_items, size;
};

struct conf_satellite *conf_satellite_new(void);
/* Strings are kept in the arena. */
void conf_satellite_take(struct conf_satellite *, enum satellite_token, const char *from,
                         uint32_t line, const char *value);
void conf_satellite_add(struct conf_satellite *, const struct conf_satellite_item *);
const char *conf_satellite_keep(struct conf_satellite *, const char *);
/* All that was taken becomes items. */
void conf_satellite_conclude(struct conf_satellite *);
/* conf_satellite_turn.c: the slot of the token, which has a value, becomes an item or several. */
void conf_satellite_turn(struct conf_satellite *, enum satellite_token);
/* A value of Satellite as a whole number; false: it is none, or beyond 2^53. */
bool conf_satellite_number(const char *value, uint64_t *out);
/* Go's "1m30s", "500ms"; *ms is rounded up from smaller units. False: not one. */
bool conf_satellite_span(const char *value, uint64_t *ms);

#endif
