/* The HTTP/1.1 port asked by the blocking client and by raw bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http1.h"
#include "support/run_until.h"

enum { BODY_MAX = 4096, BIG_BYTES = 3 * 1024 * 1024 };

/* A server in a thread of its own; the test is its client. */
struct site {
    struct loop *loop;
    struct http1 *http;
    struct net_address bound;
    char address[NET_ADDRESS_TEXT];
    pthread_t thread;
};

static void
answer_text(struct http1_request *request, int status, const char *text)
{
    http1_answer(request, status, "text/plain", bytes_str(text));
}

static void
on_request(void *ctx, struct http1_request *request)
{
    struct site *site = ctx;
    const char *path = http1_path(request);
    struct text text = TEXT_EMPTY;
    if (strcmp(path, "/echo") == 0) {
        const char *name = http1_query(request, "name"), *from = http1_header(request, "X-From");
        text_addf(&text, "%s name=%s from=%s body=", http1_method(request), name ? name : "none",
                  from ? from : "none");
        text_add_bytes(&text, http1_body(request));
        answer_text(request, 200, text.p);
    } else if (strcmp(path, "/big") == 0) {
        char *big = mem_zeroed(BIG_BYTES);
        memset(big, 'x', BIG_BYTES);
        http1_answer(request, 200, "text/plain", bytes_of(big, BIG_BYTES));
        mem_free(big);
    } else if (strcmp(path, "/empty") == 0) {
        http1_answer(request, 204, "text/plain", BYTES_NONE);
    } else if (strcmp(path, "/quit") == 0) {
        answer_text(request, 200, "bye");
        http1_close(&site->http);
        loop_stop(site->loop);
    } else {
        answer_text(request, 404, path);
    }
    text_fini(&text);
}

static void *
serve(void *ctx)
{
    loop_run(((struct site *)ctx)->loop);
    return NULL;
}

static int
start_site(void **state)
{
    struct site *site = mem_new(struct site);
    struct text why = TEXT_EMPTY;
    site->loop = loop_new();
    assert_int_equal(
        http1_open(site->loop, "127.0.0.1:0", BODY_MAX, on_request, site, &why, &site->http),
        ERR_OK);
    http1_address(site->http, &site->bound);
    net_address_text(&site->bound, site->address);
    assert_int_equal(pthread_create(&site->thread, NULL, serve, site), 0);
    *state = site;
    return 0;
}

static int
stop_site(void **state)
{
    struct site *site = *state;
    loop_stop(site->loop);
    pthread_join(site->thread, NULL);
    http1_close(&site->http);
    loop_free(&site->loop);
    mem_free(site);
    return 0;
}

static void
expect_get(const char *address, const char *path, int expected_status, const char *expected_body)
{
    struct text body = TEXT_EMPTY;
    int status = 0;
    assert_int_equal(http1_get(address, path, 10000, &status, &body), ERR_OK);
    assert_int_equal(status, expected_status);
    assert_string_equal(body.p != NULL ? body.p : "", expected_body);
    text_fini(&body);
}

static void
a_get_brings_status_and_body(void **state)
{
    struct site *site = *state;
    expect_get(site->address, "/echo", 200, "GET name=none from=none body=");
    expect_get(site->address, "/echo?a=1&name=two%20words", 200,
               "GET name=two words from=none body=");
    expect_get(site->address, "/none%20such?x", 404, "/none%20such");
    expect_get(site->address, "/echo?%%%=&=&&&", 200, "GET name=none from=none body=");
    expect_get(site->address, "/empty", 204, "");
}

static void
the_client_takes_names(void **state)
{
    struct site *site = *state;
    char address[NET_ADDRESS_TEXT];
    const char *port = strrchr(site->address, ':');
    snprintf(address, sizeof(address), "localhost%s", port);
    expect_get(address, "/x", 404, "/x");
    expect_get(port, "/x", 404, "/x");
}

static void
a_big_answer_arrives_whole(void **state)
{
    struct site *site = *state;
    struct text body = TEXT_EMPTY;
    int status = 0;
    assert_int_equal(http1_get(site->address, "/big", 10000, &status, &body), ERR_OK);
    assert_int_equal(body.n, BIG_BYTES);
    assert_int_equal(body.p[BIG_BYTES - 1], 'x');
    text_fini(&body);
}

/* Sends raw bytes and takes all that comes until the server closes. */
static void
exchange(const struct site *site, struct bytes request, char *answer, size_t size)
{
    int descriptor = socket(site->bound.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    ssize_t got = 1;
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&site->bound.storage, site->bound.length), 0);
    assert_int_equal(send(descriptor, request.p, request.n, MSG_NOSIGNAL), (ssize_t)request.n);
    while (got > 0 && n < size - 1) {
        got = recv(descriptor, answer + n, size - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    }
    answer[n] = '\0';
    close(descriptor);
}

static void
headers_and_body_reach_the_handler(void **state)
{
    char answer[1024];
    exchange(*state,
             BYTES("POST /echo?name=n HTTP/1.1\r\nHost: x\r\nX-From: test\r\nConnection: close\r\n"
                   "Content-Length: 5\r\n\r\nhello"),
             answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nPOST name=n from=test body=hello"));
}

static void
a_head_gets_no_body(void **state)
{
    char answer[1024];
    exchange(*state, BYTES("HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), answer,
             sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "Content-Length: 30\r\n"));
    assert_null(strstr(answer, "HEAD name="));
}

static void
too_large_a_body_is_refused(void **state)
{
    char answer[1024];
    struct text request = TEXT_EMPTY;
    text_addf(&request, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
              BODY_MAX + 1);
    exchange(*state, text_bytes(&request), answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 413 ", 13);
    text_fini(&request);
}

static void
too_large_a_header_never_reaches_the_handler(void **state)
{
    char answer[1024];
    struct text request = TEXT_EMPTY;
    text_add(&request, "GET /echo HTTP/1.1\r\nHost: x\r\nX-Long: ");
    for (int i = 0; i < 9000; i++)
        text_add(&request, "y");
    text_add(&request, "\r\n\r\n");
    exchange(*state, text_bytes(&request), answer, sizeof(answer));
    assert_null(strstr(answer, "name="));
    text_fini(&request);
}

static void
no_http_at_all_harms_nobody(void **state)
{
    char answer[1024];
    exchange(*state, BYTES("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), answer, sizeof(answer));
    assert_null(strstr(answer, " 200 "));
    a_get_brings_status_and_body(state);
}

static void
the_handler_may_close_the_port(void **state)
{
    struct site *site = *state;
    struct text body = TEXT_EMPTY;
    int status = 0;
    /* The answer may be cut off by the close; what counts is that the port is gone then. */
    enum err err = http1_get(site->address, "/quit", 10000, &status, &body);
    assert_true(err == ERR_OK || err == ERR_CLOSED);
    text_fini(&body);
    pthread_join(site->thread, NULL);
    assert_int_equal(http1_get(site->address, "/", 10000, &status, &body), ERR_REFUSED);
    assert_int_equal(pthread_create(&site->thread, NULL, serve, site), 0);
}

static void
the_client_names_its_failures(void **state)
{
    (void)state;
    struct net_address address;
    struct text body = TEXT_EMPTY;
    int status = 0, silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[NET_ADDRESS_TEXT];
    assert_int_equal(net_address_parse("127.0.0.1:0", &address), ERR_OK);
    assert_int_equal(bind(silent, (struct sockaddr *)&address.storage, address.length), 0);
    assert_int_equal(listen(silent, 4), 0);
    getsockname(silent, (struct sockaddr *)&address.storage, &address.length);
    net_address_text(&address, text);
    assert_int_equal(http1_get(text, "/", 50, &status, &body), ERR_TIMEOUT);
    close(silent);
    assert_int_equal(http1_get(text, "/", 1000, &status, &body), ERR_REFUSED);
    assert_int_equal(http1_get("no-port", "/", 1000, &status, &body), ERR_NAME);
    assert_int_equal(body.n, 0);
    text_fini(&body);
}

struct canned {
    int listening;
    const char *answer;
};

static void *
answer_once(void *ctx)
{
    struct canned *canned = ctx;
    char request[1024];
    int descriptor = accept(canned->listening, NULL, NULL);
    ssize_t n = recv(descriptor, request, sizeof(request), 0);
    if (n > 0)
        n = send(descriptor, canned->answer, strlen(canned->answer), MSG_NOSIGNAL);
    close(descriptor);
    return NULL;
}

static void
a_cut_or_foreign_answer_is_an_error(void **state)
{
    (void)state;
    static const char *const answers[] = {"",
                                          "SSH-2.0-OpenSSH\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
                                          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n",
                                          "HTTP/1.1\r\n\r\n",
                                          "HTTP/1.1 x\r\n\r\n"};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct canned canned = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), answers[i]};
        struct net_address address;
        struct text body = TEXT_EMPTY;
        char text[NET_ADDRESS_TEXT];
        pthread_t thread;
        int status = 0;
        assert_int_equal(net_address_parse("127.0.0.1:0", &address), ERR_OK);
        assert_int_equal(
            bind(canned.listening, (struct sockaddr *)&address.storage, address.length), 0);
        assert_int_equal(listen(canned.listening, 4), 0);
        getsockname(canned.listening, (struct sockaddr *)&address.storage, &address.length);
        net_address_text(&address, text);
        pthread_create(&thread, NULL, answer_once, &canned);
        assert_int_equal(http1_get(text, "/", 10000, &status, &body), ERR_CLOSED);
        assert_int_equal(status, 0);
        assert_int_equal(body.n, 0);
        pthread_join(thread, NULL);
        close(canned.listening);
    }
}

/* max_body 0, as the telemetry port has it. */
static void
a_port_without_bodies_answers_gets(void **state)
{
    (void)state;
    struct site site = {.loop = loop_new()};
    struct text why = TEXT_EMPTY;
    char answer[1024];
    assert_int_equal(http1_open(site.loop, "127.0.0.1:0", 0, on_request, &site, &why, &site.http),
                     ERR_OK);
    http1_address(site.http, &site.bound);
    net_address_text(&site.bound, site.address);
    assert_int_equal(pthread_create(&site.thread, NULL, serve, &site), 0);
    expect_get(site.address, "/x", 404, "/x");
    exchange(&site, BYTES("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"), answer,
             sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 413 ", 13);
    loop_stop(site.loop);
    pthread_join(site.thread, NULL);
    http1_close(&site.http);
    loop_free(&site.loop);
}

static void
a_taken_port_is_told(void **state)
{
    struct site *site = *state;
    struct loop *loop = loop_new();
    struct http1 *http = NULL;
    struct text why = TEXT_EMPTY;
    assert_int_equal(http1_open(loop, site->address, 0, on_request, site, &why, &http), ERR_IN_USE);
    assert_non_null(strstr(why.p, "held by test_http1, pid "));
    assert_null(http);
    text_fini(&why);
    loop_free(&loop);
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, start_site, stop_site)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(a_get_brings_status_and_body),
        WITH_SITE(the_client_takes_names),
        WITH_SITE(a_big_answer_arrives_whole),
        WITH_SITE(headers_and_body_reach_the_handler),
        WITH_SITE(a_head_gets_no_body),
        WITH_SITE(too_large_a_body_is_refused),
        WITH_SITE(too_large_a_header_never_reaches_the_handler),
        WITH_SITE(no_http_at_all_harms_nobody),
        WITH_SITE(the_handler_may_close_the_port),
        WITH_SITE(a_taken_port_is_told),
        cmocka_unit_test(the_client_names_its_failures),
        cmocka_unit_test(a_cut_or_foreign_answer_is_an_error),
        cmocka_unit_test(a_port_without_bodies_answers_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
