/* Which settings differ between two snapshots. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "conf_fixture.h"

static void
add_path(void *ctx, const char *path, bool is_live)
{
    text_addf(ctx, "%s%s ", path, is_live ? "" : "[R]");
}

static void
expect_changes(const char *before, const char *after, const char *paths)
{
    struct fixture a = load(before), b = load(after);
    struct text seen = TEXT_EMPTY;
    assert_non_null(a.conf);
    assert_non_null(b.conf);
    conf_each_change(a.conf, b.conf, add_path, &seen);
    assert_string_equal(seen.p != NULL ? seen.p : "", paths);
    text_fini(&seen);
    fini(&a);
    fini(&b);
}

static void
equal_values_are_no_change(void **state)
{
    (void)state;
    expect_changes(BACKEND, BACKEND, "");
    expect_changes(BACKEND "batch: {max_size: 1MiB}\n", BACKEND "batch: {max_size: 1024KiB}\n", "");
}

static void
each_change_is_named(void **state)
{
    (void)state;
    expect_changes(BACKEND, BACKEND "integrity: {mode: observe, window: 10s}\n",
                   "integrity.mode integrity.window ");
    expect_changes(BACKEND, BACKEND "integrity: {actions: {span-id-duplicate: tag}}\n",
                   "integrity.actions ");
    expect_changes(BACKEND "integrity: {services: [{match: \"a*\", mode: off}]}\n",
                   BACKEND "integrity: {services: [{match: \"b*\", mode: off}]}\n",
                   "integrity.services ");
    expect_changes("upstream: {addresses: [\"a:1\"]}\n",
                   "upstream: {addresses: [\"a:1\", \"b:1\"]}\n", "upstream.addresses[R] ");
}

/* Shown as stars, both of them. */
static void
changed_secrets_are_changes(void **state)
{
    (void)state;
    expect_changes("upstream: {addresses: [\"a:1\"], auth_token: one}\n",
                   "upstream: {addresses: [\"a:1\"], auth_token: two}\n", "upstream.auth_token ");
    expect_changes(BACKEND "listen: {auth: {tokens: [one]}}\n",
                   BACKEND "listen: {auth: {tokens: [two]}}\n", "listen.auth.tokens ");
}

static void
hash_of(const char *yaml, char out[32])
{
    struct fixture one = load(yaml);
    struct text text = TEXT_EMPTY;
    assert_non_null(one.conf);
    conf_add_hash(one.conf, &text);
    assert_int_equal(text.n, 16);
    snprintf(out, 32, "%s", text.p);
    text_fini(&text);
    fini(&one);
}

/* The same for the same settings however they are written; secrets are no part of it. */
static void
a_hash_tells_settings_apart(void **state)
{
    (void)state;
    char base[32], other[32];
    hash_of(BACKEND "batch: {max_size: 1MiB}\n", base);
    hash_of(BACKEND "batch: {max_size: 1024KiB}\n", other);
    assert_string_equal(base, other);
    hash_of(BACKEND "batch: {max_size: 2MiB}\n", other);
    assert_string_not_equal(base, other);
    hash_of(BACKEND "listen: {auth: {tokens: [one]}}\n", base);
    hash_of(BACKEND "listen: {auth: {tokens: [two]}}\n", other);
    assert_string_equal(base, other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_are_no_change),
        cmocka_unit_test(each_change_is_named),
        cmocka_unit_test(changed_secrets_are_changes),
        cmocka_unit_test(a_hash_tells_settings_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
