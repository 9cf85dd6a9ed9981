/* Blocks: references, reuse and the charge to the budget. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/block.h"

struct world {
    struct budget_pool pool;
    struct budget budget;
    struct block_cache cache;
};

static void
begin(struct world *world, uint64_t limit, uint32_t n_keep)
{
    budget_pool_init(&world->pool, limit);
    budget_init(&world->budget, &world->pool);
    block_cache_init(&world->cache, &world->budget, n_keep);
}

static void
end(struct world *world)
{
    block_cache_fini(&world->cache);
    assert_int_equal(world->budget.used_bytes, 0);
    budget_fini(&world->budget);
}

static void
the_last_reference_frees(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 64 * 1024 * 1024, 4);
    struct block *block = block_new(&world.cache, 100);
    assert_int_equal(block->refs, 1);
    assert_int_equal(block->used, 0);
    assert_int_equal(block->size, BLOCK_BYTES);
    memset(block->data, 1, block->size);
    block_ref(block);
    block_ref(block);
    block_unref(&world.cache, block);
    block_unref(&world.cache, block);
    assert_int_equal(world.cache.n_live, 1);
    assert_int_equal(world.budget.used_bytes, BLOCK_BYTES);
    block_unref(&world.cache, block);
    assert_int_equal(world.cache.n_live, 0);
    end(&world);
}

static void
the_last_freed_is_the_first_reused(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 64 * 1024 * 1024, 2);
    struct block *blocks[3];
    for (int i = 0; i < 3; i++)
        blocks[i] = block_new(&world.cache, 1);
    blocks[1]->used = 77;
    block_unref(&world.cache, blocks[0]);
    block_unref(&world.cache, blocks[1]);
    assert_int_equal(world.cache.n_free, 2);
    block_unref(&world.cache, blocks[2]); /* one too many to keep */
    assert_int_equal(world.cache.n_free, 2);
    struct block *again = block_new(&world.cache, BLOCK_BYTES);
    assert_ptr_equal(again, blocks[1]);
    assert_int_equal(again->used, 0);
    assert_int_equal(again->refs, 1);
    assert_int_equal(world.cache.n_free, 1);
    block_unref(&world.cache, again);
    end(&world);
}

static void
a_large_block_is_its_own_size_and_not_kept(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 64 * 1024 * 1024, 2);
    struct block *large = block_new(&world.cache, 4 * BLOCK_BYTES + 1);
    assert_int_equal(large->size, 4 * BLOCK_BYTES + 1);
    assert_int_equal(world.budget.used_bytes, 4 * BLOCK_BYTES + 1);
    memset(large->data, 1, large->size);
    block_unref(&world.cache, large);
    assert_int_equal(world.cache.n_free, 0);
    assert_null(block_new(&world.cache, (size_t)UINT32_MAX + 1));
    end(&world);
}

static void
the_budget_may_refuse(void **state)
{
    (void)state;
    struct world world;
    begin(&world, BUDGET_STEP_BYTES, 8);
    struct block *blocks[4];
    for (int i = 0; i < 4; i++)
        assert_non_null(blocks[i] = block_new(&world.cache, 1));
    assert_null(block_new(&world.cache, 1));
    assert_int_equal(world.cache.n_live, 4);
    block_unref(&world.cache, blocks[3]);
    assert_non_null(blocks[3] = block_new(&world.cache, 1));
    for (int i = 0; i < 4; i++)
        block_unref(&world.cache, blocks[i]);
    end(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(the_last_freed_is_the_first_reused),
        cmocka_unit_test(a_large_block_is_its_own_size_and_not_kept),
        cmocka_unit_test(the_budget_may_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
