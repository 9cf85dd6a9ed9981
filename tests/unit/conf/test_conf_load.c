/* Files with faults: each kind, where it is and what was meant. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf_fixture.h"

static void
the_sample_of_the_contract_is_told_as_promised(void **state)
{
    (void)state;
    struct fixture fixture = load("version: 1\n"
                                  "buffer:\n"
                                  "  mode: memory\n"
                                  "  disk:\n"
                                  "    pth: /data/spool\n"
                                  "\n"
                                  "upstream: {addresses: [\"oap:11800\"]}\n"
                                  "limits:\n"
                                  "  memory: 512\n");
    struct text out = TEXT_EMPTY;
    conf_diags_print(&fixture.diags, false, &out);
    assert_string_equal(out.p,
                        "spangate.yaml:5:5: error C012: unknown key \"pth\" in buffer.disk\n"
                        "    pth: /data/spool\n"
                        "    ^~~  did you mean \"path\"?\n"
                        "spangate.yaml:9:11: error C021: limits.memory \"512\" has no unit; write "
                        "512MiB\n"
                        "  memory: 512\n"
                        "          ^~~\n");
    assert_int_equal(fixture.diags.n_errors, 2);
    text_fini(&out);
    fini(&fixture);
}

static void
keys(void **state)
{
    (void)state;
    assert_one(BACKEND "lag: {level: info}\n", 12, 2, 1, "unknown key \"lag\"", "log");
    assert_one("upstream: {adresses: [\"oap:11800\"]}\n", 12, 1, 12,
               "unknown key \"adresses\" in upstream", "addresses");
    assert_one(BACKEND "max_items: 5\n", 12, 2, 1, "unknown key \"max_items\"", "batch.max_items");
    assert_one(BACKEND "zebra: 5\n", 12, 2, 1, "unknown key \"zebra\"", NULL);
    assert_one(BACKEND "log.level: info\n", 12, 2, 1, "unknown key \"log.level\"", NULL);
    assert_one(BACKEND "log:\n  level: info\n  level: warn\n", 11, 4, 3,
               "key \"level\" stands twice; it is in line 3 already", NULL);
    assert_one(BACKEND "log: info\n", 13, 2, 6, "log is a section with keys of its own", NULL);
    assert_one(BACKEND "log: {level: [info]}\n", 13, 2, 14,
               "log.level is a single value, not a list", NULL);
    assert_one(BACKEND "log: {level: {a: b}}\n", 13, 2, 14,
               "log.level is a single value, not a section", NULL);
    assert_one(BACKEND "integrity: {actions: [a]}\n", 13, 2, 22,
               "integrity.actions is a mapping of names to values", NULL);
    assert_one("upstream: {addresses: {a: b}}\n", 13, 1, 23, "upstream.addresses is a list", NULL);
    assert_one("upstream: {addresses: [[a]]}\n", 13, 1, 24,
               "upstream.addresses holds single values, not lists", NULL);
}

static void
broken_yaml(void **state)
{
    (void)state;
    assert_one("a: [1,\n", 2, 2, 1, "no valid YAML: did not find expected node content", NULL);
    assert_one("log:\n\tlevel: info\n", 2, 2, 1,
               "no valid YAML: tab character may not be used as indentation", NULL);
    assert_one("- a\n- b\n", 5, 1, 1, "the file is no mapping of keys; it starts with version: 1",
               NULL);
    assert_one("just words\n", 5, 1, 1, "the file is no mapping of keys; it starts with version: 1",
               NULL);
    assert_one(BACKEND "---\nlog: {}\n", 5, 2, 1, "a second document; a configuration is one",
               NULL);
    assert_one("log: {level: \"a\xff\"}\n", 2, 1, 16, "a byte that is not UTF-8", NULL);
    assert_one("log:\n  level: a\x01\n", 2, 2, 11, "a control character", NULL);
    assert_one("log: {level: \"a\\0b\"}\n", 28, 1, 15, "U+0000 in a value", NULL);
    const char *no_aliases =
        "anchors, aliases and tags are not supported; write the value out, or use ${VAR}";
    assert_one("a: &x 1\n", 4, 1, 5, no_aliases, NULL);
    assert_one("a: *x\n", 4, 1, 5, no_aliases, NULL);
    assert_one("a: !!str x\n", 4, 1, 4, no_aliases, NULL);
    assert_one("log: {<<: x}\n", 4, 1, 7, "merge keys are not supported; write the values out",
               NULL);
    assert_one("[a]: 1\n", 13, 1, 1, "a key must be a word", NULL);
}

static void
numbers_and_units(void **state)
{
    (void)state;
    assert_one(BACKEND "batch: {max_items: many}\n", 20, 2, 20,
               "batch.max_items \"many\" is no whole number", NULL);
    assert_one(BACKEND "batch: {max_items: 10k}\n", 20, 2, 20,
               "batch.max_items \"10k\" is no whole number", NULL);
    assert_one(BACKEND "batch: {max_items: -1}\n", 20, 2, 20,
               "batch.max_items \"-1\" is no whole number", NULL);
    assert_one(BACKEND "batch: {max_items: 0}\n", 23, 2, 20, "batch.max_items \"0\" is below 1",
               NULL);
    assert_one(BACKEND "batch: {max_items: 100001}\n", 23, 2, 20,
               "batch.max_items \"100001\" is above 100000", NULL);
    assert_one(BACKEND "batch: {max_items:}\n", 20, 2, 9, "batch.max_items has no value", NULL);
    assert_one(BACKEND "batch: {max_delay: 200}\n", 21, 2, 20,
               "batch.max_delay \"200\" has no unit; write 200ms", NULL);
    assert_one(BACKEND "batch: {max_delay: 5sec}\n", 22, 2, 20,
               "batch.max_delay \"5sec\" has an unknown unit; use ms, s, m, h or d", "5s");
    assert_one(BACKEND "batch: {max_delay: soon}\n", 20, 2, 20,
               "batch.max_delay \"soon\" is no time, as 200ms", NULL);
    assert_one(BACKEND "batch: {max_delay: 0.5ms}\n", 23, 2, 20,
               "batch.max_delay \"0.5ms\" is below 1ms", NULL);
    assert_one(BACKEND "batch: {max_delay: 1.5ms}\n", 20, 2, 20,
               "batch.max_delay \"1.5ms\" is no whole number of milliseconds", NULL);
    assert_one(BACKEND "batch: {max_size: 512}\n", 21, 2, 19,
               "batch.max_size \"512\" has no unit; write 512KiB", NULL);
    assert_one(BACKEND "batch: {max_size: 1MB}\n", 22, 2, 19,
               "batch.max_size \"1MB\" has an unknown unit; use B, KiB, MiB or GiB", "1MiB");
    assert_one(BACKEND "batch: {max_size: 1parsec}\n", 22, 2, 19,
               "batch.max_size \"1parsec\" has an unknown unit; use B, KiB, MiB or GiB", NULL);
    assert_one(BACKEND "batch: {max_size: 65MiB}\n", 23, 2, 19,
               "batch.max_size \"65MiB\" is above 64MiB", NULL);
    assert_one("upstream: {addresses: [\"oap:11800\"], retry: {jitter: 20}}\n", 21, 1, 54,
               "upstream.retry.jitter \"20\" has no unit; write 20%", NULL);
    assert_one("upstream: {addresses: [\"oap:11800\"], retry: {multiplier: two}}\n", 20, 1, 58,
               "upstream.retry.multiplier \"two\" is no number", NULL);
    assert_one(BACKEND "limits: {memory: 99999999999999999MiB}\n", 20, 2, 18,
               "limits.memory \"99999999999999999MiB\" is no size, as 64MiB", NULL);
}

static void
words_and_texts(void **state)
{
    (void)state;
    assert_one(BACKEND "log: {level: wran}\n", 24, 2, 14,
               "log.level \"wran\" is not error, warn, info or debug", "warn");
    assert_one(BACKEND "relay: {enabled: yes}\n", 20, 2, 18,
               "relay.enabled \"yes\" is neither true nor false", "true");
    assert_one(BACKEND "telemetry: {address: localhost:1234}\n", 25, 2, 22,
               "telemetry.address \"localhost:1234\": a listener needs a numeric address",
               "127.0.0.1:1234");
    assert_one(BACKEND "telemetry: {address: 1234}\n", 25, 2, 22,
               "telemetry.address \"1234\" is no address with a port, as 0.0.0.0:11800",
               "0.0.0.0:1234");
    assert_one(BACKEND "telemetry: {address: \"127.0.0.1:70000\"}\n", 25, 2, 23,
               "telemetry.address \"127.0.0.1:70000\" is no address with a port, as 0.0.0.0:11800",
               NULL);
    assert_one("upstream: {addresses: [oap]}\n", 25, 1, 24,
               "upstream.addresses \"oap\" is no address with a port, as oap:11800 or "
               "dns:///oap:11800",
               "oap:11800");
    assert_one("upstream: {addresses: [\"http://oap:11800/x\"]}\n", 25, 1, 25,
               "upstream.addresses \"http://oap:11800/x\" is no address with a port, as oap:11800 "
               "or dns:///oap:11800",
               "oap:11800");
    assert_one("upstream:\n  addresses:\n  - oap:11800\n  - \"\"\n", 20, 4, 6,
               "upstream.addresses holds an empty item", NULL);
    assert_one("upstream: {addresses: [\"oap:0\"]}\n", 25, 1, 25,
               "upstream.addresses \"oap:0\" is no address with a port, as oap:11800 or "
               "dns:///oap:11800",
               NULL);
    assert_one(BACKEND "buffer: {disk: {path: \"a\\nb\"}}\n", 28, 2, 24,
               "buffer.disk.path holds a control character", NULL);
}

static void
rules_and_services(void **state)
{
    (void)state;
    assert_one(BACKEND "integrity: {actions: {span-parent-mising: observe}}\n", 26, 2, 23,
               "integrity.actions: there is no rule \"span-parent-mising\"", "span-parent-missing");
    assert_one(BACKEND "integrity: {actions: {proto-undecodable: tag}}\n", 27, 2, 42,
               "integrity.actions: proto-undecodable cannot be \"tag\"; it allows quarantine",
               NULL);
    assert_one(BACKEND "integrity: {actions: {segment-empty: drp}}\n", 24, 2, 38,
               "integrity.actions: \"drp\" is no action; segment-empty allows observe or drop",
               "drop");
    assert_one(BACKEND "integrity: {services: [{match: a, mod: off}]}\n", 12, 2, 35,
               "unknown key \"mod\" in integrity.services", "mode");
    assert_one(BACKEND "integrity: {services: [{match: a, mode: of}]}\n", 24, 2, 41,
               "integrity.services: mode \"of\" is not off, observe or enforce", "off");
    assert_one(BACKEND "integrity: {services: [{match: a}]}\n", 20, 2, 24,
               "integrity.services: each item needs match and mode", NULL);
    assert_one(BACKEND "integrity: {services: [a]}\n", 13, 2, 24,
               "integrity.services is a list of {match: ..., mode: ...}", NULL);
}

static void
good_values_reach_their_fields(void **state)
{
    (void)state;
    struct fixture fixture =
        load("version: 1\n"
             "listen:\n"
             "  grpc: {address: \"127.0.0.1:0\"}\n"
             "  max_message: 4MiB\n"
             "  keepalive: {idle: 1.5s}\n"
             "integrity:\n"
             "  mode: off\n"
             "  actions:\n"
             "    span-parent-missing: quarantine\n"
             "    segment-empty: observe\n"
             "buffer: {mode: memory, memory: {max: 64MiB}, when_full: drop_oldest}\n"
             "batch:\n"
             "upstream:\n"
             "  addresses: [\"oap-0:11800\", \"dns:///oap.svc:11800\", \"[::1]:11801\"]\n"
             "  auth_token: abc\n"
             "  retry: {jitter: 35%, multiplier: 1.5}\n"
             "telemetry: {address: \"\"}\n"
             "log: {format: json}\n");
    assert_clean(&fixture);
    const struct conf *conf = fixture.conf;
    assert_string_equal(conf->listen.grpc.address, "127.0.0.1:0");
    assert_int_equal(conf->listen.max_message_bytes, 4 << 20);
    assert_int_equal(conf->listen.keepalive.idle_ms, 1500);
    assert_int_equal(conf->listen.keepalive.timeout_ms, 20000);
    assert_int_equal(conf->integrity.mode, CONF_MODE_OFF);
    assert_int_equal(conf->integrity.actions.of[RULE_span_parent_missing], ACTION_QUARANTINE);
    assert_int_equal(conf->integrity.actions.of[RULE_segment_empty], ACTION_OBSERVE);
    assert_int_equal(conf->integrity.actions.of[RULE_span_zero_missing], ACTION_QUARANTINE);
    assert_int_equal(conf->buffer.mode, CONF_BUFFER_MEMORY);
    assert_int_equal(conf->buffer.memory.max_bytes, 64 << 20);
    assert_int_equal(conf->buffer.when_full, CONF_FULL_DROP_OLDEST);
    assert_int_equal(conf->batch.max_items, 500);
    assert_int_equal(conf->batch.max_size_bytes, 1 << 20);
    assert_int_equal(conf->upstream.addresses.n, 3);
    assert_string_equal(conf->upstream.addresses.items[1], "dns:///oap.svc:11800");
    assert_string_equal(conf->upstream.auth_token, "abc");
    assert_int_equal(conf->upstream.retry.jitter_percent, 35);
    assert_true(conf->upstream.retry.multiplier > 1.49 && conf->upstream.retry.multiplier < 1.51);
    assert_string_equal(conf->telemetry.address, "");
    assert_int_equal(conf->log.format, CONF_LOG_FORMAT_JSON);
    fini(&fixture);
}

static void
escapes_and_blocks_are_read_whole(void **state)
{
    (void)state;
    struct fixture fixture =
        load("upstream:\n"
             "  addresses: [\"\\x6f\\x61\\x70\\x2d\\x61\\x62\\x63\\x64\\x65\\x66:11800\"]\n"
             "  auth_token: 'a''b''c''d''e''f''g''h''i''j''k''l'\n"
             "integrity:\n  mode: >-\n    off\n");
    assert_clean(&fixture);
    assert_string_equal(fixture.conf->upstream.addresses.items[0], "oap-abcdef:11800");
    assert_string_equal(fixture.conf->upstream.auth_token, "a'b'c'd'e'f'g'h'i'j'k'l");
    assert_int_equal(fixture.conf->integrity.mode, CONF_MODE_OFF);
    fini(&fixture);
}

static void
an_empty_file_is_the_defaults(void **state)
{
    (void)state;
    static const char *const sets[] = {"upstream.kind=discard"};
    static const char *const files[] = {"", "# nothing\n", "---\n", "~\n", "upstream:\nlog: ~\n"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct fixture fixture = load_all(files[i], NULL, sets, 1, &small_machine);
        assert_clean(&fixture);
        assert_string_equal(fixture.conf->listen.grpc.address, "0.0.0.0:11800");
        fini(&fixture);
    }
}

static void
all_faults_are_told_in_order_of_line(void **state)
{
    (void)state;
    struct fixture fixture = load("log: {level: loud, format: xml}\n"
                                  "batch: {max_items: 0}\n"
                                  "zebra: 1\n");
    assert_int_equal(fixture.err, ERR_CONFIG);
    assert_int_equal(fixture.diags.n, 4);
    assert_int_equal(fixture.diags.items[0].col, 14);
    assert_int_equal(fixture.diags.items[1].col, 28);
    assert_int_equal(fixture.diags.items[2].line, 2);
    assert_int_equal(fixture.diags.items[3].line, 3);
    fini(&fixture);
}

static void
more_faults_than_are_kept_are_counted(void **state)
{
    (void)state;
    struct text yaml = TEXT_EMPTY;
    for (int i = 0; i < 900; i++)
        text_addf(&yaml, "key_%d: 1\n", i);
    struct fixture fixture = load(yaml.p);
    assert_int_equal(fixture.diags.n, 200);
    assert_int_equal(fixture.diags.n_errors, 900);
    struct text out = TEXT_EMPTY;
    conf_diags_print(&fixture.diags, false, &out);
    assert_non_null(strstr(out.p, "\nand 700 more\n"));
    text_fini(&out);
    text_fini(&yaml);
    fini(&fixture);
}

static void
large_and_deep_files_are_refused(void **state)
{
    (void)state;
    struct text deep = TEXT_EMPTY;
    text_add(&deep, "a: ");
    for (int i = 0; i < 40; i++)
        text_add(&deep, "[");
    for (int i = 0; i < 40; i++)
        text_add(&deep, "]");
    struct fixture fixture = load(deep.p);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 3);
    fini(&fixture);
    text_fini(&deep);
    struct text wide = TEXT_EMPTY;
    for (int i = 0; i < 1100; i++)
        text_addf(&wide, "key_%d: 1\n", i);
    fixture = load(wide.p);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 3);
    fini(&fixture);
    text_fini(&wide);
}

static void
secrets_are_masked_in_shown_lines(void **state)
{
    (void)state;
    static const char *const files[] = {
        "upstream: {auth_token: hunter2, kind: opa}\n",
        "upstream: {auth_tokn: hunter2, kind: oap}\n",
        "upstream: {auth_token: [hunter2], kind: oap}\n",
        "listen: {auth: {tokens: [a, hunter2], exempt_control_calls: no}}\n",
        "upstream:\n  auth_token: \"hunter2\" x\n",
        "upstream: {kafka: {properties: {sasl.password: hunter2}, brokers: [x]}}\n",
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct fixture fixture = load(files[i]);
        struct text out = TEXT_EMPTY;
        conf_diags_print(&fixture.diags, false, &out);
        assert_int_not_equal(fixture.diags.n, 0);
        assert_non_null(strstr(out.p, "*******"));
        assert_null(strstr(out.p, "hunter2"));
        text_fini(&out);
        fini(&fixture);
    }
}

static void
a_long_line_is_cut_around_its_caret(void **state)
{
    (void)state;
    struct text yaml = TEXT_EMPTY;
    text_add(&yaml, "upstream: {addresses: [");
    for (int i = 0; i < 200; i++)
        text_addf(&yaml, "\"oap-%03d:11800\", ", i);
    text_add(&yaml, "bad]}\n");
    struct fixture fixture = load(yaml.p);
    assert_int_equal(fixture.diags.n, 1);
    const struct conf_diag *diag = &fixture.diags.items[0];
    assert_int_equal(diag->col, 23 + 200 * 17 + 1);
    assert_true(strlen(diag->source_line) <= 160);
    assert_memory_equal(diag->source_line + diag->shown_col - 1, "bad]}", 5);
    text_fini(&yaml);
    fini(&fixture);
}

static void
columns_count_characters(void **state)
{
    (void)state;
    assert_one("upstream: {addresses: [\"oap:11800\"], tls: {server_name: \"\xc3\xa4\xc3\xb6\"}, "
               "dns_interval: 30}\n",
               21, 1, 78, "upstream.dns_interval \"30\" has no unit; write 30s", NULL);
}

static char *
new_file(const char *content, mode_t mode)
{
    char path[] = "/tmp/test_conf_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(fchmod(descriptor, mode), 0);
    close(descriptor);
    return mem_string(path);
}

static struct fixture
load_file(const char *path)
{
    struct fixture fixture = {.conf = NULL};
    struct conf_input input = {.file = path, .system = &small_machine};
    fixture.err = conf_load(&input, &fixture.diags, &fixture.conf);
    return fixture;
}

static void
a_real_file_is_read(void **state)
{
    (void)state;
    char *path = new_file(BACKEND, 0600);
    struct fixture fixture = load_file(path);
    assert_clean(&fixture);
    assert_string_equal(conf_file(fixture.conf), path);
    struct text origin = TEXT_EMPTY;
    conf_add_origin(fixture.conf, &origin);
    assert_string_equal(origin.p, path);
    text_fini(&origin);
    fini(&fixture);
    unlink(path);
    mem_free(path);
}

static void
a_missing_file_is_told(void **state)
{
    (void)state;
    struct fixture fixture = load_file("/nonexistent/spangate.yaml");
    assert_int_equal(fixture.err, ERR_SYSTEM);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 1);
    assert_string_equal(fixture.diags.items[0].text, "cannot be read: No such file or directory");
    fini(&fixture);
    fixture = load_file("/tmp");
    assert_int_equal(fixture.err, ERR_SYSTEM);
    assert_int_equal(fixture.diags.items[0].code, 1);
    fini(&fixture);
}

static void
a_secret_in_a_public_file_warns(void **state)
{
    (void)state;
    char *path = new_file("upstream: {addresses: [\"oap:11800\"], auth_token: abc}\n", 0644);
    struct fixture fixture = load_file(path);
    assert_int_equal(fixture.err, ERR_OK);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 35);
    fini(&fixture);
    assert_int_equal(chmod(path, 0640), 0);
    fixture = load_file(path);
    assert_clean(&fixture);
    fini(&fixture);
    unlink(path);
    mem_free(path);
}

static void
a_twin_names_a_file_with_the_secret(void **state)
{
    (void)state;
    char *secret = new_file("s3cret\n", 0600), *tokens = new_file("one\n\ntwo\r\n", 0604);
    struct text yaml = TEXT_EMPTY;
    text_addf(&yaml, "upstream: {addresses: [\"oap:11800\"], auth_token_file: %s}\n", secret);
    struct fixture fixture = load(yaml.p);
    assert_clean(&fixture);
    assert_string_equal(fixture.conf->upstream.auth_token, "s3cret");
    fini(&fixture);
    text_addf(&yaml, "listen: {auth: {tokens_file: %s}}\n", tokens);
    fixture = load(yaml.p);
    assert_int_equal(fixture.err, ERR_OK);
    assert_int_equal(fixture.diags.n, 1); /* public */
    assert_int_equal(fixture.diags.items[0].code, 35);
    assert_int_equal(fixture.conf->listen.auth.tokens.n, 2);
    assert_string_equal(fixture.conf->listen.auth.tokens.items[1], "two");
    fini(&fixture);
    text_clear(&yaml);
    text_addf(&yaml, "upstream: {addresses: [\"oap:11800\"], auth_token_file: %s, auth_token: x}\n",
              secret);
    fixture = load(yaml.p);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 19);
    fini(&fixture);
    assert_one("upstream: {addresses: [\"oap:11800\"], auth_token_file: /nonexistent}\n", 18, 1, 55,
               "upstream.auth_token_file \"/nonexistent\": No such file or directory", NULL);
    unlink(secret);
    unlink(tokens);
    mem_free(secret);
    mem_free(tokens);
    text_fini(&yaml);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_of_the_contract_is_told_as_promised),
        cmocka_unit_test(keys),
        cmocka_unit_test(broken_yaml),
        cmocka_unit_test(numbers_and_units),
        cmocka_unit_test(words_and_texts),
        cmocka_unit_test(rules_and_services),
        cmocka_unit_test(good_values_reach_their_fields),
        cmocka_unit_test(escapes_and_blocks_are_read_whole),
        cmocka_unit_test(an_empty_file_is_the_defaults),
        cmocka_unit_test(all_faults_are_told_in_order_of_line),
        cmocka_unit_test(more_faults_than_are_kept_are_counted),
        cmocka_unit_test(large_and_deep_files_are_refused),
        cmocka_unit_test(secrets_are_masked_in_shown_lines),
        cmocka_unit_test(a_long_line_is_cut_around_its_caret),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(a_real_file_is_read),
        cmocka_unit_test(a_missing_file_is_told),
        cmocka_unit_test(a_secret_in_a_public_file_warns),
        cmocka_unit_test(a_twin_names_a_file_with_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
