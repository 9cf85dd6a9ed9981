/* Operators' orders: a pause, and backends they take out of use. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/forward_fixture.h"

/* What is under way ends; nothing new begins, and nothing is lost. */
static void
a_pause_holds_everything_back(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 1);
    world.backends[0]->is_holding = true;
    world_put(&world, METHOD_SEGMENT_COLLECT, 100);
    WORLD_UNTIL(&world, world.backends[0]->n_held == 1);
    forward_set_paused(world.forward, true);
    assert_int_equal(forward_n_up(world.forward), 0); /* as an outage */
    world_put(&world, METHOD_SEGMENT_COLLECT, 200);
    standin_answer_held(world.backends[0]);
    world.backends[0]->is_holding = false;
    WORLD_UNTIL(&world, store_n_held(world.store) == 200);
    for (int i = 0; i < 10; i++)
        world_turn(&world);
    assert_int_equal(store_n_held(world.store), 200);
    assert_int_equal(world.backends[0]->n_calls, 1);
    forward_set_paused(world.forward, false);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    /* A flush ends it: what memory alone holds must go out. */
    forward_set_paused(world.forward, true);
    world_put(&world, METHOD_SEGMENT_COLLECT, 10);
    forward_flush(world.forward);
    WORLD_UNTIL_EMPTY(&world);
    world_fini(&world);
}

static void
set_disabled(struct world *world, uint32_t backend, bool is_disabled)
{
    assert_true(
        forward_shared_set_disabled(world->shared, world->backends[backend]->address, is_disabled));
    forward_refresh(world->forward);
}

static void
a_disabled_backend_gets_nothing_new(void **state)
{
    (void)state;
    struct world world;
    struct forward_settings settings = world_settings();
    world_init(&world, &settings, 2);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 2);
    assert_false(forward_shared_set_disabled(world.shared, "192.0.2.1:11800", true));
    set_disabled(&world, 0, true);
    assert_int_equal(forward_n_up(world.forward), 1);
    for (int i = 0; i < 10; i++) {
        world_put(&world, METHOD_SEGMENT_COLLECT, 100);
        WORLD_UNTIL_EMPTY(&world);
    }
    assert_int_equal(world.backends[0]->n_calls, 0);
    assert_int_equal(world_assert_stored(&world, 0), 1);
    /* None is left: everything waits, as in an outage. */
    set_disabled(&world, 1, true);
    uint32_t n_calls = world.backends[1]->n_calls;
    assert_int_equal(forward_n_up(world.forward), 0);
    world_put(&world, METHOD_SEGMENT_COLLECT, 50);
    for (int i = 0; i < 10; i++)
        world_turn(&world);
    assert_int_equal(store_n_held(world.store), 50);
    set_disabled(&world, 0, false);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world.backends[1]->n_calls, n_calls);
    assert_true(world.backends[0]->n_calls > 0);
    world_assert_stored(&world, 0);
    world_fini(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_holds_everything_back),
        cmocka_unit_test(a_disabled_backend_gets_nothing_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
