/* The table of hashes against a plain array, with hashes that collide on purpose. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integrity/hash_index.h"

enum { N_HASHES = 300, N_STEPS = 200000 };

static void
adds_and_removals_agree_with_an_array(void **state)
{
    (void)state;
    struct hash_index index = {0};
    static int values[N_HASHES];
    bool is_there[N_HASHES] = {false};
    uint64_t hashes[N_HASHES], random = 1;
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_HASHES; i++) /* seven homes, the last slot among them */
        hashes[i] = ((uint64_t)(i + 1) << 32) + (i % 7 == 0 ? UINT32_MAX : i % 7 * 3);
    for (int step = 0; step < N_STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        uint32_t i = (uint32_t)(random >> 33) % N_HASHES;
        if (is_there[i])
            hash_index_remove(&index, hashes[i]);
        else
            hash_index_add(&index, hashes[i], &values[i]);
        n = is_there[i] ? n - 1 : n + 1;
        is_there[i] = !is_there[i];
        uint32_t k = (uint32_t)(random >> 43) % N_HASHES;
        assert_ptr_equal(hash_index_find(&index, hashes[k]), is_there[k] ? &values[k] : NULL);
        assert_int_equal(index.n, n);
    }
    for (uint32_t i = 0; i < N_HASHES; i++)
        assert_ptr_equal(hash_index_find(&index, hashes[i]), is_there[i] ? &values[i] : NULL);
    hash_index_fini(&index);
}

static void
an_empty_one_has_nothing(void **state)
{
    (void)state;
    struct hash_index index = {0};
    assert_null(hash_index_find(&index, 42));
    hash_index_remove(&index, 42);
    assert_int_equal(hash_index_n_bytes(&index), 0);
    hash_index_fini(&index);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_and_removals_agree_with_an_array),
        cmocka_unit_test(an_empty_one_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
