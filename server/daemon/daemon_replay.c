/* Quarantined items on their way to the backend after all. */
/* SPDX-License-Identifier: Apache-2.0 */
/* An item of a job is: not begun, being read, lent, settled (to be removed), or it has its result.
 * So many and so large ones are lent at once that neither the worker's share of what is on its way
 * to the disk nor our memory is used up; what found no room is tried again for a while. */
#include "daemon/daemon_replay.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/daemon_int.h"
#include "daemon/worker_judging.h"
#include "daemon/worker_replay.h"
#include "store/quarantine_reader.h"

enum {
    MAX_LENT = 32,
    MAX_LENT_BYTES = 4 * 1024 * 1024, /* a larger one goes alone */
    AGAIN_US = 20 * 1000,             /* what found no room is tried again so soon */
    GIVE_UP_US = 2 * 1000 * 1000,     /* and for so long */
};

/* The request under way. */
struct job {
    struct admin_replay *replay;
    struct worker *worker;
    struct worker_judging judging;
    struct integrity *engine;
    struct quarantine_walk *walk; /* NULL: its map is asked for */
    uint32_t n_begun;
    bool is_reading;           /* the walk looks for item n_begun - 1 */
    struct replay_item *found; /* by the walk */
    uint32_t n_lent;           /* to the worker, those in again included */
    uint64_t lent_bytes;
    struct replay_item *again[MAX_LENT]; /* found no room */
    uint32_t n_again;
    uint64_t again_us; /* when they are tried */
    uint64_t *settled; /* sequences to be removed, and which items they are */
    uint32_t *settled_at;
    uint32_t n_settled, n_removing;
    uint64_t start_us;
};

struct daemon_replay {
    struct daemon *daemon;
    struct quarantine_reader *reader;
    struct loop_alarm *alarm; /* a step, the next item by rate, or another try */
    struct job *job;          /* NULL: none */
    bool is_closed;
};

static const char not_begun[] = "the replay ended before it";

static void advance(void *);

struct daemon_replay *
daemon_replay_new(struct daemon *daemon)
{
    struct daemon_replay *replay = mem_new(struct daemon_replay);
    replay->daemon = daemon;
    replay->reader = quarantine_reader_new(&disk_system, daemon->conf->quarantine.path);
    replay->alarm = loop_alarm_new(daemon->loop, advance, replay);
    return replay;
}

/* Results. */

static bool
is_ending(const struct daemon_replay *replay)
{
    return replay->is_closed || replay->job->replay->is_cancelled ||
           replay->daemon->state == DAEMON_DRAINS || replay->daemon->state == DAEMON_STOPS;
}

static void
set_result(struct job *job, uint32_t at, enum admin_replay_result result, const char *why)
{
    job->replay->items[at].result = result;
    job->replay->items[at].why = why;
}

static void
free_job(struct job **where)
{
    struct job *job = *where;
    if (job == NULL)
        return;
    quarantine_walk_free(&job->walk);
    integrity_free(&job->engine);
    worker_judging_fini(&job->judging);
    mem_free(job->settled);
    mem_free(job->settled_at);
    mem_free(job);
    *where = NULL;
}

/* Reading. */

static bool
is_by(const struct quarantine_record *record, enum rule rule)
{
    return bytes_equal(record->rule, bytes_str(rule_row(rule)->name));
}

static bool
on_record(void *ctx, const struct quarantine_record *record)
{
    struct job *job = ctx;
    struct replay_item *item = mem_alloc(sizeof(*item) + record->payload.n);
    *item = (struct replay_item){
        .engine = job->engine,
        .mode = job->replay->is_repair ? REPLAY_REPAIR : REPLAY_AS_IS,
        .at = job->n_begun - 1,
        .sequence = record->sequence,
        .method = record->method,
        .flags = record->flags,
        .received_ms = record->received_ms,
        .is_prefix = is_by(record, RULE_message_oversize),
        .is_known = job->judging.settings.storage_jdbc && is_by(record, RULE_poison_id_again),
        .n = (uint32_t)record->payload.n,
    };
    if (record->payload.n > 0)
        memcpy(item->payload, record->payload.p, record->payload.n);
    job->found = item;
    return false;
}

/* The worker. */

static void
free_item(struct job *job, struct replay_item *item)
{
    job->n_lent--;
    job->lent_bytes -= item->n;
    mem_free(item);
}

static void
on_refused(struct daemon_replay *replay, struct replay_item *item)
{
    set_result(replay->job, item->at, ADMIN_REFUSED, item->why);
    metric_add(daemon_own_metrics(replay->daemon), METRIC_QUARANTINE_REPLAYED, REPLAYED_REFUSED, 1);
    free_item(replay->job, item);
}

static void
on_settled(struct daemon_replay *replay, struct replay_item *item)
{
    struct job *job = replay->job;
    set_result(job, item->at, item->outcome == REPLAY_REPAIRED ? ADMIN_REPAIRED : ADMIN_REPLAYED,
               NULL);
    job->settled[job->n_settled] = item->sequence;
    job->settled_at[job->n_settled++] = item->at;
    free_item(job, item);
}

static void
on_busy(struct daemon_replay *replay, struct replay_item *item)
{
    struct job *job = replay->job;
    if (!is_ending(replay) && clock_mono_us() - item->first_us < GIVE_UP_US) {
        if (job->n_again == 0)
            job->again_us = clock_mono_us() + AGAIN_US;
        job->again[job->n_again++] = item;
        return;
    }
    set_result(job, item->at, ADMIN_BUSY, item->why);
    free_item(job, item);
}

static void
on_item_home(void *ctx, struct replay_item *item)
{
    struct daemon_replay *replay = ctx;
    switch (item->outcome) {
    case REPLAY_REFUSED:
        on_refused(replay, item);
        break;
    case REPLAY_DONE:
    case REPLAY_REPAIRED:
        on_settled(replay, item);
        break;
    case REPLAY_BUSY:
        on_busy(replay, item);
        break;
    }
    advance(replay);
}

/* A spool that is full or broken would keep it for as long as it is. */
static void
lend(struct daemon_replay *replay, struct replay_item *item)
{
    if (spooler_state(replay->daemon->spooler) != SPOOL_OK) {
        item->why = "the buffer's disk is full or broken";
        on_busy(replay, item);
        return;
    }
    item->home = replay->daemon->loop;
    item->on_done = on_item_home;
    item->ctx = replay;
    worker_run(replay->job->worker, worker_replay, item);
}

static void
lend_first(struct daemon_replay *replay, struct replay_item *item)
{
    struct job *job = replay->job;
    item->first_us = clock_mono_us();
    job->n_lent++;
    job->lent_bytes += item->n;
    lend(replay, item);
}

/* Beginning items. */

static bool
is_named_before(const struct job *job, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (job->replay->items[i].sequence == job->replay->items[at].sequence)
            return true;
    return false;
}

/* When the next item may begin. */
static uint64_t
due_us(const struct job *job)
{
    if (job->replay->rate == 0)
        return 0;
    return job->start_us + (uint64_t)job->n_begun * 1000000 / job->replay->rate;
}

static bool
has_room(const struct job *job)
{
    return job->n_again == 0 && job->n_lent < MAX_LENT && job->lent_bytes < MAX_LENT_BYTES;
}

static void
begin_item(struct job *job)
{
    uint32_t at = job->n_begun++;
    uint64_t sequence = job->replay->items[at].sequence;
    if (is_named_before(job, at)) {
        set_result(job, at, ADMIN_GONE, "named before");
        return;
    }
    quarantine_walk_again(job->walk, (struct quarantine_range){sequence, sequence + 1, INT64_MIN});
    job->is_reading = true;
}

/* One step of disk; the walk comes to an end when the item was found, or is not there. */
static void
read_some(struct daemon_replay *replay)
{
    struct job *job = replay->job;
    if (quarantine_walk_step(job->walk))
        return;
    job->is_reading = false;
    if (job->found == NULL)
        set_result(job, job->n_begun - 1, ADMIN_GONE, NULL);
    else
        lend_first(replay, job->found);
    job->found = NULL;
}

static void
stop_reading(struct job *job)
{
    job->is_reading = false;
    set_result(job, job->n_begun - 1, ADMIN_BUSY, not_begun);
}

/* Removing. */

static void
on_removed(void *ctx, const bool *was_there, uint32_t n, enum err err)
{
    struct daemon_replay *replay = ctx;
    struct job *job = replay->job;
    (void)was_there;
    check(n == job->n_removing);
    for (uint32_t i = 0; i < n && err != ERR_OK; i++)
        job->replay->items[job->settled_at[i]].why =
            "sent, but the disk failed while it was removed: it may be back after a restart";
    job->n_settled -= n;
    memmove(job->settled, job->settled + n, job->n_settled * sizeof(*job->settled));
    memmove(job->settled_at, job->settled_at + n, job->n_settled * sizeof(*job->settled_at));
    job->n_removing = 0;
    advance(replay);
}

static void
remove_settled(struct daemon_replay *replay)
{
    struct job *job = replay->job;
    if (job->n_settled == 0 || job->n_removing > 0)
        return;
    if (replay->is_closed) {
        job->n_settled = 0;
        return;
    }
    job->n_removing = job->n_settled;
    spooler_remove_aside(replay->daemon->spooler, replay->daemon->loop, job->settled,
                         job->n_settled, on_removed, replay);
}

/* The whole. */

static void
end_job(struct daemon_replay *replay)
{
    struct job *job = replay->job;
    for (uint32_t i = job->n_begun; i < job->replay->n; i++)
        set_result(job, i, ADMIN_BUSY, not_begun);
    struct admin_replay *request = job->replay;
    free_job(&replay->job);
    loop_alarm_cancel(replay->alarm);
    request->on_end(request->ctx);
}

/* What found no room; when the end has come, it has its result. */
static void
try_again(struct daemon_replay *replay)
{
    struct job *job = replay->job;
    uint32_t n = job->n_again;
    if (n == 0 || (clock_mono_us() < job->again_us && !is_ending(replay)))
        return;
    job->n_again = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_ending(replay)) {
            lend(replay, job->again[i]);
            continue;
        }
        set_result(job, job->again[i]->at, ADMIN_BUSY, job->again[i]->why);
        free_item(job, job->again[i]);
    }
}

static bool
may_begin(const struct daemon_replay *replay)
{
    const struct job *job = replay->job;
    return job->n_begun < job->replay->n && has_room(job) && !is_ending(replay);
}

/* One step of disk a turn of the loop. */
static void
step(struct daemon_replay *replay)
{
    struct job *job = replay->job;
    if (!job->is_reading && may_begin(replay) && clock_mono_us() >= due_us(job))
        begin_item(job);
    if (job->is_reading && is_ending(replay))
        stop_reading(job);
    if (job->is_reading)
        read_some(replay);
}

static void
set_alarm(struct daemon_replay *replay)
{
    struct job *job = replay->job;
    uint64_t now_us = clock_mono_us();
    if (job->is_reading)
        loop_alarm_at(replay->alarm, now_us);
    else if (job->n_again > 0)
        loop_alarm_at(replay->alarm, job->again_us);
    else if (may_begin(replay))
        loop_alarm_at(replay->alarm, due_us(job) > now_us ? due_us(job) : now_us);
}

static bool
is_over(const struct daemon_replay *replay)
{
    const struct job *job = replay->job;
    return !job->is_reading && job->n_lent == 0 && job->n_settled == 0 && job->n_removing == 0 &&
           (job->n_begun == job->replay->n || is_ending(replay));
}

static void
advance(void *ctx)
{
    struct daemon_replay *replay = ctx;
    struct job *job = replay->job;
    if (job == NULL || job->walk == NULL)
        return;
    try_again(replay);
    step(replay);
    remove_settled(replay);
    if (is_over(replay))
        end_job(replay);
    else
        set_alarm(replay);
}

static void
on_map(void *ctx, struct spool_map *map)
{
    struct daemon_replay *replay = ctx;
    replay->job->walk = quarantine_walk_new(replay->reader, &map, (struct quarantine_range){0},
                                            on_record, replay->job);
    advance(replay);
}

/* Its own engine: every rule is enforced whatever the mode, nothing is counted or remembered. */
static void
set_up_engine(struct daemon_replay *replay, struct job *job)
{
    struct daemon *daemon = replay->daemon;
    worker_judging_init(&job->judging, daemon->reloaded, daemon->n_workers);
    struct integrity_settings settings = job->judging.settings;
    settings.mode = INTEGRITY_ENFORCE;
    settings.services = NULL;
    settings.n_services = 0;
    settings.window_s = 0;
    job->engine = integrity_new(&settings, NULL);
}

bool
daemon_replay_start(struct daemon_replay *replay, struct admin_replay *request)
{
    if (replay->job != NULL)
        return false;
    struct job *job = mem_new(struct job);
    job->replay = request;
    job->worker = daemon_pick_worker(replay->daemon);
    job->settled = mem_new_n(uint64_t, request->n + 1);
    job->settled_at = mem_new_n(uint32_t, request->n + 1);
    job->start_us = clock_mono_us();
    set_up_engine(replay, job);
    replay->job = job;
    spooler_map_aside(replay->daemon->spooler, replay->daemon->loop, on_map, replay);
    return true;
}

void
daemon_replay_close(struct daemon_replay *replay)
{
    replay->is_closed = true;
    advance(replay);
}

void
daemon_replay_free(struct daemon_replay **replay)
{
    if (*replay == NULL)
        return;
    check((*replay)->job == NULL);
    loop_alarm_free(&(*replay)->alarm);
    quarantine_reader_free(&(*replay)->reader);
    mem_free(*replay);
    *replay = NULL;
}
