/* Reads quarantine in steps between the loop's other work. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_reading.h"

#include "base/clock.h"
#include "base/mem.h"

struct admin_reading {
    TAILQ_ENTRY(admin_reading) link;
    struct admin_readings *readings; /* NULL: nobody wants it any more */
    struct admin_reading_settings settings;
    struct quarantine_walk *walk; /* NULL: its map is asked for */
};
TAILQ_HEAD(reading_list, admin_reading);

struct admin_readings {
    struct loop *loop;
    struct admin_map_source source;
    struct quarantine_reader *reader;
    struct reading_list waiting; /* for their maps */
    struct reading_list active;  /* in turns */
    struct loop_alarm *alarm;
};

/* The next step is another turn of the loop: what else is ready comes first. */
static void
step_soon(struct admin_readings *readings)
{
    if (!TAILQ_EMPTY(&readings->active))
        loop_alarm_at(readings->alarm, clock_mono_us());
}

static void
free_reading(struct admin_reading *reading)
{
    quarantine_walk_free(&reading->walk);
    mem_free(reading);
}

static void
on_step(void *ctx)
{
    struct admin_readings *readings = ctx;
    struct admin_reading *reading = TAILQ_FIRST(&readings->active);
    if (reading == NULL)
        return;
    TAILQ_REMOVE(&readings->active, reading, link);
    TAILQ_INSERT_TAIL(&readings->active, reading, link);
    if (!quarantine_walk_step(reading->walk)) {
        TAILQ_REMOVE(&readings->active, reading, link);
        reading->settings.on_end(reading->settings.ctx, quarantine_walk_map(reading->walk));
        free_reading(reading);
    }
    step_soon(readings);
}

struct admin_readings *
admin_readings_new(struct loop *loop, const char *path, const struct admin_map_source *source)
{
    struct admin_readings *readings = mem_new(struct admin_readings);
    readings->loop = loop;
    readings->source = *source;
    readings->reader = quarantine_reader_new(&disk_system, path);
    TAILQ_INIT(&readings->waiting);
    TAILQ_INIT(&readings->active);
    readings->alarm = loop_alarm_new(loop, on_step, readings);
    return readings;
}

void
admin_readings_free(struct admin_readings **where)
{
    struct admin_readings *readings = *where;
    struct admin_reading *reading;
    if (readings == NULL)
        return;
    while ((reading = TAILQ_FIRST(&readings->active)) != NULL)
        admin_reading_stop(&reading);
    while ((reading = TAILQ_FIRST(&readings->waiting)) != NULL)
        admin_reading_stop(&reading);
    loop_alarm_free(&readings->alarm);
    quarantine_reader_free(&readings->reader);
    mem_free(readings);
    *where = NULL;
}

static void
on_map(void *ctx, struct spool_map *map)
{
    struct admin_reading *reading = ctx;
    struct admin_readings *readings = reading->readings;
    if (readings == NULL) {
        spool_map_free(&map);
        mem_free(reading);
        return;
    }
    TAILQ_REMOVE(&readings->waiting, reading, link);
    if (map == NULL) {
        reading->settings.on_end(reading->settings.ctx, NULL);
        mem_free(reading);
        return;
    }
    reading->walk = quarantine_walk_new(readings->reader, &map, reading->settings.range,
                                        reading->settings.on_record, reading->settings.ctx);
    TAILQ_INSERT_TAIL(&readings->active, reading, link);
    step_soon(readings);
}

struct admin_reading *
admin_reading_start(struct admin_readings *readings, const struct admin_reading_settings *settings)
{
    struct admin_reading *reading = mem_new(struct admin_reading);
    reading->readings = readings;
    reading->settings = *settings;
    TAILQ_INSERT_TAIL(&readings->waiting, reading, link);
    readings->source.ask(readings->source.ctx, on_map, reading);
    return reading;
}

void
admin_reading_stop(struct admin_reading **where)
{
    struct admin_reading *reading = *where;
    *where = NULL;
    if (reading->walk == NULL) {
        TAILQ_REMOVE(&reading->readings->waiting, reading, link);
        reading->readings = NULL; /* goes with its map */
        return;
    }
    TAILQ_REMOVE(&reading->readings->active, reading, link);
    free_reading(reading);
}
