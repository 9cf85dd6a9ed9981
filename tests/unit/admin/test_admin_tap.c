/* Clients of the tap: what they may ask for, their ends, and readers that are slow. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin_tap.h"
#include "base/mem.h"
#include "support/run_until.h"
#include "support/segment_build.h"

enum { CLIENTS = TAP_MOST + 1, PLENTY = 64 << 20 };

struct site {
    struct loop *loop;
    struct metrics *metrics;
    struct budget_pool pool;
    struct budget budget; /* of the one worker, which is the test */
    struct admin_api *api;
    struct admin_taps *taps;
    struct admin_routes tables[1];
    struct net_address bound;
    struct tap *open[TAP_MOST];
    uint32_t n_open, n_closed;
    int clients[CLIENTS];
    struct text text;
    struct segment_build build;
};

static void
open_tap(void *ctx, struct tap *tap)
{
    struct site *site = ctx;
    if (tap_open(tap, 0, &site->budget))
        site->open[site->n_open++] = tap;
}

static void
close_tap(void *ctx, struct tap *tap)
{
    struct site *site = ctx;
    uint32_t n = 0;
    for (uint32_t i = 0; i < site->n_open; i++)
        if (site->open[i] != tap)
            site->open[n++] = site->open[i];
    site->n_open = n;
    site->n_closed++;
    tap_close(tap, 0, &site->budget);
    tap_free(&tap);
}

static void
start(struct site *site, uint64_t budget_bytes)
{
    struct text why = TEXT_EMPTY;
    *site = (struct site){.loop = loop_new(), .metrics = metrics_new(), .text = TEXT_EMPTY};
    budget_pool_init(&site->pool, budget_bytes);
    budget_init(&site->budget, &site->pool);
    for (int i = 0; i < CLIENTS; i++)
        site->clients[i] = -1;
    const struct admin_tap_source source = {.ctx = site,
                                            .n_workers = 1,
                                            .metrics = site->metrics,
                                            .open = open_tap,
                                            .close = close_tap};
    site->taps = admin_taps_new(site->loop, &source);
    site->tables[0] = admin_taps_routes(site->taps);
    const struct admin_api_settings settings = {.address = "127.0.0.1:0",
                                                .socket = "",
                                                .token_file = "",
                                                .tables = site->tables,
                                                .n_tables = 1};
    assert_int_equal(admin_api_open(site->loop, &settings, &why, &site->api), ERR_OK);
    assert_true(admin_api_address(site->api, &site->bound));
    segment_build_begin(&site->build, "trace-1", "segment-1");
    segment_build_span(&site->build, &(struct build_span){
                                         .parent = -1, .start = 1, .end = 2, .operation = "/cart"});
    segment_build_end(&site->build, "shop", "shop-1", false);
}

static int
set_up(void **state)
{
    static struct site site;
    start(&site, PLENTY);
    *state = &site;
    return 0;
}

static int
set_up_short(void **state)
{
    static struct site site;
    start(&site, BUDGET_STEP_BYTES / 2);
    *state = &site;
    return 0;
}

static int
tear_down(void **state)
{
    struct site *site = *state;
    admin_api_close(&site->api);
    admin_taps_free(&site->taps);
    loop_free(&site->loop);
    assert_int_equal(site->n_open, 0);
    assert_int_equal(metric_get(site->metrics, METRIC_TAP_CLIENTS, 0), 0);
    assert_int_equal(site->budget.used_bytes, 0);
    budget_fini(&site->budget);
    metrics_free(&site->metrics);
    for (int i = 0; i < CLIENTS; i++)
        if (site->clients[i] >= 0)
            close(site->clients[i]);
    text_fini(&site->text);
    segment_build_fini(&site->build);
    return 0;
}

static void
ask(struct site *site, int client, const char *query)
{
    char request[512];
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int small = 4096;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&site->bound.storage, site->bound.length), 0);
    int n = snprintf(request, sizeof(request),
                     "GET /api/v1/tap%s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", query);
    assert_int_equal(send(descriptor, request, (size_t)n, MSG_NOSIGNAL), n);
    site->clients[client] = descriptor;
}

/* What has come of a client so far has this in it. */
static bool
has_come(struct site *site, int client, const char *piece)
{
    char buffer[65536];
    ssize_t n;
    while ((n = recv(site->clients[client], buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
        text_add_bytes(&site->text, bytes_of(buffer, (size_t)n));
    return site->text.n > 0 && strstr(site->text.p, piece) != NULL;
}

/* The server has closed. */
static bool
has_ended(struct site *site, int client)
{
    char byte;
    has_come(site, client, "");
    return recv(site->clients[client], &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void
offer(const struct site *site, struct bytes message)
{
    struct judgement judgement = {.verdict = VERDICT_QUARANTINED,
                                  .reason = RULE_span_parent_missing,
                                  .rules = UINT64_C(1) << RULE_span_parent_missing};
    for (uint32_t i = 0; i < site->n_open; i++)
        tap_offer(site->open[i], 0, message, &judgement);
}

static void
segments_come_as_lines_until_the_limit(void **state)
{
    struct site *site = *state;
    ask(site, 0, "?limit=2&verdict=quarantined,dropped&content=message");
    RUN_UNTIL(site->loop, has_come(site, 0, "{\"counts\":{\"seen\":0,\"matched\":0,\"sent\":0,"));
    assert_memory_equal(site->text.p, "HTTP/1.0 200 ", 13);
    assert_non_null(strstr(site->text.p, "Content-Type: application/x-ndjson\r\n"));
    assert_int_equal(metric_get(site->metrics, METRIC_TAP_CLIENTS, 0), 1);
    offer(site, segment_build_bytes(&site->build));
    RUN_UNTIL(site->loop, has_come(site, 0,
                                   "\"verdict\":\"quarantined\",\"rule\":\"span-parent-"
                                   "missing\",\"rules\":[\"span-parent-missing\"],"));
    assert_non_null(strstr(site->text.p, "\"service\":\"shop\",\"service_instance\":\"shop-1\","));
    assert_non_null(strstr(site->text.p, "\"operation\":\"/cart\",\"spans\":1,\"errors\":0,"));
    assert_non_null(strstr(site->text.p, "\"message\":{\"traceId\":\"trace-1\","));
    for (int i = 0; i < 3; i++)
        offer(site, segment_build_bytes(&site->build));
    RUN_UNTIL(site->loop, has_ended(site, 0));
    assert_true(has_come(site, 0,
                         "{\"end\":\"limit\",\"counts\":{\"seen\":4,\"matched\":4,"
                         "\"sent\":2,\"over_rate\":0,\"no_room\":0,\"too_large\":0}}\n"));
    assert_int_equal(site->n_closed, 1);
}

static void
what_cannot_be_decoded_is_shown_too(void **state)
{
    struct site *site = *state;
    ask(site, 0, "?limit=1");
    RUN_UNTIL(site->loop, site->n_open == 1);
    offer(site, BYTES("\x0a\xff"));
    RUN_UNTIL(site->loop, has_come(site, 0, "\"bytes\":2,\"service\":\"\","));
    assert_non_null(strstr(site->text.p, "\"spans\":0,\"errors\":0,\"payload\":\"Cv8=\"}}\n"));
}

static void
bad_questions_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"?rate=0", "rate is a number from 1 to 10000"},
        {"?rate=10001", "rate is a number from 1 to 10000"},
        {"?limit=0", "limit is a number"},
        {"?verdict=sick", "verdict is a list of clean"},
        {"?content=all", "content is none, payload or message"},
        {"?filter=service%3D", "filter, column 9: "},
    };
    struct site *site = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask(site, 0, cases[i][0]);
        RUN_UNTIL(site->loop, has_come(site, 0, cases[i][1]));
        assert_memory_equal(site->text.p, "HTTP/1.0 400 ", 13);
        close(site->clients[0]);
        site->clients[0] = -1;
        text_clear(&site->text);
    }
    assert_int_equal(site->n_closed, 0);
}

static void
who_goes_makes_room_for_one_more(void **state)
{
    struct site *site = *state;
    for (int i = 0; i < TAP_MOST; i++) {
        ask(site, i, "");
        RUN_UNTIL(site->loop, site->n_open == (uint32_t)i + 1);
    }
    ask(site, TAP_MOST, "");
    RUN_UNTIL(site->loop, has_come(site, TAP_MOST, "4 others tap already"));
    assert_memory_equal(site->text.p, "HTTP/1.0 503 ", 13);
    close(site->clients[0]);
    close(site->clients[TAP_MOST]);
    site->clients[TAP_MOST] = -1;
    RUN_UNTIL(site->loop, site->n_closed == 1);
    ask(site, 0, "");
    RUN_UNTIL(site->loop, site->n_open == TAP_MOST);
}

/* It loses what comes meanwhile; nothing is kept for it, and its neighbour misses nothing. */
static void
a_slow_reader_loses_what_it_does_not_take(void **state)
{
    struct site *site = *state;
    uint8_t *large = mem_zeroed(TAP_SEGMENT_MAX_BYTES);
    ask(site, 0, "?rate=10000&content=payload");
    ask(site, 1, "?rate=10000&content=none");
    RUN_UNTIL(site->loop, site->n_open == 2);
    for (int i = 0; i < 40; i++) {
        char sent[32];
        offer(site, bytes_of(large, TAP_SEGMENT_MAX_BYTES));
        snprintf(sent, sizeof(sent), "\"sent\":%d,", i + 1);
        RUN_UNTIL(site->loop, has_come(site, 1, sent));
    }
    text_clear(&site->text);
    RUN_UNTIL(site->loop, has_come(site, 0, "\"seen\":40,\"matched\":40,"));
    assert_non_null(strstr(site->text.p, "\"no_room\":"));
    assert_null(strstr(site->text.p, "\"matched\":40,\"sent\":40,"));
    mem_free(large);
}

static void
no_memory_is_told(void **state)
{
    struct site *site = *state;
    ask(site, 0, "");
    RUN_UNTIL(site->loop, has_come(site, 0, "{\"end\":\"memory\","));
    RUN_UNTIL(site->loop, has_ended(site, 0));
    assert_int_equal(site->n_closed, 1);
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(segments_come_as_lines_until_the_limit),
        WITH_SITE(what_cannot_be_decoded_is_shown_too),
        WITH_SITE(bad_questions_are_refused),
        WITH_SITE(who_goes_makes_room_for_one_more),
        WITH_SITE(a_slow_reader_loses_what_it_does_not_take),
        cmocka_unit_test_setup_teardown(no_memory_is_told, set_up_short, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
