/* The API with a few routes in a thread of its own, and how a test asks it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Include after cmocka.h. */
#ifndef ADMIN_API_SITE_H
#define ADMIN_API_SITE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin_api.h"
#include "base/mem.h"

enum { WAIT_MS = 10000, PATH_SIZE = 108 };
#define TOKEN "correct-horse"

/* The API in a thread of its own; the test asks it. */
struct site {
    struct loop *loop;
    struct admin_api *api;
    struct net_address bound;
    char address[NET_ADDRESS_TEXT];
    char directory[64], socket[PATH_SIZE], token_file[PATH_SIZE], unix_address[PATH_SIZE + 8];
    pthread_t thread;
};

static inline void
answer(struct http1_request *request, const char *what, struct bytes element)
{
    struct text out = TEXT_EMPTY;
    text_addf(&out, "{\"%s\":", what);
    text_add_json(&out, element);
    text_add(&out, "}");
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

static inline void
on_list(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    uint64_t limit;
    struct text out = TEXT_EMPTY;
    assert_null(element.p);
    if (!admin_query_number(request, "limit", 1, 1000, 100, &limit))
        return;
    text_addf(&out, "{\"limit\":%llu}", (unsigned long long)limit);
    admin_answer_json(request, 200, &out);
    text_fini(&out);
}

static inline void
on_stats(void *ctx, struct http1_request *request, struct bytes element)
{
    assert_string_equal(ctx, "ctx");
    answer(request, "stats", element);
}

static inline void
on_show(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    answer(request, "show", element);
}

static inline void
on_remove(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    answer(request, "remove", element);
}

static inline void
on_replay(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)ctx;
    (void)element;
    answer(request, "replay", http1_body(request));
}

static const struct admin_route first_routes[] = {
    {"GET", "/api/v1/things", on_list},
    {"GET", "/api/v1/things/stats", on_stats},
};
static const struct admin_route second_routes[] = {
    {"GET", "/api/v1/things/*", on_show},
    {"DELETE", "/api/v1/things/*", on_remove},
    {"POST", "/api/v1/things/*/replay", on_replay},
};
static char first_ctx[] = "ctx";
static const struct admin_routes tables[] = {
    {first_routes, 2, first_ctx},
    {second_routes, 3, NULL},
};

static inline void *
serve(void *ctx)
{
    loop_run(((struct site *)ctx)->loop);
    return NULL;
}

static inline void
write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static inline void
start(struct site *site, const char *address, const char *token)
{
    struct text why = TEXT_EMPTY;
    *site = (struct site){.loop = loop_new()};
    snprintf(site->directory, sizeof(site->directory), "/tmp/spangate-admin-XXXXXX");
    assert_non_null(mkdtemp(site->directory));
    snprintf(site->socket, sizeof(site->socket), "%s/api", site->directory);
    snprintf(site->unix_address, sizeof(site->unix_address), "unix:%s", site->socket);
    snprintf(site->token_file, sizeof(site->token_file), "%s/token", site->directory);
    write_file(site->token_file, token != NULL ? token : "", 0600);
    const struct admin_api_settings settings = {
        .address = address,
        .socket = site->socket,
        .token_file = token != NULL ? site->token_file : "",
        .tables = tables,
        .n_tables = 2,
    };
    assert_int_equal(admin_api_open(site->loop, &settings, &why, &site->api), ERR_OK);
    assert_true(admin_api_address(site->api, &site->bound));
    net_address_text(&site->bound, site->address);
    assert_int_equal(pthread_create(&site->thread, NULL, serve, site), 0);
}

static inline void
stop(struct site *site)
{
    loop_stop(site->loop);
    pthread_join(site->thread, NULL);
    admin_api_close(&site->api);
    loop_free(&site->loop);
    assert_int_equal(unlink(site->token_file), 0);
    assert_int_equal(rmdir(site->directory), 0);
}

static inline int
start_open(void **state)
{
    struct site *site = mem_new(struct site);
    start(site, "127.0.0.1:0", NULL);
    *state = site;
    return 0;
}

static inline int
start_with_token(void **state)
{
    struct site *site = mem_new(struct site);
    start(site, "127.0.0.1:0", TOKEN "\n");
    *state = site;
    return 0;
}

static inline int
stop_site(void **state)
{
    stop(*state);
    mem_free(*state);
    return 0;
}

static inline void
expect(const char *address, const char *method, const char *path, const char *token, int expected,
       const char *words)
{
    struct text body = TEXT_EMPTY;
    int status = 0;
    const struct http1_call call = {
        .address = address, .method = method, .path = path, .token = token, .timeout_ms = WAIT_MS};
    assert_int_equal(http1_call(&call, &status, &body), ERR_OK);
    if (status != expected || strstr(body.p, words) == NULL)
        print_error("%s %s: %d %s\n", method, path, status, body.p);
    assert_int_equal(status, expected);
    assert_non_null(strstr(body.p, words));
    text_fini(&body);
}

/* Request line and headers as they are; the whole answer. */
static inline void
exchange(const struct site *site, const char *head, struct text *out)
{
    char buffer[4096];
    ssize_t n;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    text_clear(out);
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&site->bound.storage, site->bound.length), 0);
    struct text request = TEXT_EMPTY;
    text_addf(&request, "%sConnection: close\r\n\r\n", head);
    assert_int_equal(send(descriptor, request.p, request.n, MSG_NOSIGNAL), (ssize_t)request.n);
    while ((n = recv(descriptor, buffer, sizeof(buffer), 0)) > 0)
        text_add_bytes(out, bytes_of(buffer, (size_t)n));
    text_fini(&request);
    close(descriptor);
}

static inline void
expect_head(const struct site *site, const char *head, int expected)
{
    struct text out = TEXT_EMPTY;
    exchange(site, head, &out);
    int status = out.n > 12 ? (int)strtol(out.p + 9, NULL, 10) : 0;
    if (status != expected)
        print_error("%s -> %s\n", head, out.p);
    assert_int_equal(status, expected);
    text_fini(&out);
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, start_open, stop_site)
#define GUARDED(test) cmocka_unit_test_setup_teardown(test, start_with_token, stop_site)

#endif
