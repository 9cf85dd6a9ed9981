/* Snapshots for those who look on: topics, slow readers, how many there may be. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin_stream.h"
#include "support/run_until.h"

enum { CLIENTS = ADMIN_STREAM_CLIENTS + 1, BIG_BYTES = 8 * 1024 * 1024 };

struct site {
    struct loop *loop;
    struct admin_api *api;
    struct admin_stream *stream;
    struct admin_routes tables[1];
    struct net_address bound;
    uint32_t n_fast, n_big; /* how often each topic was written */
    int clients[CLIENTS];
    struct text text;
};

static void
write_fast(void *ctx, struct text *out)
{
    struct site *site = ctx;
    text_addf(out, "{\"n\":%u,\n\"two\":2}\n", ++site->n_fast);
}

static void
write_big(void *ctx, struct text *out)
{
    struct site *site = ctx;
    site->n_big++;
    for (int i = 0; i < BIG_BYTES / 8; i++)
        text_add(out, "12345678");
}

static int
set_up(void **state)
{
    static struct site site;
    struct text why = TEXT_EMPTY;
    site = (struct site){.loop = loop_new(), .text = TEXT_EMPTY};
    for (int i = 0; i < CLIENTS; i++)
        site.clients[i] = -1;
    const struct admin_topic topics[] = {{"fast", write_fast, &site}, {"big", write_big, &site}};
    site.stream = admin_stream_new(site.loop, topics, 2);
    site.tables[0] = admin_stream_routes(site.stream);
    const struct admin_api_settings settings = {.address = "127.0.0.1:0",
                                                .socket = "",
                                                .token_file = "",
                                                .tables = site.tables,
                                                .n_tables = 1};
    assert_int_equal(admin_api_open(site.loop, &settings, &why, &site.api), ERR_OK);
    assert_true(admin_api_address(site.api, &site.bound));
    *state = &site;
    return 0;
}

static int
tear_down(void **state)
{
    struct site *site = *state;
    admin_api_close(&site->api);
    admin_stream_free(&site->stream);
    loop_free(&site->loop);
    for (int i = 0; i < CLIENTS; i++)
        if (site->clients[i] >= 0)
            close(site->clients[i]);
    text_fini(&site->text);
    return 0;
}

static void
ask(struct site *site, int client, const char *query)
{
    char request[256];
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&site->bound.storage, site->bound.length), 0);
    int n = snprintf(request, sizeof(request),
                     "GET /api/v1/stream%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", query);
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

static void
the_first_snapshot_comes_at_once_and_others_follow(void **state)
{
    struct site *site = *state;
    ask(site, 0, "?topics=fast");
    RUN_UNTIL(site->loop, has_come(site, 0, "event: fast\ndata: {\"n\":1,\ndata: \"two\":2}\n\n"));
    assert_non_null(strstr(site->text.p, "Content-Type: text/event-stream\r\n"));
    RUN_UNTIL(site->loop, has_come(site, 0, "data: {\"n\":2,"));
    assert_null(strstr(site->text.p, "event: big"));
    assert_int_equal(site->n_big, 0);
}

static void
who_does_not_say_gets_all_topics(void **state)
{
    struct site *site = *state;
    ask(site, 0, "");
    RUN_UNTIL(site->loop, has_come(site, 0, "event: fast"));
    RUN_UNTIL(site->loop, has_come(site, 0, "event: big"));
}

static void
an_unknown_topic_is_refused(void **state)
{
    struct site *site = *state;
    ask(site, 0, "?topics=fast,slow");
    RUN_UNTIL(site->loop, has_come(site, 0, "topics is a list of fast big"));
    assert_memory_equal(site->text.p, "HTTP/1.1 400 ", 13);
}

/* It is written only for those who take it: a reader that stands still costs one snapshot. */
static void
a_slow_reader_has_no_backlog(void **state)
{
    struct site *site = *state;
    ask(site, 0, "?topics=big");
    RUN_UNTIL(site->loop, site->n_big == 1);
    ask(site, 1, "?topics=fast");
    RUN_UNTIL(site->loop, site->n_fast == 4);
    assert_int_equal(site->n_big, 1);
    /* Once it has taken that, it gets the newest. */
    RUN_UNTIL(site->loop, has_come(site, 0, "no such thing") || site->n_big == 2);
}

static void
many_share_one_snapshot_and_one_more_is_refused(void **state)
{
    struct site *site = *state;
    for (int i = 0; i < ADMIN_STREAM_CLIENTS; i++) {
        ask(site, i, "?topics=fast");
        RUN_UNTIL(site->loop, site->n_fast == (uint32_t)i + 1);
    }
    uint32_t before = site->n_fast;
    RUN_UNTIL(site->loop, site->n_fast > before);
    assert_int_equal(site->n_fast, before + 1);
    ask(site, CLIENTS - 1, "?topics=fast");
    RUN_UNTIL(site->loop, has_come(site, CLIENTS - 1, "32 others look on already"));
    assert_memory_equal(site->text.p, "HTTP/1.1 503 ", 13);
    /* One goes: another one may come. */
    close(site->clients[0]);
    close(site->clients[CLIENTS - 1]);
    site->clients[0] = site->clients[CLIENTS - 1] = -1;
    text_clear(&site->text);
    bool is_in = false;
    for (int i = 0; i < RUN_UNTIL_TURNS && !is_in; i++) {
        if (site->clients[0] < 0)
            ask(site, 0, "?topics=fast");
        RUN_UNTIL(site->loop, has_come(site, 0, "\r\n\r\n"));
        is_in = memcmp(site->text.p, "HTTP/1.1 200 ", 13) == 0;
        if (!is_in) {
            close(site->clients[0]);
            site->clients[0] = -1;
            text_clear(&site->text);
        }
    }
    assert_true(is_in);
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(the_first_snapshot_comes_at_once_and_others_follow),
        WITH_SITE(who_does_not_say_gets_all_topics),
        WITH_SITE(an_unknown_topic_is_refused),
        WITH_SITE(a_slow_reader_has_no_backlog),
        WITH_SITE(many_share_one_snapshot_and_one_more_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
