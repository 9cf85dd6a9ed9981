/* The seeded hash. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"
#include "base/hash_int.h"

static void
it_is_xxh3(void **state)
{
    (void)state;
    /* The empty input's value in the algorithm's published test vectors. */
    assert_true(hash_bytes_seeded(BYTES_NONE, 0) == UINT64_C(0x2D06800538D394C2));
}

static void
the_seed_and_every_byte_count(void **state)
{
    (void)state;
    char text[] = "a service's name that fills more than one lane of the hash";
    struct bytes b = bytes_str(text);
    uint64_t whole = hash_bytes_seeded(b, 7);
    assert_true(hash_bytes_seeded(b, 7) == whole);
    assert_true(hash_bytes_seeded(b, 8) != whole);
    assert_true(hash_bytes_seeded(bytes_of(b.p, b.n - 1), 7) != whole);
    for (size_t i = 0; i < b.n; i++) {
        text[i] ^= 1;
        assert_true(hash_bytes_seeded(b, 7) != whole);
        text[i] ^= 1;
    }
}

static void
the_process_draws_its_seed(void **state)
{
    (void)state;
    uint64_t before = hash_bytes(BYTES("name"));
    assert_true(before == hash_bytes_seeded(BYTES("name"), 0)); /* not drawn yet */
    hash_init();
    uint64_t after = hash_bytes(BYTES("name"));
    assert_true(after != before);
    hash_init(); /* what stands in tables must be found again */
    assert_true(hash_bytes(BYTES("name")) == after);
}

/* Whatever the processor can do, of all lengths around the algorithm's seams. */
static void
vectors_change_no_value(void **state)
{
    (void)state;
    static uint8_t text[3000], secret[192];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 131 + i / 256);
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(i * 73 + 5);
    if (!hash_avx2_is_there())
        skip();
    for (size_t n = 0; n <= sizeof(text); n++)
        assert_true(hash_avx2(bytes_of(text, n), secret, sizeof(secret)) ==
                    XXH3_64bits_withSecret(text, n, secret, sizeof(secret)));
}

static void
a_wide_hash_sees_every_byte(void **state)
{
    (void)state;
    static char text[5000];
    uint8_t whole[HASH_WIDE_BYTES], other[HASH_WIDE_BYTES];
    hash_bytes_wide(bytes_of(text, sizeof(text)), whole);
    for (size_t i = 0; i < sizeof(text); i += 37) {
        text[i] ^= 1;
        hash_bytes_wide(bytes_of(text, sizeof(text)), other);
        assert_memory_not_equal(whole, other, HASH_WIDE_BYTES);
        text[i] ^= 1;
    }
    hash_bytes_wide(bytes_of(text, sizeof(text)), other);
    assert_memory_equal(whole, other, HASH_WIDE_BYTES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_xxh3),
        cmocka_unit_test(the_seed_and_every_byte_count),
        cmocka_unit_test(the_process_draws_its_seed),
        cmocka_unit_test(vectors_change_no_value),
        cmocka_unit_test(a_wide_hash_sees_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
