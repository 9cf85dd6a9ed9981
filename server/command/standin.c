/* The stand-in OAP: one thread, one loop, one endpoint. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/standin.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/budget.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "command/standin_store.h"
#include "grpc/grpc_endpoint.h"
#include "message/message.h"
#include "net/listener.h"

enum { STANDIN_MAGIC = 0x57a4d141, STANDIN_BUDGET_BYTES = 1 << 30 };

/* A call whose answer waits for the latency to pass. */
struct pending {
    STAILQ_ENTRY(pending) link;
    struct grpc_call *call;
    uint64_t due_us;
};

struct standin {
    uint32_t magic;
    struct standin_settings settings;
    char address[NET_ADDRESS_TEXT];
    pthread_t thread;
    struct loop *loop;
    struct listener *listener;
    struct grpc_endpoint *endpoint;
    struct budget_pool pool;
    struct budget budget;
    struct metrics *metrics;
    struct loop_turn *turn;
    struct loop_alarm *alarm;
    STAILQ_HEAD(, pending) pending;
    uint64_t random;
    struct standin_store *store;
    pthread_mutex_t lock; /* guards counts and store against queries from other threads */
    struct standin_counts counts;
    _Atomic bool over;
    bool joined;
};

/* One call; the call's user data. */
struct standin_call {
    const struct method_row *method;
    bool fails;
    bool was_welcomed;
};

static void
note_item(struct standin *standin, enum method method, struct bytes message)
{
    standin->counts.n_items[method]++;
    standin->counts.n_bytes += message.n;
    standin_store_add(standin->store, method, message);
}

static void
note_segment(void *ctx, struct bytes segment)
{
    note_item(ctx, METHOD_SEGMENT_COLLECT, segment);
}

static uint64_t
n_items(const struct standin_counts *counts)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        n += counts->n_items[i];
    return n;
}

/* Who uploads a profile says what comes and waits for a word (protocol.md 6): an empty message is
 * PROFILING_SUCCESS. */
static void
welcome(struct grpc_call *call, struct standin_call *own)
{
    if (own->method->stream == STREAM_BIDI && !own->was_welcomed)
        grpc_call_send(call, BYTES_NONE);
    own->was_welcomed = true;
}

static enum grpc_take
on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct standin *standin = grpc_call_service(call);
    struct standin_call *own = grpc_call_user(call);
    grpc_call_credit(call, credit_bytes);
    if (own->fails)
        return GRPC_TAKEN;
    welcome(call, own);
    pthread_mutex_lock(&standin->lock);
    if (own->method->method != METHOD_SEGMENT_COLLECT_SYNC)
        note_item(standin, own->method->method, message);
    else if (message_each_segment(message, note_segment, standin) != ERR_OK)
        own->fails = true;
    bool done = standin->settings.until > 0 && n_items(&standin->counts) >= standin->settings.until;
    pthread_mutex_unlock(&standin->lock);
    if (done)
        grpc_endpoint_drain(standin->endpoint);
    return GRPC_TAKEN;
}

static void
answer(struct standin *standin, struct grpc_call *call)
{
    struct standin_call *own = grpc_call_user(call);
    if (own == NULL || grpc_call_is_over(call))
        return;
    if (own->fails) {
        grpc_call_finish(call, (enum grpc_status)standin->settings.fail_status,
                         "the stand-in was asked to fail");
        return;
    }
    if (own->method->stream != STREAM_BIDI)
        grpc_call_send(call, BYTES_NONE);
    grpc_call_finish(call, GRPC_OK, "");
}

static void
arm_alarm(struct standin *standin)
{
    struct pending *first = STAILQ_FIRST(&standin->pending);
    if (first != NULL)
        loop_alarm_at(standin->alarm, first->due_us);
}

static void
on_alarm(void *ctx)
{
    struct standin *standin = ctx;
    CHECK_OBJ(standin, STANDIN_MAGIC);
    struct pending *first;
    while ((first = STAILQ_FIRST(&standin->pending)) != NULL && first->due_us <= clock_mono_us()) {
        STAILQ_REMOVE_HEAD(&standin->pending, link);
        answer(standin, first->call);
        grpc_call_unref(&first->call);
        mem_free(first);
    }
    arm_alarm(standin);
}

static void
on_end(struct grpc_call *call)
{
    struct standin *standin = grpc_call_service(call);
    pthread_mutex_lock(&standin->lock);
    standin->counts.n_calls++;
    standin->counts.n_failed += ((struct standin_call *)grpc_call_user(call))->fails;
    pthread_mutex_unlock(&standin->lock);
    if (standin->settings.stall)
        return;
    if (standin->settings.latency_us == 0) {
        answer(standin, call);
        return;
    }
    struct pending *pending = mem_new(struct pending);
    pending->call = call;
    grpc_call_ref(call);
    pending->due_us = clock_mono_us() + standin->settings.latency_us;
    STAILQ_INSERT_TAIL(&standin->pending, pending, link);
    if (STAILQ_FIRST(&standin->pending) == pending)
        arm_alarm(standin);
}

static void
on_gone(struct grpc_call *call, bool mid_message)
{
    (void)mid_message;
    mem_free(grpc_call_user(call));
    grpc_call_set_user(call, NULL);
}

static const struct grpc_handler handler = {
    .on_message = on_message,
    .on_end = on_end,
    .on_gone = on_gone,
};

/* 0..1, from a small xorshift: faults need no good randomness, only a repeatable one. */
static double
next_random(struct standin *standin)
{
    standin->random ^= standin->random << 13;
    standin->random ^= standin->random >> 7;
    standin->random ^= standin->random << 17;
    return (double)(standin->random >> 11) / (double)(UINT64_C(1) << 53);
}

static void
on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    struct standin *standin = ctx;
    (void)call;
    const struct method_row *method = method_find(path);
    if (method == NULL || method->method_class == KIND_L) {
        *out = (struct grpc_route){.refuse = GRPC_UNIMPLEMENTED,
                                   .text = "the stand-in takes SkyWalking's methods only"};
        return;
    }
    struct standin_call *own = mem_new(struct standin_call);
    own->method = method;
    own->fails =
        standin->settings.fail_ratio > 0 && next_random(standin) < standin->settings.fail_ratio;
    *out = (struct grpc_route){.handler = &handler, .method = method, .user = own};
}

static void
on_drained(void *ctx)
{
    struct standin *standin = ctx;
    loop_stop(standin->loop);
}

static void
on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    struct standin *standin = ctx;
    (void)peer;
    grpc_endpoint_accept(standin->endpoint, descriptor, NULL);
}

static void
on_turn(void *ctx)
{
    struct standin *standin = ctx;
    pthread_mutex_lock(&standin->lock);
    standin_store_flush(standin->store);
    pthread_mutex_unlock(&standin->lock);
    metrics_publish(standin->metrics);
}

static void
set_up(struct standin *standin)
{
    struct grpc_endpoint_settings endpoint;
    grpc_endpoint_settings_default(&endpoint);
    endpoint.drain_us = 1000000;
    struct grpc_service service = {.ctx = standin, .on_call = on_call, .on_drained = on_drained};
    budget_pool_init(&standin->pool, STANDIN_BUDGET_BYTES);
    budget_init(&standin->budget, &standin->pool);
    standin->metrics = metrics_new();
    standin->endpoint =
        grpc_endpoint_new(standin->loop, &endpoint, &service, &standin->budget, standin->metrics);
    standin->alarm = loop_alarm_new(standin->loop, on_alarm, standin);
    standin->turn = loop_turn_add(standin->loop, TURN_METRICS, on_turn, standin);
    STAILQ_INIT(&standin->pending);
    standin->random = UINT64_C(0x2545F4914F6CDD1D);
    pthread_mutex_init(&standin->lock, NULL);
}

static void
free_pending(struct standin *standin)
{
    struct pending *pending;
    while ((pending = STAILQ_FIRST(&standin->pending)) != NULL) {
        STAILQ_REMOVE_HEAD(&standin->pending, link);
        grpc_call_unref(&pending->call);
        mem_free(pending);
    }
}

/* Connections are closed by the thread that served them. */
static void
close_all(struct standin *standin)
{
    listener_close(&standin->listener);
    free_pending(standin);
    grpc_endpoint_free(&standin->endpoint);
    loop_run_once(standin->loop, 0); /* what was freed late */
    loop_turn_remove(&standin->turn);
    loop_alarm_free(&standin->alarm);
    loop_run_once(standin->loop, 0);
}

static void
tear_down(struct standin *standin)
{
    loop_free(&standin->loop);
    metrics_free(&standin->metrics);
    budget_fini(&standin->budget);
    standin_store_close(&standin->store);
    pthread_mutex_destroy(&standin->lock);
    mem_free(standin);
}

static void *
run(void *ctx)
{
    struct standin *standin = ctx;
    log_set_thread("sink");
    loop_run(standin->loop);
    close_all(standin);
    atomic_store(&standin->over, true);
    return NULL;
}

enum err
standin_start(const struct standin_settings *settings, struct text *why, struct standin **out)
{
    struct standin *standin = mem_new(struct standin);
    standin->magic = STANDIN_MAGIC;
    standin->settings = *settings;
    enum err err = standin_store_open(settings->store_dir, settings->keep, why, &standin->store);
    if (err != ERR_OK) {
        mem_free(standin);
        return err;
    }
    standin->loop = loop_new();
    set_up(standin);
    struct listener_callbacks callbacks = {.ctx = standin, .on_accept = on_accept};
    err = listener_open(standin->loop, settings->listen, &callbacks, why, &standin->listener);
    if (err != ERR_OK) {
        close_all(standin);
        tear_down(standin);
        return err;
    }
    struct net_address address;
    listener_address(standin->listener, &address);
    net_address_text(&address, standin->address);
    check(pthread_create(&standin->thread, NULL, run, standin) == 0);
    *out = standin;
    return ERR_OK;
}

bool
standin_is_over(struct standin *standin)
{
    return atomic_load(&standin->over);
}

void
standin_wait(struct standin *standin)
{
    if (!standin->joined)
        check(pthread_join(standin->thread, NULL) == 0);
    standin->joined = true;
}

void
standin_stop(struct standin **out)
{
    struct standin *standin = *out;
    if (standin == NULL)
        return;
    loop_stop(standin->loop);
    standin_wait(standin);
    tear_down(standin);
    *out = NULL;
}

const char *
standin_address(const struct standin *standin)
{
    return standin->address;
}

void
standin_counts(struct standin *standin, struct standin_counts *out)
{
    pthread_mutex_lock(&standin->lock);
    *out = standin->counts;
    pthread_mutex_unlock(&standin->lock);
}

void
standin_query(struct standin *standin, uint32_t limit, const char *trace_id, struct text *out)
{
    pthread_mutex_lock(&standin->lock);
    standin_store_query(standin->store, limit, trace_id, out);
    pthread_mutex_unlock(&standin->lock);
}
