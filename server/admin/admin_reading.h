/* Reads quarantine in steps between the loop's other work. */
/* SPDX-License-Identifier: Apache-2.0 */
/* On the control thread. Several readings take turns, a step of about 1 MiB each. */
#ifndef ADMIN_ADMIN_READING_H
#define ADMIN_ADMIN_READING_H

#include <stdbool.h>

#include "net/loop.h"
#include "store/quarantine_reader.h"

/* Where maps come from: late, on this thread, once; NULL: there will be none. */
typedef void admin_map_fn(void *ctx, struct spool_map *);
struct admin_map_source {
    void *ctx;
    void (*ask)(void *ctx, admin_map_fn *, void *map_ctx);
};

struct admin_readings;
struct admin_readings *admin_readings_new(struct loop *, const char *path,
                                          const struct admin_map_source *);
/* Readings end without a word. Maps that were asked for may still come. */
void admin_readings_free(struct admin_readings **);

struct admin_reading;
struct admin_reading_settings {
    struct quarantine_range range;
    quarantine_record_fn *on_record;
    /* The last word; the reading is gone. map: what was read; NULL: there was none. */
    void (*on_end)(void *ctx, const struct spool_map *map);
    void *ctx;
};
struct admin_reading *admin_reading_start(struct admin_readings *,
                                          const struct admin_reading_settings *);
/* No on_end follows. */
void admin_reading_stop(struct admin_reading **);

#endif
