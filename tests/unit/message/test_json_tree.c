/* Looking around in JSON: what is there, what is not, and what it becomes again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/json_tree.h"

static bool
add_name(void *ctx, struct bytes name, const struct json_tree *value)
{
    text_addf(ctx, "%.*s=%lld ", BYTES_ARG(name), (long long)json_tree_value(value));
    return name.n < 2;
}

static void
members_are_found_in_their_kind(void **state)
{
    (void)state;
    struct json_tree *root = json_tree_read(
        BYTES("{\"z\":[{\"s\":\"a\\u0000b\",\"n\":12,\"r\":0.25,\"t\":true,\"big\":1e30}],"
              "\"c\":{\"b\":2,\"a\":1,\"cc\":3,\"d\":4}}"));
    const struct json_tree *list = json_tree_member(root, "z"), *item = json_tree_at(list, 0);
    assert_int_equal(json_tree_n(list), 1);
    assert_null(json_tree_at(list, 1));
    assert_true(bytes_equal(json_tree_text(item, "s"), BYTES("a\0b")));
    assert_int_equal(json_tree_text(item, "n").n, 0);
    assert_int_equal(json_tree_number(item, "n"), 12);
    assert_int_equal(json_tree_number(item, "r"), 0);
    assert_int_equal(json_tree_number(item, "s"), 0);
    assert_int_equal(json_tree_number(item, "big"), 0);
    assert_true(json_tree_real(item, "r") == 0.25);
    assert_true(json_tree_is_true(item, "t"));
    assert_false(json_tree_is_true(item, "n"));
    struct text out = TEXT_EMPTY;
    json_tree_each(json_tree_member(root, "c"), add_name, &out);
    assert_string_equal(out.p, "b=2 a=1 cc=3 ");
    text_clear(&out);
    json_tree_write(json_tree_member(root, "c"), &out);
    assert_string_equal(out.p, "{\"b\":2,\"a\":1,\"cc\":3,\"d\":4}");
    text_fini(&out);
    json_tree_free(&root);
    assert_null(root);
}

static void
what_is_absent_is_told_at_the_end_of_a_path(void **state)
{
    (void)state;
    struct json_tree *root = json_tree_read(BYTES("[1]"));
    assert_null(json_tree_member(root, "a"));
    assert_null(json_tree_member(json_tree_member(root, "a"), "b"));
    assert_null(json_tree_at(json_tree_member(root, "a"), 0));
    assert_int_equal(json_tree_n(NULL), 0);
    assert_int_equal(json_tree_text(NULL, "a").n, 0);
    assert_int_equal(json_tree_number(NULL, "a"), 0);
    json_tree_each(NULL, add_name, NULL);
    json_tree_free(&root);
    json_tree_free(&root);
    assert_null(json_tree_read(BYTES("")));
    assert_null(json_tree_read(BYTES("7")));
    assert_null(json_tree_read(BYTES("<html>")));
    assert_null(json_tree_read(BYTES("{\"a\":1,\"a\":2}")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_in_their_kind),
        cmocka_unit_test(what_is_absent_is_told_at_the_end_of_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
