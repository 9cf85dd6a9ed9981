/* TLS: what a peer without manners can do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_fixture.h"

static void
assert_closed_after(struct world *world, const void *said, size_t n)
{
    int fd = tcp_to(world);
    world->server = (struct peer){0};
    assert_int_equal(send(fd, said, n, MSG_NOSIGNAL), (ssize_t)n);
    RUN_UNTIL(world->loop, world->server.n_closed == 1);
    assert_int_equal(world->server.closed_with, ERR_TLS);
    assert_int_equal(world->server.n_open + (int)world->server.n_bytes, 0);
    conn_free(&world->server.conn);
    close(fd);
}

static void
what_is_no_handshake_is_closed(void **state)
{
    struct world *world = *state;
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const char plain[] = "GET / HTTP/1.1\r\n\r\n";
    uint8_t noise[4096];
    assert_closed_after(world, preface, sizeof(preface) - 1);
    assert_closed_after(world, plain, sizeof(plain) - 1);
    for (int seed = 1; seed < 50; seed++) {
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)((i * 2654435761u * (unsigned)seed) >> 13);
        if (noise[0] == 0x16) /* the head of a record: it may wait for the rest */
            noise[0] = 0x17;
        assert_closed_after(world, noise, sizeof(noise));
    }
}

static void
only_http2_is_spoken(void **state)
{
    struct world *world = *state;
    const char *const others[] = {NULL, "\x08http/1.1", "\x03h2c", "\x02h3\x08http/1.1"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(raw_connects(world, TLS1_3_VERSION, others[i]));
        RUN_UNTIL(world->loop, world->server.n_closed == 1);
        assert_int_equal(world->server.closed_with, ERR_TLS);
        raw_end(world);
    }
    assert_true(raw_connects(world, TLS1_3_VERSION, "\x08http/1.1\x02h2"));
    raw_end(world);
    assert_true(raw_connects(world, TLS1_2_VERSION, "\x02h2"));
}

static void
old_versions_are_not_spoken(void **state)
{
    struct world *world = *state;
    assert_false(raw_connects(world, TLS1_1_VERSION, "\x02h2"));
}

/* A server that answers the handshake and agrees to nothing by ALPN. */
static void
a_server_without_http2_is_left(void **state)
{
    struct world *world = *state;
    struct net_address address = {.length = sizeof(address.storage)};
    struct net_address own = world->address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(net_address_parse("127.0.0.1:0", &address), ERR_OK);
    assert_int_equal(bind(listening, (struct sockaddr *)&address.storage, address.length), 0);
    assert_int_equal(listen(listening, 1), 0);
    getsockname(listening, (struct sockaddr *)&world->address.storage, &world->address.length);
    dial_as(world, NULL, "localhost");
    world->address = own;
    world->raw_fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(world->raw_fd >= 0);
    close(listening);
    world->raw_ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_chain_file(world->raw_ctx, world->good.cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(world->raw_ctx, world->good.key, SSL_FILETYPE_PEM),
                     1);
    world->raw = SSL_new(world->raw_ctx);
    SSL_set_fd(world->raw, world->raw_fd);
    SSL_set_accept_state(world->raw);
    bool is_good = false;
    RUN_UNTIL(world->loop, raw_shake(world, &is_good) || world->client.n_closed == 1);
    RUN_UNTIL(world->loop, world->client.n_closed == 1);
    assert_int_equal(world->client.closed_with, ERR_TLS);
    assert_int_equal(world->client.n_open, 0);
}

static void
half_a_handshake_is_given_up(void **state)
{
    struct world *world = *state;
    static const uint8_t head[] = {0x16, 3, 1, 2, 0, 1};
    uint64_t begin_us = clock_fresh_us();
    world->server_timeout_us = SECOND_US / 5;
    int fd = tcp_to(world);
    assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
    RUN_UNTIL(world->loop, world->server.n_closed == 1);
    assert_int_equal(world->server.closed_with, ERR_TIMEOUT);
    assert_in_range(clock_fresh_us() - begin_us, SECOND_US / 5, 5 * SECOND_US);
    close(fd);
}

static void
one_who_leaves_in_the_handshake_is_gone(void **state)
{
    struct world *world = *state;
    bool is_good = false;
    raw_start(world, TLS1_3_VERSION, "\x02h2");
    assert_false(raw_shake(world, &is_good)); /* its hello is on the way */
    RUN_UNTIL(world->loop, world->server.conn != NULL);
    RUN_TURNS(world->loop, 3);
    raw_end(world);
    RUN_UNTIL(world->loop, world->server.n_closed == 1);
    assert_int_equal(world->server.n_open, 0);
}

static void
a_close_without_goodbye_is_a_close(void **state)
{
    struct world *world = *state;
    assert_true(raw_connects(world, TLS1_3_VERSION, "\x02h2"));
    raw_write(world, 1000);
    close(world->raw_fd);
    world->raw_fd = -1;
    RUN_UNTIL(world->loop, world->server.n_closed == 1);
    assert_int_equal(world->server.closed_with, ERR_CLOSED);
    assert_int_equal(world->server.n_bytes, 1000);
}

static void
a_damaged_record_ends_it(void **state)
{
    struct world *world = *state;
    static const uint8_t record[] = {0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
                                     9,    1, 2, 3, 4,  5, 6, 7, 8, 9, 1, 2};
    assert_true(raw_connects(world, TLS1_3_VERSION, "\x02h2"));
    raw_write(world, 10);
    assert_int_equal(send(world->raw_fd, record, sizeof(record), MSG_NOSIGNAL), sizeof(record));
    RUN_UNTIL(world->loop, world->server.n_closed == 1);
    assert_int_equal(world->server.closed_with, ERR_TLS);
    assert_int_equal(world->server.n_bytes, 10);
}

/* Each costs a key derivation and asks for an answer, which nobody reads. */
static void
a_flood_of_key_updates_ends_it(void **state)
{
    struct world *world = *state;
    enum { FLOOD = 200000 };
    assert_true(raw_connects(world, TLS1_3_VERSION, "\x02h2"));
    RUN_UNTIL(world->loop, world->server.n_open == 1);
    for (int n = 0; n < FLOOD && world->server.n_closed == 0; n++) {
        if (SSL_key_update(world->raw, SSL_KEY_UPDATE_REQUESTED) != 1 ||
            SSL_do_handshake(world->raw) != 1)
            ERR_clear_error();
        if (n % 100 == 0)
            loop_run_once(world->loop, 0);
    }
    RUN_UNTIL(world->loop, world->server.n_closed == 1);
    assert_int_equal(world->server.closed_with, ERR_TLS);
}

static void
no_handshake_in_the_middle(void **state)
{
    struct world *world = *state;
    bool is_good = false;
    assert_true(raw_connects(world, TLS1_2_VERSION, "\x02h2"));
    RUN_UNTIL(world->loop, world->server.n_open == 1);
    assert_int_equal(SSL_renegotiate(world->raw), 1);
    SSL_do_handshake(world->raw);
    RUN_UNTIL(world->loop, raw_shake(world, &is_good));
    assert_false(is_good);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(what_is_no_handshake_is_closed),
        WITH_WORLD(only_http2_is_spoken),
        WITH_WORLD(old_versions_are_not_spoken),
        WITH_WORLD(a_server_without_http2_is_left),
        WITH_WORLD(half_a_handshake_is_given_up),
        WITH_WORLD(one_who_leaves_in_the_handshake_is_gone),
        WITH_WORLD(a_close_without_goodbye_is_a_close),
        WITH_WORLD(a_damaged_record_ends_it),
        WITH_WORLD(a_flood_of_key_updates_ends_it),
        WITH_WORLD(no_handshake_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
