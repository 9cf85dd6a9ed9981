/* The registry of instances on the control thread: mail from the workers in, languages, log lines
 * and events out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_instances.h"

#include <stdatomic.h>
#include <string.h>

#include "admin/expose.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_event.h"
#include "daemon/daemon_int.h"
#include "integrity/integrity.h"

enum {
    MAX_INSTANCES = 65536,
    LEAST_INSTANCES = 1024,
    /* Of integrity.window_memory, the registry's share is a quarter; a record takes so much. */
    INSTANCE_BYTES = 256,
    /* Hand-overs on their way, for each worker: strangers fill them faster than they are read. */
    MAX_SIGHTINGS = 2,
};

/* What the workers are told at once. */
struct language_news {
    uint64_t instance;
    enum agent_language language;
};
struct news_letter {
    uint32_t n, size;
    struct language_news *items;
};

struct sightings_letter {
    struct loop_letter letter;
    struct daemon *daemon;
    struct sightings *sightings;
};

/* A worker's thread. */
static void
learn(void *ctx, struct worker *worker)
{
    struct news_letter *letter = ctx;
    struct integrity *integrity = worker_integrity(worker);
    for (uint32_t i = 0; integrity != NULL && i < letter->n; i++)
        integrity_learn_language(integrity, letter->items[i].instance, letter->items[i].language);
    mem_free(letter->items);
    mem_free(letter);
}

static void
on_language(void *ctx, uint64_t instance, enum agent_language language)
{
    struct daemon *daemon = ctx;
    struct news_letter *news = daemon->news;
    if (news == NULL)
        news = daemon->news = mem_new(struct news_letter);
    if (news->n == news->size) {
        news->size = news->size > 0 ? news->size * 2 : 16;
        news->items = mem_resize(news->items, news->size * sizeof(*news->items));
    }
    news->items[news->n++] = (struct language_news){instance, language};
}

/* An instance's calls may come over several connections, so every worker is told. */
static void
spread_news(struct daemon *daemon)
{
    struct news_letter *news = daemon->news;
    daemon->news = NULL;
    if (news == NULL)
        return;
    for (uint32_t i = 0; i < daemon->n_workers; i++) {
        struct news_letter *copy = mem_new(struct news_letter);
        *copy = (struct news_letter){.n = news->n, .size = news->n};
        copy->items = mem_new_n(struct language_news, news->n);
        memcpy(copy->items, news->items, news->n * sizeof(*news->items));
        worker_run(daemon->workers[i].worker, learn, copy);
    }
    mem_free(news->items);
    mem_free(news);
}

static void
on_diagnosis(void *ctx, const struct instance_info *info, enum diagnosis diagnosis, bool holds,
             int64_t since_ms, const struct text *evidence, const uint8_t id[16])
{
    const struct diagnosis_row *row = diagnosis_row(diagnosis);
    const char *words = evidence != NULL && evidence->p != NULL ? evidence->p : "";
    if (!holds)
        log_info("integrity", "diagnosis ended", "code=%s name=%s service=%s instance=%s",
                 row->code, LOG_TEXT(bytes_str(row->name)), LOG_TEXT(info->service),
                 LOG_TEXT(info->instance));
    else
        log_warn("integrity", "diagnosis",
                 "code=%s name=%s service=%s instance=%s confidence=%s evidence=%s "
                 "means=\"%s\" next=\"%s\"",
                 row->code, LOG_TEXT(bytes_str(row->name)), LOG_TEXT(info->service),
                 LOG_TEXT(info->instance), diagnosis_confidence_label(row->confidence),
                 LOG_TEXT(bytes_str(words)), row->text, row->next);
    struct daemon_event event = {
        .service = info->service,
        .instance = info->instance,
        .diagnosis = row,
        .evidence = words,
        .start_ms = since_ms,
        .end_ms = holds ? 0 : clock_unix_ms(),
        .id = id,
    };
    daemon_event_send(ctx, &event);
}

static void
on_sightings(struct loop_letter *base)
{
    struct sightings_letter *letter = (struct sightings_letter *)base;
    struct daemon *daemon = letter->daemon;
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    atomic_fetch_sub_explicit(&daemon->n_sightings, 1, memory_order_relaxed);
    /* At the end there are no workers any more to tell of it. */
    if (daemon->state != DAEMON_STOPS) {
        instances_take(daemon->instances, letter->sightings, clock_unix_ms());
        spread_news(daemon);
    }
    sightings_free(&letter->sightings);
    mem_free(letter);
}

void
daemon_instances_send(struct daemon *daemon, struct sightings *sightings)
{
    struct sightings_letter *letter = mem_new(struct sightings_letter);
    letter->letter.on_mail = on_sightings;
    letter->daemon = daemon;
    letter->sightings = sightings;
    atomic_fetch_add_explicit(&daemon->n_sightings, 1, memory_order_relaxed);
    loop_mail_send(daemon->loop, &letter->letter);
}

bool
daemon_instances_may_send(struct daemon *daemon)
{
    return atomic_load_explicit(&daemon->n_sightings, memory_order_relaxed) <
           MAX_SIGHTINGS * daemon->n_workers;
}

static uint32_t
max_instances(const struct conf *conf)
{
    uint64_t n = conf->integrity.window_memory_bytes / 4 / INSTANCE_BYTES;
    if (n > MAX_INSTANCES)
        return MAX_INSTANCES;
    return n < LEAST_INSTANCES ? LEAST_INSTANCES : (uint32_t)n;
}

void
daemon_instances_init(struct daemon *daemon)
{
    struct instances_settings settings = {
        .max_instances = max_instances(daemon->conf),
        .window_ms = (int64_t)daemon->conf->integrity.window_ms,
        .storage_jdbc = daemon->conf->upstream.storage == CONF_STORAGE_JDBC,
        .metrics = daemon_own_metrics(daemon),
        .ctx = daemon,
        .on_language = on_language,
        .on_diagnosis = on_diagnosis,
    };
    daemon->instances = instances_new(&settings);
    instances_set_series(daemon->instances,
                         expose_instance_limit(daemon->conf->telemetry.top_instances,
                                               daemon->conf->telemetry.max_series));
}

void
daemon_instances_second(struct daemon *daemon)
{
    instances_tick(daemon->instances, clock_unix_ms());
    daemon_event_retry(daemon);
}

void
daemon_instances_fini(struct daemon *daemon)
{
    if (daemon->news != NULL)
        mem_free(daemon->news->items);
    mem_free(daemon->news);
    instances_free(&daemon->instances);
    daemon_event_fini(daemon);
}
