/* Connections over loopback sockets, in clear text and over TLS. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/tls.h"
#include "support/certificates.h"
#include "support/run_until.h"

enum { SECOND_US = 1000 * 1000, BULK_BYTES = 8 * 1024 * 1024 };

struct peer {
    struct conn *conn;
    int n_open, n_writable, n_closed, n_reads;
    enum err closed_with;
    size_t n_bytes, n_wrong;
    uint8_t first[64];
    bool pause_on_bytes, free_on_bytes, free_on_open, free_on_closed;
};

static void
on_bytes(void *ctx, struct bytes b)
{
    struct peer *peer = ctx;
    peer->n_reads++;
    for (size_t i = 0; i < b.n; i++) {
        size_t at = peer->n_bytes + i;
        if (at < sizeof(peer->first))
            peer->first[at] = b.p[i];
        peer->n_wrong += b.p[i] != (uint8_t)(at * 7);
    }
    peer->n_bytes += b.n;
    if (peer->pause_on_bytes)
        conn_pause(peer->conn);
    if (peer->free_on_bytes)
        conn_free(&peer->conn);
}

static void
on_open(void *ctx)
{
    struct peer *peer = ctx;
    peer->n_open++;
    if (peer->free_on_open)
        conn_free(&peer->conn);
}

static void
on_writable(void *ctx)
{
    ((struct peer *)ctx)->n_writable++;
}

static void
on_closed(void *ctx, enum err err)
{
    struct peer *peer = ctx;
    peer->n_closed++;
    peer->closed_with = err;
    if (peer->free_on_closed)
        conn_free(&peer->conn);
}

static struct conn_callbacks
callbacks_of(struct peer *peer)
{
    return (struct conn_callbacks){.ctx = peer,
                                   .on_bytes = on_bytes,
                                   .on_open = on_open,
                                   .on_writable = on_writable,
                                   .on_closed = on_closed};
}

/* A client and a server side, both on one loop. */
struct pair {
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct tls_context *client_tls, *server_tls; /* NULL: clear text */
    struct peer client, server;
};

static const struct conn_tls *
tls_of(struct conn_tls *out, struct tls_context *context)
{
    *out = (struct conn_tls){.context = context, .name = "localhost", .timeout_us = 5 * SECOND_US};
    return context != NULL ? out : NULL;
}

static void
on_accept(void *ctx, int descriptor, const struct net_address *from)
{
    struct pair *pair = ctx;
    (void)from;
    struct conn_callbacks callbacks = callbacks_of(&pair->server);
    struct conn_tls tls;
    pair->server.conn =
        conn_accepted(pair->loop, descriptor, tls_of(&tls, pair->server_tls), &callbacks);
}

static int
set_up(void **state)
{
    struct pair *pair = mem_new(struct pair);
    struct listener_callbacks callbacks = {.ctx = pair, .on_accept = on_accept};
    struct text why = TEXT_EMPTY;
    pair->loop = loop_new();
    assert_int_equal(listener_open(pair->loop, "127.0.0.1:0", &callbacks, &why, &pair->listener),
                     ERR_OK);
    listener_address(pair->listener, &pair->address);
    *state = pair;
    return 0;
}

static struct tls_context *
new_context(enum tls_role role, const struct certificates *files)
{
    struct tls_settings settings = {.role = role, .ca_file = files->ca};
    struct text why = TEXT_EMPTY;
    struct tls_context *context = NULL;
    if (role == TLS_SERVER) {
        settings.cert_file = files->cert;
        settings.key_file = files->key;
    }
    assert_int_equal(tls_context_new(&settings, &why, &context), ERR_OK);
    return context;
}

static int
set_up_tls(void **state)
{
    struct certificates files;
    set_up(state);
    struct pair *pair = *state;
    certificates_make(&files, -60, 3600);
    pair->server_tls = new_context(TLS_SERVER, &files);
    pair->client_tls = new_context(TLS_CLIENT, &files);
    certificates_remove(&files);
    return 0;
}

static int
tear_down(void **state)
{
    struct pair *pair = *state;
    tls_context_unref(&pair->client_tls);
    tls_context_unref(&pair->server_tls);
    conn_free(&pair->client.conn);
    conn_free(&pair->server.conn);
    listener_close(&pair->listener);
    loop_free(&pair->loop);
    mem_free(pair);
    return 0;
}

static void
start_connect(struct pair *pair)
{
    struct conn_callbacks callbacks = callbacks_of(&pair->client);
    struct conn_tls tls;
    pair->client.conn = conn_connect(pair->loop, &pair->address, 5 * SECOND_US,
                                     tls_of(&tls, pair->client_tls), &callbacks);
}

/* A server is told only when a handshake comes before. */
static bool
stands(const struct pair *pair)
{
    return pair->client.n_open == 1 && pair->server.conn != NULL &&
           (pair->server_tls == NULL || pair->server.n_open == 1);
}

static void
connect_pair(struct pair *pair)
{
    start_connect(pair);
    assert_int_equal(pair->client.n_open, 0);
    RUN_UNTIL(pair->loop, stands(pair));
}

static enum err
write_text(struct conn *conn, const char *text, size_t *written)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return conn_write(conn, &part, 1, written);
}

static void
bytes_go_both_ways(void **state)
{
    struct pair *pair = *state;
    size_t written;
    connect_pair(pair);
    struct iovec parts[] = {{"GET", 3}, {"", 0}, {" / ", 3}, {"HTTP", 4}};
    assert_int_equal(conn_write(pair->client.conn, parts, 4, &written), ERR_OK);
    assert_int_equal(written, 10);
    RUN_UNTIL(pair->loop, pair->server.n_bytes == 10);
    assert_memory_equal(pair->server.first, "GET / HTTP", 10);
    assert_int_equal(write_text(pair->server.conn, "200", &written), ERR_OK);
    RUN_UNTIL(pair->loop, pair->client.n_bytes == 3);
    assert_memory_equal(pair->client.first, "200", 3);
    /* All was taken at once, so nobody is told that more may be written. */
    RUN_TURNS(pair->loop, 3);
    assert_int_equal(pair->client.n_writable + pair->server.n_writable, 0);
}

static void
peers_have_names(void **state)
{
    struct pair *pair = *state;
    char text[NET_ADDRESS_TEXT];
    connect_pair(pair);
    net_address_text(&pair->address, text);
    assert_string_equal(conn_peer(pair->client.conn), text);
    assert_memory_equal(conn_peer(pair->server.conn), "127.0.0.1:", 10);
    assert_string_not_equal(conn_peer(pair->server.conn), text);
}

/* More parts than one system call takes, more bytes than the socket takes. */
static void
bulk_arrives_whole_and_in_order(void **state)
{
    struct pair *pair = *state;
    enum { PARTS = 1500 };
    uint8_t *data = mem_alloc(BULK_BYTES);
    struct iovec parts[PARTS];
    size_t sent = 0, n_short = 0;
    connect_pair(pair);
    for (size_t i = 0; i < BULK_BYTES; i++)
        data[i] = (uint8_t)(i * 7);
    while (sent < BULK_BYTES) {
        size_t left = BULK_BYTES - sent, written = 0, n = 0, at = sent;
        for (; n < PARTS && at < BULK_BYTES; n++) {
            size_t take = left / PARTS + 1;
            take = take < BULK_BYTES - at ? take : BULK_BYTES - at;
            parts[n] = (struct iovec){data + at, take};
            at += take;
        }
        int told = pair->client.n_writable;
        assert_int_equal(conn_write(pair->client.conn, parts, (int)n, &written), ERR_OK);
        sent += written;
        if (written < left) {
            n_short++;
            RUN_UNTIL(pair->loop, pair->client.n_writable > told);
        }
    }
    RUN_UNTIL(pair->loop, pair->server.n_bytes == BULK_BYTES);
    assert_true(n_short > 0);
    assert_int_equal(pair->server.n_wrong, 0);
    mem_free(data);
}

/* Writes until the sockets' buffers are full. Over TLS the record that was begun last arrives, too,
 * though it was not told as written. */
static size_t
stuff(struct pair *pair)
{
    static uint8_t data[64 * 1024];
    size_t total = 0;
    for (;;) {
        size_t written;
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = (uint8_t)((total + i) * 7);
        struct iovec part = {data, sizeof(data)};
        assert_int_equal(conn_write(pair->client.conn, &part, 1, &written), ERR_OK);
        total += written;
        if (written == 0)
            return total;
    }
}

static void
a_turn_reads_a_bounded_share(void **state)
{
    struct pair *pair = *state;
    connect_pair(pair);
    size_t total = stuff(pair), before = 0;
    while (pair->server.n_bytes < total) {
        before = pair->server.n_bytes;
        loop_run_once(pair->loop, 1000);
        assert_in_range(pair->server.n_bytes - before, 0, 256 * 1024);
    }
    assert_int_equal(pair->server.n_wrong, 0);
}

static void
a_paused_connection_reads_nothing_and_loses_nothing(void **state)
{
    struct pair *pair = *state;
    connect_pair(pair);
    pair->server.pause_on_bytes = true;
    size_t total = stuff(pair);
    RUN_UNTIL(pair->loop, pair->server.n_reads == 1);
    assert_true(conn_is_paused(pair->server.conn));
    size_t got = pair->server.n_bytes;
    RUN_TURNS(pair->loop, 5);
    assert_int_equal(pair->server.n_reads, 1);
    assert_int_equal(pair->server.n_bytes, got);
    pair->server.pause_on_bytes = false;
    conn_resume(pair->server.conn);
    RUN_UNTIL(pair->loop, pair->server.n_bytes >= total);
    assert_int_equal(pair->server.n_wrong, 0);
}

static void
a_pause_before_the_connection_stands_holds(void **state)
{
    struct pair *pair = *state;
    size_t written;
    start_connect(pair);
    conn_pause(pair->client.conn);
    RUN_UNTIL(pair->loop, stands(pair));
    assert_int_equal(write_text(pair->server.conn, "x", &written), ERR_OK);
    RUN_TURNS(pair->loop, 5);
    assert_int_equal(pair->client.n_bytes, 0);
    conn_resume(pair->client.conn);
    RUN_UNTIL(pair->loop, pair->client.n_bytes == 1);
}

static void
writing_before_the_connection_stands_is_told_later(void **state)
{
    struct pair *pair = *state;
    size_t written = 7;
    start_connect(pair);
    assert_int_equal(write_text(pair->client.conn, "x", &written), ERR_OK);
    assert_int_equal(written, 0);
    RUN_UNTIL(pair->loop, pair->client.n_writable == 1);
    assert_int_equal(pair->client.n_open, 1);
}

static void
closing_is_told_once_and_after_the_last_bytes(void **state)
{
    struct pair *pair = *state;
    size_t written;
    connect_pair(pair);
    assert_int_equal(write_text(pair->client.conn, "bye", &written), ERR_OK);
    conn_free(&pair->client.conn);
    assert_null(pair->client.conn);
    RUN_UNTIL(pair->loop, pair->server.n_closed == 1);
    assert_int_equal(pair->server.closed_with, ERR_CLOSED);
    assert_int_equal(pair->server.n_bytes, 3);
    RUN_TURNS(pair->loop, 5);
    assert_int_equal(pair->server.n_closed, 1);
    assert_int_equal(pair->client.n_closed, 0);
    assert_int_equal(write_text(pair->server.conn, "x", &written), ERR_CLOSED);
}

/* The peer answers, then resets: its answer counts, the write's error is told by on_closed. */
static void
a_failed_write_ends_with_what_the_peer_said_and_on_closed(void **state)
{
    struct pair *pair = *state;
    size_t written;
    connect_pair(pair);
    conn_pause(pair->server.conn); /* its unread bytes make the close a reset */
    assert_int_equal(write_text(pair->client.conn, "unread", &written), ERR_OK);
    RUN_TURNS(pair->loop, 2);
    assert_int_equal(write_text(pair->server.conn, "last words", &written), ERR_OK);
    conn_free(&pair->server.conn);
    int reads = pair->client.n_reads;
    assert_int_equal(write_text(pair->client.conn, "too late", &written), ERR_CLOSED);
    assert_int_equal(pair->client.n_closed, 0);
    assert_int_equal(pair->client.n_reads, reads);
    assert_int_equal(write_text(pair->client.conn, "again", &written), ERR_CLOSED);
    RUN_UNTIL(pair->loop, pair->client.n_closed == 1);
    assert_int_equal(pair->client.closed_with, ERR_CLOSED);
    assert_memory_equal(pair->client.first, "last words", 10);
    RUN_TURNS(pair->loop, 3);
    assert_int_equal(pair->client.n_closed, 1);
}

static void
a_refused_connection_is_told_late(void **state)
{
    struct pair *pair = *state;
    pair->client.free_on_closed = true;
    listener_close(&pair->listener);
    start_connect(pair);
    assert_int_equal(pair->client.n_closed, 0);
    RUN_UNTIL(pair->loop, pair->client.n_closed == 1);
    assert_int_equal(pair->client.closed_with, ERR_REFUSED);
    assert_int_equal(pair->client.n_open, 0);
    assert_null(pair->client.conn);
}

static void
what_cannot_even_start_is_told_late(void **state)
{
    struct pair *pair = *state;
    pair->address.storage.ss_family = AF_UNSPEC; /* no such socket */
    start_connect(pair);
    assert_non_null(pair->client.conn);
    assert_int_equal(pair->client.n_closed, 0);
    RUN_UNTIL(pair->loop, pair->client.n_closed == 1);
    assert_int_equal(pair->client.n_open, 0);
    assert_int_not_equal(pair->client.closed_with, ERR_OK);
}

/* A listener whose queue is full answers nothing. */
static void
a_connection_that_does_not_stand_in_time_is_given_up(void **state)
{
    struct pair *pair = *state;
    enum { FILLERS = 8 };
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fillers[FILLERS];
    struct net_address address;
    assert_int_equal(net_address_parse("127.0.0.1:0", &address), ERR_OK);
    assert_int_equal(bind(full, (struct sockaddr *)&address.storage, address.length), 0);
    assert_int_equal(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&address.storage, &address.length);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], (struct sockaddr *)&address.storage, address.length);
    }
    struct conn_callbacks callbacks = callbacks_of(&pair->client);
    uint64_t start_us = clock_fresh_us();
    pair->client.conn = conn_connect(pair->loop, &address, SECOND_US / 5, NULL, &callbacks);
    RUN_UNTIL(pair->loop, pair->client.n_closed == 1);
    assert_int_equal(pair->client.closed_with, ERR_TIMEOUT);
    assert_true(clock_fresh_us() - start_us >= SECOND_US / 5);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(full);
}

static void
a_connection_may_be_freed_in_its_callbacks(void **state)
{
    struct pair *pair = *state;
    pair->server.free_on_bytes = true;
    pair->client.free_on_closed = true;
    connect_pair(pair);
    stuff(pair);
    RUN_UNTIL(pair->loop, pair->server.conn == NULL);
    RUN_UNTIL(pair->loop, pair->client.conn == NULL);
    assert_int_equal(pair->server.n_reads, 1);
    assert_int_equal(pair->server.n_closed, 0);
    assert_int_equal(pair->client.n_closed, 1);
    pair->client.free_on_open = true;
    start_connect(pair);
    RUN_UNTIL(pair->loop, pair->client.conn == NULL);
    assert_int_equal(pair->client.n_open, 2);
}

static void
freeing_both_in_one_turn_calls_nobody(void **state)
{
    struct pair *pair = *state;
    size_t written;
    connect_pair(pair);
    assert_int_equal(write_text(pair->client.conn, "x", &written), ERR_OK);
    assert_int_equal(write_text(pair->server.conn, "x", &written), ERR_OK);
    conn_free(&pair->client.conn);
    conn_free(&pair->server.conn);
    RUN_TURNS(pair->loop, 3);
    assert_int_equal(pair->client.n_bytes + pair->server.n_bytes, 0);
    assert_int_equal(pair->client.n_closed + pair->server.n_closed, 0);
}

#define BOTH_WAYS(test)                                       \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down), \
    {                                                         \
#test "_over_tls", test, set_up_tls, tear_down, NULL  \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(bytes_go_both_ways),
        BOTH_WAYS(peers_have_names),
        BOTH_WAYS(bulk_arrives_whole_and_in_order),
        BOTH_WAYS(a_turn_reads_a_bounded_share),
        BOTH_WAYS(a_paused_connection_reads_nothing_and_loses_nothing),
        BOTH_WAYS(a_pause_before_the_connection_stands_holds),
        BOTH_WAYS(writing_before_the_connection_stands_is_told_later),
        BOTH_WAYS(closing_is_told_once_and_after_the_last_bytes),
        BOTH_WAYS(a_failed_write_ends_with_what_the_peer_said_and_on_closed),
        BOTH_WAYS(a_refused_connection_is_told_late),
        BOTH_WAYS(what_cannot_even_start_is_told_late),
        BOTH_WAYS(a_connection_that_does_not_stand_in_time_is_given_up),
        BOTH_WAYS(a_connection_may_be_freed_in_its_callbacks),
        BOTH_WAYS(freeing_both_in_one_turn_calls_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
