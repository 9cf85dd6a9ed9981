/* Backends that fail in every way at random moments, names that resolve: nothing is lost. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forward_fixture.h"
#include "net/resolver.h"

static uint64_t seed;

static uint32_t
roll(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static void
disturb(struct standin *backend)
{
    static const int statuses[] = {GRPC_UNAVAILABLE,       GRPC_RESOURCE_EXHAUSTED,
                                   GRPC_DEADLINE_EXCEEDED, GRPC_UNKNOWN,
                                   GRPC_INTERNAL,          GRPC_CANCELLED};
    bool is_alive = backend->listener != NULL;
    switch (roll(12)) {
    case 0:
        if (is_alive)
            standin_die(backend);
        break;
    case 1:
        backend->cuts_next = is_alive;
        break;
    case 2:
    case 3:
        backend->status = statuses[roll(6)];
        backend->n_fail = 1 + roll(4);
        break;
    case 4:
        backend->is_silent = true;
        break;
    case 5:
        backend->knows_sync = false;
        break;
    case 6:
        backend->knows_collect = false;
        break;
    case 7:
        backend->knows_sync = backend->knows_collect = true;
        break;
    default:
        backend->is_silent = false;
        if (!is_alive)
            standin_rise(backend);
        break;
    }
}

static void
heal(struct standin *backend)
{
    backend->is_silent = false;
    backend->knows_sync = backend->knows_collect = true;
    backend->status = 0;
    backend->n_fail = 0;
    if (backend->listener == NULL)
        standin_rise(backend);
}

static void
put_some(struct world *world)
{
    static const enum method methods[] = {METHOD_SEGMENT_COLLECT, METHOD_SEGMENT_COLLECT,
                                          METHOD_EVENT_COLLECT, METHOD_JVM_METRICS,
                                          METHOD_METER_COLLECT_BATCH};
    enum method method = methods[roll(5)];
    world_put(world, method, method == METHOD_JVM_METRICS ? 1 + roll(3) : 1 + roll(60));
}

static void
chaos_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 3; round++) {
        seed = round * UINT64_C(0x9E3779B97F4A7C15);
        struct world world;
        struct forward_settings settings = world_settings();
        settings.ack_timeout_us = 200000;
        world_init(&world, &settings, 3);
        for (int i = 0; i < 250; i++) {
            put_some(&world);
            if (roll(3) == 0)
                disturb(world.backends[roll(3)]);
            world_turn(&world);
            world_assert_balance(&world);
        }
        for (uint32_t i = 0; i < 3; i++)
            heal(world.backends[i]);
        WORLD_UNTIL_EMPTY(&world);
        /* Three refusals in a row may hit a record that is sent alone: it is kept, too. */
        uint64_t n_aside = world_sum(&world, METRIC_ITEMS_QUARANTINED);
        (void)world_assert_stored(&world, (uint32_t)n_aside);
        assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED) + n_aside, world.n_put);
        assert_int_equal(world_sum(&world, METRIC_ITEMS_DROPPED), 0);
        assert_true(world_sum(&world, METRIC_BACKEND_RETRIES) > 20);
        WORLD_UNTIL(&world, world.budget.used_bytes ==
                                metric_get(world.metrics, METRIC_QUARANTINE_BYTES, 0));
        world_fini(&world);
    }
}

static void
names_are_resolved(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    forward_free(&world.forward);
    forward_shared_free(&world.shared);
    char name[64];
    const char *addresses[] = {name};
    snprintf(name, sizeof(name), "dns:///localhost%s", strrchr(world.backends[0]->address, ':'));
    settings.addresses = addresses;
    settings.n_addresses = 1;
    settings.dns_interval_us = 100000;
    world.shared = forward_shared_of(&settings);
    struct resolver *resolver = resolver_new();
    world.forward = forward_new(world.loop, world.store, world.shared, resolver, world.metrics);
    world_put(&world, METHOD_SEGMENT_COLLECT, 100);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    assert_int_equal(forward_n_up(world.forward), 1);
    /* Asked again and again it stays the same backend. */
    uint64_t end_us = clock_fresh_us() + 500000;
    while (clock_fresh_us() < end_us)
        world_turn(&world);
    assert_int_equal(forward_n_up(world.forward), 1);
    forward_free(&world.forward);
    resolver_free(&resolver);
    world_fini(&world);
}

static void
name_that_does_not_resolve_holds_everything(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 0);
    forward_free(&world.forward);
    forward_shared_free(&world.shared);
    const char *addresses[] = {"no-such-host.invalid:11800"};
    settings.addresses = addresses;
    settings.n_addresses = 1;
    world.shared = forward_shared_of(&settings);
    struct resolver *resolver = resolver_new();
    world.forward = forward_new(world.loop, world.store, world.shared, resolver, world.metrics);
    world_put(&world, METHOD_SEGMENT_COLLECT, 100);
    for (int i = 0; i < 20; i++)
        world_turn(&world);
    assert_int_equal(store_n_held(world.store), 100);
    forward_free(&world.forward);
    resolver_free(&resolver);
    world_fini(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chaos_loses_nothing),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(name_that_does_not_resolve_holds_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
