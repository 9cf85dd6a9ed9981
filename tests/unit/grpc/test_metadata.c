/* Lists of header fields. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "grpc/grpc_metadata.h"

static struct grpc_field
field(const char *name, const char *value)
{
    return (struct grpc_field){bytes_str(name), bytes_str(value)};
}

static void
test_order_repeats_and_any_byte_are_kept(void **state)
{
    (void)state;
    struct budget_pool pool;
    struct budget budget;
    budget_pool_init(&pool, 1 << 20);
    budget_init(&budget, &pool);
    struct grpc_metadata list = {.p = NULL};
    uint8_t raw[600];
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)i;
    grpc_metadata_add(&list, &budget, field("a", "1"));
    grpc_metadata_add(&list, &budget, field("b-bin", ""));
    grpc_metadata_add(&list, &budget, (struct grpc_field){BYTES("raw"), bytes_of(raw, 600)});
    grpc_metadata_add(&list, &budget, field("a", "2"));
    grpc_metadata_add(&list, &budget, field("", "no name"));
    assert_int_equal(list.n, 4);
    assert_true(budget.used_bytes >= list.n_bytes);
    struct grpc_field got[4];
    uint32_t at = 0;
    for (int i = 0; i < 4; i++)
        assert_true(grpc_metadata_next(&list, &at, &got[i]));
    struct grpc_field none;
    assert_false(grpc_metadata_next(&list, &at, &none));
    assert_true(bytes_equal(got[0].name, BYTES("a")) && bytes_equal(got[0].value, BYTES("1")));
    assert_true(bytes_equal(got[1].name, BYTES("b-bin")) && got[1].value.n == 0);
    assert_true(bytes_equal(got[2].value, bytes_of(raw, 600)));
    assert_true(bytes_equal(got[3].name, BYTES("a")) && bytes_equal(got[3].value, BYTES("2")));
    assert_true(bytes_equal(grpc_metadata_find(&list, "a"), BYTES("1")));
    assert_int_equal(grpc_metadata_find(&list, "c").n, 0);
    assert_int_equal(grpc_metadata_list_bytes(&list), 4 * 32 + 2 + 5 + 603 + 2);
    grpc_metadata_clear(&list);
    assert_int_equal(grpc_metadata_find(&list, "a").n, 0);
    grpc_metadata_fini(&list, &budget);
    budget_fini(&budget);
}

static void
test_too_long_for_a_list(void **state)
{
    (void)state;
    struct grpc_metadata list = {.p = NULL};
    char *long_text = mem_alloc(UINT16_MAX + 2);
    memset(long_text, 'x', UINT16_MAX + 1);
    long_text[UINT16_MAX + 1] = '\0';
    grpc_metadata_add(&list, NULL, field("a", long_text));
    grpc_metadata_add(&list, NULL, field(long_text, "a"));
    assert_int_equal(list.n, 0);
    long_text[UINT16_MAX] = '\0';
    grpc_metadata_add(&list, NULL, field("a", long_text));
    assert_int_equal(grpc_metadata_find(&list, "a").n, UINT16_MAX);
    grpc_metadata_fini(&list, NULL);
    mem_free(long_text);
}

static void
test_headers_to_send_are_bounded(void **state)
{
    (void)state;
    struct grpc_metadata list = {.p = NULL};
    for (int i = 0; i < 10; i++)
        grpc_metadata_add(&list, NULL, field("name", "value"));
    struct h2_header headers[10];
    assert_int_equal(grpc_metadata_to_h2(&list, headers, 4), 4);
    assert_int_equal(grpc_metadata_to_h2(&list, headers, 10), 10);
    assert_int_equal(headers[9].n_name, 4);
    assert_memory_equal(headers[9].value, "value", 5);
    assert_false(headers[9].is_lent);
    grpc_metadata_fini(&list, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_repeats_and_any_byte_are_kept),
        cmocka_unit_test(test_too_long_for_a_list),
        cmocka_unit_test(test_headers_to_send_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
