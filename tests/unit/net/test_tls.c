/* TLS: who is let in, traffic, contexts that change under it, files. */
/* SPDX-License-Identifier: Apache-2.0 */
/* That bytes go over it as over clear text is test_conn.c's. */
#include "net/tls_fixture.h"

/* Who is let in. */

static void
a_server_is_known_by_name_and_by_address(void **state)
{
    struct world *world = *state;
    const char *const names[] = {"localhost", "127.0.0.1", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        dial_as(world, NULL, names[i]);
        assert_stands(world);
    }
}

static void
a_server_nobody_vouches_for_is_left(void **state)
{
    struct world *world = *state;
    const char *const names[] = {"oap.example", "127.0.0.2", "::1", "local", "*.localhost"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        dial_as(world, NULL, names[i]);
        RUN_UNTIL(world->loop, world->client.n_closed == 1);
        assert_int_equal(world->client.closed_with, ERR_TLS);
        assert_int_equal(world->client.n_open, 0);
    }
    serve_with(world, &world->foreign, CONF_CLIENT_AUTH_NONE);
    dial_as(world, NULL, "localhost");
    RUN_UNTIL(world->loop, world->client.n_closed == 1);
    assert_int_equal(world->client.closed_with, ERR_TLS);
    /* Unless nobody is asked to vouch. */
    dial(world, &(struct tls_settings){.role = TLS_CLIENT, .is_unverified = true}, "localhost");
    assert_stands(world);
}

static void
an_expired_certificate_is_left(void **state)
{
    struct world *world = *state;
    serve_with(world, &world->expired, CONF_CLIENT_AUTH_NONE);
    dial(world, &(struct tls_settings){.role = TLS_CLIENT, .ca_file = world->expired.ca},
         "localhost");
    RUN_UNTIL(world->loop, world->client.n_closed == 1);
    assert_int_equal(world->client.closed_with, ERR_TLS);
}

static void
clients_show_certificates(void **state)
{
    struct world *world = *state;
    serve_with(world, &world->good, CONF_CLIENT_AUTH_REQUIRE);
    dial_as(world, &world->good, "localhost");
    assert_stands(world);
    dial_as(world, NULL, "localhost");
    assert_refused(world);
    dial_as(world, &world->foreign, "localhost");
    assert_refused(world);
    assert_int_equal(world->server.closed_with, ERR_TLS);
    serve_with(world, &world->good, CONF_CLIENT_AUTH_REQUEST);
    dial_as(world, NULL, "localhost");
    assert_stands(world);
    dial_as(world, &world->foreign, "localhost");
    assert_refused(world);
}

/* Traffic. */

static void
write_all(struct world *world, struct conn *from, const uint8_t *data, size_t n, const int *told)
{
    size_t sent = 0;
    while (sent < n) {
        size_t written = 0;
        int before = *told;
        struct iovec part = {(void *)(uintptr_t)(data + sent), n - sent};
        assert_int_equal(conn_write(from, &part, 1, &written), ERR_OK);
        sent += written;
        if (sent < n)
            RUN_UNTIL(world->loop, *told > before);
    }
}

static void
ten_thousand_small_writes(void **state)
{
    struct world *world = *state;
    size_t total = 0;
    dial_as(world, NULL, "localhost");
    assert_stands(world);
    for (int i = 0; i < 10000; i++) {
        uint8_t data[16];
        size_t n = (size_t)i % sizeof(data) + 1;
        for (size_t k = 0; k < n; k++)
            data[k] = (uint8_t)((total + k) * 7);
        write_all(world, world->client.conn, data, n, &world->client.n_writable);
        total += n;
        if (i % 100 == 0)
            loop_run_once(world->loop, 0);
    }
    RUN_UNTIL(world->loop, world->server.n_bytes == total);
    assert_int_equal(world->server.n_wrong, 0);
}

/* Many parts, some empty, cut by records and by sockets that take little. */
static void
gathered_and_partial_writes(void **state)
{
    struct world *world = *state;
    enum { BYTES_TOTAL = 16 * 1024 * 1024, PARTS = 300 };
    uint8_t *data = mem_alloc(BYTES_TOTAL);
    size_t sent = 0, n_short = 0;
    for (size_t i = 0; i < BYTES_TOTAL; i++)
        data[i] = (uint8_t)(i * 7);
    dial_as(world, NULL, "localhost");
    assert_stands(world);
    conn_pause(world->server.conn);
    while (sent < BYTES_TOTAL) {
        struct iovec parts[PARTS];
        size_t at = sent, written = 0;
        int n = 0, told = world->client.n_writable;
        for (; n < PARTS && at < BYTES_TOTAL; n++) {
            size_t size = n % 7 == 0 ? 0 : (size_t)n * 131 % 40000;
            size = size < BYTES_TOTAL - at ? size : BYTES_TOTAL - at;
            parts[n] = (struct iovec){data + at, size};
            at += size;
        }
        assert_int_equal(conn_write(world->client.conn, parts, n, &written), ERR_OK);
        sent += written;
        if (sent == at)
            continue;
        n_short++;
        conn_resume(world->server.conn);
        RUN_UNTIL(world->loop, world->client.n_writable > told);
        conn_pause(world->server.conn);
    }
    conn_resume(world->server.conn);
    RUN_UNTIL(world->loop, world->server.n_bytes == BYTES_TOTAL);
    assert_true(n_short > 0);
    assert_int_equal(world->server.n_wrong, 0);
    mem_free(data);
}

/* The preface and the first call come together with the last of the handshake. */
static void
bytes_right_behind_the_handshake_are_not_forgotten(void **state)
{
    struct world *world = *state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_true(raw_connects(world, version, "\x02h2"));
        raw_write(world, 1000);
        RUN_UNTIL(world->loop, world->server.n_bytes == 1000);
        raw_end(world);
    }
}

static void
contexts_change_under_traffic(void **state)
{
    struct world *world = *state;
    uint8_t data[2000];
    dial_as(world, NULL, "localhost");
    assert_stands(world);
    struct peer old = world->client;
    /* A new authority: the connection that is there knows nothing of it. */
    serve_with(world, &world->foreign, CONF_CLIENT_AUTH_NONE);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    write_all(world, old.conn, data, sizeof(data), &world->client.n_writable);
    RUN_UNTIL(world->loop, world->server.n_bytes == sizeof(data));
    assert_int_equal(world->server.n_wrong, 0);
    dial(world, &(struct tls_settings){.role = TLS_CLIENT, .ca_file = world->foreign.ca},
         "localhost");
    assert_stands(world);
}

/* Files. */

static enum conf_tls_fault
fault_of(const char *cert, const char *key, const char *ca)
{
    struct conf_tls_files files = {cert, key, ca};
    struct text why = TEXT_EMPTY;
    enum conf_tls_fault fault = tls_check_files(&files, &why);
    assert_int_equal(fault == CONF_TLS_FINE, why.n == 0);
    text_fini(&why);
    return fault;
}

static void
files_are_looked_into(void **state)
{
    const struct world *world = *state;
    const struct certificates *good = &world->good;
    struct certificates late;
    assert_int_equal(fault_of("", "", ""), CONF_TLS_FINE);
    assert_int_equal(fault_of("", "", good->ca), CONF_TLS_FINE);
    assert_int_equal(fault_of(good->cert, good->key, good->ca), CONF_TLS_EXPIRES);
    assert_int_equal(fault_of("/nowhere", good->key, ""), CONF_TLS_CERT);
    assert_int_equal(fault_of(good->directory, good->key, ""), CONF_TLS_CERT);
    assert_int_equal(fault_of("/dev/zero", good->key, ""), CONF_TLS_CERT);
    assert_int_equal(fault_of(good->key, good->key, ""), CONF_TLS_CERT);
    assert_int_equal(fault_of(good->cert, good->cert, ""), CONF_TLS_KEY);
    assert_int_equal(fault_of(good->cert, "/nowhere", ""), CONF_TLS_KEY);
    assert_int_equal(fault_of(good->cert, world->foreign.key, ""), CONF_TLS_MISMATCH);
    assert_int_equal(fault_of(good->cert, good->key, good->key), CONF_TLS_CA);
    assert_int_equal(fault_of(world->expired.cert, world->expired.key, ""), CONF_TLS_EXPIRED);
    certificates_make(&late, HOUR_S, 1000L * HOUR_S);
    assert_int_equal(fault_of(late.cert, late.key, ""), CONF_TLS_EXPIRED);
    certificates_remove(&late);
    certificates_make(&late, -60, 1000L * HOUR_S);
    assert_int_equal(fault_of(late.cert, late.key, ""), CONF_TLS_FINE);
    certificates_remove(&late);
}

static void
a_context_knows_when_it_ends(void **state)
{
    const struct world *world = *state;
    int64_t now_s = clock_unix_ms() / 1000;
    struct tls_context *context = server_context(&world->good, CONF_CLIENT_AUTH_NONE, NULL);
    assert_in_range(tls_context_expiry_s(context), now_s + HOUR_S - 60, now_s + HOUR_S + 60);
    tls_context_unref(&context);
    assert_null(context);
    context = new_context(&(struct tls_settings){.role = TLS_CLIENT});
    assert_int_equal(tls_context_expiry_s(context), 0);
    tls_context_unref(&context);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_server_is_known_by_name_and_by_address),
        WITH_WORLD(a_server_nobody_vouches_for_is_left),
        WITH_WORLD(an_expired_certificate_is_left),
        WITH_WORLD(clients_show_certificates),
        WITH_WORLD(ten_thousand_small_writes),
        WITH_WORLD(gathered_and_partial_writes),
        WITH_WORLD(bytes_right_behind_the_handshake_are_not_forgotten),
        WITH_WORLD(contexts_change_under_traffic),
        WITH_WORLD(files_are_looked_into),
        WITH_WORLD(a_context_knows_when_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
