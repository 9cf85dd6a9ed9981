/* The duplicate table beside an exact oracle: it may miss a copy, it never takes one for another.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "integrity/duplicate_table.h"

enum { WINDOW_S = 300, T0 = 1790000000 };

static struct duplicate_table *table;
static const struct duplicate_entry *found[DUPLICATE_WAYS];

static int
set_up(void **state)
{
    (void)state;
    table = duplicate_table_new();
    duplicate_table_set_size(table, 4096 * 24);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    duplicate_table_free(&table);
    return 0;
}

static void
put(uint64_t id, uint64_t content, uint32_t second)
{
    duplicate_table_put(table, &(struct duplicate_entry){id, content, second, 0x1234, 7});
}

/* As a hash would spread them. */
static uint64_t
spread(uint32_t i)
{
    return (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t
find(uint64_t id, uint32_t second)
{
    return duplicate_table_find(table, id, second, WINDOW_S, found);
}

static void
it_takes_memory_late_and_the_size_it_may(void **state)
{
    (void)state;
    assert_true(duplicate_table_n_bytes(table) < 100);
    duplicate_table_prefetch(table, 1);
    assert_int_equal(find(1, T0), 0);
    static const uint64_t sizes[][2] = {{0, 0},
                                        {111, 0},
                                        {112, 1},
                                        {64 + 15 * 24, 14},
                                        {128 + 21 * 24, 20},
                                        {4096 * 24, 3412},
                                        {24 << 20, 873812},
                                        {UINT64_C(1) << 30, (1 << 24) - 1}};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        duplicate_table_set_size(table, sizes[i][0]);
        put(1, 1, T0);
        assert_int_equal(duplicate_table_n_entries(table), sizes[i][1]);
        assert_in_range(duplicate_table_n_bytes(table), sizes[i][1] * 24, sizes[i][0] + 100);
        assert_int_equal(find(1, T0), sizes[i][1] > 0);
    }
    duplicate_table_set_size(table, (1 << 30) - 1); /* the same size: nothing is forgotten */
    assert_int_equal(find(1, T0), 1);
}

static void
an_entry_is_found_within_the_window(void **state)
{
    (void)state;
    put(5, 9, T0);
    assert_int_equal(find(5, T0), 1);
    assert_int_equal(found[0]->content_hash, 9);
    assert_int_equal(found[0]->owner, 0x1234);
    assert_int_equal(found[0]->spans, 7);
    assert_int_equal(find(5, T0 + WINDOW_S), 1);
    assert_int_equal(find(5, T0 + WINDOW_S + 1), 0);
    assert_int_equal(find(5, T0 - WINDOW_S), 1); /* the clock was set back */
    assert_int_equal(find(5, T0 - WINDOW_S - 1), 0);
    assert_int_equal(find(5 + 1024 * 4, T0), 0); /* the same set, another id */
}

static void
a_copy_makes_it_young_and_other_content_stands_beside(void **state)
{
    (void)state;
    put(5, 9, T0);
    put(5, 9, T0 + 200);
    assert_int_equal(find(5, T0 + 400), 1);
    put(5, 10, T0 + 400);
    assert_int_equal(find(5, T0 + 400), 2);
}

/* In order of arrival, whatever clocks say. */
static void
the_oldest_leaves(void **state)
{
    (void)state;
    uint32_t n = duplicate_table_n_entries(table);
    for (uint32_t i = 0; i < n; i++)
        put(spread(i), 1, T0);
    uint32_t n_found = 0;
    for (uint32_t i = 0; i < n; i++)
        n_found += find(spread(i), T0);
    assert_in_range(n_found, n - n / 8, n); /* sets fill unevenly */
    for (uint32_t i = 0; i < n / 2; i++)
        put(spread(n + i), 1, T0 - 1);
    for (uint32_t i = 0; i < n / 2; i++)
        assert_int_equal(find(spread(i), T0), 0);
    n_found = 0;
    for (uint32_t i = n / 2; i < n + n / 2; i++)
        n_found += find(spread(i), T0);
    assert_in_range(n_found, n - n / 8, n);
}

/* The oldest of a set leaves when it is full, before the ring is. */
static void
a_full_set_keeps_the_last(void **state)
{
    (void)state;
    enum { N = 40, BEYOND_ALL_SETS = 1 << 20 };
    for (uint32_t i = 0; i < N; i++)
        put(7 + ((uint64_t)i << 50 | (uint64_t)i * BEYOND_ALL_SETS), 1, T0);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(find(7 + ((uint64_t)i << 50 | (uint64_t)i * BEYOND_ALL_SETS), T0),
                         i >= N - DUPLICATE_WAYS);
}

/* Copies of one segment without end, more than the table holds, push nobody out; and one that came
 * again late is as young as any. */
static void
copies_take_no_room(void **state)
{
    (void)state;
    uint32_t n = duplicate_table_n_entries(table);
    put(spread(1), 1, T0);
    for (uint32_t i = 0; i < 3 * n; i++)
        put(spread(2), 1, T0);
    assert_int_equal(find(spread(1), T0), 1);
    for (uint32_t i = 0; i < n - n / 4; i++)
        put(spread(3 + i), 1, T0);
    put(spread(2), 1, T0);
    for (uint32_t i = 0; i < n / 2; i++)
        put(spread(3 + n + i), 1, T0);
    assert_int_equal(find(spread(1), T0), 0);
    assert_int_equal(find(spread(2), T0), 1);
}

static void
forwarded_once_is_forwarded(void **state)
{
    (void)state;
    struct duplicate_entry aside = {5, 9, T0, 0x1234 | OWNER_SET_ASIDE, 7};
    struct duplicate_entry forwarded = {5, 9, T0, 0x1234, 7};
    duplicate_table_put(table, &aside);
    duplicate_table_put(table, &aside);
    assert_int_equal(find(5, T0), 1);
    assert_int_equal(found[0]->owner, 0x1234 | OWNER_SET_ASIDE);
    duplicate_table_put(table, &forwarded);
    duplicate_table_put(table, &aside); /* the copy that was dropped */
    assert_int_equal(find(5, T0), 1);
    assert_int_equal(found[0]->owner, 0x1234);
}

static uint64_t seed = 42;

static uint64_t
draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Two million messages of 16,384 ids, each with up to four contents, through 4,096 entries: when
 * and with which content each id came last is known exactly. */
static void
a_full_table_never_invents_a_copy(void **state)
{
    (void)state;
    enum { IDS = 16384, CONTENTS = 4, N = 2000000, PER_SECOND = 100 };
    static uint32_t last[IDS][CONTENTS]; /* the second; 0: never */
    uint64_t n_true = 0, n_missed = 0;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t second = T0 + i / PER_SECOND, id = (uint32_t)(draw() >> 32) % IDS;
        uint32_t content = (uint32_t)(draw() >> 32) % CONTENTS;
        uint64_t id_hash = spread(id), before = last[id][content];
        bool is_copy = before != 0 && second - before <= WINDOW_S, is_told = false;
        uint32_t n = find(id_hash, second);
        for (uint32_t k = 0; k < n; k++) {
            assert_int_equal(found[k]->id_hash, id_hash);
            assert_true(last[id][found[k]->content_hash - 1] == found[k]->second);
            is_told |= found[k]->content_hash == content + 1;
        }
        assert_false(is_told && !is_copy);
        n_true += is_told;
        n_missed += is_copy && !is_told;
        put(id_hash, content + 1, second);
        last[id][content] = second;
    }
    assert_true(n_true > N / 50);
    assert_true(n_missed > 0); /* it was full indeed */
}

/* Ids that differ all, through a tiny table: none is taken for another. */
static void
two_million_ids_in_a_tiny_table_are_all_new(void **state)
{
    (void)state;
    duplicate_table_set_size(table, 64 * 24);
    for (uint32_t i = 0; i < 2000000; i++) {
        uint64_t id_hash = draw();
        assert_int_equal(find(id_hash, T0), 0);
        put(id_hash, draw(), T0);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_takes_memory_late_and_the_size_it_may),
        TEST(an_entry_is_found_within_the_window),
        TEST(a_copy_makes_it_young_and_other_content_stands_beside),
        TEST(the_oldest_leaves),
        TEST(a_full_set_keeps_the_last),
        TEST(copies_take_no_room),
        TEST(forwarded_once_is_forwarded),
        TEST(a_full_table_never_invents_a_copy),
        TEST(two_million_ids_in_a_tiny_table_are_all_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
