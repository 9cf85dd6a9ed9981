/* The budget: borrowing in steps, refusing, levels and the gate. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/budget.h"

enum { STEP = BUDGET_STEP_BYTES };

static uint64_t
borrowed(const struct budget_pool *pool)
{
    return atomic_load(&pool->borrowed_bytes);
}

static void
it_borrows_and_returns_whole_steps(void **state)
{
    (void)state;
    struct budget_pool pool;
    struct budget budget;
    budget_pool_init(&pool, 10 * STEP);
    budget_init(&budget, &pool);
    assert_true(budget_take(&budget, 1));
    assert_int_equal(borrowed(&pool), STEP);
    assert_true(budget_take(&budget, STEP - 1));
    assert_int_equal(borrowed(&pool), STEP);
    assert_true(budget_take(&budget, 3 * STEP));
    assert_int_equal(borrowed(&pool), 4 * STEP);
    /* One step is kept in hand. */
    budget_give(&budget, 3 * STEP);
    assert_int_equal(borrowed(&pool), 2 * STEP);
    budget_give(&budget, STEP);
    assert_int_equal(budget.used_bytes, 0);
    budget_fini(&budget);
    assert_int_equal(borrowed(&pool), 0);
}

static void
a_refusal_charges_nothing(void **state)
{
    (void)state;
    struct budget_pool pool;
    struct budget one, other;
    budget_pool_init(&pool, 4 * STEP);
    budget_init(&one, &pool);
    budget_init(&other, &pool);
    assert_true(budget_take(&one, 3 * STEP));
    assert_false(budget_take(&other, STEP + 1));
    assert_false(budget_take(&other, UINT64_MAX));
    assert_int_equal(other.used_bytes, 0);
    assert_int_equal(borrowed(&pool), 3 * STEP);
    assert_true(budget_take(&other, STEP));
    /* What the other has borrowed and does not use is not there for this one. */
    budget_give(&other, STEP);
    assert_false(budget_take(&one, STEP));
    budget_give(&one, 3 * STEP);
    budget_fini(&one);
    budget_fini(&other);
    assert_int_equal(borrowed(&pool), 0);
}

static void
what_must_complete_may_pass_the_limit(void **state)
{
    (void)state;
    struct budget_pool pool;
    struct budget budget;
    budget_pool_init(&pool, 2 * STEP);
    budget_init(&budget, &pool);
    budget_take_always(&budget, 5 * STEP);
    assert_int_equal(budget.used_bytes, 5 * STEP);
    assert_int_equal(budget_level(&budget), BUDGET_FULL);
    assert_false(budget_take(&budget, 1));
    budget_give(&budget, 5 * STEP);
    assert_true(budget_take(&budget, STEP));
    budget_give(&budget, STEP);
    budget_fini(&budget);
    assert_int_equal(borrowed(&pool), 0);
}

static void
levels_close_one_door_after_the_other(void **state)
{
    (void)state;
    static const struct {
        uint64_t steps;
        enum budget_level level;
    } rows[] = {{0, BUDGET_FREE},  {59, BUDGET_FREE}, {60, BUDGET_RELEASE}, {69, BUDGET_RELEASE},
                {70, BUDGET_HOLD}, {84, BUDGET_HOLD}, {85, BUDGET_STALL},   {94, BUDGET_STALL},
                {95, BUDGET_FULL}, {100, BUDGET_FULL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct budget_pool pool;
        struct budget budget;
        budget_pool_init(&pool, 100 * (uint64_t)STEP);
        budget_init(&budget, &pool);
        assert_true(budget_take(&budget, rows[i].steps * STEP));
        assert_int_equal(budget_level(&budget), rows[i].level);
        budget_give(&budget, rows[i].steps * STEP);
        budget_fini(&budget);
    }
}

static void
the_gate_lets_a_quarter_in_and_always_one(void **state)
{
    (void)state;
    struct budget_pool pool;
    struct budget budget;
    budget_pool_init(&pool, 8 * STEP);
    budget_init(&budget, &pool);
    assert_true(budget_gate_enter(&budget, 7 * STEP));
    assert_false(budget_gate_enter(&budget, 1));
    budget_gate_leave(&budget, 7 * STEP);
    assert_true(budget_gate_enter(&budget, STEP));
    assert_true(budget_gate_enter(&budget, STEP));
    assert_false(budget_gate_enter(&budget, 1));
    budget_gate_leave(&budget, STEP);
    budget_gate_leave(&budget, STEP);
    budget_fini(&budget);
}

static void *
take_and_give(void *ctx)
{
    struct budget budget;
    budget_init(&budget, ctx);
    for (int i = 0; i < 2000; i++) {
        uint64_t n = (uint64_t)(i % 7) * STEP / 2;
        if (budget_take(&budget, n))
            budget_give(&budget, n);
    }
    budget_fini(&budget);
    return NULL;
}

static void
threads_leave_the_pool_as_they_found_it(void **state)
{
    (void)state;
    struct budget_pool pool;
    pthread_t threads[3];
    budget_pool_init(&pool, 8 * STEP);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &pool), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(borrowed(&pool), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_borrows_and_returns_whole_steps),
        cmocka_unit_test(a_refusal_charges_nothing),
        cmocka_unit_test(what_must_complete_may_pass_the_limit),
        cmocka_unit_test(levels_close_one_door_after_the_other),
        cmocka_unit_test(the_gate_lets_a_quarter_in_and_always_one),
        cmocka_unit_test(threads_leave_the_pool_as_they_found_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
