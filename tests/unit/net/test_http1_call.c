/* The blocking client: methods, bodies, tokens, the forms of an address; and Unix sockets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http1.h"
#include "support/run_until.h"

enum { BODY_MAX = 4096, PATH_SIZE = 108, WAIT_MS = 10000 };

/* A server in a thread of its own on a port and on a socket. */
struct site {
    struct loop *loop;
    struct http1 *http, *local;
    char address[NET_ADDRESS_TEXT], directory[64], path[PATH_SIZE], unix_address[PATH_SIZE + 8];
    pthread_t thread;
};

static const char *
header(const struct http1_request *request, const char *name)
{
    const char *value = http1_header(request, name);
    return value != NULL ? value : "none";
}

static void
on_request(void *ctx, struct http1_request *request)
{
    (void)ctx;
    struct text text = TEXT_EMPTY;
    struct net_address peer;
    const char *filter = http1_query(request, "filter");
    assert_true(http1_peer(request, &peer));
    text_addf(&text, "%s %s filter=%s peer=%s host=%s auth=%s type=%s body=", http1_method(request),
              http1_path(request), filter != NULL ? filter : "none",
              peer.storage.ss_family == AF_UNIX ? "unix" : "tcp", header(request, "Host"),
              header(request, "Authorization"), header(request, "Content-Type"));
    text_add_bytes(&text, http1_body(request));
    http1_answer(request, 200, "text/plain", text_bytes(&text));
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
    struct net_address bound;
    site->loop = loop_new();
    snprintf(site->directory, sizeof(site->directory), "/tmp/spangate-http1-XXXXXX");
    assert_non_null(mkdtemp(site->directory));
    snprintf(site->path, sizeof(site->path), "%s/api", site->directory);
    snprintf(site->unix_address, sizeof(site->unix_address), "unix:%s", site->path);
    assert_int_equal(
        http1_open(site->loop, "127.0.0.1:0", BODY_MAX, on_request, site, &why, &site->http),
        ERR_OK);
    mode_t before = umask(0);
    assert_int_equal(
        http1_open(site->loop, site->unix_address, BODY_MAX, on_request, site, &why, &site->local),
        ERR_OK);
    umask(before);
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
    http1_close(&site->local);
    loop_free(&site->loop);
    unlink(site->path);
    assert_int_equal(rmdir(site->directory), 0);
    mem_free(site);
    return 0;
}

static void
expect(const struct http1_call *call, int expected_status, const char *expected)
{
    struct text body = TEXT_EMPTY;
    int status = 0;
    assert_int_equal(http1_call(call, &status, &body), ERR_OK);
    assert_int_equal(status, expected_status);
    assert_string_equal(body.p != NULL ? body.p : "", expected);
    text_fini(&body);
}

static void
methods_bodies_and_tokens_arrive(void **state)
{
    const struct site *site = *state;
    struct text wanted = TEXT_EMPTY;
    text_addf(&wanted,
              "POST /a/b filter=none peer=tcp host=%s auth=Bearer s3cret "
              "type=application/json body={\"ids\":[]}",
              site->address);
    expect(&(struct http1_call){.address = site->address,
                                .method = "POST",
                                .path = "/a/b",
                                .token = "s3cret",
                                .body = BYTES("{\"ids\":[]}"),
                                .timeout_ms = WAIT_MS},
           200, wanted.p);
    text_clear(&wanted);
    text_addf(&wanted,
              "DELETE /q filter=none peer=tcp host=%s auth=none type=none body=", site->address);
    expect(
        &(struct http1_call){
            .address = site->address, .method = "DELETE", .path = "/q", .timeout_ms = WAIT_MS},
        200, wanted.p);
    text_fini(&wanted);
}

static void
an_encoded_query_comes_out_as_it_was(void **state)
{
    const struct site *site = *state;
    struct text path = TEXT_EMPTY, wanted = TEXT_EMPTY;
    const char *filter = "service=check* and not spans>50 & x+y #\xc3\xa9%";
    text_add(&path, "/q?filter=");
    http1_add_encoded(&path, filter);
    assert_null(strpbrk(path.p + strlen("/q?filter="), " &+#*\xc3"));
    text_addf(&wanted, "GET /q filter=%s peer=tcp host=%s auth=none type=none body=", filter,
              site->address);
    expect(&(struct http1_call){.address = site->address, .path = path.p, .timeout_ms = WAIT_MS},
           200, wanted.p);
    text_fini(&path);
    text_fini(&wanted);
}

static void
addresses_have_three_forms(void **state)
{
    const struct site *site = *state;
    struct text url = TEXT_EMPTY, wanted = TEXT_EMPTY;
    text_addf(&url, "http://%s/", site->address);
    text_addf(&wanted,
              "GET /x filter=none peer=tcp host=%s auth=none type=none body=", site->address);
    expect(&(struct http1_call){.address = url.p, .path = "/x", .timeout_ms = WAIT_MS}, 200,
           wanted.p);
    static const char local[] =
        "GET /x filter=none peer=unix host=localhost auth=none type=none body=";
    expect(&(struct http1_call){.address = site->unix_address, .path = "/x", .timeout_ms = WAIT_MS},
           200, local);
    text_clear(&url);
    text_addf(&url, "unix://%s", site->path);
    expect(&(struct http1_call){.address = url.p, .path = "/x", .timeout_ms = WAIT_MS}, 200, local);
    text_fini(&url);
    text_fini(&wanted);
}

static void
nothing_can_be_put_into_the_head(void **state)
{
    const struct site *site = *state;
    struct text body = TEXT_EMPTY;
    int status = 0;
    const struct http1_call calls[] = {
        {.address = site->address, .path = "/x HTTP/1.0\r\nX: y", .timeout_ms = WAIT_MS},
        {.address = site->address, .path = "/", .token = "a\r\nX: y", .timeout_ms = WAIT_MS},
        {.address = site->address, .path = "/", .method = "GET /", .timeout_ms = WAIT_MS},
        {.address = "unix:", .path = "/", .timeout_ms = WAIT_MS},
        {.address = "http://", .path = "/", .timeout_ms = WAIT_MS},
        {.address = "https://127.0.0.1:1", .path = "/", .timeout_ms = WAIT_MS},
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_int_equal(http1_call(&calls[i], &status, &body), ERR_NAME);
    assert_int_equal(body.n, 0);
}

static void
a_body_beyond_the_bound_gets_its_answer(void **state)
{
    const struct site *site = *state;
    struct text body = TEXT_EMPTY;
    int status = 0;
    char *big = mem_zeroed(BODY_MAX + 1);
    const struct http1_call call = {.address = site->address,
                                    .method = "POST",
                                    .path = "/",
                                    .body = bytes_of(big, BODY_MAX + 1),
                                    .timeout_ms = WAIT_MS};
    assert_int_equal(http1_call(&call, &status, &body), ERR_OK);
    assert_int_equal(status, 413);
    mem_free(big);
    text_fini(&body);
}

static void
the_socket_is_for_its_owner_alone(void **state)
{
    const struct site *site = *state;
    struct stat status;
    assert_int_equal(lstat(site->path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void
expect_not_opened(const char *address, enum err expected, const char *words)
{
    struct loop *loop = loop_new();
    struct http1 *http = NULL;
    struct text why = TEXT_EMPTY;
    assert_int_equal(http1_open(loop, address, 0, on_request, NULL, &why, &http), expected);
    assert_null(http);
    if (strstr(why.p, words) == NULL)
        print_error("%s\n", why.p);
    assert_non_null(strstr(why.p, words));
    text_fini(&why);
    loop_free(&loop);
}

static void
a_socket_in_use_is_left_alone(void **state)
{
    const struct site *site = *state;
    expect_not_opened(site->unix_address, ERR_IN_USE, "another process listens there");
    expect(&(struct http1_call){.address = site->unix_address, .path = "/x", .timeout_ms = WAIT_MS},
           200, "GET /x filter=none peer=unix host=localhost auth=none type=none body=");
}

static void
what_is_no_path_of_a_socket_is_told(void **state)
{
    struct site *site = *state;
    char address[300];
    snprintf(address, sizeof(address), "unix:%s/file", site->directory);
    FILE *file = fopen(address + 5, "w");
    assert_non_null(file);
    fclose(file);
    expect_not_opened(address, ERR_NOT_DIRECTORY, "something else than a socket");
    assert_int_equal(access(address + 5, F_OK), 0);
    assert_int_equal(unlink(address + 5), 0);
    snprintf(address, sizeof(address), "unix:%s/none/such", site->directory);
    expect_not_opened(address, ERR_NOT_FOUND, "no such file or directory");
    expect_not_opened("unix:relative", ERR_NOT_DIRECTORY, "from / on");
    snprintf(address, sizeof(address), "unix:/%0*d", PATH_SIZE, 0);
    expect_not_opened(address, ERR_NOT_DIRECTORY, "at most 107 bytes");
}

static void
a_socket_left_behind_is_replaced_and_removed_at_the_end(void **state)
{
    (void)state;
    char directory[] = "/tmp/spangate-http1-XXXXXX", address[64];
    assert_non_null(mkdtemp(directory));
    snprintf(address, sizeof(address), "unix:%s/api", directory);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, address + 5, strlen(address + 5));
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&name, sizeof(name)), 0);
    close(dead);
    struct loop *loop = loop_new();
    struct http1 *http = NULL;
    struct text why = TEXT_EMPTY;
    assert_int_equal(http1_open(loop, address, 0, on_request, NULL, &why, &http), ERR_OK);
    http1_close(&http);
    assert_int_not_equal(access(address + 5, F_OK), 0);
    /* One that somebody else put there meanwhile is not ours to remove. */
    assert_int_equal(http1_open(loop, address, 0, on_request, NULL, &why, &http), ERR_OK);
    assert_int_equal(unlink(address + 5), 0);
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(other, (struct sockaddr *)&name, sizeof(name)), 0);
    http1_close(&http);
    assert_int_equal(access(address + 5, F_OK), 0);
    close(other);
    loop_free(&loop);
    assert_int_equal(unlink(address + 5), 0);
    assert_int_equal(rmdir(directory), 0);
}

#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, start_site, stop_site)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SITE(methods_bodies_and_tokens_arrive),
        WITH_SITE(an_encoded_query_comes_out_as_it_was),
        WITH_SITE(addresses_have_three_forms),
        WITH_SITE(nothing_can_be_put_into_the_head),
        WITH_SITE(a_body_beyond_the_bound_gets_its_answer),
        WITH_SITE(the_socket_is_for_its_owner_alone),
        WITH_SITE(a_socket_in_use_is_left_alone),
        WITH_SITE(what_is_no_path_of_a_socket_is_told),
        cmocka_unit_test(a_socket_left_behind_is_replaced_and_removed_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
