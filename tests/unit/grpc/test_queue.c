/* Bytes on their way: a ring beside a plain array. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "grpc/grpc_queue.h"

enum { MODEL_BYTES = 4 << 20, GIVE_MAX = 16384 };

static struct {
    struct budget_pool pool;
    struct budget budget;
    struct grpc_queue queue;
    struct h2_gather *gather;
    uint8_t *model;
    size_t n_put, n_given;
} t;

static int
set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    budget_pool_init(&t.pool, 64 << 20);
    budget_init(&t.budget, &t.pool);
    t.gather = mem_new(struct h2_gather);
    t.model = mem_alloc(MODEL_BYTES);
    for (size_t i = 0; i < MODEL_BYTES; i++)
        t.model[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    grpc_queue_fini(&t.queue);
    assert_int_equal(t.budget.used_bytes, 0);
    budget_fini(&t.budget);
    mem_free(t.gather);
    mem_free(t.model);
    return 0;
}

static void
put(size_t n)
{
    grpc_queue_put(&t.queue, bytes_of(t.model + t.n_put, n));
    t.n_put += n;
}

static void
give(size_t n)
{
    h2_gather_reset(t.gather);
    grpc_queue_give(&t.queue, n, t.gather);
    assert_int_equal(t.gather->n_bytes, n);
    for (int i = 0; i < t.gather->n; i++) {
        const struct iovec *iov = &t.gather->iov[i];
        assert_memory_equal(iov->iov_base, t.model + t.n_given, iov->iov_len);
        t.n_given += iov->iov_len;
    }
}

static void
test_bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252;
    grpc_queue_init(&t.queue, &t.budget, false);
    for (int i = 0; i < 3000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t n = (size_t)(random >> 40) % 2000;
        if ((random & 7) < 4 && t.n_put + n <= MODEL_BYTES) {
            put(n);
        } else {
            size_t most = grpc_queue_n(&t.queue) < GIVE_MAX ? grpc_queue_n(&t.queue) : GIVE_MAX;
            give(n < most ? n : most);
        }
        assert_int_equal(grpc_queue_n(&t.queue), t.n_put - t.n_given);
        assert_true(t.queue.size >= t.n_put - t.n_given);
    }
    while (grpc_queue_n(&t.queue) > 0)
        give(grpc_queue_n(&t.queue) < GIVE_MAX ? grpc_queue_n(&t.queue) : GIVE_MAX);
}

static void
test_an_empty_queue_holds_little(void **state)
{
    (void)state;
    grpc_queue_init(&t.queue, &t.budget, false);
    assert_int_equal(t.budget.used_bytes, 0);
    put(100);
    give(100);
    assert_in_range(t.budget.used_bytes, 100, 4096);
    put(10000);
    assert_in_range(t.budget.used_bytes, 10000, 20000);
    give(10000);
    assert_int_equal(t.budget.used_bytes, 0);
}

static void
test_what_is_kept_is_sent_again(void **state)
{
    (void)state;
    grpc_queue_init(&t.queue, &t.budget, true);
    put(3000);
    give(2000);
    put(3000);
    assert_memory_equal(grpc_queue_view(&t.queue).p, t.model, 6000);
    assert_int_equal(grpc_queue_view(&t.queue).n, 6000);
    grpc_queue_rewind(&t.queue);
    t.n_given = 0;
    assert_int_equal(grpc_queue_n(&t.queue), 6000);
    give(5000);
    grpc_queue_let_go(&t.queue);
    assert_int_equal(grpc_queue_n(&t.queue), 1000);
    put(7500); /* over the end of the ring */
    give(8500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_come_out_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_empty_queue_holds_little, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_kept_is_sent_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
