/* Values of chosen tags become stars, whatever bytes stand around them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/redact.h"

static const char *const keys[] = {"db.statement", "token", ""};

static struct redact *
new_redact(void)
{
    struct redact *redact = redact_new(keys, 3);
    assert_non_null(redact);
    return redact;
}

static void
expect(const char *before, size_t n, const char *after, uint32_t n_found)
{
    struct redact *redact = new_redact();
    uint8_t *p = mem_alloc(n > 0 ? n : 1);
    memcpy(p, before, n);
    assert_int_equal(redact_apply(redact, p, n), n_found);
    assert_memory_equal(p, after, n);
    mem_free(p);
    redact_free(&redact);
}
#define EXPECT(before, after, n_found) expect(before, sizeof(before) - 1, after, n_found)

static void
no_keys_no_redaction(void **state)
{
    (void)state;
    assert_null(redact_new(NULL, 0));
    assert_null(redact_new(&keys[2], 1));
}

static void
values_become_stars_of_the_same_length(void **state)
{
    (void)state;
    EXPECT("\n\x05token\x12\x06secret", "\n\x05token\x12\x06******", 1);
    EXPECT("xx\n\x05token\x12\x03"
           "abc\n\x04host\x12\x01h\n\x0c"
           "db.statement\x12\x04"
           "drop",
           "xx\n\x05token\x12\x03***\n\x04host\x12\x01h\n\x0c"
           "db.statement\x12\x04****",
           2);
    EXPECT("\n\x05token\x12\x00\n\x05token\x12\x01"
           "a",
           "\n\x05token\x12\x00\n\x05token\x12\x01*", 2);
    /* A length in two bytes. */
    EXPECT("\n\x85\x00token\x12\x82\x00xy!", "\n\x85\x00token\x12\x82\x00**!", 1);
}

static void
others_stay_as_they_are(void **state)
{
    (void)state;
    static const char other[] =
        "\n\x05tokem\x12\x06secret\n\x06tokens\x12\x01x\n\x05token\x1a\x01y";
    EXPECT(other, other, 0);
    EXPECT("", "", 0);
    EXPECT("\n", "\n", 0);
    EXPECT("\n\x05token", "\n\x05token", 0);
    EXPECT("\n\x05token\x12", "\n\x05token\x12", 0);
    EXPECT("\n\x05token\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
           "\n\x05token\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0);
    EXPECT("\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01token",
           "\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01token", 0);
}

static void
what_is_cut_off_is_covered_to_its_end(void **state)
{
    (void)state;
    EXPECT("\n\x05token\x12\x80\x02sec", "\n\x05token\x12\x80\x02***", 1);
    EXPECT("\n\x05token\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01s",
           "\n\x05token\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01*", 1);
}

static void
the_same_twice_is_the_same(void **state)
{
    (void)state;
    struct redact *redact = new_redact();
    uint8_t p[] = "\n\x05token\x12\x06secret";
    uint8_t once[sizeof(p)];
    redact_apply(redact, p, sizeof(p) - 1);
    memcpy(once, p, sizeof(p));
    assert_int_equal(redact_apply(redact, p, sizeof(p) - 1), 1);
    assert_memory_equal(p, once, sizeof(p));
    redact_free(&redact);
}

/* The worst bytes: each may begin a pair whose key is nearly right. */
static void
time_is_linear(void **state)
{
    (void)state;
    enum { N = 4 * 1024 * 1024 };
    static const char *const mean[] = {"\n\n\n\n\n\n\n\n\nx"};
    struct redact *redact = redact_new(mean, 1);
    uint8_t *p = mem_alloc(N);
    memset(p, '\n', N);
    uint64_t start_us = clock_fresh_us();
    assert_int_equal(redact_apply(redact, p, N), 0);
    assert_true(clock_fresh_us() - start_us < 5 * 1000 * 1000);
    mem_free(p);
    redact_free(&redact);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_keys_no_redaction),
        cmocka_unit_test(values_become_stars_of_the_same_length),
        cmocka_unit_test(others_stay_as_they_are),
        cmocka_unit_test(what_is_cut_off_is_covered_to_its_end),
        cmocka_unit_test(the_same_twice_is_the_same),
        cmocka_unit_test(time_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
