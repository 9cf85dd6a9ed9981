/* The cache of answers: whose they are, how long they stay, how many there are. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "forward/relay_cache.h"

static struct {
    struct budget_pool pool;
    struct budget budget;
    struct relay_cache *cache;
} t;

static int
set_up(void **state)
{
    (void)state;
    budget_pool_init(&t.pool, 64 << 20);
    budget_init(&t.budget, &t.pool);
    t.cache = relay_cache_new(1000);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    relay_cache_free(&t.cache);
    assert_int_equal(t.budget.used_bytes, 0);
    budget_fini(&t.budget);
    return 0;
}

static void
put(const char *token, const char *request, const char *answer, uint64_t now_us)
{
    relay_cache_put(t.cache, &t.budget, bytes_str(token), bytes_str(request), bytes_str(answer),
                    now_us);
}

static bool
has(const char *token, const char *request, const char *answer, uint64_t now_us)
{
    struct bytes found;
    return relay_cache_find(t.cache, bytes_str(token), bytes_str(request), now_us, &found) &&
           bytes_equal(found, bytes_str(answer));
}

static void
test_an_answer_is_for_the_same_question_and_token(void **state)
{
    (void)state;
    put("to", "request", "one", 100);
    assert_true(has("to", "request", "one", 100));
    assert_false(has("tor", "equest", "one", 100));
    assert_false(has("", "torequest", "one", 100));
    assert_false(has("to", "request2", "one", 100));
    put("", "", "", 100);
    assert_true(has("", "", "", 100));
}

static void
test_it_is_forgotten_in_time(void **state)
{
    (void)state;
    put("", "a", "one", 0);
    put("", "b", "two", 500);
    assert_true(has("", "a", "one", 999));
    assert_false(has("", "a", "one", 1000));
    put("", "a", "three", 1200); /* replaces */
    assert_true(has("", "a", "three", 2199));
    assert_true(has("", "b", "two", 1499));
}

static void
test_it_is_bounded(void **state)
{
    (void)state;
    char *big = mem_alloc(RELAY_CACHE_ENTRY_BYTES + 1);
    memset(big, 'x', RELAY_CACHE_ENTRY_BYTES);
    big[RELAY_CACHE_ENTRY_BYTES] = '\0';
    put("", "a", big, 0);
    assert_false(has("", "a", big, 1));
    big[RELAY_CACHE_ENTRY_BYTES - 10] = '\0';
    for (int i = 0; i < 100; i++)
        put("", (const char[]){(char)('0' + i), '\0'}, big, 1);
    assert_in_range(t.budget.used_bytes, RELAY_CACHE_BYTES / 2, RELAY_CACHE_BYTES);
    assert_false(has("", "0", big, 2));
    assert_true(has("", (const char[]){'0' + 99, '\0'}, big, 2));
    mem_free(big);
    for (int i = 0; i < 2 * RELAY_CACHE_ENTRIES; i++)
        relay_cache_put(t.cache, &t.budget, BYTES_NONE, bytes_of(&i, sizeof(i)), BYTES("x"), 3);
    int n = 0;
    struct bytes found;
    for (int i = 0; i < 2 * RELAY_CACHE_ENTRIES; i++)
        n += relay_cache_find(t.cache, BYTES_NONE, bytes_of(&i, sizeof(i)), 3, &found);
    assert_int_equal(n, RELAY_CACHE_ENTRIES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_answer_is_for_the_same_question_and_token, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_forgotten_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
