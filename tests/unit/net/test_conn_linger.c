/* Connections closed in order: the peer reads everything, whatever it still sends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/conn_linger_int.h"
#include "net/listener.h"
#include "net/loop_int.h"
#include "support/run_until.h"

/* A bare client socket, and the conn that was accepted for it. */
struct scene {
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct conn *conn;
    int client;
};

static void
on_bytes(void *ctx, struct bytes in)
{
    (void)ctx;
    (void)in;
}

static void
on_closed(void *ctx, enum err err)
{
    (void)ctx;
    (void)err;
}

static void
on_accept(void *ctx, int descriptor, const struct net_address *from)
{
    struct scene *scene = ctx;
    (void)from;
    struct conn_callbacks callbacks = {.ctx = scene, .on_bytes = on_bytes, .on_closed = on_closed};
    scene->conn = conn_accepted(scene->loop, descriptor, NULL, &callbacks);
    conn_pause(scene->conn);
}

static void
connect_client(struct scene *scene)
{
    scene->conn = NULL;
    scene->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(scene->client, (struct sockaddr *)&scene->address.storage, scene->address.length),
        0);
    RUN_UNTIL(scene->loop, scene->conn != NULL);
}

static int
set_up(void **state)
{
    struct scene *scene = mem_new(struct scene);
    struct listener_callbacks callbacks = {.ctx = scene, .on_accept = on_accept};
    struct text why = TEXT_EMPTY;
    scene->loop = loop_new();
    assert_int_equal(listener_open(scene->loop, "127.0.0.1:0", &callbacks, &why, &scene->listener),
                     ERR_OK);
    listener_address(scene->listener, &scene->address);
    connect_client(scene);
    *state = scene;
    return 0;
}

static int
tear_down(void **state)
{
    struct scene *scene = *state;
    conn_free(&scene->conn);
    listener_close(&scene->listener);
    loop_free(&scene->loop);
    close(scene->client);
    mem_free(scene);
    return 0;
}

static void
say_goodbye(struct scene *scene)
{
    struct iovec part = {"goodbye", 7};
    size_t written;
    assert_int_equal(conn_write(scene->conn, &part, 1, &written), ERR_OK);
    assert_int_equal(written, 7);
}

/* What the client reads: bytes, or -errno. */
static ssize_t
read_client(struct scene *scene)
{
    char text[16];
    ssize_t n = recv(scene->client, text, sizeof(text), 0);
    return n < 0 ? -errno : n;
}

static void
unread_bytes_cost_the_peer_nothing(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(send(scene->client, "unread", 6, 0), 6);
    say_goodbye(scene);
    conn_finish(&scene->conn);
    assert_int_equal(scene->loop->n_lingering, 1);
    assert_int_equal(send(scene->client, "more", 4, 0), 4);
    RUN_TURNS(scene->loop, 3);
    assert_int_equal(read_client(scene), 7);
    assert_int_equal(read_client(scene), 0);
    shutdown(scene->client, SHUT_WR);
    RUN_UNTIL(scene->loop, scene->loop->n_lingering == 0);
    assert_int_equal(read_client(scene), 0);
}

/* The opposite: a reset overtakes what was written. */
static void
at_once_means_a_reset(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(send(scene->client, "unread", 6, 0), 6);
    RUN_TURNS(scene->loop, 3);
    say_goodbye(scene);
    conn_free(&scene->conn);
    assert_int_equal(scene->loop->n_lingering, 0);
    RUN_TURNS(scene->loop, 3);
    ssize_t n = read_client(scene);
    assert_int_equal(n == 7 ? read_client(scene) : n, -ECONNRESET);
}

static void
a_peer_that_does_not_close_is_left_after_a_second(void **state)
{
    struct scene *scene = *state;
    uint64_t start_us = clock_fresh_us();
    conn_finish(&scene->conn);
    RUN_UNTIL(scene->loop, scene->loop->n_lingering == 0);
    assert_true(clock_fresh_us() - start_us >= CONN_LINGER_US);
}

static void
a_peer_that_sends_without_end_is_left(void **state)
{
    struct scene *scene = *state;
    static char bulk[64 * 1024];
    conn_finish(&scene->conn);
    uint64_t start_us = clock_fresh_us();
    size_t sent = 0;
    while (scene->loop->n_lingering > 0) {
        ssize_t n = send(scene->client, bulk, sizeof(bulk), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        loop_run_once(scene->loop, 0);
    }
    assert_true(clock_fresh_us() - start_us < CONN_LINGER_US);
    assert_true(sent >= CONN_LINGER_BYTES);
}

static void
no_more_of_them_than_the_bound(void **state)
{
    struct scene *scene = *state;
    scene->loop->n_lingering = CONN_LINGER_MAX;
    say_goodbye(scene);
    conn_finish(&scene->conn);
    assert_int_equal(read_client(scene), 7);
    assert_int_equal(read_client(scene), 0);
    assert_true(LIST_EMPTY(&scene->loop->lingering));
    scene->loop->n_lingering = 0;
}

/* The loop closes what is left; tear_down frees it. */
static void
a_loop_may_go_meanwhile(void **state)
{
    struct scene *scene = *state;
    conn_finish(&scene->conn);
    assert_int_equal(scene->loop->n_lingering, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(unread_bytes_cost_the_peer_nothing),
        T(at_once_means_a_reset),
        T(a_peer_that_does_not_close_is_left_after_a_second),
        T(a_peer_that_sends_without_end_is_left),
        T(no_more_of_them_than_the_bound),
        T(a_loop_may_go_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
