/* The map from bytes to pointers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/hash.h"
#include "base/map.h"

enum { MANY = 5000 };

static int values[MANY];

static void
finds_what_was_put_and_nothing_else(void **state)
{
    (void)state;
    struct map *map = map_new();
    assert_null(map_find(map, BYTES("a")));
    assert_null(map_put(map, BYTES("a"), &values[0]));
    assert_null(map_put(map, BYTES("a\0b"), &values[1]));
    assert_null(map_put(map, BYTES_NONE, &values[2]));
    assert_int_equal(map_count(map), 3);
    assert_ptr_equal(map_find(map, BYTES("a")), &values[0]);
    assert_ptr_equal(map_find(map, BYTES("a\0b")), &values[1]);
    assert_ptr_equal(map_find(map, BYTES("")), &values[2]);
    assert_null(map_find(map, BYTES("a\0")));
    assert_null(map_find(map, BYTES("A")));
    map_free(&map);
    assert_null(map);
    map_free(&map);
}

static void
replacing_and_removing_give_the_old_value(void **state)
{
    (void)state;
    struct map *map = map_new();
    map_put(map, BYTES("k"), &values[0]);
    assert_ptr_equal(map_put(map, BYTES("k"), &values[1]), &values[0]);
    assert_int_equal(map_count(map), 1);
    assert_ptr_equal(map_remove(map, BYTES("k")), &values[1]);
    assert_null(map_remove(map, BYTES("k")));
    assert_int_equal(map_count(map), 0);
    map_free(&map);
}

static void
keys_are_copied(void **state)
{
    (void)state;
    struct map *map = map_new();
    char key[] = "instance";
    map_put(map, bytes_str(key), &values[0]);
    key[0] = 'X';
    assert_ptr_equal(map_find(map, BYTES("instance")), &values[0]);
    assert_null(map_find(map, bytes_str(key)));
    map_free(&map);
}

struct walk {
    struct map *map;
    int n, n_wrong;
};

static void
remove_odd(void *ctx, struct bytes key, void *value)
{
    struct walk *walk = ctx;
    int number = (int)((int *)value - values);
    walk->n_wrong += number != walk->n++;
    if (number % 2 == 1)
        map_remove(walk->map, key);
}

static void
many_entries_are_walked_in_order_and_may_go_meanwhile(void **state)
{
    (void)state;
    struct walk walk = {.map = map_new()};
    char key[32];
    for (int i = 0; i < MANY; i++) {
        int n = snprintf(key, sizeof(key), "service-%d", i);
        assert_null(map_put(walk.map, bytes_of(key, (size_t)n), &values[i]));
    }
    map_each(walk.map, remove_odd, &walk);
    assert_int_equal(walk.n, MANY);
    assert_int_equal(walk.n_wrong, 0);
    assert_int_equal(map_count(walk.map), MANY / 2);
    for (int i = 0; i < MANY; i++) {
        int n = snprintf(key, sizeof(key), "service-%d", i);
        void *found = map_find(walk.map, bytes_of(key, (size_t)n));
        assert_ptr_equal(found, i % 2 == 1 ? NULL : &values[i]);
    }
    map_free(&walk.map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_put_and_nothing_else),
        cmocka_unit_test(replacing_and_removing_give_the_old_value),
        cmocka_unit_test(keys_are_copied),
        cmocka_unit_test(many_entries_are_walked_in_order_and_may_go_meanwhile),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
