/* SkyWalking Satellite's settings: as variables at start, and as a file to convert. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_fixture.h"

#include "conf/conf_satellite.h"

static struct fixture
load_env(const char *yaml, char *const *environment)
{
    return load_all(yaml, environment, NULL, 0, &small_machine);
}

static const struct conf_diag *
find_diag(const struct fixture *fixture, const char *file)
{
    for (uint32_t i = 0; i < fixture->diags.n; i++)
        if (strcmp(fixture->diags.items[i].file, file) == 0)
            return &fixture->diags.items[i];
    return NULL;
}

static void
variables_win_over_the_file_and_lose_to_ours(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SATELLITE_GRPC_CLIENT=oap1:11800,oap2:11800",
                           (char *)"SATELLITE_LOGGER_LEVEL=warning",
                           (char *)"SATELLITE_GRPC_ACCEPT_LIMIT_CONNECTION_COUNT=77",
                           (char *)"SPANGATE_LIMITS__MAX_CONNECTIONS=78", NULL};
    struct fixture fixture = load_env(BACKEND "log: {level: debug}\n", environment);
    assert_int_equal(fixture.err, ERR_OK);
    assert_int_equal(fixture.diags.n_warnings, 0);
    assert_int_equal(fixture.diags.n_notices, 3);
    assert_int_equal(fixture.conf->upstream.addresses.n, 2);
    assert_string_equal(fixture.conf->upstream.addresses.items[1], "oap2:11800");
    assert_int_equal(fixture.conf->log.level, CONF_LOG_LEVEL_WARN);
    assert_int_equal(fixture.conf->limits.max_connections, 78);
    const struct conf_diag *diag = find_diag(&fixture, "SATELLITE_LOGGER_LEVEL");
    assert_non_null(diag);
    assert_int_equal(diag->code, 70);
    assert_string_equal(diag->text, "taken over as log.level=warn");
    struct text out = TEXT_EMPTY;
    conf_add_origin(fixture.conf, &out);
    assert_string_equal(out.p, "spangate.yaml, 2 from SATELLITE_ variables, 1 setting from the "
                               "environment");
    text_clear(&out);
    conf_print_show(fixture.conf, true, &out);
    assert_non_null(strstr(out.p, "\"log.level\": {\"value\": \"warn\", \"origin\": \"satellite\", "
                                  "\"where\": \"SATELLITE_LOGGER_LEVEL\""));
    text_fini(&out);
    fini(&fixture);
}

static void
what_has_no_effect_is_told_and_service_links_are_not(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SATELLITE_PORT=tcp://10.0.0.1:11800",
                           (char *)"SATELLITE_PORT_11800_TCP_ADDR=10.0.0.1",
                           (char *)"SATELLITE_SERVICE_HOST=10.0.0.1",
                           (char *)"SATELLITE_SERVICE_PORT_GRPC=11800",
                           (char *)"SATELLITE_GRPC_ACCEPT_LIMIT_CPU_UTILIZATION=75",
                           (char *)"SATELLITE_GRPC_CLIENT_FINDER=kubernetes",
                           (char *)"SATELLITE_OF_LOVE=1",
                           (char *)"SATELLITE_LOGGER_LEVEL=",
                           NULL};
    struct fixture fixture = load_env(BACKEND, environment);
    assert_int_equal(fixture.err, ERR_OK);
    assert_int_equal(fixture.diags.n, 3);
    assert_int_equal(fixture.diags.n_warnings, 3);
    assert_int_equal(find_diag(&fixture, "SATELLITE_OF_LOVE")->code, 71);
    assert_int_equal(find_diag(&fixture, "SATELLITE_GRPC_CLIENT_FINDER")->code, 71);
    assert_string_equal(fixture.conf->upstream.addresses.items[0], "oap:11800");
    fini(&fixture);
}

static void
a_bad_value_is_an_error_like_any_other(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SATELLITE_GRPC_ADDRESS=:port", NULL};
    struct fixture fixture = load_env(BACKEND, environment);
    assert_int_equal(fixture.err, ERR_CONFIG);
    assert_int_equal(fixture.diags.items[0].code, 25);
    assert_string_equal(fixture.diags.items[0].file, "SATELLITE_GRPC_ADDRESS");
    fini(&fixture);
}

static void
secrets_are_not_told(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SATELLITE_GRPC_AUTHENTICATION=sesame", NULL};
    struct fixture fixture = load_env(BACKEND, environment);
    assert_string_equal(fixture.conf->upstream.auth_token, "sesame");
    for (uint32_t i = 0; i < fixture.diags.n; i++)
        assert_null(strstr(fixture.diags.items[i].text, "sesame"));
    fini(&fixture);
}

static void
queues_pipes_and_tls_come_together(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SATELLITE_QUEUE_EVENT_BUFFER_SIZE=1000",
                           (char *)"SATELLITE_QUEUE_PARTITION=1",
                           (char *)"SATELLITE_TRACINGPIPE_SENDER_FLUSH_TIME=500",
                           (char *)"SATELLITE_JVMPIPE_SENDER_FLUSH_TIME=300",
                           (char *)"SATELLITE_LOGPIPE_SENDER_MAX_BUFFER_SIZE=100",
                           (char *)"SATELLITE_JVMPIPE_SENDER_MAX_BUFFER_SIZE=400",
                           (char *)"SATELLITE_GRPC_CA_PEM_PATH=/upper",
                           (char *)"SATELLITE_grpc_CA_PEM_PATH=/lower",
                           (char *)"SATELLITE_GRPC_ENABLE_TLS=True",
                           (char *)"SATELLITE_GRPC_TIMEOUT_STREAM=1m30.5s",
                           (char *)"SATELLITE_SHUTDOWN_HOOK_TIME=5",
                           NULL};
    struct fixture fixture = load_env(BACKEND, environment);
    assert_int_equal(fixture.err, ERR_OK);
    /* 1000 events x 17 pipes x 4 KiB */
    assert_int_equal(fixture.conf->buffer.memory.max_bytes, 66 << 20);
    assert_int_equal(fixture.conf->batch.max_delay_ms, 300);
    assert_int_equal(fixture.conf->batch.max_items, 400);
    assert_true(fixture.conf->upstream.tls.enabled);
    assert_string_equal(fixture.conf->upstream.tls.ca_file, "/lower");
    assert_int_equal(fixture.conf->upstream.timeout.ack_ms, 90500);
    assert_int_equal(fixture.conf->shutdown.drain_ms, 5000);
    fini(&fixture);
}

static struct conf_satellite *
read_file(const char *yaml, char *const *environment)
{
    struct conf_diags diags = {0};
    struct conf_satellite *sat =
        conf_satellite_read("satellite.yaml", bytes_str(yaml), environment, &diags);
    assert_int_equal(diags.n_errors, sat == NULL);
    conf_diags_fini(&diags);
    return sat;
}

static const struct conf_satellite_item *
find(const struct conf_satellite *sat, const char *from)
{
    const struct conf_satellite_item *item;
    for (uint32_t i = 0; (item = conf_satellite_item_at(sat, i)) != NULL; i++)
        if (strcmp(item->from, from) == 0)
            return item;
    return NULL;
}

static void
a_file_becomes_ours(void **state)
{
    (void)state;
    char *environment[] = {(char *)"SATELLITE_GRPC_CLIENT=a:1,b:2", NULL};
    struct conf_satellite *sat =
        read_file("sharing:\n"
                  "  clients:\n"
                  "    - plugin_name: grpc-client\n"
                  "      server_addr: ${SATELLITE_GRPC_CLIENT:127.0.0.1:11800}\n"
                  "      authentication: ${SATELLITE_GRPC_AUTHENTICATION:\"cash$in\"}\n"
                  "  servers:\n"
                  "    - plugin_name: grpc-server\n"
                  "      address: ${SATELLITE_GRPC_ADDRESS:\":11800\"}\n"
                  "      tls_cert_file: /etc/c\n"
                  "      tls_key_file: /etc/k\n"
                  "pipes:\n"
                  "  - gatherer: {queue: {plugin_name: mmap-queue, segment_size: 1048576,\n"
                  "                       queue_capacity_segments: 100, queue_dir: /data/q}}\n"
                  "    sender: {flush_time: 200}\n"
                  "  - gatherer: {queue: {plugin_name: memory-queue, event_buffer_size: 512}}\n"
                  "    sender: {flush_time: 100}\n",
                  environment);
    struct text out = TEXT_EMPTY;
    conf_satellite_print(sat, &out);
    assert_non_null(strstr(out.p, "  addresses: [\"a:1\", \"b:2\"]"));
    assert_non_null(strstr(out.p, "  auth_token: \"cash$$in\""));
    assert_non_null(strstr(out.p, "  grpc:\n    address: \"\""));
    assert_non_null(strstr(out.p, "  grpc_tls:\n    address: \"0.0.0.0:11800\""));
    assert_non_null(strstr(out.p, "    path: \"/data/q\""));
    assert_non_null(strstr(out.p, "    max: 100MiB"));
    assert_non_null(strstr(out.p, "    max: 2MiB"));
    assert_non_null(strstr(out.p, "  max_delay: 100ms"));
    struct fixture fixture = load(out.p);
    assert_int_equal(fixture.diags.n_errors, 0);
    assert_string_equal(fixture.conf->upstream.auth_token, "cash$in");
    fini(&fixture);
    text_fini(&out);
    assert_string_equal(find(sat, "sharing.clients.grpc-client.authentication")->value, "********");
    conf_satellite_free(&sat);
}

static void
what_cannot_be_taken_over_is_named(void **state)
{
    (void)state;
    struct conf_satellite *sat =
        read_file("logger: {level: info, colour: blue}\n"
                  "sharing:\n"
                  "  clients:\n"
                  "    - {plugin_name: grpc-client, finder_type: kubernetes,\n"
                  "       kubernetes_config: {namespaces: [obs]}}\n"
                  "    - {plugin_name: http-client}\n"
                  "pipes:\n"
                  "  - {processor: {filters: [{plugin_name: mine}]}}\n",
                  NULL);
    const struct conf_satellite_item *item = find(sat, "logger.colour");
    assert_int_equal(item->verdict, CONF_SATELLITE_UNSUPPORTED);
    assert_int_equal(item->line, 1);
    item = find(sat, "sharing.clients.grpc-client.finder_type");
    assert_int_equal(item->verdict, CONF_SATELLITE_UNSUPPORTED);
    assert_string_equal(item->text, "[\"dns:///oap-headless.obs.svc:11800\"]");
    item = find(sat, "sharing.clients.http-client.plugin_name");
    assert_int_equal(item->verdict, CONF_SATELLITE_UNSUPPORTED);
    item = find(sat, "pipes.processor.filters.plugin_name");
    assert_int_equal(item->verdict, CONF_SATELLITE_UNSUPPORTED);
    assert_int_equal(find(sat, "logger.level")->verdict, CONF_SATELLITE_MAPPED);
    conf_satellite_free(&sat);
    assert_null(read_file("just text\n", NULL));
    assert_null(read_file("a: [\n", NULL));
}

/* Lists and maps where Satellite has none. */
static void
other_shapes_are_walked_through(void **state)
{
    static const char *const files[] = {
        "sharing: {clients: [[a, b]]}\n",
        "sharing: {clients: [[[a]], {plugin_name: [x]}, {plugin_name: {a: b}}, null, a]}\n",
        "sharing: {servers: {clients: [{a: [b]}]}, clients: x}\n",
        "pipes: [[{gatherer: [queue]}], x, null]\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct conf_satellite *sat = read_file(files[i], NULL);
        const struct conf_satellite_item *item = conf_satellite_item_at(sat, 0);
        assert_int_equal(item->verdict, CONF_SATELLITE_UNSUPPORTED);
        conf_satellite_free(&sat);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_win_over_the_file_and_lose_to_ours),
        cmocka_unit_test(what_has_no_effect_is_told_and_service_links_are_not),
        cmocka_unit_test(a_bad_value_is_an_error_like_any_other),
        cmocka_unit_test(secrets_are_not_told),
        cmocka_unit_test(queues_pipes_and_tls_come_together),
        cmocka_unit_test(a_file_becomes_ours),
        cmocka_unit_test(what_cannot_be_taken_over_is_named),
        cmocka_unit_test(other_shapes_are_walked_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
