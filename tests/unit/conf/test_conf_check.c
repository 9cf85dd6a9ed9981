/* Auto values, and settings against each other. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "conf_fixture.h"

#define MIB (UINT64_C(1) << 20)

static void
auto_without_a_limit(void **state)
{
    (void)state;
    struct fixture fixture = load(BACKEND);
    assert_clean(&fixture);
    const struct conf *conf = fixture.conf;
    assert_int_equal(conf->limits.memory_bytes, 512 * MIB);
    assert_int_equal(conf->limits.workers, 2);
    assert_int_equal(conf->buffer.memory.max_bytes, 204 * MIB);
    assert_int_equal(conf->listen.max_message_bytes, 50 * MIB);
    assert_int_equal(conf->integrity.window_memory_bytes, 61 * MIB);
    fini(&fixture);
}

static void
auto_in_a_container(void **state)
{
    (void)state;
    struct conf_system system = {.memory_bytes = 256 * MIB, .n_cpus = 16};
    struct fixture fixture = load_all(BACKEND, NULL, NULL, 0, &system);
    assert_clean(&fixture);
    const struct conf *conf = fixture.conf;
    assert_int_equal(conf->limits.memory_bytes, 153 * MIB);
    assert_int_equal(conf->limits.workers, 4);
    assert_int_equal(conf->buffer.memory.max_bytes, 61 * MIB);
    assert_int_equal(conf->listen.max_message_bytes, 38 * MIB);
    assert_int_equal(conf->integrity.window_memory_bytes, 18 * MIB);
    fini(&fixture);
    fixture = load_all(BACKEND "limits: {memory: 8GiB, workers: 9}\n", NULL, NULL, 0, &system);
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->limits.workers, 9);
    assert_int_equal(fixture.conf->integrity.window_memory_bytes, 64 * MIB);
    fini(&fixture);
}

static void
auto_fits_a_small_buffer(void **state)
{
    (void)state;
    struct fixture fixture = load(BACKEND "buffer: {memory: {max: 4MiB}}\n");
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->listen.max_message_bytes, 4 * MIB);
    fini(&fixture);
    fixture = load(BACKEND "limits: {memory: 100MiB}\nbuffer: {memory: {max: 55MiB}}\n");
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->integrity.window_memory_bytes, 5 * MIB);
    fini(&fixture);
}

static void
this_machine_allows_something(void **state)
{
    (void)state;
    struct conf_system system;
    conf_system_read(&system);
    assert_true(system.n_cpus >= 1);
    assert_true(system.memory_bytes == 0 || system.memory_bytes >= MIB);
}

static void
memory_must_fit_together(void **state)
{
    (void)state;
    assert_one(BACKEND "limits: {memory: 100MiB}\nbuffer: {memory: {max: 61MiB}}\n", 33, 3, 24,
               "buffer.memory.max 61.0 MiB is above 60 % of limits.memory, 60.0 MiB", NULL);
    struct fixture fixture = load(BACKEND "limits: {memory: 100MiB}\n"
                                          "buffer: {memory: {max: 40MiB}}\n"
                                          "integrity: {window_memory: 30MiB}\n");
    assert_int_equal(fixture.diags.n_errors, 1);
    assert_int_equal(fixture.diags.items[0].code, 33);
    assert_int_equal(fixture.diags.items[0].line, 3);
    fini(&fixture);
    assert_one(BACKEND "listen: {max_message: 130MiB}\n", 42, 2, 23,
               "listen.max_message is above a quarter of limits.memory: such a message would wait "
               "for ever",
               NULL);
    assert_one(BACKEND "listen: {max_message: 30MiB}\nbuffer: {memory: {max: 20MiB}}\n", 42, 2, 23,
               "listen.max_message is above buffer.memory.max: such a message would wait for ever",
               NULL);
    assert_one(BACKEND "batch: {max_size: 30MiB}\nbuffer: {memory: {max: 20MiB}}\n", 41, 2, 19,
               "batch.max_size is above buffer.memory.max: no batch will get there", NULL);
}

static void
the_backend_must_be_somebody_else(void **state)
{
    (void)state;
    assert_one("upstream:\n  addresses:\n  - oap:11800\n  - 127.0.0.1:11800\n", 31, 4, 5,
               "upstream.addresses: 127.0.0.1:11800 is our own listen.grpc.address: a loop", NULL);
    assert_one("upstream: {addresses: [\"dns:///localhost:11800\"]}\n", 31, 1, 25,
               "upstream.addresses: dns:///localhost:11800 is our own listen.grpc.address: a loop",
               NULL);
    assert_one("upstream: {addresses: [\"[::1]:1234\"]}\n", 31, 1, 25,
               "upstream.addresses: [::1]:1234 is our own telemetry.address: a loop", NULL);
    struct fixture fixture = load("listen: {grpc: {address: \"10.0.0.1:11800\"}}\n"
                                  "upstream: {addresses: [\"127.0.0.1:11800\", oap:11800]}\n");
    assert_clean(&fixture);
    fini(&fixture);
    assert_one("listen: {grpc: {address: \"10.0.0.1:11800\"}}\n"
               "upstream: {addresses: [\"10.0.0.1:11800\"]}\n",
               31, 2, 25,
               "upstream.addresses: 10.0.0.1:11800 is our own listen.grpc.address: a loop", NULL);
    assert_one("upstream: {addresses: [\"oap:1\", \"oap:1\"]}\n", 39, 1, 34,
               "upstream.addresses: oap:1 stands twice", NULL);
}

static void
without_a_backend_the_way_to_try_is_named(void **state)
{
    (void)state;
    struct fixture fixture = load("version: 1\n");
    assert_int_equal(fixture.err, ERR_CONFIG);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 30);
    assert_non_null(strstr(fixture.diags.items[0].text, "serve --sink"));
    fini(&fixture);
    static const char *const kinds[] = {"upstream.kind=sink", "upstream.kind=discard"};
    for (size_t i = 0; i < 2; i++) {
        fixture = load_all("version: 1\n", NULL, &kinds[i], 1, &small_machine);
        assert_clean(&fixture);
        fini(&fixture);
    }
}

static void
ports_must_not_overlap(void **state)
{
    (void)state;
    assert_one(BACKEND "telemetry: {address: \"127.0.0.1:11800\"}\n", 32, 2, 23,
               "listen.grpc.address 0.0.0.0:11800 and telemetry.address 127.0.0.1:11800 share "
               "port 11800",
               NULL);
    struct fixture fixture = load(BACKEND "listen: {grpc: {address: \"127.0.0.2:7\"}}\n"
                                          "telemetry: {address: \"127.0.0.1:7\"}\n");
    assert_clean(&fixture);
    fini(&fixture);
    fixture = load(BACKEND "listen: {grpc: {address: \"127.0.0.1:0\"}}\n"
                           "telemetry: {address: \"127.0.0.1:0\"}\n");
    assert_clean(&fixture);
    fini(&fixture);
    assert_one(BACKEND "listen: {grpc: {address: \"\"}}\n", 40, 2, 27,
               "listen.grpc.address is empty: there is no port for agents", NULL);
}

static void
access_and_certificates(void **state)
{
    (void)state;
    struct fixture fixture = load(BACKEND "admin: {address: \"0.0.0.0:11880\"}\n");
    assert_int_equal(fixture.diags.n_errors, 1);
    assert_int_equal(fixture.diags.items[0].code, 34);
    fini(&fixture);
    fixture = load(BACKEND "listen: {grpc_tls: {cert_file: a}}\n");
    assert_int_equal(fixture.diags.n_errors, 1);
    assert_int_equal(fixture.diags.items[0].code, 37);
    fini(&fixture);
    fixture = load(BACKEND "listen: {grpc_tls: {client_auth: require}}\n");
    assert_int_equal(fixture.diags.n_errors, 1);
    assert_int_equal(fixture.diags.items[0].code, 36);
    fini(&fixture);
    assert_one("upstream: {addresses: [\"oap:1\"], retry: {initial: 1m, max: 1s}}\n", 38, 1, 51,
               "upstream.retry.initial is above upstream.retry.max", NULL);
}

static void
the_admin_port(void **state)
{
    (void)state;
    struct fixture fixture = load(BACKEND "admin: {address: \"0.0.0.0:11880\", token_file: \""
                                          "/dev/null\"}\n");
    assert_int_equal(fixture.diags.n_errors, 1); /* not reachable without a token, but no file */
    assert_int_equal(fixture.diags.items[0].code, 18);
    fini(&fixture);
    assert_one(BACKEND "admin: {token_file: /no/such/file}\n", 18, 2, 21,
               "admin.token_file \"/no/such/file\": No such file or directory", NULL);
    assert_one(BACKEND "admin: {socket: run/api}\n", 25, 2, 17,
               "admin.socket is a path from / on of at most 107 bytes", NULL);
    char text[300];
    snprintf(text, sizeof(text), BACKEND "admin: {socket: /%0*d}\n", 106, 0);
    fixture = load(text);
    assert_clean(&fixture);
    fini(&fixture);
    snprintf(text, sizeof(text), BACKEND "admin: {socket: /%0*d}\n", 107, 0);
    fixture = load(text);
    assert_int_equal(fixture.diags.n_errors, 1);
    fini(&fixture);
    /* Its port counts among ours, set or not. */
    fixture = load(BACKEND "telemetry: {address: \"127.0.0.1:11880\"}\n");
    assert_int_equal(fixture.diags.n_errors, 1);
    assert_int_equal(fixture.diags.items[0].code, 32);
    fini(&fixture);
}

static void
what_is_built_takes_effect_without_a_word(void **state)
{
    (void)state;
    static const char *const quiet[] = {
        BACKEND "relay: {cds_cache: 5s}\n",
        BACKEND "telemetry: {oap: {enabled: true}}\n",
        BACKEND "listen: {max_connection_age: 1h}\n",
        BACKEND "reload: {watch: true}\n",
        BACKEND "listen: {http: {address: \"\"}}\n",
        BACKEND "integrity: {window: 0s}\n",
        BACKEND "quarantine: {redact_tags: [a]}\n",
        BACKEND "buffer: {mode: memory, ack: received}\n",
        BACKEND "buffer: {mode: durable, ack: buffered}\n",
        BACKEND "buffer: {mode: spill}\n",
        BACKEND "buffer: {ack: forwarded, disk: {sync: none}}\n",
        BACKEND "quarantine: {ttl: 1d}\n",
    };
    for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
        struct fixture fixture = load(quiet[i]);
        assert_clean(&fixture);
        fini(&fixture);
    }
}

static void
a_snapshot_outlives_its_first_owner(void **state)
{
    (void)state;
    struct fixture fixture = load(BACKEND);
    assert_int_equal(fixture.conf->buffer.mode, CONF_BUFFER_DURABLE);
    assert_in_range(conf_quarantine_bytes(fixture.conf), 40 * MIB, 41 * MIB);
    const struct conf *second = conf_ref(fixture.conf);
    fini(&fixture);
    assert_int_equal(second->batch.max_items, 500);
    conf_unref(&second);
    assert_null(second);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_without_a_limit),
        cmocka_unit_test(auto_in_a_container),
        cmocka_unit_test(auto_fits_a_small_buffer),
        cmocka_unit_test(this_machine_allows_something),
        cmocka_unit_test(memory_must_fit_together),
        cmocka_unit_test(the_backend_must_be_somebody_else),
        cmocka_unit_test(without_a_backend_the_way_to_try_is_named),
        cmocka_unit_test(ports_must_not_overlap),
        cmocka_unit_test(access_and_certificates),
        cmocka_unit_test(the_admin_port),
        cmocka_unit_test(what_is_built_takes_effect_without_a_word),
        cmocka_unit_test(a_snapshot_outlives_its_first_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
