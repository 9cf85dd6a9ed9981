/* Reading an answer that goes on: pieces, ends on either side, refusals, silence. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http1.h"

enum { WAIT_MS = 10000, SHORT_MS = 200, PIECES = 1000 };

/* A server in a thread of its own, and what its one client has read. */
struct site {
    struct loop *loop;
    struct http1 *http;
    char address[NET_ADDRESS_TEXT];
    pthread_t thread;
    struct http1_pending *silent; /* the server's thread only */
    struct text read;
    size_t enough; /* bytes */
    pthread_t reader;
};

static void
on_gone(void *ctx)
{
    ((struct site *)ctx)->silent = NULL;
}

static void
on_request(void *ctx, struct http1_request *request)
{
    struct site *site = ctx;
    const char *path = http1_path(request);
    if (strcmp(path, "/refused") == 0) {
        http1_answer(request, 503, "text/plain", BYTES("not now"));
        return;
    }
    struct http1_pending *pending = http1_defer(request, on_gone, site);
    http1_pending_begin(pending, 200, "text/plain");
    for (int i = 0; i < PIECES; i++)
        http1_pending_add(pending, BYTES("0123456789"));
    if (strcmp(path, "/ends") == 0)
        http1_pending_end(&pending);
    else
        site->silent = pending;
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
    struct net_address bound;
    site->loop = loop_new();
    site->enough = SIZE_MAX;
    assert_int_equal(http1_open(site->loop, "127.0.0.1:0", 0, on_request, site, &why, &site->http),
                     ERR_OK);
    http1_address(site->http, &bound);
    net_address_text(&bound, site->address);
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
    text_fini(&site->read);
    mem_free(site);
    return 0;
}

static bool
on_bytes(void *ctx, struct bytes piece)
{
    struct site *site = ctx;
    text_add_bytes(&site->read, piece);
    return site->read.n < site->enough;
}

static volatile sig_atomic_t n_signals;

static void
on_signal(int number)
{
    (void)number;
    n_signals++;
}

static bool
is_over(void *ctx)
{
    (void)ctx;
    return n_signals > 0;
}

static enum err
follow(struct site *site, const char *path, uint32_t timeout_ms, int *status, struct text *body)
{
    const struct http1_call call = {
        .address = site->address, .path = path, .timeout_ms = timeout_ms};
    const struct http1_follower follower = {.ctx = site, .on_bytes = on_bytes, .is_over = is_over};
    return http1_follow(&call, &follower, status, body);
}

static void
expect(struct site *site, const char *path, uint32_t timeout_ms, enum err expected)
{
    struct text body = TEXT_EMPTY;
    int status;
    assert_int_equal(follow(site, path, timeout_ms, &status, &body), expected);
    assert_int_equal(status, 200);
    assert_int_equal(body.n, 0);
    for (size_t i = 0; i < site->read.n; i++)
        assert_int_equal(site->read.p[i], '0' + i % 10);
    text_fini(&body);
}

static void
all_pieces_come_until_the_end(void **state)
{
    struct site *site = *state;
    expect(site, "/ends", WAIT_MS, ERR_OK);
    assert_int_equal(site->read.n, 10 * PIECES);
}

static void
the_follower_may_have_enough(void **state)
{
    struct site *site = *state;
    site->enough = 100;
    expect(site, "/goes-on", WAIT_MS, ERR_OK);
    assert_true(site->read.n >= 100);
}

static void
silence_is_bounded(void **state)
{
    struct site *site = *state;
    expect(site, "/goes-on", SHORT_MS, ERR_TIMEOUT);
    assert_int_equal(site->read.n, 10 * PIECES);
}

static void
a_refusal_is_given_whole(void **state)
{
    struct site *site = *state;
    struct text body = TEXT_EMPTY;
    int status;
    assert_int_equal(follow(site, "/refused", WAIT_MS, &status, &body), ERR_OK);
    assert_int_equal(status, 503);
    assert_string_equal(body.p, "not now");
    assert_int_equal(site->read.n, 0);
    text_fini(&body);
}

/* Again and again: a signal just before the wait does not end it. */
static _Atomic bool has_ended;

static void *
interrupt(void *ctx)
{
    const struct site *site = ctx;
    while (!has_ended) {
        pthread_kill(site->reader, SIGUSR1);
        usleep(1000);
    }
    return NULL;
}

static void
a_signal_ends_the_wait(void **state)
{
    struct site *site = *state;
    struct sigaction action = {.sa_handler = on_signal}, before;
    pthread_t thread;
    n_signals = 0;
    has_ended = false;
    sigaction(SIGUSR1, &action, &before);
    site->reader = pthread_self();
    assert_int_equal(pthread_create(&thread, NULL, interrupt, site), 0);
    struct text body = TEXT_EMPTY;
    int status;
    assert_int_equal(follow(site, "/goes-on", WAIT_MS, &status, &body), ERR_OK);
    has_ended = true;
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    n_signals = 0;
    text_fini(&body);
}

static void
nobody_there_is_refused(void **state)
{
    struct site *site = *state;
    const struct http1_call call = {.address = "127.0.0.1:1", .path = "/", .timeout_ms = WAIT_MS};
    const struct http1_follower follower = {.ctx = site, .on_bytes = on_bytes, .is_over = is_over};
    struct text body = TEXT_EMPTY;
    int status;
    assert_int_equal(http1_follow(&call, &follower, &status, &body), ERR_REFUSED);
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, start_site, stop_site)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(all_pieces_come_until_the_end),
        WITH_SITE(the_follower_may_have_enough),
        WITH_SITE(silence_is_bounded),
        WITH_SITE(a_refusal_is_given_whole),
        WITH_SITE(a_signal_ends_the_wait),
        WITH_SITE(nobody_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
