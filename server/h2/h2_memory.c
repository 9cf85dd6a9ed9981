/* nghttp2's allocations, charged to the budget of the worker whose connection it is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "h2/h2_memory.h"

#include "base/mem.h"

static void *
charged(struct budget *budget, void *p)
{
    budget_take_always(budget, mem_bytes(p));
    return p;
}

static void *
take(size_t n, void *budget)
{
    return charged(budget, mem_alloc(n));
}

static void *
take_zeroed(size_t n, size_t size, void *budget)
{
    return charged(budget, mem_zeroed_n(n, size));
}

static void
give(void *p, void *user)
{
    struct budget *budget = user;
    if (p == NULL)
        return;
    budget_give(budget, mem_bytes(p));
    mem_free(p);
}

static void *
resize(void *p, size_t n, void *user)
{
    struct budget *budget = user;
    if (p != NULL)
        budget_give(budget, mem_bytes(p));
    return charged(budget, mem_resize(p, n));
}

nghttp2_mem
h2_memory(struct budget *budget)
{
    return (nghttp2_mem){budget, take, give, take_zeroed, resize};
}
