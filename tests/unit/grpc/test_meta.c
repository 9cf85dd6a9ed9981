/* Headers and trailers of gRPC: timeouts, escapes, status mapping. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "grpc/grpc_meta.h"

static void
test_content_type(void **state)
{
    (void)state;
    assert_true(grpc_meta_is_grpc(BYTES("application/grpc")));
    assert_true(grpc_meta_is_grpc(BYTES("application/grpc+proto")));
    assert_true(grpc_meta_is_grpc(BYTES("application/grpc;charset=utf-8")));
    assert_false(grpc_meta_is_grpc(BYTES("application/grpc-web")));
    assert_false(grpc_meta_is_grpc(BYTES("application/grp")));
    assert_false(grpc_meta_is_grpc(BYTES_NONE));
}

static void
test_timeout(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        uint64_t us;
    } cases[] = {
        {"29999902u", true, 29999902},
        {"1S", true, 1000000},
        {"250m", true, 250000},
        {"2M", true, 120000000},
        {"1H", true, 3600000000},
        {"99999999H", true, UINT64_C(99999999) * 3600 * 1000000},
        {"1n", true, 1},
        {"0S", true, 0},
        {"123456789u", false, 0},
        {"S", false, 0},
        {"1", false, 0},
        {"", false, 0},
        {"1s", false, 0},
        {"-1S", false, 0},
        {"1 S", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t us = 0;
        assert_int_equal(grpc_meta_timeout(bytes_str(cases[i].text), &us), cases[i].is_good);
        if (cases[i].is_good)
            assert_int_equal(us, cases[i].us);
    }
}

static void
expect_format(uint64_t us, const char *text)
{
    char out[GRPC_TIMEOUT_TEXT];
    uint32_t n = grpc_meta_format_timeout(us, out);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(out, text, n);
}

static void
test_format_timeout(void **state)
{
    (void)state;
    expect_format(20000000, "20S");
    expect_format(1500000, "1500m");
    expect_format(1234567, "1234567u");
    expect_format(99999999, "99999999u");
    expect_format(123456789, "123456m");
    expect_format(UINT64_C(360000000000000), "6000000M");
    expect_format(0, "0u");
    expect_format(UINT64_MAX, "99999999H");
}

static void
test_percent(void **state)
{
    (void)state;
    char out[64], back[64];
    struct bytes text = BYTES("a%b\n\xc3\xa4 ~");
    size_t n = grpc_meta_encode(text, out);
    assert_int_equal(n, strlen("a%25b%0A%C3%A4 ~"));
    assert_memory_equal(out, "a%25b%0A%C3%A4 ~", n);
    size_t n_back = grpc_meta_decode(bytes_of(out, n), back);
    assert_int_equal(n_back, text.n);
    assert_memory_equal(back, text.p, n_back);
    n = grpc_meta_decode(BYTES("100%, %4 %zz %"), out);
    assert_int_equal(n, 14);
    assert_memory_equal(out, "100%, %4 %zz %", 14);
}

static struct h2_header
field(const char *name, const char *value)
{
    return (struct h2_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value), true};
}

/* What is left of a fixed list, as text. */
static const char *
fitted(uint64_t most_bytes)
{
    static char out[256];
    struct h2_header list[] = {field(":status", "200"), field("x-long", "0123456789"),
                               field("grpc-message", "a%20b%C3%A9"), field("grpc-status", "13"),
                               field("x-b", "1")};
    uint32_t n = grpc_meta_fit(list, 5, most_bytes);
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%.*s=%.*s ", (int)list[i].n_name,
                               list[i].name, (int)list[i].n_value, list[i].value);
    return out;
}

/* :status 42 bytes, x-long 48, grpc-message 55, grpc-status 45, x-b 36: 226. */
static void
test_a_list_is_shortened(void **state)
{
    (void)state;
    static const char whole[] =
        ":status=200 x-long=0123456789 grpc-message=a%20b%C3%A9 grpc-status=13 x-b=1 ";
    assert_string_equal(fitted(UINT32_MAX), whole);
    assert_string_equal(fitted(226), whole);
    /* The text goes before others, which stay in order as far as there is room. */
    assert_string_equal(fitted(225),
                        ":status=200 x-long=0123456789 grpc-message=a%20b%C3%A9 grpc-status=13 ");
    assert_string_equal(fitted(189), ":status=200 grpc-message=a%20b%C3%A9 grpc-status=13 x-b=1 ");
    assert_string_equal(fitted(142), ":status=200 grpc-message=a%20b%C3%A9 grpc-status=13 ");
    /* No cut goes through an escape, or a character. */
    assert_string_equal(fitted(141), ":status=200 grpc-message=a%20b grpc-status=13 ");
    assert_string_equal(fitted(139), ":status=200 grpc-message=a%20b grpc-status=13 ");
    assert_string_equal(fitted(136), ":status=200 grpc-message=a%20b grpc-status=13 ");
    assert_string_equal(fitted(135), ":status=200 grpc-message=a%20 grpc-status=13 ");
    assert_string_equal(fitted(134), ":status=200 grpc-message=a grpc-status=13 ");
    assert_string_equal(fitted(132), ":status=200 grpc-message=a grpc-status=13 ");
    assert_string_equal(fitted(131), ":status=200 grpc-status=13 x-b=1 ");
    assert_string_equal(fitted(100), ":status=200 grpc-status=13 ");
    assert_string_equal(fitted(0), ":status=200 grpc-status=13 ");
}

static void
test_status(void **state)
{
    (void)state;
    assert_int_equal(grpc_meta_status(BYTES("0")), 0);
    assert_int_equal(grpc_meta_status(BYTES("16")), 16);
    assert_int_equal(grpc_meta_status(BYTES("17")), GRPC_UNKNOWN);
    assert_int_equal(grpc_meta_status(BYTES("ok")), GRPC_UNKNOWN);
    assert_int_equal(grpc_meta_status(BYTES_NONE), GRPC_UNKNOWN);
    assert_int_equal(grpc_meta_status_of_reset(7), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_meta_status_of_reset(8), GRPC_CANCELLED);
    assert_int_equal(grpc_meta_status_of_reset(11), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_meta_status_of_reset(2), GRPC_INTERNAL);
    assert_int_equal(grpc_meta_status_of_http(404), GRPC_UNIMPLEMENTED);
    assert_int_equal(grpc_meta_status_of_http(503), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_meta_status_of_http(431), GRPC_UNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_type),        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_format_timeout),      cmocka_unit_test(test_percent),
        cmocka_unit_test(test_a_list_is_shortened), cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
