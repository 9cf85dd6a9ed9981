/* Who gets to the API: Host, Origin, token, and where one asks from. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include "admin/api_site.h"

/* A page whose name the attacker lets point to 127.0.0.1. */
static void
a_foreign_host_is_refused(void **state)
{
    const struct site *site = *state;
    static const char *const good[] = {"localhost",   "LOCALHOST:11880", "127.0.0.1",
                                       "127.0.0.1:1", "127.1.2.3:80",    "[::1]",
                                       "[::1]:11880"};
    static const char *const bad[] = {"evil.example",
                                      "evil.example:11880",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "10.0.0.1",
                                      "[fe80::1]:80",
                                      "",
                                      ":80",
                                      "[::1",
                                      "localhostx",
                                      "8.8.8.8:11880"};
    char head[300];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(head, sizeof(head), "GET /api/v1/things HTTP/1.1\r\nHost: %s\r\n", good[i]);
        expect_head(site, head, 200);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(head, sizeof(head), "GET /api/v1/things HTTP/1.1\r\nHost: %s\r\n", bad[i]);
        expect_head(site, head, 403);
    }
    expect_head(site, "GET /api/v1/things HTTP/1.0\r\n", 403);
}

static void
a_foreign_origin_is_refused(void **state)
{
    const struct site *site = *state;
    static const char *const good[] = {"http://localhost:11880", "https://LOCALHOST:11880"};
    static const char *const bad[] = {"http://evil.example", "null",
                                      "http://localhost",    "http://localhost:11880.evil.example",
                                      "localhost:11880",     ""};
    static const char *const methods[] = {"GET", "DELETE"};
    char head[300];
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
            snprintf(head, sizeof(head),
                     "%s /api/v1/things/x HTTP/1.1\r\nHost: localhost:11880\r\nOrigin: %s\r\n",
                     methods[m], good[i]);
            expect_head(site, head, 200);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            snprintf(head, sizeof(head),
                     "%s /api/v1/things/x HTTP/1.1\r\nHost: localhost:11880\r\nOrigin: %s\r\n",
                     methods[m], bad[i]);
            expect_head(site, head, 403);
        }
    }
}

/* Old browsers send forms without an Origin, but say where they come from. */
static void
a_change_from_another_site_is_refused(void **state)
{
    const struct site *site = *state;
    expect_head(site,
                "DELETE /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: "
                "cross-site\r\n",
                403);
    expect_head(site,
                "DELETE /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: "
                "same-origin\r\n",
                200);
    expect_head(site, "GET /api/v1/things HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none\r\n",
                200);
}

static void
a_change_needs_the_token_where_there_is_one(void **state)
{
    const struct site *site = *state;
    const char *address = site->address, *local = site->unix_address;
    expect(address, "GET", "/api/v1/things", NULL, 200, "limit");
    expect(address, "DELETE", "/api/v1/things/x", NULL, 403, "needs the token");
    expect(address, "DELETE", "/api/v1/things/x", "correct-hors", 403, "needs the token");
    expect(address, "DELETE", "/api/v1/things/x", "correct-horsf", 403, "error");
    expect(address, "DELETE", "/api/v1/things/x", "correct-horsecorrect-horse", 403, "error");
    expect(address, "DELETE", "/api/v1/things/x", TOKEN, 200, "remove");
    expect(address, "POST", "/api/v1/things/x/replay", NULL, 403, "error");
    expect(local, "GET", "/api/v1/things", NULL, 200, "limit");
    expect(local, "DELETE", "/api/v1/things/x", NULL, 403, "error");
    expect(local, "DELETE", "/api/v1/things/x", TOKEN, 200, "remove");
    expect_head(site,
                "DELETE /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " TOKEN
                "\r\n",
                403);
    expect_head(
        site,
        "DELETE /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: bearer  " TOKEN
        "\r\n",
        200);
    expect_head(site,
                "DELETE /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer\r\n",
                403);
}

/* No page knows the token; its origin counts all the same. */
static void
the_token_stands_for_the_host(void **state)
{
    const struct site *site = *state;
    expect_head(site,
                "GET /api/v1/things HTTP/1.1\r\nHost: gate.example:11880\r\n"
                "Authorization: Bearer " TOKEN "\r\n",
                200);
    expect_head(site, "GET /api/v1/things HTTP/1.1\r\nHost: gate.example:11880\r\n", 403);
    expect_head(site,
                "GET /api/v1/things HTTP/1.1\r\nHost: gate.example:11880\r\n"
                "Origin: http://evil.example\r\nAuthorization: Bearer " TOKEN "\r\n",
                403);
}

/* Bound everywhere: numeric hosts pass, names do not. */
static void
a_port_bound_everywhere_takes_numeric_hosts(void **state)
{
    (void)state;
    struct site site;
    start(&site, "0.0.0.0:0", TOKEN);
    char port[NET_ADDRESS_TEXT];
    snprintf(port, sizeof(port), "127.0.0.1%s", strrchr(site.address, ':'));
    assert_int_equal(net_address_parse(port, &site.bound), ERR_OK);
    expect_head(&site, "GET /api/v1/things HTTP/1.1\r\nHost: 192.0.2.7:11880\r\n", 200);
    expect_head(&site, "GET /api/v1/things HTTP/1.1\r\nHost: [2001:db8::7]\r\n", 200);
    expect_head(&site, "GET /api/v1/things HTTP/1.1\r\nHost: gate.example\r\n", 403);
    stop(&site);
}

/* An address of this machine that is not loopback's; false: it has none. */
static bool
find_outer_address(char *out, size_t size, const char *port)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    assert_int_equal(getifaddrs(&all), 0);
    for (struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next) {
        char host[NI_MAXHOST];
        found = one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET &&
                (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & IFF_LOOPBACK) == 0 &&
                getnameinfo(one->ifa_addr, sizeof(struct sockaddr_in), host, sizeof(host), NULL, 0,
                            NI_NUMERICHOST) == 0;
        if (found)
            snprintf(out, size, "%s%s", host, port);
    }
    freeifaddrs(all);
    return found;
}

static void
beyond_loopback_a_token_is_needed_even_to_read(void **state)
{
    (void)state;
    struct site site;
    char address[NI_MAXHOST + 8];
    start(&site, "0.0.0.0:0", TOKEN);
    bool found = find_outer_address(address, sizeof(address), strrchr(site.address, ':'));
    if (found) {
        expect(address, "GET", "/api/v1/things", NULL, 403, "the token is missing");
        expect(address, "GET", "/api/v1/things", "wrong-horse!", 403, "the token is missing");
        expect(address, "GET", "/api/v1/things", TOKEN, 200, "limit");
        expect(address, "DELETE", "/api/v1/things/x", TOKEN, 200, "remove");
    }
    stop(&site);
    start(&site, "0.0.0.0:0", NULL);
    if (find_outer_address(address, sizeof(address), strrchr(site.address, ':'))) {
        expect(address, "GET", "/api/v1/things", NULL, 403, "only this machine");
        expect(address, "GET", "/api/v1/things", TOKEN, 403, "only this machine");
    }
    stop(&site);
    if (!found)
        skip();
}

static void
expect_not_opened(const char *token, mode_t mode, const char *words)
{
    char path[] = "/tmp/spangate-token-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    write_file(path, token, mode);
    struct loop *loop = loop_new();
    struct admin_api *api = NULL;
    struct text why = TEXT_EMPTY;
    const struct admin_api_settings settings = {.address = "127.0.0.1:0",
                                                .socket = "",
                                                .token_file = path,
                                                .tables = tables,
                                                .n_tables = 2};
    assert_int_equal(admin_api_open(loop, &settings, &why, &api), ERR_CONFIG);
    assert_null(api);
    assert_non_null(strstr(why.p, "admin.token_file "));
    if (strstr(why.p, words) == NULL)
        print_error("%s\n", why.p);
    assert_non_null(strstr(why.p, words));
    text_fini(&why);
    loop_free(&loop);
    assert_int_equal(unlink(path), 0);
}

static void
a_token_that_protects_nothing_is_refused(void **state)
{
    (void)state;
    expect_not_opened("", 0600, "at least 8 characters");
    expect_not_opened("\r\n\n", 0600, "at least 8 characters");
    expect_not_opened("1234567\n", 0600, "at least 8 characters");
    expect_not_opened("two words\n", 0600, "without spaces");
    expect_not_opened("two-lines\nof-it", 0600, "one line");
    char large[8000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    expect_not_opened(large, 0600, "larger than 4 KiB"); /* no request could show it */
    struct loop *loop = loop_new();
    struct admin_api *api = NULL;
    struct text why = TEXT_EMPTY;
    struct admin_api_settings settings = {.address = "",
                                          .socket = "",
                                          .token_file = "/no/such/file",
                                          .tables = tables,
                                          .n_tables = 2};
    assert_int_equal(admin_api_open(loop, &settings, &why, &api), ERR_NOT_FOUND);
    settings.token_file = "/tmp";
    assert_int_equal(admin_api_open(loop, &settings, &why, &api), ERR_CONFIG);
    assert_non_null(strstr(why.p, "not a file"));
    text_fini(&why);
    loop_free(&loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(a_foreign_host_is_refused),
        OPEN(a_foreign_origin_is_refused),
        OPEN(a_change_from_another_site_is_refused),
        GUARDED(a_change_needs_the_token_where_there_is_one),
        GUARDED(the_token_stands_for_the_host),
        cmocka_unit_test(a_port_bound_everywhere_takes_numeric_hosts),
        cmocka_unit_test(beyond_loopback_a_token_is_needed_even_to_read),
        cmocka_unit_test(a_token_that_protects_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
