/* Answers that come later, clients that do not wait for them, and more clients than there is room
 * for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http1.h"
#include "support/run_until.h"

enum {
    MAX_BODY = 1000,
    CLIENTS = HTTP1_CONNECTIONS + 6,
    PENDINGS = 8,
    RECEIVE_BUFFER = 4096,
    FLOOD_TURNS = 1000,
    BIG_BYTES = 32 * 1024 * 1024
};

struct site {
    struct loop *loop;
    struct http1 *http;
    struct net_address bound;
    struct http1_pending *pending[PENDINGS];
    uint32_t n_deferred, n_gone, n_requests;
    bool close_in_handler;
};

static void
on_gone(void *ctx)
{
    struct site *site = ctx;
    site->n_gone++;
}

static void
on_request(void *ctx, struct http1_request *request)
{
    struct site *site = ctx;
    site->n_requests++;
    if (strcmp(http1_path(request), "/big") == 0) {
        char *big = mem_zeroed(BIG_BYTES);
        http1_answer(request, 200, "text/plain", bytes_of(big, BIG_BYTES));
        mem_free(big);
        return;
    }
    if (strcmp(http1_path(request), "/later") != 0) {
        http1_answer(request, 200, "text/plain", BYTES("now"));
        return;
    }
    http1_add_header(request, "X-Way", "later");
    site->pending[site->n_deferred++] = http1_defer(request, on_gone, site);
    if (site->close_in_handler)
        http1_close(&site->http);
}

static int
set_up(void **state)
{
    static struct site site;
    struct text why = TEXT_EMPTY;
    site = (struct site){.loop = loop_new()};
    assert_int_equal(
        http1_open(site.loop, "127.0.0.1:0", MAX_BODY, on_request, &site, &why, &site.http),
        ERR_OK);
    http1_address(site.http, &site.bound);
    *state = &site;
    return 0;
}

static int
tear_down(void **state)
{
    struct site *site = *state;
    http1_close(&site->http);
    loop_run_once(site->loop, 0);
    loop_free(&site->loop);
    return 0;
}

static int
connect_to(const struct site *site)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error =
        connect(descriptor, (const struct sockaddr *)&site->bound.storage, site->bound.length);
    assert_true(error == 0 || errno == EINPROGRESS);
    return descriptor;
}

static void
write_to(int descriptor, const char *text)
{
    struct pollfd one = {.fd = descriptor, .events = POLLOUT};
    assert_int_equal(poll(&one, 1, 10000), 1);
    assert_int_equal(send(descriptor, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static int
ask(const struct site *site, const char *request)
{
    int descriptor = connect_to(site);
    write_to(descriptor, request);
    return descriptor;
}

/* What has come so far; true when the server has closed. */
static bool
take(int descriptor, struct text *out)
{
    char buffer[RECEIVE_BUFFER];
    for (;;) {
        ssize_t n = recv(descriptor, buffer, sizeof(buffer), 0);
        if (n <= 0)
            return n == 0 || errno != EAGAIN;
        text_add_bytes(out, bytes_of(buffer, (size_t)n));
    }
}

static bool
has_ended_with(int descriptor, struct text *out, const char *end)
{
    take(descriptor, out);
    size_t n = strlen(end);
    return out->n >= n && memcmp(out->p + out->n - n, end, n) == 0;
}

static void
an_answer_may_come_later(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    RUN_TURNS(site->loop, 3);
    assert_false(take(client, &text));
    assert_int_equal(text.n, 0);
    http1_pending_answer(&site->pending[0], 409, "application/json", BYTES("{\"later\":1}"));
    assert_null(site->pending[0]);
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "{\"later\":1}"));
    assert_memory_equal(text.p, "HTTP/1.1 409 ", 13);
    assert_non_null(strstr(text.p, "X-Way: later\r\n"));
    assert_non_null(strstr(text.p, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(text.p, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(text.p, "Content-Security-Policy: default-src 'none'"));
    /* The connection lives on, and its end is none of the answered request's. */
    text_clear(&text);
    write_to(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "\r\n\r\nnow"));
    close(client);
    RUN_TURNS(site->loop, 5);
    assert_int_equal(site->n_gone, 0);
    text_fini(&text);
}

static void
an_answer_may_go_on(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    http1_pending_begin(site->pending[0], 200, "text/event-stream");
    http1_pending_add(site->pending[0], BYTES("one"));
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "3\r\none\r\n"));
    assert_memory_equal(text.p, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(text.p, "Content-Type: text/event-stream\r\n"));
    assert_null(strstr(text.p, "Content-Length"));
    http1_pending_add(site->pending[0], BYTES("more"));
    assert_true(http1_pending_unsent(site->pending[0]) > 0);
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "4\r\nmore\r\n"));
    assert_int_equal(http1_pending_unsent(site->pending[0]), 0);
    http1_pending_end(&site->pending[0]);
    assert_null(site->pending[0]);
    RUN_UNTIL(site->loop, take(client, &text)); /* and the connection ends */
    assert_int_equal(site->n_gone, 0);
    close(client);
    text_fini(&text);
}

static void
who_leaves_an_answer_that_goes_on_is_noticed(void **state)
{
    struct site *site = *state;
    int client = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    http1_pending_begin(site->pending[0], 200, "text/event-stream");
    http1_pending_add(site->pending[0], BYTES("one"));
    close(client);
    RUN_UNTIL(site->loop, site->n_gone == 1);
    int other = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 2);
    http1_pending_begin(site->pending[1], 200, "text/event-stream");
    http1_close(&site->http);
    assert_int_equal(site->n_gone, 2);
    close(other);
}

/* Last of its file: the clock stands still from here on. */
static void
answers_that_nobody_takes_are_bounded(void **state)
{
    enum { SOME = HTTP1_UNSENT_BYTES / BIG_BYTES + 1 };
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int small = RECEIVE_BUFFER, slow[SOME];
    clock_set(clock_fresh_us(), clock_unix_ms());
    for (uint32_t i = 0; i < SOME; i++) {
        slow[i] = ask(site, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
        setsockopt(slow[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        RUN_UNTIL(site->loop, site->n_requests == i + 1);
    }
    int other = ask(site, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, has_ended_with(other, &text, "\"}\n"));
    assert_memory_equal(text.p, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(text.p, "slow clients"));
    assert_int_equal(site->n_requests, SOME);
    text_clear(&text);
    clock_set(clock_mono_us() + 6000000, clock_unix_ms());
    write_to(other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, has_ended_with(other, &text, "\r\n\r\nnow"));
    text_clear(&text);
    RUN_UNTIL(site->loop, take(slow[0], &text));
    assert_true(text.n < BIG_BYTES);
    for (uint32_t i = 0; i < SOME; i++)
        close(slow[i]);
    close(other);
    text_fini(&text);
}

static void
a_later_answer_to_head_has_no_body(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client = ask(site, "HEAD /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    http1_pending_answer(&site->pending[0], 200, "text/plain", BYTES("hello"));
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "\r\n\r\n"));
    assert_non_null(strstr(text.p, "Content-Length: 5\r\n"));
    close(client);
    text_fini(&text);
}

static void
what_is_sent_behind_a_pending_request_waits(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client =
        ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    write_to(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_TURNS(site->loop, 5);
    assert_int_equal(site->n_requests, 1);
    http1_pending_answer(&site->pending[0], 200, "text/plain", BYTES("later"));
    RUN_UNTIL(site->loop, site->n_requests == 3);
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "\r\n\r\nnow"));
    close(client);
    text_fini(&text);
}

static void
the_owner_learns_that_the_client_went(void **state)
{
    struct site *site = *state;
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int polite = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    int rude = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET / HTT");
    RUN_UNTIL(site->loop, site->n_deferred == 2);
    close(polite);
    RUN_UNTIL(site->loop, site->n_gone == 1);
    setsockopt(rude, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(rude);
    RUN_UNTIL(site->loop, site->n_gone == 2);
}

static void
a_client_that_only_ends_its_side_counts_as_gone(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client = ask(site, "GET /later HTTP/1.0\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    shutdown(client, SHUT_WR);
    RUN_UNTIL(site->loop, site->n_gone == 1);
    RUN_UNTIL(site->loop, take(client, &text));
    assert_int_equal(text.n, 0);
    close(client);
}

/* It was asked for leave to send the body, so that the stream has been written to. */
static void
a_request_with_expect_may_be_deferred(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client = ask(site, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                           "Expect: 100-continue\r\n\r\n");
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "100 Continue\r\n\r\n"));
    write_to(client, "{}");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    http1_pending_answer(&site->pending[0], 200, "text/plain", BYTES("done"));
    RUN_UNTIL(site->loop, has_ended_with(client, &text, "\r\n\r\ndone"));
    close(client);
    text_fini(&text);
}

static void
closing_the_port_ends_what_is_pending(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int client = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    http1_close(&site->http);
    assert_int_equal(site->n_gone, 1);
    RUN_UNTIL(site->loop, take(client, &text));
    assert_int_equal(text.n, 0);
    assert_int_equal(site->n_gone, 1);
    close(client);
}

static void
the_handler_may_defer_and_close(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int first = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    site->close_in_handler = true;
    int second = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_gone == 2);
    RUN_UNTIL(site->loop, take(first, &text) && take(second, &text));
    assert_int_equal(text.n, 0);
    assert_null(site->http);
    close(first);
    close(second);
}

/* The handler's owner may be gone by then. */
static void
after_a_close_no_request_reaches_the_handler(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY;
    int clients[2] = {connect_to(site), connect_to(site)};
    RUN_TURNS(site->loop, 5);
    site->close_in_handler = true;
    for (int i = 0; i < 2; i++)
        write_to(clients[i], "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, take(clients[0], &text) && take(clients[1], &text));
    assert_int_equal(site->n_requests, 1);
    assert_int_equal(site->n_gone, 1);
    close(clients[0]);
    close(clients[1]);
    text_fini(&text);
}

/* Those that say nothing make room; who is asked often, and who is owed an answer, stays. */
static void
slow_clients_do_not_use_the_port_up(void **state)
{
    struct site *site = *state;
    struct text text = TEXT_EMPTY, waits = TEXT_EMPTY;
    int slow[CLIENTS], n_ended = 0;
    int waiting = ask(site, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_deferred == 1);
    int busy = ask(site, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, has_ended_with(busy, &text, "\r\n\r\nnow"));
    for (int i = 0; i < CLIENTS; i++) {
        slow[i] = ask(site, "GET / HTTP/1.1\r\nHost: ");
        RUN_TURNS(site->loop, 2);
        if (i % 10 != 0)
            continue;
        text_clear(&text);
        write_to(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        RUN_UNTIL(site->loop, has_ended_with(busy, &text, "\r\n\r\nnow"));
    }
    struct text none = TEXT_EMPTY;
    RUN_UNTIL(site->loop, take(slow[CLIENTS - HTTP1_CONNECTIONS + 1], &none));
    for (int i = 0; i < CLIENTS; i++) {
        n_ended += take(slow[i], &none);
        close(slow[i]);
    }
    assert_int_equal(n_ended, CLIENTS + 2 - HTTP1_CONNECTIONS);
    assert_false(take(waiting, &waits));
    http1_pending_answer(&site->pending[0], 200, "text/plain", BYTES("later"));
    RUN_UNTIL(site->loop, has_ended_with(waiting, &waits, "\r\n\r\nlater"));
    close(waiting);
    close(busy);
    text_fini(&text);
    text_fini(&waits);
}

/* Even where everybody is owed one: the oldest goes. */
static void
a_burst_of_connections_is_bounded(void **state)
{
    struct site *site = *state;
    int clients[2 * HTTP1_CONNECTIONS];
    struct text text = TEXT_EMPTY;
    int n_ended = 0;
    for (int i = 0; i < 2 * HTTP1_CONNECTIONS; i++)
        clients[i] = connect_to(site);
    RUN_UNTIL(site->loop, take(clients[HTTP1_CONNECTIONS - 1], &text));
    write_to(clients[2 * HTTP1_CONNECTIONS - 1], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, has_ended_with(clients[2 * HTTP1_CONNECTIONS - 1], &text, "\r\n\r\nnow"));
    for (int i = 0; i < 2 * HTTP1_CONNECTIONS; i++) {
        n_ended += take(clients[i], &text);
        close(clients[i]);
    }
    assert_int_equal(n_ended, HTTP1_CONNECTIONS);
    text_fini(&text);
}

/* While a slow reader's answer is being written, evhttp reads on: not without bound. */
static void
a_flood_behind_a_request_stays_in_the_kernel(void **state)
{
    struct site *site = *state;
    static char chunk[64 * 1024];
    size_t n_sent = 0;
    int client = ask(site, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    RUN_UNTIL(site->loop, site->n_requests == 1);
    for (int i = 0; i < FLOOD_TURNS; i++) {
        ssize_t n = send(client, chunk, sizeof(chunk), MSG_NOSIGNAL);
        n_sent += n > 0 ? (size_t)n : 0;
        loop_run_once(site->loop, 0);
    }
    assert_true(n_sent < (size_t)FLOOD_TURNS * sizeof(chunk) / 2);
    close(client);
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(an_answer_may_come_later),
        WITH_SITE(a_later_answer_to_head_has_no_body),
        WITH_SITE(what_is_sent_behind_a_pending_request_waits),
        WITH_SITE(the_owner_learns_that_the_client_went),
        WITH_SITE(a_client_that_only_ends_its_side_counts_as_gone),
        WITH_SITE(a_request_with_expect_may_be_deferred),
        WITH_SITE(closing_the_port_ends_what_is_pending),
        WITH_SITE(the_handler_may_defer_and_close),
        WITH_SITE(after_a_close_no_request_reaches_the_handler),
        WITH_SITE(slow_clients_do_not_use_the_port_up),
        WITH_SITE(a_burst_of_connections_is_bounded),
        WITH_SITE(a_flood_behind_a_request_stays_in_the_kernel),
        WITH_SITE(an_answer_may_go_on),
        WITH_SITE(who_leaves_an_answer_that_goes_on_is_noticed),
        WITH_SITE(answers_that_nobody_takes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
