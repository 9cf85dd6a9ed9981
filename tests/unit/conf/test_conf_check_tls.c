/* The settings of TLS against each other and against their files. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_fixture.h"

/* What the files say in this test, and what was asked. */
static enum conf_tls_fault fault;
static uint32_t n_asked;
static char asked_cert[64], asked_key[64], asked_ca[64];

static enum conf_tls_fault
check_files(const struct conf_tls_files *files, struct text *why)
{
    n_asked++;
    memccpy(asked_cert, files->cert_file, '\0', sizeof(asked_cert) - 1);
    memccpy(asked_key, files->key_file, '\0', sizeof(asked_key) - 1);
    memccpy(asked_ca, files->ca_file, '\0', sizeof(asked_ca) - 1);
    if (fault != CONF_TLS_FINE)
        text_add(why, "in words");
    return fault;
}

static struct fixture
load_with(const char *yaml, enum conf_tls_fault now)
{
    struct fixture fixture = {.conf = NULL};
    struct bytes bytes = bytes_str(yaml);
    struct conf_input input = {
        .file = FILE_NAME, .yaml = &bytes, .system = &small_machine, .check_tls = check_files};
    fault = now;
    n_asked = 0;
    fixture.err = conf_load(&input, &fixture.diags, &fixture.conf);
    return fixture;
}

#define LISTEN "listen: {grpc_tls: {address: \":11801\", cert_file: a.crt, key_file: a.key}}\n"

static void
assert_told(const char *yaml, enum conf_tls_fault now, enum conf_severity severity, uint16_t code,
            const char *text)
{
    struct fixture fixture = load_with(yaml, now);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].severity, severity);
    assert_int_equal(fixture.diags.items[0].code, code);
    assert_string_equal(fixture.diags.items[0].text, text);
    assert_string_equal(fixture.diags.items[0].file, FILE_NAME);
    assert_int_equal(fixture.diags.items[0].line, 2);
    assert_int_equal(fixture.err, severity == CONF_ERROR ? ERR_CONFIG : ERR_OK);
    fini(&fixture);
}

static void
what_the_files_say_is_told_where_they_are_named(void **state)
{
    (void)state;
    assert_told(BACKEND LISTEN, CONF_TLS_CERT, CONF_ERROR, 51,
                "listen.grpc_tls.cert_file: in words");
    assert_told(BACKEND LISTEN, CONF_TLS_KEY, CONF_ERROR, 51, "listen.grpc_tls.key_file: in words");
    assert_told(BACKEND LISTEN, CONF_TLS_MISMATCH, CONF_ERROR, 52,
                "listen.grpc_tls.key_file: in words");
    /* No reason to keep agents in clear text out. */
    assert_told(BACKEND LISTEN, CONF_TLS_EXPIRED, CONF_WARNING, 53,
                "listen.grpc_tls.cert_file: in words");
    assert_told(BACKEND LISTEN, CONF_TLS_EXPIRES, CONF_WARNING, 54,
                "listen.grpc_tls.cert_file: in words");
    assert_told("#\nupstream: {addresses: [\"oap:11800\"], tls: {enabled: true, ca_file: c}}\n",
                CONF_TLS_CA, CONF_ERROR, 51, "upstream.tls.ca_file: in words");
}

static void
files_in_use_are_looked_at(void **state)
{
    (void)state;
    struct fixture fixture =
        load_with(BACKEND "listen: {grpc_tls: {address: \":1\", cert_file: a.crt, key_file: a.key, "
                          "client_ca_file: ca.crt, client_auth: require}}\n",
                  CONF_TLS_FINE);
    assert_clean(&fixture);
    assert_int_equal(n_asked, 1);
    assert_string_equal(asked_cert, "a.crt");
    assert_string_equal(asked_key, "a.key");
    assert_string_equal(asked_ca, "ca.crt");
    fini(&fixture);
    fixture = load_with(BACKEND, CONF_TLS_CERT);
    assert_clean(&fixture);
    assert_int_equal(n_asked, 0);
    fini(&fixture);
}

static void
settings_that_belong_together(void **state)
{
    (void)state;
    assert_told("#\nlisten: {grpc_tls: {address: \":1\"}}\n" BACKEND, CONF_TLS_FINE, CONF_ERROR, 37,
                "listen.grpc_tls.address is set without a cert_file and a key_file");
    assert_told("#\nlisten: {grpc_tls: {address: \":1\", key_file: a}}\n" BACKEND, CONF_TLS_FINE,
                CONF_ERROR, 37,
                "listen.grpc_tls.key_file is set without listen.grpc_tls.cert_file");
    assert_told("#\nlisten: {grpc_tls: {address: \":1\", cert_file: a, key_file: b, client_auth: "
                "request}}\n" BACKEND,
                CONF_TLS_FINE, CONF_ERROR, 36,
                "listen.grpc_tls.client_auth asks for certificates, but client_ca_file is empty");
    assert_told("#\nupstream: {addresses: [\"o:1\"], tls: {enabled: true, cert_file: a}}\n",
                CONF_TLS_FINE, CONF_ERROR, 37,
                "upstream.tls.cert_file is set without upstream.tls.key_file");
}

static void
settings_without_effect_and_loud_ones(void **state)
{
    (void)state;
    assert_told("#\nlisten: {grpc_tls: {cert_file: a, key_file: b}}\n" BACKEND, CONF_TLS_FINE,
                CONF_WARNING, 56,
                "listen.grpc_tls.cert_file is set, but listen.grpc_tls.address is empty: nothing "
                "is done with it");
    assert_told("#\nupstream: {addresses: [\"o:1\"], tls: {ca_file: a}}\n", CONF_TLS_FINE,
                CONF_WARNING, 56,
                "upstream.tls.ca_file is set, but upstream.tls.enabled is false: nothing is done "
                "with it");
    assert_told("#\nupstream: {addresses: [\"o:1\"], tls: {enabled: true, insecure_skip_verify: "
                "true}}\n",
                CONF_TLS_FINE, CONF_WARNING, 55,
                "upstream.tls.insecure_skip_verify: whoever answers at the backend's address gets "
                "all data; for trials only");
}

static void
one_port_is_enough(void **state)
{
    (void)state;
    struct fixture fixture = load_with(
        BACKEND "listen: {grpc: {address: \"\"}, grpc_tls: {address: \":11801\", cert_file: a, "
                "key_file: b}}\n",
        CONF_TLS_FINE);
    assert_clean(&fixture);
    fini(&fixture);
    assert_told("#\nlisten: {grpc: {address: \"\"}}\n" BACKEND, CONF_TLS_FINE, CONF_ERROR, 40,
                "listen.grpc.address is empty: there is no port for agents");
    assert_told("#\nlisten: {grpc_tls: {address: \":11800\", cert_file: a, key_file: b}}\n" BACKEND,
                CONF_TLS_FINE, CONF_ERROR, 32,
                "listen.grpc.address 0.0.0.0:11800 and listen.grpc_tls.address :11800 share port "
                "11800");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_files_say_is_told_where_they_are_named),
        cmocka_unit_test(files_in_use_are_looked_at),
        cmocka_unit_test(settings_that_belong_together),
        cmocka_unit_test(settings_without_effect_and_loud_ones),
        cmocka_unit_test(one_port_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
