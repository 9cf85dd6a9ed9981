/* A worker's thread: set up in one visible order, torn down in reverse. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/block.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "grpc/grpc_endpoint.h"
#include "integrity/integrity.h"
#include "net/loop.h"
#include "receive/receive.h"
#include "store/store.h"

enum {
    WORKER_MAGIC = 0x574f524b,
    KEEP_BLOCKS = 64, /* 16 MiB of blocks that need no page fault */
    HEARTBEAT_US = 1000 * 1000,
    ROOM_US = 100 * 1000,              /* a short store looks again for room */
    LAST_BATCHES_US = 2 * 1000 * 1000, /* after the drain: for batches still on their way */
};

enum worker_state { WORKER_SERVES, WORKER_DRAINS, WORKER_DRAINED };

struct worker {
    uint32_t magic;
    struct worker_settings settings;
    char name[16];
    pthread_t thread;
    sem_t is_set_up;

    /* The worker's thread only. */
    enum worker_state state;
    struct loop *loop;
    struct budget budget;
    struct block_cache blocks;
    struct integrity *integrity;
    struct receive *receive;
    struct store *store;
    struct forward *forward;
    struct grpc_endpoint *endpoint;
    struct loop_turn *store_turn, *metrics_turn;
    struct loop_timer heartbeat, deadline, room;
    uint32_t n_accepted; /* letters with a descriptor */
    bool is_endpoint_drained;

    /* Read by others. */
    _Atomic uint32_t n_given, n_ended;
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t heartbeat_us;
};

/* Mail from the control thread. */
enum letter_kind { LETTER_ACCEPT, LETTER_READY, LETTER_DRAIN };
struct worker_letter {
    struct loop_letter letter;
    struct worker *worker;
    enum letter_kind kind;
    int value;
};

static void
report_drained(struct worker *worker)
{
    if (worker->state != WORKER_DRAINS)
        return;
    worker->state = WORKER_DRAINED;
    loop_timer_cancel(&worker->deadline);
    worker->settings.on_drained(worker->settings.ctx, worker);
}

static void
on_deadline(void *ctx)
{
    struct worker *worker = ctx;
    CHECK_OBJ(worker, WORKER_MAGIC);
    log_warn("daemon", "drain ran out of time", "connections=%u held=%llu",
             grpc_endpoint_n_connections(worker->endpoint),
             (unsigned long long)store_n_held(worker->store));
    report_drained(worker);
}

static void
start_drain(struct worker *worker)
{
    if (worker->state != WORKER_SERVES)
        return;
    worker->state = WORKER_DRAINS;
    const struct conf *conf = worker->settings.conf;
    receive_set_ready(worker->receive, false);
    forward_flush(worker->forward);
    grpc_endpoint_drain(worker->endpoint);
    uint64_t all_us = (conf->shutdown.drain_ms + conf->shutdown.flush_ms) * 1000 + LAST_BATCHES_US;
    loop_timer_in(&worker->deadline, all_us);
}

/* What was handed over minus what is still there. */
static void
count_ended(struct worker *worker)
{
    uint32_t n = worker->endpoint != NULL ? grpc_endpoint_n_connections(worker->endpoint) : 0;
    atomic_store_explicit(&worker->n_ended, worker->n_accepted - n, memory_order_relaxed);
}

static void
accept_or_refuse(struct worker *worker, int descriptor)
{
    if (worker->state == WORKER_SERVES) {
        grpc_endpoint_accept(worker->endpoint, descriptor);
        return;
    }
    metric_add(worker->settings.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_DRAINING, 1);
    close(descriptor);
}

static void
on_letter(struct loop_letter *base)
{
    struct worker_letter *letter = (struct worker_letter *)base;
    struct worker *worker = letter->worker;
    CHECK_OBJ(worker, WORKER_MAGIC);
    switch (letter->kind) {
    case LETTER_ACCEPT:
        worker->n_accepted++;
        accept_or_refuse(worker, letter->value);
        count_ended(worker);
        break;
    case LETTER_READY:
        receive_set_ready(worker->receive, letter->value != 0);
        break;
    case LETTER_DRAIN:
        start_drain(worker);
        break;
    }
    mem_free(letter);
}

static void
send_letter(struct worker *worker, enum letter_kind kind, int value)
{
    struct worker_letter *letter = mem_new(struct worker_letter);
    letter->letter.on_mail = on_letter;
    letter->worker = worker;
    letter->kind = kind;
    letter->value = value;
    loop_mail_send(worker->loop, &letter->letter);
}

void
worker_accept(struct worker *worker, int descriptor)
{
    atomic_fetch_add_explicit(&worker->n_given, 1, memory_order_relaxed);
    send_letter(worker, LETTER_ACCEPT, descriptor);
}

void
worker_set_ready(struct worker *worker, bool ready)
{
    send_letter(worker, LETTER_READY, ready);
}

void
worker_drain(struct worker *worker)
{
    send_letter(worker, LETTER_DRAIN, 0);
}

uint32_t
worker_n_connections(const struct worker *worker)
{
    return atomic_load_explicit(&worker->n_given, memory_order_relaxed) -
           atomic_load_explicit(&worker->n_ended, memory_order_relaxed);
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
on_due(void *ctx)
{
    struct worker *worker = ctx;
    if (worker->forward != NULL) /* NULL: its batches came back in the tear-down */
        forward_on_due(worker->forward);
}

static void
on_endpoint_drained(void *ctx)
{
    struct worker *worker = ctx;
    worker->is_endpoint_drained = true;
}

static void
on_connections(void *ctx, uint32_t n)
{
    struct worker *worker = ctx;
    (void)n;
    count_ended(worker);
}

static void
on_store_turn(void *ctx)
{
    struct worker *worker = ctx;
    store_turn(worker->store);
    if (store_is_short(worker->store) && !loop_timer_is_armed(&worker->room))
        loop_timer_in(&worker->room, ROOM_US);
    if (worker->state == WORKER_DRAINS && worker->is_endpoint_drained &&
        receive_n_calls(worker->receive) == 0 && store_n_held(worker->store) == 0)
        report_drained(worker);
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

/* The end of a turn: how long it took, and all its counts become visible at once. */
static void
on_metrics_turn(void *ctx)
{
    struct worker *worker = ctx;
    metric_observe_us(worker->settings.metrics, METRIC_LOOP_LAG, 0, loop_turn_us(worker->loop));
    atomic_store_explicit(&worker->heartbeat_us, clock_mono_us(), memory_order_relaxed);
    publish(worker);
}

/* What the turn is for is done at its end: another worker may have given memory back. */
static void
on_room_time(void *ctx)
{
    (void)ctx;
}

static void
on_heartbeat(void *ctx)
{
    struct worker *worker = ctx;
    loop_timer_in(&worker->heartbeat, HEARTBEAT_US);
}

static struct integrity *
new_integrity(const struct conf *conf, struct metrics *metrics)
{
    static const enum integrity_mode modes[] = {
        [CONF_MODE_OFF] = INTEGRITY_OFF,
        [CONF_MODE_OBSERVE] = INTEGRITY_OBSERVE,
        [CONF_MODE_ENFORCE] = INTEGRITY_ENFORCE,
    };
    struct integrity_settings settings;
    integrity_settings_default(&settings);
    settings.mode = modes[conf->integrity.mode];
    settings.max_spans = conf->integrity.max_spans;
    settings.storage_jdbc = conf->upstream.storage == CONF_STORAGE_JDBC;
    for (unsigned rule = 0; rule < RULE_COUNT; rule++)
        settings.actions[rule] = conf->integrity.actions.of[rule];
    return integrity_new(&settings, metrics);
}

static struct store *
new_store(struct worker *worker)
{
    const struct conf *conf = worker->settings.conf;
    struct store_settings settings = {
        .max_bytes = conf->buffer.memory.max_bytes / worker->settings.n_workers,
        .quarantine_bytes = conf_quarantine_bytes(conf) / worker->settings.n_workers,
        .batch_items = conf->batch.max_items,
        .batch_bytes = (uint32_t)conf->batch.max_size_bytes,
        .batch_delay_ms = (uint32_t)conf->batch.max_delay_ms,
        .max_age_s = (uint32_t)(conf->buffer.disk.max_age_ms / 1000),
    };
    switch (conf->buffer.when_full) {
    case CONF_FULL_BACKPRESSURE:
        settings.when_full = STORE_BACKPRESSURE;
        break;
    case CONF_FULL_DROP_OLDEST:
        settings.when_full = STORE_DROP_OLDEST;
        break;
    case CONF_FULL_DROP_NEWEST:
        settings.when_full = STORE_DROP_NEWEST;
        break;
    }
    struct store_callbacks callbacks = {
        .ctx = worker, .on_settled = on_settled, .on_room = on_room, .on_due = on_due};
    return store_new(&settings, &callbacks, &worker->blocks, worker->settings.metrics);
}

static struct receive *
new_receive(struct worker *worker)
{
    struct receive_parts parts = {
        .loop = worker->loop,
        .budget = &worker->budget,
        .metrics = worker->settings.metrics,
        .integrity = worker->integrity,
        .ctx = worker,
        .on_drained = on_endpoint_drained,
        .on_connections = on_connections,
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
    worker->integrity = new_integrity(worker->settings.conf, worker->settings.metrics);
    worker->receive = new_receive(worker);
    worker->store = new_store(worker);
    receive_set_store(worker->receive, worker->store);
    worker->forward = forward_new(worker->loop, worker->store, worker->settings.shared,
                                  worker->settings.resolver, worker->settings.metrics);
    worker->endpoint = new_endpoint(worker);
    worker->store_turn = loop_turn_add(worker->loop, TURN_STORE, on_store_turn, worker);
    worker->metrics_turn = loop_turn_add(worker->loop, TURN_METRICS, on_metrics_turn, worker);
    loop_timer_init(&worker->deadline, worker->loop, on_deadline, worker);
    loop_timer_init(&worker->room, worker->loop, on_room_time, worker);
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
    loop_timer_cancel(&worker->room);
    grpc_endpoint_free(&worker->endpoint);
    forward_free(&worker->forward);
    loop_run_once(worker->loop, 0); /* deferred frees, and the last settlements */
    loop_turn_remove(&worker->metrics_turn);
    loop_turn_remove(&worker->store_turn);
    store_turn(worker->store);
    receive_free(&worker->receive);
    store_free(&worker->store);
    integrity_free(&worker->integrity);
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
worker_stop(struct worker **worker)
{
    if (*worker == NULL)
        return;
    loop_stop((*worker)->loop);
    pthread_join((*worker)->thread, NULL);
    sem_destroy(&(*worker)->is_set_up);
    (*worker)->magic = 0;
    mem_free(*worker);
    *worker = NULL;
}
