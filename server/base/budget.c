/* Borrowing in steps from one shared figure. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/budget.h"

#include "base/check.h"

void
budget_pool_init(struct budget_pool *pool, uint64_t limit_bytes)
{
    atomic_init(&pool->borrowed_bytes, 0);
    atomic_init(&pool->gated_bytes, 0);
    pool->limit_bytes = limit_bytes;
}

void
budget_init(struct budget *budget, struct budget_pool *pool)
{
    *budget = (struct budget){.pool = pool};
}

void
budget_fini(struct budget *budget)
{
    check(budget->used_bytes == 0);
    atomic_fetch_sub_explicit(&budget->pool->borrowed_bytes, budget->borrowed_bytes,
                              memory_order_relaxed);
    budget->borrowed_bytes = 0;
}

static uint64_t
steps(uint64_t n)
{
    return (n + BUDGET_STEP_BYTES - 1) / BUDGET_STEP_BYTES * BUDGET_STEP_BYTES;
}

void
budget_take_always(struct budget *budget, uint64_t n)
{
    budget->used_bytes += n;
    if (budget->used_bytes <= budget->borrowed_bytes)
        return;
    uint64_t more = steps(budget->used_bytes - budget->borrowed_bytes);
    budget->borrowed_bytes += more;
    atomic_fetch_add_explicit(&budget->pool->borrowed_bytes, more, memory_order_relaxed);
}

bool
budget_take(struct budget *budget, uint64_t n)
{
    uint64_t room = budget->borrowed_bytes - budget->used_bytes;
    if (budget->used_bytes > budget->borrowed_bytes)
        room = 0;
    if (n > room) {
        uint64_t borrowed =
            atomic_load_explicit(&budget->pool->borrowed_bytes, memory_order_relaxed);
        if (n > budget->pool->limit_bytes || borrowed + steps(n - room) > budget->pool->limit_bytes)
            return false;
    }
    budget_take_always(budget, n);
    return true;
}

void
budget_give(struct budget *budget, uint64_t n)
{
    check(n <= budget->used_bytes);
    budget->used_bytes -= n;
    /* One spare step stays borrowed, so that a worker at the edge does not bounce. */
    uint64_t need = steps(budget->used_bytes) + BUDGET_STEP_BYTES;
    if (budget->borrowed_bytes > need) {
        atomic_fetch_sub_explicit(&budget->pool->borrowed_bytes, budget->borrowed_bytes - need,
                                  memory_order_relaxed);
        budget->borrowed_bytes = need;
    }
}

enum budget_level
budget_level(const struct budget *budget)
{
    uint64_t percent = atomic_load_explicit(&budget->pool->borrowed_bytes, memory_order_relaxed) *
                       100 / budget->pool->limit_bytes;
    if (percent >= 95)
        return BUDGET_FULL;
    if (percent >= 85)
        return BUDGET_STALL;
    if (percent >= 70)
        return BUDGET_HOLD;
    return percent >= 60 ? BUDGET_RELEASE : BUDGET_FREE;
}

bool
budget_gate_enter(struct budget *budget, uint64_t n)
{
    struct budget_pool *pool = budget->pool;
    uint64_t gated = atomic_load_explicit(&pool->gated_bytes, memory_order_relaxed);
    do {
        if (gated > 0 && gated + n > pool->limit_bytes / 4)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&pool->gated_bytes, &gated, gated + n,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void
budget_gate_leave(struct budget *budget, uint64_t n)
{
    atomic_fetch_sub_explicit(&budget->pool->gated_bytes, n, memory_order_relaxed);
}
