/* The arena: alignment, its limit, what a reset keeps. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

enum { LIMIT = 1024 * 1024, CHUNK = 64 * 1024 };

static void
pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena *arena = arena_new(LIMIT);
    uint8_t *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], (uint8_t)i);
    arena_free(&arena);
    assert_null(arena);
}

static void
the_limit_refuses_without_harm(void **state)
{
    (void)state;
    struct arena *arena = arena_new(LIMIT);
    assert_non_null(arena_alloc(arena, LIMIT - 16));
    assert_int_equal(arena_used_bytes(arena), LIMIT - 16);
    assert_null(arena_alloc(arena, 17));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 15));
    assert_int_equal(arena_used_bytes(arena), LIMIT - 16);
    assert_non_null(arena_alloc(arena, 16));
    assert_null(arena_alloc(arena, 1));
    arena_set_limit(arena, LIMIT + 32);
    assert_non_null(arena_alloc(arena, 32));
    arena_free(&arena);
}

static void
a_reset_gives_everything_back(void **state)
{
    (void)state;
    struct arena *arena = arena_new(LIMIT);
    uint8_t *first = arena_alloc(arena, 100);
    for (int round = 0; round < 50; round++) {
        arena_reset(arena);
        assert_int_equal(arena_used_bytes(arena), 0);
        /* The same chunk serves again. */
        assert_ptr_equal(arena_alloc(arena, 100), first);
        for (int i = 0; i < 10; i++)
            assert_non_null(arena_alloc(arena, CHUNK + 1));
    }
    arena_free(&arena);
}

static void
zeroed_is_zero_in_used_memory(void **state)
{
    (void)state;
    static const uint8_t zeros[300];
    struct arena *arena = arena_new(LIMIT);
    memset(arena_alloc(arena, 300), 0xFF, 300);
    arena_reset(arena);
    uint8_t *again = arena_zeroed(arena, 300);
    assert_memory_equal(again, zeros, 300);
    assert_null(arena_zeroed(arena, LIMIT));
    arena_free(&arena);
    arena_free(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(the_limit_refuses_without_harm),
        cmocka_unit_test(a_reset_gives_everything_back),
        cmocka_unit_test(zeroed_is_zero_in_used_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
