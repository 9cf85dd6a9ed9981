/* The HTTP port for many: bounded bodies and connections, deferred answers, draining. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http1.h"
#include "net/port_group.h"
#include "support/run_until.h"

enum { MANY = 16, BODY = 64 * 1024, BOUND = 128 * 1024, REQUEST_MS = 400 };

struct site {
    struct loop *loop;
    struct budget_pool pool;
    struct budget budget;
    struct http1 *http;
    struct net_address address;
    bool is_deferring;
    struct http1_pending *pending[MANY];
    int n_requests, n_pending, n_gone, n_refused, own_status;
    uint32_t n_connections, n_most;
    size_t n_body_bytes;
};

static void
on_gone(void *ctx)
{
    ((struct site *)ctx)->n_gone++;
}

static void
on_request(void *ctx, struct http1_request *request)
{
    struct site *site = ctx;
    site->n_requests++;
    site->n_body_bytes += http1_body(request).n;
    http1_add_header(request, "X-Early", "1");
    if (site->is_deferring)
        site->pending[site->n_pending++] = http1_defer(request, on_gone, site);
    else
        http1_answer(request, 200, "text/plain", BYTES("ok"));
}

static void
on_connections(void *ctx, uint32_t n)
{
    struct site *site = ctx;
    site->n_connections = n;
    site->n_most = n > site->n_most ? n : site->n_most;
}

static void
on_refused(void *ctx)
{
    ((struct site *)ctx)->n_refused++;
}

static void
on_own_answer(void *ctx, int status)
{
    ((struct site *)ctx)->own_status = status;
}

static int
start_site(void **state)
{
    struct site *site = mem_new(struct site);
    struct text why = TEXT_EMPTY;
    int descriptor;
    clock_refresh();
    site->loop = loop_new();
    budget_pool_init(&site->pool, 64u << 20);
    budget_init(&site->budget, &site->pool);
    const struct http1_service service = {
        .max_body = BODY,
        .max_connections = MANY,
        .budget = &site->budget,
        .received_max_bytes = BOUND,
        .request_ms = REQUEST_MS,
        .handler = on_request,
        .ctx = site,
        .on_connections = on_connections,
        .on_refused = on_refused,
        .on_own_answer = on_own_answer,
    };
    assert_int_equal(port_group_bind("127.0.0.1:0", 1, &why, &descriptor), ERR_OK);
    port_group_address(descriptor, &site->address);
    assert_int_equal(port_group_listen(descriptor), ERR_OK);
    site->http = http1_serve(site->loop, descriptor, &service);
    *state = site;
    return 0;
}

/* What was charged is given back. */
static int
stop_site(void **state)
{
    struct site *site = *state;
    http1_close(&site->http);
    RUN_TURNS(site->loop, 2);
    assert_int_equal(site->n_connections, 0);
    assert_int_equal(site->budget.used_bytes, 0);
    budget_fini(&site->budget);
    loop_free(&site->loop);
    mem_free(site);
    return 0;
}

static int
dial(const struct site *site)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&site->address.storage, site->address.length),
        0);
    assert_int_equal(fcntl(descriptor, F_SETFL, O_NONBLOCK), 0);
    return descriptor;
}

static void
say(int descriptor, const char *text)
{
    assert_int_equal(send(descriptor, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* True once an answer of that status is whole, or for 0 once the peer has closed. */
static bool
has_answer(int descriptor, int status)
{
    char text[2048], wanted[16];
    ssize_t n = recv(descriptor, text, sizeof(text) - 1, MSG_PEEK);
    if (status == 0)
        return n == 0 || (n < 0 && errno != EAGAIN);
    if (n <= 0)
        return false;
    text[n] = '\0';
    snprintf(wanted, sizeof(wanted), "HTTP/1.1 %d ", status);
    char *end = strstr(text, "\r\n\r\nok");
    if (end == NULL)
        return false;
    assert_int_equal(strncmp(text, wanted, strlen(wanted)), 0);
    return true;
}

/* Takes one answer off; what follows stays. */
static void
take_answer(int descriptor)
{
    char text[2048];
    ssize_t n = recv(descriptor, text, sizeof(text) - 1, MSG_PEEK);
    assert_true(n > 0);
    text[n] = '\0';
    char *end = strstr(text, "\r\n\r\nok");
    assert_non_null(end);
    assert_int_equal(recv(descriptor, text, (size_t)(end - text) + 6, 0), end - text + 6);
}

static void
say_body(int descriptor, size_t n)
{
    char *body = mem_zeroed(n);
    assert_int_equal(send(descriptor, body, n, MSG_NOSIGNAL), (ssize_t)n);
    mem_free(body);
}

static const char plain_get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static void
a_deferred_answer_has_the_body_and_late_headers(void **state)
{
    struct site *site = *state;
    int client = dial(site);
    site->is_deferring = true;
    say(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    RUN_UNTIL(site->loop, site->n_pending == 1);
    RUN_TURNS(site->loop, 3);
    assert_true(bytes_equal(http1_pending_body(site->pending[0]), BYTES("hello")));
    http1_pending_add_header(site->pending[0], "X-Late", "2");
    http1_pending_answer(&site->pending[0], 503, "text/plain", BYTES("ok"));
    RUN_UNTIL(site->loop, has_answer(client, 503));
    char text[1024] = "";
    assert_true(recv(client, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, "X-Early: 1"));
    assert_non_null(strstr(text, "X-Late: 2"));
    close(client);
    RUN_UNTIL(site->loop, site->n_connections == 0);
}

/* One after another; the second waits in the stream meanwhile. */
static void
requests_in_a_row_are_answered_in_order(void **state)
{
    struct site *site = *state;
    int client = dial(site);
    site->is_deferring = true;
    say(client, plain_get);
    say(client, plain_get);
    RUN_UNTIL(site->loop, site->n_pending == 1);
    RUN_TURNS(site->loop, 3);
    assert_int_equal(site->n_pending, 1);
    http1_pending_answer(&site->pending[0], 200, "text/plain", BYTES("ok"));
    RUN_UNTIL(site->loop, site->n_pending == 2);
    http1_pending_answer(&site->pending[1], 200, "text/plain", BYTES("ok"));
    RUN_UNTIL(site->loop, has_answer(client, 200));
    take_answer(client);
    RUN_UNTIL(site->loop, has_answer(client, 200));
    close(client);
}

static void
one_connection_too_many_is_closed(void **state)
{
    struct site *site = *state;
    int clients[MANY + 2];
    for (int i = 0; i < MANY; i++)
        clients[i] = dial(site);
    RUN_UNTIL(site->loop, site->n_connections == MANY);
    clients[MANY] = dial(site);
    clients[MANY + 1] = dial(site);
    RUN_UNTIL(site->loop, has_answer(clients[MANY], 0) && has_answer(clients[MANY + 1], 0));
    assert_int_equal(site->n_refused, 2);
    say(clients[0], plain_get);
    RUN_UNTIL(site->loop, has_answer(clients[0], 200));
    for (int i = 0; i < MANY + 2; i++)
        close(clients[i]);
    RUN_UNTIL(site->loop, site->n_connections == 0);
}

/* All bodies together are eight times the bound: they come one after another, and all of them. */
static void
bodies_are_bounded_and_all_come_through(void **state)
{
    struct site *site = *state;
    int clients[MANY];
    char head[100];
    uint64_t most = 0;
    snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", BODY);
    for (int i = 0; i < MANY; i++) {
        clients[i] = dial(site);
        say(clients[i], head);
        say_body(clients[i], BODY - 1);
    }
    for (int i = 0; i < 100; i++) {
        loop_run_once(site->loop, 1);
        most = site->budget.used_bytes > most ? site->budget.used_bytes : most;
    }
    assert_int_equal(site->n_requests, 0);
    /* One read of each beyond the bound, and what the connections cost. */
    assert_in_range(most, BOUND, BOUND + MANY * (16 + 6) * 1024 + BODY);
    for (int i = 0; i < MANY; i++)
        say_body(clients[i], 1);
    RUN_UNTIL(site->loop, site->n_requests == MANY);
    assert_int_equal(site->n_body_bytes, MANY * BODY);
    for (int i = 0; i < MANY; i++) {
        RUN_UNTIL(site->loop, has_answer(clients[i], 200));
        close(clients[i]);
    }
    RUN_UNTIL(site->loop, site->n_connections == 0);
}

static void
a_slow_request_ends_its_connection(void **state)
{
    struct site *site = *state;
    int slow = dial(site), idle = dial(site);
    say(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell");
    RUN_UNTIL(site->loop, has_answer(slow, 0));
    say(idle, plain_get);
    RUN_UNTIL(site->loop, has_answer(idle, 200));
    close(slow);
    close(idle);
}

static void
what_evhttp_refuses_is_told(void **state)
{
    struct site *site = *state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n", 413},
        {"FOO BAR\r\n\r\n", 400},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n", 417},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int client = dial(site);
        site->own_status = 0;
        say(client, cases[i].request);
        shutdown(client, SHUT_WR);
        RUN_UNTIL(site->loop, site->own_status != 0);
        assert_int_equal(site->own_status, cases[i].status);
        close(client);
    }
    assert_int_equal(site->n_requests, 0);
    int client = dial(site);
    say(client, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    char text[64] = "";
    RUN_UNTIL(site->loop, recv(client, text, sizeof(text) - 1, MSG_PEEK) > 0);
    assert_true(recv(client, text, sizeof(text) - 1, 0) > 0);
    assert_non_null(strstr(text, " 100 "));
    say(client, "x");
    RUN_UNTIL(site->loop, has_answer(client, 200));
    take_answer(client);
    site->own_status = 0;
    say(client, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                "Transfer-Encoding: chunked\r\n\r\n");
    RUN_UNTIL(site->loop, recv(client, text, sizeof(text) - 1, MSG_PEEK) > 0);
    assert_int_equal(site->own_status, 0);
    say(client, "10001\r\n");
    RUN_UNTIL(site->loop, site->own_status == 413);
    close(client);
}

static void
draining_answers_who_has_begun_and_closes(void **state)
{
    struct site *site = *state;
    int idle = dial(site), begun = dial(site), waits = dial(site);
    RUN_UNTIL(site->loop, site->n_connections == 3);
    site->is_deferring = true;
    say(waits, plain_get);
    RUN_UNTIL(site->loop, site->n_pending == 1);
    site->is_deferring = false;
    say(begun, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    RUN_TURNS(site->loop, 3);
    int last = dial(site); /* in the kernel's queue */
    http1_drain(site->http);
    RUN_UNTIL(site->loop, !http1_accepts(site->http));
    assert_int_equal(site->n_connections, 4);
    say(begun, "b");
    say(last, plain_get);
    RUN_UNTIL(site->loop, has_answer(begun, 200) && has_answer(last, 200));
    take_answer(begun);
    RUN_UNTIL(site->loop, has_answer(begun, 0));
    RUN_UNTIL(site->loop, has_answer(idle, 0));
    assert_int_equal(http1_n_connections(site->http), 1);
    http1_pending_answer(&site->pending[0], 200, "text/plain", BYTES("ok"));
    RUN_UNTIL(site->loop, site->n_connections == 0);
    assert_int_equal(site->n_gone, 0);
    close(idle);
    close(begun);
    close(waits);
    close(last);
}

static void
a_client_that_waits_and_leaves_is_told(void **state)
{
    struct site *site = *state;
    int client = dial(site);
    site->is_deferring = true;
    say(client, plain_get);
    RUN_UNTIL(site->loop, site->n_pending == 1);
    close(client);
    RUN_UNTIL(site->loop, site->n_gone == 1);
    assert_int_equal(site->n_connections, 0);
}

/* Ports. */

static void
a_group_shares_the_port_that_the_first_got(void **state)
{
    (void)state;
    int descriptors[4], strangers[2];
    struct net_address first, other;
    struct text why = TEXT_EMPTY;
    assert_int_equal(port_group_bind("127.0.0.1:0", 4, &why, descriptors), ERR_OK);
    port_group_address(descriptors[0], &first);
    for (int i = 0; i < 4; i++) {
        port_group_address(descriptors[i], &other);
        assert_true(net_address_equal(&first, &other));
        assert_int_equal(port_group_listen(descriptors[i]), ERR_OK);
    }
    char text[NET_ADDRESS_TEXT];
    net_address_text(&first, text);
    assert_int_equal(port_group_bind(text, 2, &why, strangers), ERR_IN_USE);
    assert_non_null(strstr(why.p, text));
    assert_non_null(strstr(why.p, "pid "));
    for (int i = 0; i < 4; i++)
        close(descriptors[i]);
    text_fini(&why);
}

static void
a_group_of_any_address_works(void **state)
{
    (void)state;
    int descriptors[2];
    struct text why = TEXT_EMPTY;
    assert_int_equal(port_group_bind(":0", 2, &why, descriptors), ERR_OK);
    close(descriptors[0]);
    close(descriptors[1]);
    assert_int_equal(port_group_bind("nowhere", 2, &why, descriptors), ERR_NAME);
    assert_non_null(strstr(why.p, "nowhere"));
    text_fini(&why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_site, stop_site)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deferred_answer_has_the_body_and_late_headers),
        TEST(requests_in_a_row_are_answered_in_order),
        TEST(one_connection_too_many_is_closed),
        TEST(bodies_are_bounded_and_all_come_through),
        TEST(a_slow_request_ends_its_connection),
        TEST(what_evhttp_refuses_is_told),
        TEST(draining_answers_who_has_begun_and_closes),
        TEST(a_client_that_waits_and_leaves_is_told),
        cmocka_unit_test(a_group_shares_the_port_that_the_first_got),
        cmocka_unit_test(a_group_of_any_address_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
