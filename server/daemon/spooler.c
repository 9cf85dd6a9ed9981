/* The spool's thread and the mail to it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/spooler.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/spool_counter.h"

enum {
    SPOOLER_MAGIC = 0x53504c52,
    TELL_COLD_US = 100 * 1000,  /* workers hear of each other's cold records so often at most */
    READ_AGAIN_US = 100 * 1000, /* the disk could not be read */
    WELL_US = 2 * 1000 * 1000,  /* so long it is well before that is told: a full spool that is
                                   emptied and filled file by file would flap */
};

/* What the thread knows of a worker. */
struct customer {
    void *worker;          /* NULL: nothing came from it yet */
    struct parcel *parcel; /* to it, at the end of the turn; NULL: nothing */
    bool is_owed_cold;     /* another one left records on disk */
};

struct spooler {
    uint32_t magic;
    struct spooler_settings settings;
    pthread_t thread;
    sem_t is_set_up;
    _Atomic int state; /* enum spool_state */

    /* Its thread only, once it runs. */
    struct spool *spool, *aside;
    struct spool_counter counter, aside_counter;
    struct loop *loop;
    struct loop_turn *work_turn, *metrics_turn;
    struct loop_alarm *alarm;
    struct customer *customers;
    struct spool_read_list reads;
    uint64_t read_again_us, told_cold_us;
    uint64_t ill_us; /* when the spool was not well last */
    bool is_winding_up;
};

struct spooler_letter {
    struct loop_letter letter;
    struct spooler *spooler;
    void *worker;
    uint32_t index;
    struct parcel *parcel;
    sem_t *is_read;
};

/* From the workers. */

static void
owe_cold(struct spooler *spooler, uint32_t source)
{
    for (uint32_t i = 0; i < spooler->settings.n_workers; i++)
        if (i != source)
            spooler->customers[i].is_owed_cold = true;
}

static void
take_slices(struct spooler *spooler, struct parcel *parcel)
{
    struct slice *slice;
    while ((slice = STAILQ_FIRST(&parcel->slices)) != NULL) {
        STAILQ_REMOVE_HEAD(&parcel->slices, link);
        spool_append(slice->is_aside ? spooler->aside : spooler->spool, slice);
    }
}

static void
on_parcel_mail(struct loop_letter *base)
{
    struct spooler_letter *letter = (struct spooler_letter *)base;
    struct spooler *spooler = letter->spooler;
    struct parcel *parcel = letter->parcel;
    CHECK_OBJ(spooler, SPOOLER_MAGIC);
    spooler->customers[letter->index].worker = letter->worker;
    bool is_cold = false;
    for (uint32_t i = 0; i < parcel->n_runs; i++) {
        spool_end_run(spooler->spool, &parcel->runs[i]);
        is_cold |= parcel->runs[i].end == RUN_COLD;
    }
    if (is_cold)
        owe_cold(spooler, letter->index);
    parcel->n_runs = 0;
    take_slices(spooler, parcel);
    STAILQ_CONCAT(&spooler->reads, &parcel->reads);
    parcel_free(&parcel);
    mem_free(letter);
}

static void
on_wind_up_mail(struct loop_letter *base)
{
    struct spooler_letter *letter = (struct spooler_letter *)base;
    CHECK_OBJ(letter->spooler, SPOOLER_MAGIC);
    letter->spooler->is_winding_up = true;
    sem_post(letter->is_read);
    mem_free(letter);
}

/* About quarantine: a letter that goes there and back. */

struct aside_letter {
    struct loop_letter letter;
    struct spooler *spooler;
    struct loop *home;
    void *ctx;
    spooler_map_fn *on_map;
    struct spool_map *map;
    spooler_removed_fn *on_removed;
    enum err err;
    bool *was_there;
    uint32_t n;
    uint64_t sequences[];
};

static struct aside_letter *
new_aside_letter(struct spooler *spooler, struct loop *home, uint32_t n, void *ctx)
{
    struct aside_letter *letter = mem_zeroed(sizeof(*letter) + n * sizeof(letter->sequences[0]));
    letter->spooler = spooler;
    letter->home = home;
    letter->ctx = ctx;
    letter->n = n;
    return letter;
}

static void
on_map_home(struct loop_letter *base)
{
    struct aside_letter *letter = (struct aside_letter *)base;
    letter->on_map(letter->ctx, letter->map);
    mem_free(letter);
}

static void
on_map_mail(struct loop_letter *base)
{
    struct aside_letter *letter = (struct aside_letter *)base;
    CHECK_OBJ(letter->spooler, SPOOLER_MAGIC);
    letter->map = spool_map_new(letter->spooler->aside);
    letter->letter.on_mail = on_map_home;
    loop_mail_send(letter->home, &letter->letter);
}

static void
on_removed_home(struct loop_letter *base)
{
    struct aside_letter *letter = (struct aside_letter *)base;
    letter->on_removed(letter->ctx, letter->was_there, letter->n, letter->err);
    mem_free(letter->was_there);
    mem_free(letter);
}

static void
on_remove_mail(struct loop_letter *base)
{
    struct aside_letter *letter = (struct aside_letter *)base;
    CHECK_OBJ(letter->spooler, SPOOLER_MAGIC);
    letter->was_there = mem_new_n(bool, letter->n > 0 ? letter->n : 1);
    letter->err = spool_remove(letter->spooler->aside, letter->sequences, letter->n,
                               clock_mono_us(), letter->was_there);
    letter->letter.on_mail = on_removed_home;
    loop_mail_send(letter->home, &letter->letter);
}

/* To the workers. */

static struct parcel *
parcel_to(struct spooler *spooler, uint32_t worker)
{
    struct customer *customer = &spooler->customers[worker];
    if (customer->parcel == NULL)
        customer->parcel = parcel_new();
    return customer->parcel;
}

/* What is set aside is never read back: nobody holds it once it is written. */
static void
let_go(struct spooler *spooler, const struct slice *slice)
{
    struct parcel_run run = {slice->first, slice->n_records, RUN_COLD};
    if (slice->is_aside && slice->end == SLICE_DURABLE)
        spool_end_run(spooler->aside, &run);
}

static void
route_slices(struct spooler *spooler, struct slice_list *ended)
{
    struct slice *slice;
    while ((slice = STAILQ_FIRST(ended)) != NULL) {
        STAILQ_REMOVE_HEAD(ended, link);
        let_go(spooler, slice);
        STAILQ_INSERT_TAIL(&parcel_to(spooler, slice->worker)->slices, slice, link);
    }
}

/* Nothing was found, but not everything could be looked at. */
static bool
is_read_stuck(const struct spooler *spooler, const struct spool_read *read)
{
    return read->is_unfinished && read->n_records == 0 && read->n_needed == 0 &&
           !spooler->is_winding_up;
}

static void
fill_reads(struct spooler *spooler, uint64_t now_us)
{
    struct spool_read_list again = STAILQ_HEAD_INITIALIZER(again);
    struct spool_read *read;
    if (now_us < spooler->read_again_us && !spooler->is_winding_up)
        return;
    spooler->read_again_us = 0;
    while ((read = STAILQ_FIRST(&spooler->reads)) != NULL) {
        uint64_t resume = read->resume;
        STAILQ_REMOVE_HEAD(&spooler->reads, link);
        spool_fill_read(spooler->spool, read);
        if (!is_read_stuck(spooler, read)) {
            STAILQ_INSERT_TAIL(&parcel_to(spooler, read->worker)->reads, read, link);
            continue;
        }
        if (read->resume <= resume)
            spooler->read_again_us = now_us + READ_AGAIN_US;
        STAILQ_INSERT_TAIL(&again, read, link);
    }
    STAILQ_CONCAT(&spooler->reads, &again);
}

/* True: somebody is still owed. */
static bool
tell_cold(struct spooler *spooler, uint64_t now_us)
{
    bool is_early = now_us - spooler->told_cold_us < TELL_COLD_US, is_owed = false;
    for (uint32_t i = 0; i < spooler->settings.n_workers; i++) {
        struct customer *customer = &spooler->customers[i];
        if (!customer->is_owed_cold || customer->worker == NULL || spooler->is_winding_up)
            continue;
        is_owed = true;
        if (is_early)
            continue;
        customer->is_owed_cold = false;
        parcel_to(spooler, i)->has_cold = true;
    }
    if (!is_owed || is_early)
        return is_owed;
    spooler->told_cold_us = now_us;
    return false;
}

static void
send_parcels(struct spooler *spooler)
{
    for (uint32_t i = 0; i < spooler->settings.n_workers; i++) {
        struct customer *customer = &spooler->customers[i];
        if (customer->parcel == NULL)
            continue;
        spooler->settings.on_parcel(customer->worker, customer->parcel);
        customer->parcel = NULL;
    }
}

/* A turn. */

/* When to look again; UINT64_MAX: when something happens. */
static uint64_t
note_state(struct spooler *spooler, uint64_t now_us)
{
    int state = (int)spool_state(spooler->spool);
    if (state != SPOOL_OK)
        spooler->ill_us = now_us;
    if (atomic_load_explicit(&spooler->state, memory_order_relaxed) == state)
        return UINT64_MAX;
    if (state == SPOOL_OK && now_us - spooler->ill_us < WELL_US)
        return spooler->ill_us + WELL_US;
    atomic_store(&spooler->state, state);
    spooler->settings.on_state(spooler->settings.ctx);
    return UINT64_MAX;
}

static uint64_t
step_both(struct spooler *spooler, uint64_t now_us)
{
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    int64_t now_ms = clock_unix_ms();
    uint64_t next_us = spool_step(spooler->spool, now_us, now_ms, &ended);
    uint64_t aside_us = spool_step(spooler->aside, now_us, now_ms, &ended);
    if (spooler->is_winding_up)
        spool_give_back(spooler->spool, &ended);
    /* Evidence holds up nobody: without room for it its neighbours settle all the same. */
    if (spooler->is_winding_up || spool_state(spooler->aside) != SPOOL_OK)
        spool_give_back(spooler->aside, &ended);
    route_slices(spooler, &ended);
    return aside_us < next_us ? aside_us : next_us;
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void
on_work_turn(void *ctx)
{
    struct spooler *spooler = ctx;
    CHECK_OBJ(spooler, SPOOLER_MAGIC);
    uint64_t now_us = clock_mono_us();
    uint64_t next_us = step_both(spooler, now_us);
    fill_reads(spooler, now_us);
    if (!STAILQ_EMPTY(&spooler->reads))
        next_us = sooner(next_us, spooler->read_again_us);
    if (tell_cold(spooler, now_us))
        next_us = sooner(next_us, spooler->told_cold_us + TELL_COLD_US);
    send_parcels(spooler);
    next_us = sooner(next_us, note_state(spooler, now_us));
    if (next_us == UINT64_MAX)
        loop_alarm_cancel(spooler->alarm);
    else
        loop_alarm_at(spooler->alarm, next_us);
}

/* The turn that the alarm began does the work at its end. */
static void
on_alarm(void *ctx)
{
    (void)ctx;
}

static void
on_metrics_turn(void *ctx)
{
    struct spooler *spooler = ctx;
    spool_counter_update(&spooler->counter);
    spool_counter_update(&spooler->aside_counter);
    metrics_publish(spooler->settings.metrics);
}

/* Life. */

static void
set_up(struct spooler *spooler)
{
    clock_refresh();
    spooler->loop = loop_new();
    spooler->alarm = loop_alarm_new(spooler->loop, on_alarm, spooler);
    spooler->work_turn = loop_turn_add(spooler->loop, TURN_STORE, on_work_turn, spooler);
    spooler->metrics_turn = loop_turn_add(spooler->loop, TURN_METRICS, on_metrics_turn, spooler);
    loop_alarm_at(spooler->alarm, clock_mono_us());
    on_metrics_turn(spooler);
}

static void
tear_down(struct spooler *spooler)
{
    loop_run_once(spooler->loop, 0); /* the last letters */
    check(STAILQ_EMPTY(&spooler->reads));
    loop_turn_remove(&spooler->work_turn);
    spool_close(&spooler->spool);
    spool_close(&spooler->aside);
    metrics_publish(spooler->settings.metrics);
    loop_turn_remove(&spooler->metrics_turn);
    loop_alarm_free(&spooler->alarm);
    loop_free(&spooler->loop);
}

static void *
run(void *argument)
{
    struct spooler *spooler = argument;
    log_set_thread("spool");
    set_up(spooler);
    sem_post(&spooler->is_set_up);
    loop_run(spooler->loop);
    tear_down(spooler);
    return NULL;
}

static enum spool_when_full
when_full_of(const struct conf *conf)
{
    switch (conf->buffer.when_full) {
    case CONF_FULL_DROP_OLDEST:
        return SPOOL_DROP_OLDEST;
    case CONF_FULL_DROP_NEWEST:
        return SPOOL_DROP_NEWEST;
    case CONF_FULL_BACKPRESSURE:
        break;
    }
    return SPOOL_BACKPRESSURE;
}

static enum spool_sync
sync_of(const struct conf *conf)
{
    switch (conf->buffer.disk.sync) {
    case CONF_SYNC_INTERVAL:
        return SPOOL_SYNC_INTERVAL;
    case CONF_SYNC_NONE:
        return SPOOL_SYNC_NONE;
    case CONF_SYNC_GROUP:
        break;
    }
    return SPOOL_SYNC_GROUP;
}

static enum err
open_spools(struct spooler *spooler, struct text *why)
{
    const struct conf *conf = spooler->settings.conf;
    struct spool_settings settings = {
        .path = conf->buffer.disk.path,
        .max_bytes = conf->buffer.disk.max_bytes,
        .min_free_bytes = conf->buffer.disk.min_free_bytes,
        .sync = sync_of(conf),
        .when_full = when_full_of(conf),
        .max_age_ms = (int64_t)conf->buffer.disk.max_age_ms,
    };
    int64_t now_ms = clock_unix_ms();
    enum err err = spool_open(&settings, &disk_system, now_ms, why, &spooler->spool);
    if (err != ERR_OK)
        return err;
    settings.path = conf->quarantine.path;
    settings.max_bytes = conf->quarantine.max_bytes;
    settings.when_full = SPOOL_DROP_OLDEST;
    settings.max_age_ms = (int64_t)conf->quarantine.ttl_ms;
    settings.is_fixed = true; /* people name records by their sequences */
    err = spool_open(&settings, &disk_system, now_ms, why, &spooler->aside);
    if (err != ERR_OK)
        spool_close(&spooler->spool);
    return err;
}

enum err
spooler_start(const struct spooler_settings *settings, struct text *why, struct spooler **out)
{
    struct spooler *spooler = mem_new(struct spooler);
    spooler->magic = SPOOLER_MAGIC;
    spooler->settings = *settings;
    STAILQ_INIT(&spooler->reads);
    *out = NULL;
    enum err err = open_spools(spooler, why);
    if (err != ERR_OK) {
        mem_free(spooler);
        return err;
    }
    spool_counter_init(&spooler->counter, spooler->spool, settings->metrics, settings->conf, false);
    spool_counter_init(&spooler->aside_counter, spooler->aside, settings->metrics, settings->conf,
                       true);
    spooler->customers = mem_new_n(struct customer, settings->n_workers);
    sem_init(&spooler->is_set_up, 0, 0);
    check(pthread_create(&spooler->thread, NULL, run, spooler) == 0);
    while (sem_wait(&spooler->is_set_up) != 0)
        ; /* a signal */
    *out = spooler;
    return ERR_OK;
}

uint64_t
spooler_seed(const struct spooler *spooler)
{
    return spool_seed_of(spooler->spool);
}

uint64_t
spooler_aside_seed(const struct spooler *spooler)
{
    return spool_seed_of(spooler->aside);
}

void
spooler_send(struct spooler *spooler, void *worker, uint32_t index, struct parcel *parcel)
{
    struct spooler_letter *letter = mem_new(struct spooler_letter);
    letter->letter.on_mail = on_parcel_mail;
    letter->spooler = spooler;
    letter->worker = worker;
    letter->index = index;
    letter->parcel = parcel;
    loop_mail_send(spooler->loop, &letter->letter);
}

void
spooler_map_aside(struct spooler *spooler, struct loop *home, spooler_map_fn *fn, void *ctx)
{
    struct aside_letter *letter = new_aside_letter(spooler, home, 0, ctx);
    letter->letter.on_mail = on_map_mail;
    letter->on_map = fn;
    loop_mail_send(spooler->loop, &letter->letter);
}

void
spooler_remove_aside(struct spooler *spooler, struct loop *home, const uint64_t *sequences,
                     uint32_t n, spooler_removed_fn *fn, void *ctx)
{
    struct aside_letter *letter = new_aside_letter(spooler, home, n, ctx);
    if (n > 0)
        memcpy(letter->sequences, sequences, n * sizeof(*sequences));
    letter->letter.on_mail = on_remove_mail;
    letter->on_removed = fn;
    loop_mail_send(spooler->loop, &letter->letter);
}

enum spool_state
spooler_state(const struct spooler *spooler)
{
    return (enum spool_state)atomic_load_explicit(&spooler->state, memory_order_relaxed);
}

void
spooler_wind_up(struct spooler *spooler)
{
    sem_t is_read;
    sem_init(&is_read, 0, 0);
    struct spooler_letter *letter = mem_new(struct spooler_letter);
    letter->letter.on_mail = on_wind_up_mail;
    letter->spooler = spooler;
    letter->is_read = &is_read;
    loop_mail_send(spooler->loop, &letter->letter);
    while (sem_wait(&is_read) != 0)
        ; /* a signal */
    sem_destroy(&is_read);
}

void
spooler_stop(struct spooler **spooler)
{
    if (*spooler == NULL)
        return;
    loop_stop((*spooler)->loop);
    pthread_join((*spooler)->thread, NULL);
    sem_destroy(&(*spooler)->is_set_up);
    mem_free((*spooler)->customers);
    (*spooler)->magic = 0;
    mem_free(*spooler);
    *spooler = NULL;
}
