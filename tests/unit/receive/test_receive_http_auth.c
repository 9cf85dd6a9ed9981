/* Who may report over HTTP: each request shows a token of its own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "receive/fake_worker.h"
#include "receive/receive_http_int.h"
#include "receive/receive_int.h"
#include "support/run_until.h"

enum { STORE_BYTES = 4 << 20, BODY_MAX = 64 * 1024, ANSWER_MAX = 4096 };

static const char *const tokens[] = {"one", "two"};

struct bench {
    struct fake_worker worker;
    struct receive_http *http;
    struct http1 *port;
    struct net_address address;
    int client;
    char answer[ANSWER_MAX];
};

static void
dial(struct bench *bench)
{
    const struct sockaddr *to = (const struct sockaddr *)&bench->address.storage;
    bench->client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(bench->client, to, bench->address.length), 0);
    assert_int_equal(fcntl(bench->client, F_SETFL, O_NONBLOCK), 0);
}

static void
bench_init(struct bench *bench, uint32_t n_tokens)
{
    const struct receive_http_settings settings = {.max_body_bytes = BODY_MAX,
                                                   .max_message_bytes = BODY_MAX};
    struct text why = TEXT_EMPTY;
    worker_init(&bench->worker, STORE_BYTES);
    bench->worker.receive->parts.auth = (struct receive_auth){tokens, n_tokens, true};
    bench->http = receive_http_new(bench->worker.receive, &settings);
    assert_int_equal(http1_open(bench->worker.loop, "127.0.0.1:0", BODY_MAX,
                                receive_http_on_request, bench->http, &why, &bench->port),
                     ERR_OK);
    http1_address(bench->port, &bench->address);
    dial(bench);
}

static void
bench_fini(struct bench *bench)
{
    close(bench->client);
    http1_close(&bench->port);
    RUN_TURNS(bench->worker.loop, 2);
    receive_http_free(&bench->http);
    worker_fini(&bench->worker);
}

/* All of it, as answers to OPTIONS have no body and others end with theirs. */
static bool
is_answered(struct bench *bench)
{
    size_t n = strlen(bench->answer);
    ssize_t more = recv(bench->client, bench->answer + n, sizeof(bench->answer) - n - 1, 0);
    bench->answer[n + (more > 0 ? (size_t)more : 0)] = '\0';
    const char *end = strstr(bench->answer, "\r\n\r\n");
    return end != NULL && (strncmp(bench->answer, "HTTP/1.1 204", 12) == 0 || end[4] != '\0');
}

static void
ask(struct bench *bench, const char *method, const char *path, const char *headers,
    const char *body)
{
    struct text text = TEXT_EMPTY;
    text_addf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
              headers, strlen(body), body);
    memset(bench->answer, 0, sizeof(bench->answer));
    assert_int_equal(send(bench->client, text.p, text.n, MSG_NOSIGNAL), text.n);
    RUN_UNTIL(bench->worker.loop, is_answered(bench));
    text_fini(&text);
}

static void
expect(struct bench *bench, const char *headers, const char *status)
{
    ask(bench, "POST", "/v3/segments", headers, "[]");
    assert_int_equal(strncmp(bench->answer + strlen("HTTP/1.1 "), status, 3), 0);
}

static uint64_t
n_refused(const struct bench *bench)
{
    return metric_get(bench->worker.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_AUTH);
}

static uint64_t
n_denied(const struct bench *bench, const struct http_path_row *path)
{
    return metric_get(bench->worker.metrics, METRIC_HTTP_REQUESTS,
                      http_path_metric_index(path, 403));
}

#define JSON "Content-Type: application/json\r\n"

static void
any_of_the_tokens_passes(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 2);
    expect(&bench, JSON "authentication: one\r\n", "200");
    expect(&bench, JSON "Authentication: two\r\n", "200");
    expect(&bench, JSON "AUTHENTICATION:two \r\n", "200");
    assert_int_equal(n_refused(&bench), 0);
    bench_fini(&bench);
}

/* Also on a connection that has shown a right one: others may share it. */
static void
each_request_shows_its_own(void **state)
{
    static const char *const wrong[] = {
        JSON,
        JSON "authentication: \r\n",
        JSON "authentication: on\r\n",
        JSON "authentication: ones\r\n",
        JSON "authentication: One\r\n",
        JSON "authentication: one, two\r\n",
        JSON "authorization: one\r\n",
        JSON "authentication: three\r\nauthentication: one\r\n",
        "authentication: three\r\nContent-Type: nonsense\r\nContent-Encoding: br\r\n",
    };
    enum { N = sizeof(wrong) / sizeof(wrong[0]) };
    struct bench bench;
    (void)state;
    bench_init(&bench, 2);
    expect(&bench, JSON "authentication: one\r\n", "200");
    for (size_t i = 0; i < N; i++) {
        expect(&bench, wrong[i], "403");
        assert_non_null(strstr(bench.answer, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(bench.answer, "\r\n\r\n{\"error\":\"no token"));
        assert_null(strstr(bench.answer, "three"));
    }
    assert_int_equal(n_denied(&bench, http_path_row(HTTP_PATH_SEGMENTS)), N);
    assert_int_equal(count_of(&bench.worker, METRIC_ITEMS_ACCEPTED), 0);
    bench_fini(&bench);
}

static void
connections_are_counted_as_over_grpc(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 2);
    expect(&bench, JSON "authentication: one\r\n", "200");
    expect(&bench, JSON, "403");
    assert_int_equal(n_refused(&bench), 0);
    for (uint64_t i = 1; i <= 2; i++) {
        close(bench.client);
        dial(&bench);
        expect(&bench, JSON, "403");
        expect(&bench, JSON, "403");
        assert_int_equal(n_refused(&bench), i);
    }
    bench_fini(&bench);
}

static void
strangers_learn_of_no_path(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 2);
    ask(&bench, "GET", "/nothing", "", "");
    assert_non_null(strstr(bench.answer, "HTTP/1.1 403 "));
    ask(&bench, "GET", "/nothing", "authentication: one\r\n", "");
    assert_non_null(strstr(bench.answer, "HTTP/1.1 404 "));
    assert_int_equal(n_denied(&bench, NULL), 1);
    bench_fini(&bench);
}

static void
preflights_need_none(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 2);
    ask(&bench, "OPTIONS", "/v3/segments", "", "");
    assert_non_null(strstr(bench.answer, "HTTP/1.1 204 "));
    assert_non_null(strstr(bench.answer, "Access-Control-Allow-Headers: authentication\r\n"));
    ask(&bench, "OPTIONS", "/v3/segments", "Access-Control-Request-Headers: content-type\r\n", "");
    assert_non_null(
        strstr(bench.answer, "Access-Control-Allow-Headers: authentication, content-type\r\n"));
    assert_int_equal(n_refused(&bench), 0);
    bench_fini(&bench);
}

static void
without_tokens_everybody_passes(void **state)
{
    struct bench bench;
    (void)state;
    bench_init(&bench, 0);
    expect(&bench, JSON, "200");
    expect(&bench, JSON "authentication: three\r\n", "200");
    ask(&bench, "OPTIONS", "/v3/segments", "", "");
    assert_null(strstr(bench.answer, "Access-Control-Allow-Headers"));
    assert_int_equal(n_refused(&bench), 0);
    bench_fini(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_of_the_tokens_passes),
        cmocka_unit_test(each_request_shows_its_own),
        cmocka_unit_test(connections_are_counted_as_over_grpc),
        cmocka_unit_test(strangers_learn_of_no_path),
        cmocka_unit_test(preflights_need_none),
        cmocka_unit_test(without_tokens_everybody_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
