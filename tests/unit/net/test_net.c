/* Addresses to and from text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/net.h"

static void
numeric_addresses_come_back_as_text(void **state)
{
    (void)state;
    static const char *const same[] = {"127.0.0.1:11800", "0.0.0.0:0", "[::1]:65535", "[::]:1",
                                       "[2001:db8::7]:443"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct net_address address;
        char text[NET_ADDRESS_TEXT];
        assert_int_equal(net_address_parse(same[i], &address), ERR_OK);
        net_address_text(&address, text);
        assert_string_equal(text, same[i]);
    }
}

static void
an_empty_host_is_any_address(void **state)
{
    (void)state;
    struct net_address any, v6;
    assert_int_equal(net_address_parse(":11800", &any), ERR_OK);
    assert_int_equal(net_address_parse("[::]:11800", &v6), ERR_OK);
    assert_true(net_address_equal(&any, &v6));
}

static void
a_mapped_peer_reads_as_ipv4(void **state)
{
    (void)state;
    struct net_address address;
    char text[NET_ADDRESS_TEXT];
    assert_int_equal(net_address_parse("[::ffff:10.0.0.9]:80", &address), ERR_OK);
    net_address_text(&address, text);
    assert_string_equal(text, "10.0.0.9:80");
}

static void
what_is_no_numeric_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      "localhost:80",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:+80",
                                      "127.0.0.1: 80",
                                      "1.2.3:80",
                                      "::1:80",
                                      "[::1]",
                                      "[::1]80",
                                      "[]:80",
                                      "[1.2.3.4]:80",
                                      "127.0.0.1:000080"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct net_address address;
        if (net_address_parse(bad[i], &address) != ERR_NAME)
            fail_msg("\"%s\" was taken for an address", bad[i]);
    }
}

static void
equality_looks_at_family_host_and_port(void **state)
{
    (void)state;
    struct net_address a, b;
    assert_int_equal(net_address_parse("10.0.0.1:80", &a), ERR_OK);
    assert_int_equal(net_address_parse("10.0.0.1:80", &b), ERR_OK);
    memset(&((struct sockaddr *)&b.storage)->sa_data[6], 0xAA, 4); /* padding does not count */
    assert_true(net_address_equal(&a, &b));
    assert_int_equal(net_address_parse("10.0.0.1:81", &b), ERR_OK);
    assert_false(net_address_equal(&a, &b));
    assert_int_equal(net_address_parse("10.0.0.2:80", &b), ERR_OK);
    assert_false(net_address_equal(&a, &b));
    assert_int_equal(net_address_parse("[::1]:80", &b), ERR_OK);
    assert_false(net_address_equal(&a, &b));
}

static void
host_and_port_come_apart(void **state)
{
    (void)state;
    char host[32];
    uint16_t port;
    assert_true(net_split_host_port("oap.skywalking.svc:11800", host, sizeof(host), &port));
    assert_string_equal(host, "oap.skywalking.svc");
    assert_int_equal(port, 11800);
    assert_true(net_split_host_port("dns:///oap:1", host, sizeof(host), &port));
    assert_string_equal(host, "oap");
    assert_int_equal(port, 1);
    assert_true(net_split_host_port("[fd00::7]:65535", host, sizeof(host), &port));
    assert_string_equal(host, "fd00::7");
    assert_int_equal(port, 65535);
}

static void
half_a_host_and_port_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "oap",    "oap:",          "oap:0",   "oap:65536", "oap:http",
        ":11800", "fd00::7:11800", "dns:///", "[fd00::7]", "a-host-name-longer-than-the-buffer:80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char host[32];
        uint16_t port;
        if (net_split_host_port(bad[i], host, sizeof(host), &port))
            fail_msg("\"%s\" was split", bad[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_come_back_as_text),
        cmocka_unit_test(an_empty_host_is_any_address),
        cmocka_unit_test(a_mapped_peer_reads_as_ipv4),
        cmocka_unit_test(what_is_no_numeric_address_is_refused),
        cmocka_unit_test(equality_looks_at_family_host_and_port),
        cmocka_unit_test(host_and_port_come_apart),
        cmocka_unit_test(half_a_host_and_port_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
