/* Two sides of TLS on one loop, and a peer driven by hand. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TLS_FIXTURE_H
#define TESTS_TLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
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

enum { SECOND_US = 1000 * 1000, HOUR_S = 3600 };

struct peer {
    struct conn *conn;
    int n_open, n_writable, n_closed;
    enum err closed_with;
    size_t n_bytes, n_wrong;
};

static inline void
on_bytes(void *ctx, struct bytes b)
{
    struct peer *peer = ctx;
    for (size_t i = 0; i < b.n; i++)
        peer->n_wrong += b.p[i] != (uint8_t)((peer->n_bytes + i) * 7);
    peer->n_bytes += b.n;
}

static inline void
on_open(void *ctx)
{
    ((struct peer *)ctx)->n_open++;
}

static inline void
on_writable(void *ctx)
{
    ((struct peer *)ctx)->n_writable++;
}

static inline void
on_closed(void *ctx, enum err err)
{
    struct peer *peer = ctx;
    peer->n_closed++;
    peer->closed_with = err;
}

/* Both sides on one loop; each file set belongs to an authority of its own. */
struct world {
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct certificates good, foreign, expired;
    struct tls_slot *slot; /* what the server accepts with */
    uint64_t server_timeout_us;
    struct peer server, client;
    SSL_CTX *raw_ctx; /* a client driven by hand */
    SSL *raw;
    int raw_fd;
};

static inline struct conn_callbacks
callbacks_of(struct peer *peer)
{
    return (struct conn_callbacks){.ctx = peer,
                                   .on_bytes = on_bytes,
                                   .on_open = on_open,
                                   .on_writable = on_writable,
                                   .on_closed = on_closed};
}

static inline void
on_accept(void *ctx, int descriptor, const struct net_address *from)
{
    struct world *world = ctx;
    struct conn_callbacks callbacks = callbacks_of(&world->server);
    struct tls_context *context = tls_slot_get(world->slot);
    struct conn_tls tls = {.context = context, .timeout_us = world->server_timeout_us};
    (void)from;
    conn_free(&world->server.conn);
    world->server = (struct peer){0};
    world->server.conn = conn_accepted(world->loop, descriptor, &tls, &callbacks);
    tls_context_unref(&context);
}

static inline struct tls_context *
new_context(const struct tls_settings *settings)
{
    struct text why = TEXT_EMPTY;
    struct tls_context *context = NULL;
    enum err err = tls_context_new(settings, &why, &context);
    if (err != ERR_OK)
        print_message("%s\n", why.p);
    assert_int_equal(err, ERR_OK);
    text_fini(&why);
    return context;
}

static inline struct tls_context *
server_context(const struct certificates *files, enum conf_client_auth client_auth, const char *ca)
{
    return new_context(&(struct tls_settings){.role = TLS_SERVER,
                                              .cert_file = files->cert,
                                              .key_file = files->key,
                                              .ca_file = ca,
                                              .client_auth = client_auth});
}

static inline int
set_up(void **state)
{
    struct world *world = mem_new(struct world);
    struct listener_callbacks callbacks = {.ctx = world, .on_accept = on_accept};
    struct text why = TEXT_EMPTY;
    certificates_make(&world->good, -60, HOUR_S);
    certificates_make(&world->foreign, -60, HOUR_S);
    certificates_make(&world->expired, -2 * HOUR_S, -HOUR_S);
    world->loop = loop_new();
    world->server_timeout_us = 5 * SECOND_US;
    world->slot = tls_slot_new(server_context(&world->good, CONF_CLIENT_AUTH_NONE, NULL));
    world->raw_fd = -1;
    assert_int_equal(listener_open(world->loop, "127.0.0.1:0", &callbacks, &why, &world->listener),
                     ERR_OK);
    listener_address(world->listener, &world->address);
    *state = world;
    return 0;
}

static inline int
tear_down(void **state)
{
    struct world *world = *state;
    conn_free(&world->client.conn);
    conn_free(&world->server.conn);
    listener_close(&world->listener);
    loop_free(&world->loop);
    tls_slot_free(&world->slot);
    SSL_free(world->raw);
    SSL_CTX_free(world->raw_ctx);
    if (world->raw_fd >= 0)
        close(world->raw_fd);
    ERR_clear_error();
    certificates_remove(&world->good);
    certificates_remove(&world->foreign);
    certificates_remove(&world->expired);
    mem_free(world);
    return 0;
}

static inline void
serve_with(struct world *world, const struct certificates *files, enum conf_client_auth client_auth)
{
    tls_slot_set(world->slot, server_context(files, client_auth, world->good.ca));
}

static inline void
dial(struct world *world, const struct tls_settings *settings, const char *name)
{
    struct conn_callbacks callbacks = callbacks_of(&world->client);
    struct tls_context *context = new_context(settings);
    struct conn_tls tls = {.context = context, .name = name, .timeout_us = 5 * SECOND_US};
    conn_free(&world->client.conn);
    world->client = (struct peer){0};
    world->client.conn =
        conn_connect(world->loop, &world->address, 5 * SECOND_US, &tls, &callbacks);
    tls_context_unref(&context); /* the conn keeps it */
}

/* Trusts the good authority. */
static inline void
dial_as(struct world *world, const struct certificates *own, const char *name)
{
    dial(world,
         &(struct tls_settings){.role = TLS_CLIENT,
                                .ca_file = world->good.ca,
                                .cert_file = own != NULL ? own->cert : NULL,
                                .key_file = own != NULL ? own->key : NULL},
         name);
}

static inline void
assert_stands(struct world *world)
{
    RUN_UNTIL(world->loop, world->client.n_open == 1 && world->server.n_open == 1);
    assert_int_equal(world->client.n_closed + world->server.n_closed, 0);
}

static inline void
assert_refused(struct world *world)
{
    RUN_UNTIL(world->loop, world->client.n_closed == 1 && world->server.n_closed == 1);
    assert_int_equal(world->server.n_open, 0);
}

/* A peer driven by hand. */

static inline int
tcp_to(const struct world *world)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&world->address.storage, world->address.length), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void
raw_start(struct world *world, int version, const char *alpn)
{
    world->raw_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(world->raw_ctx, version);
    SSL_CTX_set_max_proto_version(world->raw_ctx, version);
    world->raw = SSL_new(world->raw_ctx);
    if (alpn != NULL)
        SSL_set_alpn_protos(world->raw, (const uint8_t *)alpn, (unsigned)strlen(alpn));
    world->raw_fd = tcp_to(world);
    SSL_set_fd(world->raw, world->raw_fd);
    SSL_set_connect_state(world->raw);
}

/* True when it is over, well or badly. */
static inline bool
raw_shake(struct world *world, bool *is_good)
{
    ERR_clear_error();
    int done = SSL_do_handshake(world->raw);
    int error = SSL_get_error(world->raw, done);
    *is_good = done == 1;
    return done == 1 || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE);
}

static inline bool
raw_connects(struct world *world, int version, const char *alpn)
{
    bool is_good = false;
    raw_start(world, version, alpn);
    RUN_UNTIL(world->loop, raw_shake(world, &is_good));
    return is_good;
}

static inline void
raw_end(struct world *world)
{
    SSL_free(world->raw);
    SSL_CTX_free(world->raw_ctx);
    close(world->raw_fd);
    world->raw = NULL;
    world->raw_ctx = NULL;
    world->raw_fd = -1;
    ERR_clear_error();
}

static inline void
raw_write(struct world *world, size_t n)
{
    uint8_t data[1000];
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 7);
    assert_int_equal(SSL_write(world->raw, data, (int)n), (int)n);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
