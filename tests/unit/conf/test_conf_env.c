/* Variables of the environment, flags, ${...}, and which of them wins. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_fixture.h"

static struct fixture
load_env(const char *yaml, const char *first, const char *second)
{
    char *environment[3] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};
    return load_all(yaml, environment, NULL, 0, &small_machine);
}

static void
assert_env_error(const char *entry, uint16_t code, const char *file, const char *text,
                 const char *suggestion)
{
    struct fixture fixture = load_env(BACKEND, entry, NULL);
    if (fixture.diags.n != 1)
        print_message("for %s: %u diagnostics\n", entry, fixture.diags.n);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, code);
    assert_string_equal(fixture.diags.items[0].file, file);
    assert_string_equal(fixture.diags.items[0].text, text);
    assert_int_equal(fixture.diags.items[0].line, 0);
    if (suggestion == NULL)
        assert_null(fixture.diags.items[0].suggestion);
    else
        assert_string_equal(fixture.diags.items[0].suggestion, suggestion);
    fini(&fixture);
}

static void
flags_win_over_environment_over_file_over_default(void **state)
{
    (void)state;
    static const char *const sets[] = {"batch.max_items=4", "batch.max_items=5"};
    char *environment[] = {(char *)"SPANGATE_BATCH__MAX_ITEMS=3",
                           (char *)"SPANGATE_BATCH__MAX_SIZE=2KiB", NULL};
    const char *yaml = BACKEND "batch: {max_items: 2, max_size: 3KiB, max_delay: 1s}\n";
    struct fixture fixture = load(yaml);
    assert_int_equal(fixture.conf->batch.max_items, 2);
    fini(&fixture);
    fixture = load_all(yaml, environment, NULL, 0, &small_machine);
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->batch.max_items, 3);
    fini(&fixture);
    fixture = load_all(yaml, environment, sets, 2, &small_machine);
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->batch.max_items, 5);
    assert_int_equal(fixture.conf->batch.max_size_bytes, 2048);
    assert_int_equal(fixture.conf->batch.max_delay_ms, 1000);
    struct text origin = TEXT_EMPTY;
    conf_add_origin(fixture.conf, &origin);
    assert_string_equal(origin.p, "spangate.yaml, 1 setting from the environment, 1 from flags");
    text_fini(&origin);
    fini(&fixture);
}

static void
lists_and_mappings_in_variables(void **state)
{
    (void)state;
    struct fixture fixture =
        load_env(NULL, "SPANGATE_UPSTREAM__ADDRESSES= a:1, b:2 ,",
                 "SPANGATE_INTEGRITY__ACTIONS=span-parent-missing=observe,segment-empty=drop");
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->upstream.addresses.n, 2);
    assert_string_equal(fixture.conf->upstream.addresses.items[1], "b:2");
    assert_int_equal(fixture.conf->integrity.actions.of[RULE_span_parent_missing], ACTION_OBSERVE);
    fini(&fixture);
    fixture = load_env(NULL, "SPANGATE_UPSTREAM__ADDRESSES=[\"a:1\", \"b:2\", \"c:3\"]",
                       "SPANGATE_INTEGRITY__ACTIONS={\"span-parent-missing\": \"observe\"}");
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->upstream.addresses.n, 3);
    assert_int_equal(fixture.conf->integrity.actions.of[RULE_span_parent_missing], ACTION_OBSERVE);
    fini(&fixture);
}

static void
wrong_variables(void **state)
{
    (void)state;
    assert_env_error("SPANGATE_LOGG__LEVEL=info", 14, "SPANGATE_LOGG__LEVEL",
                     "unknown variable of the environment", "SPANGATE_LOG__LEVEL");
    assert_env_error("SPANGATE_UPSTREAM__TLS=x", 14, "SPANGATE_UPSTREAM__TLS",
                     "this is a section; set its keys one by one", NULL);
    assert_env_error("SPANGATE_BATCH__MAX_SIZE=64", 21, "SPANGATE_BATCH__MAX_SIZE",
                     "batch.max_size \"64\" has no unit; write 64MiB", NULL);
    assert_env_error("SPANGATE_UPSTREAM__ADDRESSES=[a", 2, "SPANGATE_UPSTREAM__ADDRESSES",
                     "no valid YAML: flow sequence without a closing bracket", NULL);
    assert_env_error("SPANGATE_INTEGRITY__ACTIONS=a", 20, "SPANGATE_INTEGRITY__ACTIONS",
                     "integrity.actions: \"a\" is no name=value", NULL);
    assert_env_error("SPANGATE_LOG__LEVEL=", 24, "SPANGATE_LOG__LEVEL",
                     "log.level \"\" is not error, warn, info or debug", NULL);
}

static void
a_twin_works_everywhere(void **state)
{
    (void)state;
    assert_env_error("SPANGATE_UPSTREAM__AUTH_TOKEN_FILE=/nonexistent", 18,
                     "SPANGATE_UPSTREAM__AUTH_TOKEN_FILE",
                     "upstream.auth_token_file \"/nonexistent\": No such file or directory", NULL);
    struct fixture fixture =
        load_env("upstream: {addresses: [\"oap:1\"], auth_token_file: /nonexistent2}\n",
                 "SPANGATE_UPSTREAM__AUTH_TOKEN=abc", NULL);
    assert_int_equal(fixture.diags.n, 1); /* the file's fault is told though overridden */
    fini(&fixture);
}

static void
too_many_items_are_told(void **state)
{
    (void)state;
    struct text entry = TEXT_EMPTY;
    text_add(&entry, "SPANGATE_UPSTREAM__ADDRESSES=");
    for (int i = 0; i < 50010; i++)
        text_add(&entry, "a:1,");
    struct fixture fixture = load_env(NULL, entry.p, NULL);
    assert_int_equal(fixture.err, ERR_CONFIG);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 3);
    fini(&fixture);
    text_fini(&entry);
}

static void
names_of_service_links_are_ignored(void **state)
{
    (void)state;
    struct fixture fixture =
        load_env(BACKEND, "SPANGATE_PORT=tcp://10.0.0.1:11800", "SPANGATE_SERVICE_PORT_GRPC=a__b");
    assert_clean(&fixture);
    fini(&fixture);
    fixture = load_env(BACKEND, "SPANGATE", "spangate_log__level=x");
    assert_clean(&fixture);
    fini(&fixture);
}

static void
an_empty_variable_is_a_value(void **state)
{
    (void)state;
    struct fixture fixture = load_env(BACKEND, "SPANGATE_TELEMETRY__ADDRESS=", NULL);
    assert_clean(&fixture);
    assert_string_equal(fixture.conf->telemetry.address, "");
    fini(&fixture);
    fixture = load_env(BACKEND "telemetry: {address: \"${A:1.2.3.4:5}\"}\n", "A=", NULL);
    assert_clean(&fixture);
    assert_string_equal(fixture.conf->telemetry.address, "");
    fini(&fixture);
}

static void
variables_inside_values(void **state)
{
    (void)state;
    struct fixture fixture = load_env("upstream:\n"
                                      "  addresses: ${OAP:oap:11800,oap2:11800}\n"
                                      "  auth_token: \"$$a${TOKEN}$$ $x\"\n"
                                      "batch: {max_items: \"${N:?say how many}\"}\n",
                                      "TOKEN=bcd", "N=7");
    assert_clean(&fixture);
    assert_int_equal(fixture.conf->upstream.addresses.n, 2);
    assert_string_equal(fixture.conf->upstream.addresses.items[0], "oap:11800");
    assert_string_equal(fixture.conf->upstream.auth_token, "$abcd$ $x");
    assert_int_equal(fixture.conf->batch.max_items, 7);
    fini(&fixture);
    assert_one(BACKEND "batch:\n  max_items: ${N}\n", 17, 3, 14,
               "N is not set; give a default with ${N:...}", NULL);
    assert_one(BACKEND "batch:\n  max_items: ${N:?say how many}\n", 17, 3, 14,
               "N is not set: say how many", NULL);
    assert_one("upstream:\n  addresses: [\"${A}\"]\n", 17, 2, 16,
               "A is not set; give a default with ${A:...}", NULL);
    const char *advice = "is not well formed; write ${NAME}, ${NAME:default} or "
                         "${NAME:?message}, and $$ for a dollar sign";
    static const char *const bad[] = {"${N", "${}", "${N-1}", "${1N}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct text yaml = TEXT_EMPTY, text = TEXT_EMPTY;
        text_addf(&yaml, BACKEND "log:\n  level: %s\n", bad[i]);
        text_addf(&text, "\"%s\" %s", bad[i], advice);
        assert_one(yaml.p, 16, 3, 10, text.p, NULL);
        text_fini(&yaml);
        text_fini(&text);
    }
}

static void
expansion_is_bounded(void **state)
{
    (void)state;
    struct text entry = TEXT_EMPTY, yaml = TEXT_EMPTY;
    text_add(&entry, "BIG=");
    for (int i = 0; i < 1024; i++)
        text_add(&entry, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    text_add(&yaml, BACKEND "buffer:\n  disk: {path: \"");
    for (int i = 0; i < 100; i++)
        text_add(&yaml, "${BIG}");
    text_add(&yaml, "\"}\n");
    struct fixture fixture = load_env(yaml.p, entry.p, NULL);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 3);
    fini(&fixture);
    text_fini(&entry);
    text_fini(&yaml);
}

static void
assert_set_error(const char *set, uint16_t code, const char *file, const char *text,
                 const char *suggestion)
{
    struct fixture fixture = load_all(BACKEND, NULL, &set, 1, &small_machine);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, code);
    assert_string_equal(fixture.diags.items[0].file, file);
    assert_string_equal(fixture.diags.items[0].text, text);
    if (suggestion == NULL)
        assert_null(fixture.diags.items[0].suggestion);
    else
        assert_string_equal(fixture.diags.items[0].suggestion, suggestion);
    fini(&fixture);
}

static void
wrong_flags(void **state)
{
    (void)state;
    assert_set_error("log.level", 15, "--set",
                     "\"log.level\" is no path=value; write --set log.level=debug", NULL);
    assert_set_error("=x", 15, "--set", "\"=x\" is no path=value; write --set log.level=debug",
                     NULL);
    assert_set_error("log.levle=x", 12, "--set log.levle=x", "unknown key \"log.levle\"",
                     "log.level");
    assert_set_error("log=x", 13, "--set log=x", "log is a section; set its keys one by one", NULL);
    assert_set_error("log.level=x", 24, "--set log.level=x",
                     "log.level \"x\" is not error, warn, info or debug", NULL);
    assert_set_error("upstream.auth_token=\xc3\xa4", 28, "--set upstream.auth_token",
                     "upstream.auth_token holds what is no printable ASCII", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_win_over_environment_over_file_over_default),
        cmocka_unit_test(lists_and_mappings_in_variables),
        cmocka_unit_test(wrong_variables),
        cmocka_unit_test(a_twin_works_everywhere),
        cmocka_unit_test(too_many_items_are_told),
        cmocka_unit_test(names_of_service_links_are_ignored),
        cmocka_unit_test(an_empty_variable_is_a_value),
        cmocka_unit_test(variables_inside_values),
        cmocka_unit_test(expansion_is_bounded),
        cmocka_unit_test(wrong_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
