/* Requests about quarantine that wait: too many of them, clients that go, a source that fails. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/admin_quarantine.h"
#include "base/clock.h"
#include "base/mem.h"
#include "support/temp_dir.h"

enum { MOST_QUERIES = 16, TURNS = 200 };

/* A daemon that does what the test says. */
struct fixture {
    char directory[TEMP_DIR_BYTES];
    struct loop *loop;
    struct admin_quarantine *quarantine;
    struct admin_api *api;
    char socket[100];
    struct {
        admin_map_fn *fn;
        void *ctx;
    } maps[MOST_QUERIES];
    uint32_t n_maps;
    enum err remove_err;
    struct admin_replay *replay;
};

static void
on_ask_map(void *ctx, admin_map_fn *fn, void *map_ctx)
{
    struct fixture *fix = ctx;
    assert_true(fix->n_maps < MOST_QUERIES);
    fix->maps[fix->n_maps].fn = fn;
    fix->maps[fix->n_maps++].ctx = map_ctx;
}

static void
on_remove(void *ctx, const uint64_t *sequences, uint32_t n, admin_removed_fn *fn, void *removed_ctx)
{
    struct fixture *fix = ctx;
    static bool was_there[1000];
    for (uint32_t i = 0; i < n; i++)
        was_there[i] = sequences[i] == 1;
    fn(removed_ctx, was_there, n, fix->remove_err);
}

static bool
on_replay(void *ctx, struct admin_replay *replay)
{
    struct fixture *fix = ctx;
    if (fix->replay != NULL)
        return false;
    fix->replay = replay;
    return true;
}

static int
set_up(void **state)
{
    struct fixture *fix = mem_new(struct fixture);
    struct text why = TEXT_EMPTY;
    assert_int_equal(temp_dir_make(fix->directory), 0);
    clock_refresh();
    fix->loop = loop_new();
    struct admin_quarantine_source source = {
        .ctx = fix,
        .path = fix->directory,
        .capacity_bytes = 1000,
        .map = on_ask_map,
        .remove = on_remove,
        .replay = on_replay,
    };
    fix->quarantine = admin_quarantine_new(fix->loop, &source);
    snprintf(fix->socket, sizeof(fix->socket), "%s/api", fix->directory);
    struct admin_api_settings settings = {
        .address = "",
        .socket = fix->socket,
        .token_file = "",
        .tables = admin_quarantine_routes(fix->quarantine),
        .n_tables = 1,
    };
    assert_int_equal(admin_api_open(fix->loop, &settings, &why, &fix->api), ERR_OK);
    *state = fix;
    return 0;
}

static struct spool_map *
empty_map(void)
{
    struct spool_map *map = mem_new(struct spool_map);
    map->files = mem_new(struct spool_map_file);
    return map;
}

static void
give_maps(struct fixture *fix)
{
    for (uint32_t i = 0; i < fix->n_maps; i++)
        fix->maps[i].fn(fix->maps[i].ctx, empty_map());
    fix->n_maps = 0;
}

static int
tear_down(void **state)
{
    struct fixture *fix = *state;
    admin_api_close(&fix->api);
    loop_run_once(fix->loop, 0);
    give_maps(fix); /* of those who have gone */
    if (fix->replay != NULL)
        fix->replay->on_end(fix->replay->ctx);
    admin_quarantine_free(&fix->quarantine);
    loop_free(&fix->loop);
    assert_int_equal(temp_dir_remove(fix->directory), 0);
    mem_free(fix);
    return 0;
}

/* Clients. */

static void
turns(struct fixture *fix, int n)
{
    for (int i = 0; i < n; i++)
        loop_run_once(fix->loop, 1);
}

static int
send_request(struct fixture *fix, const char *method, const char *path, const char *body)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct text request = TEXT_EMPTY;
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(client >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", fix->socket);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    text_addf(&request,
              "%s /api/v1/quarantine%s HTTP/1.1\r\nHost: localhost\r\n"
              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
              method, path, strlen(body), body);
    assert_int_equal(send(client, request.p, request.n, 0), request.n);
    text_fini(&request);
    return client;
}

/* The status of the answer; 0: there is none yet. */
static int
status_of(struct fixture *fix, int client, char *answer, size_t size)
{
    ssize_t n = 0;
    for (int i = 0; i < TURNS && n <= 0; i++) {
        turns(fix, 1);
        n = recv(client, answer, size - 1, 0);
    }
    answer[n > 0 ? n : 0] = '\0';
    int status = 0;
    return n > 0 && sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static void
expect(struct fixture *fix, int client, int status, const char *part)
{
    char answer[4096];
    assert_int_equal(status_of(fix, client, answer, sizeof(answer)), status);
    assert_non_null(strstr(answer, part));
    close(client);
}

/* Tests. */

static void
so_many_wait_and_no_more(void **state)
{
    struct fixture *fix = *state;
    int clients[MOST_QUERIES];
    for (uint32_t i = 0; i < MOST_QUERIES; i++) {
        clients[i] = send_request(fix, "GET", i % 2 == 0 ? "" : "/stats", "");
        for (int j = 0; j < TURNS && fix->n_maps <= i; j++)
            turns(fix, 1);
        assert_int_equal(fix->n_maps, i + 1);
    }
    expect(fix, send_request(fix, "GET", "/q-0001", ""), 503, "too many requests");
    give_maps(fix);
    for (uint32_t i = 0; i < MOST_QUERIES; i++)
        expect(fix, clients[i], 200,
               i % 2 == 0 ? "{\"items\":[],\"next\":null}" : "{\"items\":0,\"bytes\":0,");
    int one = send_request(fix, "GET", "/q-0001", "");
    for (int i = 0; i < TURNS && fix->n_maps == 0; i++)
        turns(fix, 1);
    give_maps(fix);
    expect(fix, one, 404, "no such item");
}

static void
a_reader_that_goes_is_forgotten(void **state)
{
    struct fixture *fix = *state;
    for (uint32_t round = 0; round < 3 * MOST_QUERIES; round++) {
        int client = send_request(fix, "GET", "/stats", "");
        for (int i = 0; i < TURNS && fix->n_maps == 0; i++)
            turns(fix, 1);
        assert_int_equal(fix->n_maps, 1);
        close(client);
        if (round % 2 == 0)
            turns(fix, 3);
        give_maps(fix);
        turns(fix, 3);
    }
}

static void
a_replay_is_cancelled_by_its_client_and_ends_later(void **state)
{
    struct fixture *fix = *state;
    const char *body = "{\"ids\":[\"q-0001\",\"q-0002\"],\"mode\":\"repair\",\"rate\":3}";
    int client = send_request(fix, "POST", "/replay", body);
    for (int i = 0; i < TURNS && fix->replay == NULL; i++)
        turns(fix, 1);
    assert_non_null(fix->replay);
    assert_int_equal(fix->replay->n, 2);
    assert_int_equal(fix->replay->rate, 3);
    assert_true(fix->replay->is_repair);
    expect(fix, send_request(fix, "POST", "/replay", body), 409, "under way");
    close(client);
    for (int i = 0; i < 20 * TURNS && !fix->replay->is_cancelled; i++)
        turns(fix, 1);
    assert_true(fix->replay->is_cancelled);
    fix->replay->on_end(fix->replay->ctx);
    fix->replay = NULL;
}

static void
results_are_told_in_order(void **state)
{
    struct fixture *fix = *state;
    int client = send_request(fix, "POST", "/replay",
                              "{\"ids\":[\"q-0002\",\"q-0001\"],\"mode\":\"as-is\"}");
    for (int i = 0; i < TURNS && fix->replay == NULL; i++)
        turns(fix, 1);
    fix->replay->items[0].result = ADMIN_REFUSED;
    fix->replay->items[0].why = "it is \"sick\"";
    fix->replay->items[1].result = ADMIN_GONE;
    struct admin_replay *replay = fix->replay;
    fix->replay = NULL;
    replay->on_end(replay->ctx);
    expect(fix, client, 200,
           "{\"results\":[\n{\"id\":\"q-0002\",\"result\":\"refused\",\"why\":\"it is "
           "\\\"sick\\\"\"},\n{\"id\":\"q-0001\",\"result\":\"gone\",\"why\":\"\"}]}");
}

static void
a_failing_disk_is_told(void **state)
{
    struct fixture *fix = *state;
    expect(fix, send_request(fix, "DELETE", "/q-0001", ""), 200, "{\"removed\":1}");
    expect(fix, send_request(fix, "DELETE", "/q-0002", ""), 404, "no such item");
    fix->remove_err = ERR_IO;
    expect(fix, send_request(fix, "DELETE", "/q-0001", ""), 503, "the disk failed");
    expect(fix, send_request(fix, "POST", "/remove", "{\"ids\":[\"q-0001\"]}"), 503,
           "the disk failed");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_wait_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_that_goes_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_replay_is_cancelled_by_its_client_and_ends_later, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(results_are_told_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_disk_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
