/* A store, a forward and some stand-in backends on one loop. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_FORWARD_FIXTURE_H
#define UNIT_FORWARD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/forward.h"
#include "forward/standin_backend.h"
#include "store/store.h"

enum { WORLD_BACKENDS = 3, WORLD_WAIT_US = 20000000 };

struct world {
    struct loop *loop;
    struct budget_pool pool;
    struct budget budget;
    struct block_cache blocks;
    struct metrics *metrics;
    struct store *store;
    struct forward_shared *shared;
    struct forward *forward;
    struct loop_turn *store_turn;
    struct standin *backends[WORLD_BACKENDS];
    uint32_t n_backends;
    uint32_t n_put;
};

static inline void
world_on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    (void)ctx;
    (void)cookie;
    (void)credit_bytes;
    (void)n_records;
}

static inline void
world_on_room(void *ctx)
{
    (void)ctx;
}

static inline void
world_on_due(void *ctx)
{
    struct world *world = ctx;
    if (world->forward != NULL) /* NULL: its batches came back in the tear-down */
        forward_on_due(world->forward);
}

static inline void
world_on_store_turn(void *ctx)
{
    struct world *world = ctx;
    store_turn(world->store);
}

/* settings: forward_settings_default, then what the test wants; addresses are filled in here. */
static inline void
world_init_delay(struct world *world, struct forward_settings *settings, uint32_t n_backends,
                 uint32_t batch_delay_ms)
{
    *world = (struct world){.n_backends = n_backends};
    log_set_level(LOG_ERROR);
    world->loop = loop_new();
    budget_pool_init(&world->pool, 512u << 20);
    budget_init(&world->budget, &world->pool);
    block_cache_init(&world->blocks, &world->budget, 4);
    world->metrics = metrics_new();
    const char *addresses[WORLD_BACKENDS];
    for (uint32_t i = 0; i < n_backends; i++) {
        world->backends[i] = standin_new(world->loop);
        addresses[i] = world->backends[i]->address;
    }
    settings->addresses = addresses;
    settings->n_addresses = n_backends;
    world->shared = forward_shared_of(settings);
    struct store_settings store = {
        .max_bytes = 64u << 20,
        .quarantine_bytes = 1u << 20,
        .batch_items = 100,
        .batch_bytes = 4u << 20,
        .batch_delay_ms = batch_delay_ms,
        .max_age_s = 3600,
    };
    struct store_callbacks callbacks = {.ctx = world,
                                        .on_settled = world_on_settled,
                                        .on_room = world_on_room,
                                        .on_due = world_on_due};
    world->store = store_new(&store, &callbacks, &world->blocks, world->metrics);
    world->store_turn = loop_turn_add(world->loop, TURN_STORE, world_on_store_turn, world);
    world->forward = forward_new(world->loop, world->store, world->shared, NULL, world->metrics);
}

static inline void
world_init(struct world *world, struct forward_settings *settings, uint32_t n_backends)
{
    world_init_delay(world, settings, n_backends, 5);
}

static inline struct forward_settings
world_settings(void)
{
    struct forward_settings settings;
    forward_settings_default(&settings);
    settings.retry_initial_us = 5000;
    settings.retry_max_us = 50000;
    settings.retry_budget = 10000;
    settings.reconnect_initial_us = 10000;
    settings.reconnect_max_us = 50000;
    return settings;
}

static inline uint64_t
world_sum(const struct world *world, enum metric metric)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < metric_row(metric)->n; i++)
        sum += metric_get(world->metrics, metric, i);
    return sum;
}

static inline void
world_assert_balance(const struct world *world)
{
    assert_int_equal(
        world_sum(world, METRIC_ITEMS_ACCEPTED),
        world_sum(world, METRIC_ITEMS_FORWARDED) + world_sum(world, METRIC_ITEMS_DROPPED) +
            world_sum(world, METRIC_ITEMS_QUARANTINED) + world_sum(world, METRIC_ITEMS_QUEUED) +
            world_sum(world, METRIC_ITEMS_INFLIGHT));
}

static inline void
world_turn(struct world *world)
{
    loop_run_once(world->loop, 10);
    for (uint32_t i = 0; i < world->n_backends; i++)
        standin_turn(world->backends[i]);
}

/* Turns until the condition holds. */
#define WORLD_UNTIL(world, condition)                              \
    do {                                                           \
        uint64_t world_end_us_ = clock_fresh_us() + WORLD_WAIT_US; \
        while (!(condition)) {                                     \
            world_turn(world);                                     \
            assert_true(clock_fresh_us() < world_end_us_);         \
        }                                                          \
    } while (0)
#define WORLD_UNTIL_EMPTY(world) WORLD_UNTIL(world, store_n_held((world)->store) == 0)

static inline void
world_put_bytes(struct world *world, enum method method, struct bytes rest)
{
    uint32_t number = world->n_put++;
    struct bytes parts[] = {bytes_of(&number, sizeof(number)), rest};
    struct store_record record = {
        .method = method,
        .reason = RULE_COUNT,
        .parts = parts,
        .n_parts = 2,
        .received_ms = clock_unix_ms(),
    };
    assert_int_equal(store_put(world->store, &record), ERR_OK);
}

static inline void
world_put(struct world *world, enum method method, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        world_put_bytes(world, method, BYTES(".payload"));
}

/* Every record was stored by some backend; the most often one was. */
static inline uint32_t
world_assert_stored(const struct world *world, uint32_t n_missing)
{
    uint32_t most = 0, missing = 0;
    for (uint32_t i = 0; i < world->n_put; i++) {
        uint32_t n = 0;
        for (uint32_t j = 0; j < world->n_backends; j++)
            n += world->backends[j]->stored[i];
        most = n > most ? n : most;
        missing += n == 0;
    }
    assert_int_equal(missing, n_missing);
    return most;
}

static inline void
world_fini(struct world *world)
{
    world_assert_balance(world);
    forward_free(&world->forward);
    for (uint32_t i = 0; i < world->n_backends; i++)
        standin_free(&world->backends[i]);
    loop_turn_remove(&world->store_turn);
    loop_run_once(world->loop, 0);
    store_turn(world->store);
    store_free(&world->store);
    world_assert_balance(world);
    forward_shared_free(&world->shared);
    loop_free(&world->loop);
    assert_int_equal(world_sum(world, METRIC_BACKEND_INFLIGHT), 0);
    assert_int_equal(world_sum(world, METRIC_BACKEND_UP), 0);
    assert_int_equal(world->blocks.n_live, 0);
    assert_int_equal(world->budget.used_bytes, 0);
    block_cache_fini(&world->blocks);
    budget_fini(&world->budget);
    metrics_free(&world->metrics);
}

#endif
