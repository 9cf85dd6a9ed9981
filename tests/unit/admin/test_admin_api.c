/* The API's routes, and what it answers by itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/api_site.h"

static void
a_request_finds_its_route(void **state)
{
    const struct site *site = *state;
    const char *address = site->address;
    expect(address, "GET", "/api/v1/things", NULL, 200, "{\"limit\":100}");
    expect(address, "GET", "/api/v1/things?limit=7", NULL, 200, "{\"limit\":7}");
    expect(address, "GET", "/api/v1/things/stats", NULL, 200, "{\"stats\":\"\"}");
    expect(address, "GET", "/api/v1/things/q-0001", NULL, 200, "{\"show\":\"q-0001\"}");
    expect(address, "GET", "/api/v1/things/q%2d%30", NULL, 200, "{\"show\":\"q-0\"}");
    expect(address, "DELETE", "/api/v1/things/q-0001", NULL, 200, "{\"remove\":\"q-0001\"}");
    expect(address, "POST", "/api/v1/things/q-0001/replay", NULL, 200, "{\"replay\":\"\"}");
    expect(site->unix_address, "GET", "/api/v1/things", NULL, 200, "{\"limit\":100}");
    expect(site->unix_address, "DELETE", "/api/v1/things/x", NULL, 200, "{\"remove\":\"x\"}");
}

static void
what_has_no_route_is_told(void **state)
{
    const struct site *site = *state;
    const char *address = site->address;
    expect(address, "GET", "/", NULL, 404, "{\"error\":\"there is no such path\"}");
    expect(address, "GET", "/api/v1/thing", NULL, 404, "error");
    expect(address, "GET", "/api/v1/things/", NULL, 404, "error");
    expect(address, "GET", "/api/v1/things/a/b", NULL, 404, "error");
    expect(address, "POST", "/api/v1/things//replay", NULL, 404, "error");
    expect(address, "GET", "/api/v1/things/%00", NULL, 404, "error");
    expect(address, "GET", "/api/v1/things/%zz", NULL, 404, "error");
    expect(address, "GET", "/api/v1/things/a%2", NULL, 404, "error");
    expect(address, "PUT", "/api/v1/things/x", NULL, 405, "does not take that method");
    expect(address, "PATCH", "/api/v1/things", NULL, 405, "error");
    expect(address, "GET", "/api/v1/things?limit=0", NULL, 400, "from 1 to 1000");
    expect(address, "GET", "/api/v1/things?limit=1001", NULL, 400, "error");
    expect(address, "GET", "/api/v1/things?limit=", NULL, 400, "error");
    expect(address, "GET", "/api/v1/things?limit=99999999999999999999", NULL, 400, "error");
    expect(address, "GET", "/api/v1/things?limit=-1", NULL, 400, "error");
    char long_path[300];
    snprintf(long_path, sizeof(long_path), "/api/v1/things/%0*d", 129, 7);
    expect(address, "GET", long_path, NULL, 404, "error");
}

static void
the_answer_says_what_is_allowed_and_how_to_treat_it(void **state)
{
    const struct site *site = *state;
    struct text out = TEXT_EMPTY;
    exchange(site, "PUT /api/v1/things/x HTTP/1.1\r\nHost: localhost\r\n", &out);
    assert_non_null(strstr(out.p, "\r\nAllow: GET, HEAD, DELETE\r\n"));
    assert_non_null(strstr(out.p, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(out.p, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(out.p, "\r\nX-Content-Type-Options: nosniff\r\n"));
    exchange(site, "HEAD /api/v1/things HTTP/1.1\r\nHost: localhost\r\n", &out);
    assert_memory_equal(out.p, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(out.p, "\r\nContent-Length: 13\r\n"));
    assert_null(strstr(out.p, "limit"));
    text_fini(&out);
}

static void
a_body_is_bounded(void **state)
{
    const struct site *site = *state;
    char *big = mem_zeroed(8 * ADMIN_MAX_BODY);
    memset(big, ' ', 8 * ADMIN_MAX_BODY);
    struct http1_call call = {.address = site->address,
                              .method = "POST",
                              .path = "/api/v1/things/x/replay",
                              .body = bytes_of(big, ADMIN_MAX_BODY),
                              .timeout_ms = WAIT_MS};
    static const size_t sizes[] = {ADMIN_MAX_BODY, ADMIN_MAX_BODY + 1, 8 * ADMIN_MAX_BODY};
    static const int statuses[] = {200, 413, 413};
    for (int i = 0; i < 3; i++) {
        struct text body = TEXT_EMPTY;
        int status = 0;
        call.body.n = sizes[i];
        assert_int_equal(http1_call(&call, &status, &body), ERR_OK);
        assert_int_equal(status, statuses[i]);
        if (i == 1)
            assert_string_equal(body.p, "{\"error\":\"the body is larger than 64 KiB\"}\n");
        text_fini(&body);
    }
    mem_free(big);
}

static void
a_taken_socket_leaves_no_port_open(void **state)
{
    const struct site *site = *state;
    struct loop *loop = loop_new();
    struct admin_api *api = NULL;
    struct text why = TEXT_EMPTY;
    const struct admin_api_settings settings = {.address = "127.0.0.1:0",
                                                .socket = site->socket,
                                                .token_file = "",
                                                .tables = tables,
                                                .n_tables = 2};
    assert_int_equal(admin_api_open(loop, &settings, &why, &api), ERR_IN_USE);
    assert_null(api);
    text_fini(&why);
    loop_free(&loop); /* aborts when a port is still registered */
}

static void
times_are_rfc_3339(void **state)
{
    (void)state;
    struct text out = TEXT_EMPTY;
    admin_add_time(&out, 1769860998114);
    text_add(&out, " ");
    admin_add_time(&out, 951782400000);
    text_add(&out, " ");
    admin_add_time(&out, 0);
    text_add(&out, " ");
    admin_add_time(&out, INT64_MAX);
    assert_string_equal(out.p,
                        "\"2026-01-31T12:03:18.114Z\" \"2000-02-29T00:00:00.000Z\" null null");
    text_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(a_request_finds_its_route),
        OPEN(what_has_no_route_is_told),
        OPEN(the_answer_says_what_is_allowed_and_how_to_treat_it),
        OPEN(a_body_is_bounded),
        OPEN(a_taken_socket_leaves_no_port_open),
        cmocka_unit_test(times_are_rfc_3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
