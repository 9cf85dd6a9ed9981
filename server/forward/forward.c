/* Once per turn: what waited long enough, then what is due, goes to whoever has room. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forward.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/forward_int.h"
#include "forward/kafka.h"
#include "forward/relay_int.h"

static const uint64_t SWEEP_US = 1000000;

void
forward_wake(struct forward *forward)
{
    loop_alarm_at(forward->alarm, clock_mono_us());
}

static void
on_change(void *ctx)
{
    struct forward *forward = ctx;
    CHECK_OBJ(forward, FORWARD_MAGIC);
    forward_wake(forward);
}

/* The turn that the alarm began does the work at its end. */
static void
on_alarm(void *ctx)
{
    (void)ctx;
}

/* Expired records leave, also of batches that no backend takes for hours. */
static void
sweep(struct forward *forward, uint64_t now_us)
{
    if (now_us - forward->swept_us < SWEEP_US)
        return;
    forward->swept_us = now_us;
    for (int state = 0; state < SENDING_N_STATES; state++) {
        struct sending *sending, *next;
        if (state == SENDING_FLYING)
            continue;
        for (sending = TAILQ_FIRST(&forward->lists[state]); sending != NULL; sending = next) {
            next = TAILQ_NEXT(sending, link);
            (void)sending_is_fresh(sending);
        }
    }
}

static void
release_waiting(struct forward *forward, uint64_t now_us)
{
    struct sending *sending;
    while ((sending = TAILQ_FIRST(&forward->lists[SENDING_WAITING])) != NULL &&
           sending->not_before_us <= now_us)
        sending_set_state(sending, SENDING_READY);
}

static bool
goes_by_kafka(const struct forward *forward, enum method method)
{
    return forward->kafka != NULL && kafka_takes(method);
}

/* With Kafka every lane is looked at: each has its own way, or none. */
static bool
has_room(const struct forward *forward)
{
    return forward->kafka != NULL || balancer_has_room(forward->balancer);
}

static void
send_ready_by_kafka(struct forward *forward, struct sending *sending)
{
    if (kafka_has_room(forward->kafka, sending->method))
        kafka_start(forward->kafka, sending);
    else if (kafka_lacks_topic(forward->kafka, sending->method))
        sending_give_back(sending);
    else
        sending_wait(sending,
                     kafka_ask_again_us(forward->kafka, sending->method) - clock_mono_us());
}

static void
send_ready(struct forward *forward)
{
    struct sending *sending, *next;
    for (sending = TAILQ_FIRST(&forward->lists[SENDING_READY]);
         sending != NULL && has_room(forward); sending = next) {
        next = TAILQ_NEXT(sending, link);
        if (!sending_is_fresh(sending))
            continue;
        if (goes_by_kafka(forward, sending->method)) {
            send_ready_by_kafka(forward, sending);
            continue;
        }
        struct backend *backend = balancer_pick(forward->balancer, sending->method, sending->avoid);
        if (backend != NULL && sending_pay(sending)) {
            sending_start(sending, backend);
            continue;
        }
        if (backend != NULL) {
            /* Never 0, it would be seen again in this turn. */
            sending_wait(sending, 1 + retry_delay_us(&forward->shared->settings, sending->n_tries,
                                                     &forward->random));
            continue;
        }
        if (!balancer_knows(forward->balancer, sending->method)) {
            sending_give_back(sending);
            continue;
        }
        uint64_t again_us = balancer_ask_again_us(forward->balancer, sending->method);
        sending_wait(sending, again_us - clock_mono_us());
    }
}

static void
send_lane_by_kafka(struct forward *forward, struct store_lane *lane)
{
    enum method method = store_lane_method(lane);
    if (!kafka_has_room(forward->kafka, method)) {
        store_hold(forward->store, lane, kafka_ask_again_us(forward->kafka, method),
                   kafka_lacks_topic(forward->kafka, method));
        return;
    }
    struct store_batch *batch = store_take(forward->store, lane);
    if (batch != NULL)
        kafka_start(forward->kafka, sending_new(forward, batch));
}

/* OAP reads no topic of the method, and there is no OAP to call: check-config said so. */
static void
drop_lane(struct forward *forward, struct store_lane *lane)
{
    struct store_batch *batch = store_take(forward->store, lane);
    if (batch != NULL)
        store_drop(forward->store, &batch, DROP_POLICY);
}

/* One batch of the lane goes out, or the lane is told when to come again. */
static void
send_lane(struct forward *forward, struct store_lane *lane, uint64_t now_us)
{
    enum method method = store_lane_method(lane);
    if (forward->n_waiting[method] >= FORWARD_MAX_WAITING) {
        store_hold(forward->store, lane, now_us + forward->shared->settings.retry_initial_us,
                   false);
        return;
    }
    if (goes_by_kafka(forward, method)) {
        send_lane_by_kafka(forward, lane);
        return;
    }
    if (forward->kafka != NULL && forward->shared->settings.n_addresses == 0) {
        drop_lane(forward, lane);
        return;
    }
    struct backend *backend = balancer_pick(forward->balancer, method, 0);
    if (backend == NULL) {
        store_hold(forward->store, lane, balancer_ask_again_us(forward->balancer, method),
                   !balancer_knows(forward->balancer, method));
        return;
    }
    struct store_batch *batch = store_take(forward->store, lane);
    if (batch != NULL)
        sending_start(sending_new(forward, batch), backend);
}

/* When the next lane will be due; UINT64_MAX when nothing can be taken before something changes. */
static uint64_t
send_due(struct forward *forward, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    while (has_room(forward)) {
        struct store_lane *lane = store_due(forward->store, now_us, forward->is_flushing, &next_us);
        if (lane == NULL)
            return next_us;
        send_lane(forward, lane, now_us);
    }
    return UINT64_MAX;
}

static uint64_t
discard_due(struct forward *forward, uint64_t now_us)
{
    uint64_t next_us;
    struct store_lane *lane;
    while ((lane = store_due(forward->store, now_us, forward->is_flushing, &next_us)) != NULL) {
        struct store_batch *batch = store_take(forward->store, lane);
        if (batch != NULL)
            store_ack(forward->store, &batch);
    }
    return next_us;
}

static void
set_alarm(struct forward *forward, uint64_t next_us)
{
    const struct sending *waiting = TAILQ_FIRST(&forward->lists[SENDING_WAITING]);
    if (waiting != NULL && waiting->not_before_us < next_us)
        next_us = waiting->not_before_us;
    if (next_us == UINT64_MAX)
        loop_alarm_cancel(forward->alarm);
    else
        loop_alarm_at(forward->alarm, next_us);
}

static void
on_turn(void *ctx)
{
    struct forward *forward = ctx;
    CHECK_OBJ(forward, FORWARD_MAGIC);
    uint64_t now_us = clock_mono_us();
    if (forward->is_resting)
        return;
    if (forward->is_paused) {
        sweep(forward, now_us);
        relays_turn(forward);
        return;
    }
    if (forward->shared->settings.is_discard) {
        set_alarm(forward, discard_due(forward, now_us));
        return;
    }
    sweep(forward, now_us);
    release_waiting(forward, now_us);
    isolate_turn(forward);
    relays_turn(forward);
    send_ready(forward);
    uint64_t next_us = send_due(forward, now_us);
    balancer_sweep(forward->balancer);
    set_alarm(forward, next_us);
}

struct forward *
forward_new(struct loop *loop, struct store *store, struct forward_shared *shared,
            struct resolver *resolver, struct metrics *metrics)
{
    struct forward *forward = mem_new(struct forward);
    forward->magic = FORWARD_MAGIC;
    forward->loop = loop;
    forward->store = store;
    forward->shared = shared;
    forward->metrics = metrics;
    for (int i = 0; i < SENDING_N_STATES; i++)
        TAILQ_INIT(&forward->lists[i]);
    TAILQ_INIT(&forward->spare);
    uint64_t seed = clock_fresh_us() ^ (uint64_t)(uintptr_t)forward;
    forward->random = hash_bytes(bytes_of(&seed, sizeof(seed))) | 1;
    forward->swept_us = clock_mono_us();
    retry_budget_init(&forward->budget, shared->settings.retry_budget, clock_mono_us());
    forward->alarm = loop_alarm_new(loop, on_alarm, forward);
    forward->turn = loop_turn_add(loop, TURN_FORWARD, on_turn, forward);
    struct balancer_settings settings = {
        .loop = loop,
        .resolver = resolver,
        .shared = shared,
        .metrics = metrics,
        .ctx = forward,
        .on_change = on_change,
    };
    forward->balancer = balancer_new(&settings);
    forward->relays = relays_new(forward);
    if (shared->kafka != NULL)
        forward->kafka = kafka_new(forward);
    return forward;
}

void
forward_free(struct forward **forward)
{
    if (*forward == NULL)
        return;
    if ((*forward)->kafka != NULL)
        kafka_close((*forward)->kafka);
    for (int state = 0; state < SENDING_N_STATES; state++) {
        struct sending *sending;
        while ((sending = TAILQ_FIRST(&(*forward)->lists[state])) != NULL) {
            sending_cancel(sending);
            sending_give_back(sending);
        }
    }
    relays_free(&(*forward)->relays);
    kafka_free(&(*forward)->kafka);
    balancer_free(&(*forward)->balancer);
    loop_turn_remove(&(*forward)->turn);
    loop_alarm_free(&(*forward)->alarm);
    sending_fini_spare(*forward);
    (*forward)->magic = 0;
    mem_free(*forward);
    *forward = NULL;
}

void
forward_on_due(struct forward *forward)
{
    CHECK_OBJ(forward, FORWARD_MAGIC);
    /* Without room there is nothing to do before a call ends or a backend comes. */
    if (forward->shared->settings.is_discard || has_room(forward))
        forward_wake(forward);
}

void
forward_flush(struct forward *forward)
{
    forward->is_flushing = true;
    forward->is_paused = false;
    struct sending *sending;
    while ((sending = TAILQ_FIRST(&forward->lists[SENDING_WAITING])) != NULL)
        sending_set_state(sending, SENDING_READY);
    forward_wake(forward);
}

void
forward_give_back(struct forward *forward)
{
    for (int state = 0; state < SENDING_N_STATES; state++) {
        struct sending *sending;
        while (state != SENDING_FLYING && (sending = TAILQ_FIRST(&forward->lists[state])) != NULL)
            sending_give_back(sending);
    }
}

bool
forward_is_idle(const struct forward *forward)
{
    return forward->n_sendings == 0;
}

void
forward_rest(struct forward *forward)
{
    forward->is_resting = true;
}

void
forward_set_paused(struct forward *forward, bool is_paused)
{
    forward->is_paused = is_paused;
    forward_wake(forward);
}

void
forward_refresh(struct forward *forward)
{
    balancer_refresh(forward->balancer);
    forward_wake(forward);
}

void
forward_set_token(struct forward *forward, const char *auth_token)
{
    balancer_set_token(forward->balancer, auth_token);
}

bool
forward_has_calls(const struct forward *forward)
{
    return !TAILQ_EMPTY(&forward->lists[SENDING_FLYING]);
}

uint32_t
forward_n_up(const struct forward *forward)
{
    if (forward->is_paused)
        return 0;
    return forward->kafka != NULL ? kafka_is_up(forward->kafka) : balancer_n_up(forward->balancer);
}
