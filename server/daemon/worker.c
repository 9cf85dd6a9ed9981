/* A worker's thread: set up in one visible order, torn down in reverse. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/worker_int.h"
#include "daemon/worker_replay.h"
#include "daemon/worker_store.h"

enum {
    KEEP_BLOCKS = 64, /* 16 MiB of blocks that need no page fault */
    HEARTBEAT_US = 1000 * 1000,
    ROOM_US = 100 * 1000,      /* a short store looks again for room */
    GIVE_BACK_US = 100 * 1000, /* forward is asked for batches so often at most */
    LAST_PARCELS_MS = 100,
};

/* Mail from the control thread and the spooler. */
enum letter_kind {
    LETTER_ACCEPT,
    LETTER_ACCEPT_TLS,
    LETTER_READY,
    LETTER_DRAIN,
    LETTER_PARCEL,
    LETTER_RUN,
};
struct worker_letter {
    struct loop_letter letter;
    struct worker *worker;
    enum letter_kind kind;
    int value;
    struct parcel *parcel;
    worker_run_fn *run;
    void *ctx;
};

/* What was handed over minus what is still there. */
static void
count_ended(struct worker *worker)
{
    uint32_t n = worker->endpoint != NULL ? grpc_endpoint_n_connections(worker->endpoint) : 0;
    atomic_store_explicit(&worker->n_ended, worker->n_accepted - n, memory_order_relaxed);
}

static void
accept_or_refuse(struct worker *worker, int descriptor, bool is_tls)
{
    if (worker->state == WORKER_SERVES) {
        grpc_endpoint_accept(worker->endpoint, descriptor, is_tls ? worker->settings.tls : NULL);
        return;
    }
    metric_add(worker->settings.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_DRAINING, 1);
    close(descriptor);
}

static void
on_due(void *ctx)
{
    struct worker *worker = ctx;
    if (worker->forward != NULL) /* NULL: its batches came back in the tear-down */
        forward_on_due(worker->forward);
}

/* After the tear-down only a last word that there are cold records comes. */
static void
take_parcel(struct worker *worker, struct parcel *parcel)
{
    if (worker->store == NULL) {
        parcel_free(&parcel);
        return;
    }
    store_on_parcel(worker->store, parcel);
    on_due(worker);
}

static void
on_letter(struct loop_letter *base)
{
    struct worker_letter *letter = (struct worker_letter *)base;
    struct worker *worker = letter->worker;
    CHECK_OBJ(worker, WORKER_MAGIC);
    switch (letter->kind) {
    case LETTER_ACCEPT:
    case LETTER_ACCEPT_TLS:
        worker->n_accepted++;
        accept_or_refuse(worker, letter->value, letter->kind == LETTER_ACCEPT_TLS);
        count_ended(worker);
        break;
    case LETTER_READY:
        receive_set_ready(worker->receive, letter->value != 0);
        break;
    case LETTER_DRAIN:
        worker_drain_start(worker);
        break;
    case LETTER_PARCEL:
        take_parcel(worker, letter->parcel);
        break;
    case LETTER_RUN:
        letter->run(letter->ctx, worker);
        break;
    }
    mem_free(letter);
}

/* about: what the letter's kind needs. */
static void
send_letter(struct worker *worker, enum letter_kind kind, const struct worker_letter *about)
{
    struct worker_letter *letter = mem_new(struct worker_letter);
    *letter = *about;
    letter->letter.on_mail = on_letter;
    letter->worker = worker;
    letter->kind = kind;
    loop_mail_send(worker->loop, &letter->letter);
}

void
worker_accept(struct worker *worker, int descriptor, bool is_tls)
{
    atomic_fetch_add_explicit(&worker->n_given, 1, memory_order_relaxed);
    send_letter(worker, is_tls ? LETTER_ACCEPT_TLS : LETTER_ACCEPT,
                &(struct worker_letter){.value = descriptor});
}

void
worker_set_ready(struct worker *worker, bool ready)
{
    send_letter(worker, LETTER_READY, &(struct worker_letter){.value = ready});
}

void
worker_drain(struct worker *worker)
{
    send_letter(worker, LETTER_DRAIN, &(struct worker_letter){.value = 0});
}

void
worker_parcel(struct worker *worker, struct parcel *parcel)
{
    send_letter(worker, LETTER_PARCEL, &(struct worker_letter){.parcel = parcel});
}

void
worker_run(struct worker *worker, worker_run_fn *run, void *ctx)
{
    send_letter(worker, LETTER_RUN, &(struct worker_letter){.run = run, .ctx = ctx});
}

struct integrity *
worker_integrity(struct worker *worker)
{
    loop_assert_here(worker->loop);
    return worker->integrity;
}

struct store *
worker_store(struct worker *worker)
{
    loop_assert_here(worker->loop);
    return worker->store;
}

/* The tokens are those of the settings. */
static struct receive_auth
auth_of(const struct conf *conf)
{
    return (struct receive_auth){conf->listen.auth.tokens.items, conf->listen.auth.tokens.n,
                                 conf->listen.auth.exempt_control_calls};
}

void
worker_take_up(struct worker *worker, const struct conf *conf)
{
    if (worker->forward == NULL) /* torn down */
        return;
    struct receive_auth auth = auth_of(conf);
    receive_set_auth(worker->receive, &auth);
    forward_set_token(worker->forward, conf->upstream.auth_token);
    struct worker_judging before = worker->judging;
    worker_judging_init(&worker->judging, conf, worker->settings.n_workers);
    integrity_set(worker->integrity, &worker->judging.settings);
    worker_judging_fini(&before);
}

uint32_t
worker_n_connections(const struct worker *worker)
{
    return atomic_load_explicit(&worker->n_given, memory_order_relaxed) -
           atomic_load_explicit(&worker->n_ended, memory_order_relaxed) +
           worker_http_n_connections(worker->http);
}

uint64_t
worker_received_bytes(const struct worker *worker)
{
    return atomic_load_explicit(&worker->received_bytes, memory_order_relaxed);
}

uint64_t
worker_heartbeat_us(const struct worker *worker)
{
    return atomic_load_explicit(&worker->heartbeat_us, memory_order_relaxed);
}

static void
on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    struct worker *worker = ctx;
    receive_on_settled(worker->receive, cookie, credit_bytes, n_records);
}

static void
on_room(void *ctx)
{
    struct worker *worker = ctx;
    receive_on_room(worker->receive);
}

static void
on_connections(void *ctx, uint32_t n)
{
    struct worker *worker = ctx;
    (void)n;
    count_ended(worker);
}

static void
on_parcel(void *ctx, struct parcel *parcel)
{
    struct worker *worker = ctx;
    spooler_send(worker->settings.spooler, worker, worker->settings.index, parcel);
}

static void
watch_backends(struct worker *worker)
{
    if (worker->forward == NULL) /* the tear-down */
        return;
    bool has_backend = worker->is_discard || forward_n_up(worker->forward) > 0;
    if (has_backend != worker->has_backend)
        store_set_outage(worker->store, !has_backend);
    worker->has_backend = has_backend;
}

/* What forward holds but does not send at the moment. */
static void
take_back_batches(struct worker *worker)
{
    uint64_t now_us = clock_mono_us();
    if (worker->forward == NULL || !store_wants_batches(worker->store) ||
        now_us - worker->gave_back_us < GIVE_BACK_US)
        return;
    worker->gave_back_us = now_us;
    forward_give_back(worker->forward);
}

static void
set_hand_over(struct worker *worker)
{
    uint64_t due_us = store_next_us(worker->store);
    if (due_us == UINT64_MAX || due_us == worker->hand_over_us)
        return;
    worker->hand_over_us = due_us;
    loop_alarm_at(worker->hand_over, due_us);
}

static void
on_store_turn(void *ctx)
{
    struct worker *worker = ctx;
    watch_backends(worker);
    take_back_batches(worker);
    store_turn(worker->store);
    set_hand_over(worker);
    if (store_is_short(worker->store) && !loop_timer_is_armed(&worker->room))
        loop_timer_in(&worker->room, ROOM_US);
    if (worker->state == WORKER_DRAINS)
        worker_drain_look(worker);
}

static void
publish(struct worker *worker)
{
    struct metrics *metrics = worker->settings.metrics;
    uint64_t bytes = 0;
    for (uint32_t signal = 0; signal < SIGNAL_COUNT; signal++)
        bytes += metric_get(metrics, METRIC_RECEIVED_BYTES, signal);
    atomic_store_explicit(&worker->received_bytes, bytes, memory_order_relaxed);
    if (metric_get(metrics, METRIC_MEMORY_USED, 0) != worker->budget.used_bytes)
        metric_set(metrics, METRIC_MEMORY_USED, 0, worker->budget.used_bytes);
    metrics_publish(metrics);
}

/* What was seen of instances, for the control thread. */
static void
send_sightings(struct worker *worker)
{
    if (!worker->settings.takes_sightings(worker->settings.ctx))
        return;
    struct sightings *sightings = integrity_take_sightings(worker->integrity);
    if (sightings != NULL)
        worker->settings.on_sightings(worker->settings.ctx, sightings);
}

/* The end of a turn: how long it took, and all its counts become visible at once. */
static void
on_metrics_turn(void *ctx)
{
    struct worker *worker = ctx;
    if (integrity_is_full(worker->integrity))
        send_sightings(worker);
    metric_observe_us(worker->settings.metrics, METRIC_LOOP_LAG,
                      metric_loop(worker->settings.index), loop_turn_us(worker->loop));
    atomic_store_explicit(&worker->heartbeat_us, clock_mono_us(), memory_order_relaxed);
    publish(worker);
}

/* What the turn is for is done at its end: another worker may have given memory back, or records
 * have waited long enough for company on their way to the disk. */
static void
on_time_for_turn(void *ctx)
{
    (void)ctx;
}

static void
on_heartbeat(void *ctx)
{
    struct worker *worker = ctx;
    send_sightings(worker);
    loop_timer_in(&worker->heartbeat, HEARTBEAT_US);
}

static struct store *
new_store(struct worker *worker)
{
    struct store_settings settings;
    worker_store_settings(&worker->settings, &settings);
    struct store_callbacks callbacks = {
        .ctx = worker,
        .on_settled = on_settled,
        .on_room = on_room,
        .on_due = on_due,
        .on_parcel = on_parcel,
        .on_restored = worker_replay_on_restored,
    };
    return store_new(&settings, &callbacks, &worker->blocks, worker->settings.metrics);
}

static struct receive *
new_receive(struct worker *worker)
{
    const struct conf *conf = worker->settings.conf;
    struct receive_parts parts = {
        .loop = worker->loop,
        .budget = &worker->budget,
        .metrics = worker->settings.metrics,
        .integrity = worker->integrity,
        .auth = auth_of(conf),
        .relay = {conf->relay.enabled, conf->relay.unknown_methods},
        .ctx = worker,
        .on_drained = worker_drain_on_endpoint,
        .on_connections = on_connections,
        .watch = worker->settings.watch,
    };
    return receive_new(&parts);
}

static struct grpc_endpoint *
new_endpoint(struct worker *worker)
{
    const struct conf *conf = worker->settings.conf;
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.max_message_bytes = conf->listen.max_message_bytes;
    settings.max_streams = conf->listen.max_streams;
    settings.keepalive_idle_us = conf->listen.keepalive.idle_ms * 1000;
    settings.keepalive_timeout_us = conf->listen.keepalive.timeout_ms * 1000;
    settings.drain_us = conf->shutdown.drain_ms * 1000;
    settings.max_connection_age_us = conf->listen.max_connection_age_ms * 1000;
    struct grpc_service service;
    receive_service(worker->receive, &service);
    return grpc_endpoint_new(worker->loop, &settings, &service, &worker->budget,
                             worker->settings.metrics);
}

static void
set_up(struct worker *worker)
{
    clock_refresh();
    worker->loop = loop_new();
    budget_init(&worker->budget, worker->settings.budget);
    block_cache_init(&worker->blocks, &worker->budget, KEEP_BLOCKS);
    worker_judging_init(&worker->judging, worker->settings.conf, worker->settings.n_workers);
    worker->integrity = integrity_new(&worker->judging.settings, worker->settings.metrics);
    worker->receive = new_receive(worker);
    worker->store = new_store(worker);
    receive_set_store(worker->receive, worker->store);
    worker->forward = forward_new(worker->loop, worker->store, worker->settings.shared,
                                  worker->settings.resolver, worker->settings.metrics);
    worker->has_backend = true;
    worker->is_discard = worker->settings.conf->upstream.kind == CONF_KIND_DISCARD;
    if (!worker->is_discard)
        receive_set_forward(worker->receive, worker->forward);
    worker->endpoint = new_endpoint(worker);
    worker->http =
        worker_http_new(&worker->settings, worker->loop, worker->receive, &worker->budget);
    worker->hand_over = loop_alarm_new(worker->loop, on_time_for_turn, worker);
    worker->store_turn = loop_turn_add(worker->loop, TURN_STORE, on_store_turn, worker);
    worker->metrics_turn = loop_turn_add(worker->loop, TURN_METRICS, on_metrics_turn, worker);
    loop_timer_init(&worker->deadline, worker->loop, worker_drain_on_deadline, worker);
    loop_timer_init(&worker->room, worker->loop, on_time_for_turn, worker);
    loop_timer_init(&worker->heartbeat, worker->loop, on_heartbeat, worker);
    loop_timer_in(&worker->heartbeat, HEARTBEAT_US);
    atomic_store(&worker->heartbeat_us, clock_mono_us());
}

static void
tear_down(struct worker *worker)
{
    worker->state = WORKER_DRAINED;
    loop_run_once(worker->loop, 0); /* letters not yet read: their descriptors are closed */
    loop_timer_cancel(&worker->heartbeat);
    loop_timer_cancel(&worker->deadline);
    grpc_endpoint_free(&worker->endpoint);
    worker_http_close(worker->http);
    forward_free(&worker->forward);
    loop_run_once(worker->loop, 0); /* deferred frees, and the last settlements */
    store_wind_up(worker->store);
    while (store_n_out(worker->store) > 0)
        loop_run_once(worker->loop, LAST_PARCELS_MS);
    loop_turn_remove(&worker->metrics_turn);
    loop_turn_remove(&worker->store_turn);
    send_sightings(worker);           /* the last word on who was here */
    loop_timer_cancel(&worker->room); /* a short store armed it at the end of every turn */
    loop_alarm_free(&worker->hand_over);
    worker_http_free(&worker->http);
    receive_free(&worker->receive);
    store_free(&worker->store);
    integrity_free(&worker->integrity);
    worker_judging_fini(&worker->judging);
    block_cache_fini(&worker->blocks);
    publish(worker);
    budget_fini(&worker->budget);
    loop_run_once(worker->loop, 0);
    loop_free(&worker->loop);
}

static void *
run(void *argument)
{
    struct worker *worker = argument;
    log_set_thread(worker->name);
    set_up(worker);
    sem_post(&worker->is_set_up);
    loop_run(worker->loop);
    tear_down(worker);
    return NULL;
}

struct worker *
worker_start(const struct worker_settings *settings)
{
    struct worker *worker = mem_new(struct worker);
    worker->magic = WORKER_MAGIC;
    worker->settings = *settings;
    snprintf(worker->name, sizeof(worker->name), "w%u", settings->index);
    sem_init(&worker->is_set_up, 0, 0);
    check(pthread_create(&worker->thread, NULL, run, worker) == 0);
    while (sem_wait(&worker->is_set_up) != 0)
        ; /* a signal */
    return worker;
}

void
worker_stop_begin(struct worker *worker)
{
    if (worker == NULL || worker->is_stopping)
        return;
    worker->is_stopping = true; /* the thread frees the loop from here on */
    loop_stop(worker->loop);
}

void
worker_stop(struct worker **worker)
{
    if (*worker == NULL)
        return;
    worker_stop_begin(*worker);
    pthread_join((*worker)->thread, NULL);
    sem_destroy(&(*worker)->is_set_up);
    (*worker)->magic = 0;
    mem_free(*worker);
    *worker = NULL;
}
