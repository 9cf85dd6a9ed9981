/* config show, config example and the documents say what is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_fixture.h"

static void
assert_line(const char *text, const char *path, const char *value, const char *origin)
{
    struct text line = TEXT_EMPTY;
    text_addf(&line, "%-36s %-32s %s\n", path, value, origin);
    if (strstr(text, line.p) == NULL)
        print_message("missing: %s", line.p);
    assert_non_null(strstr(text, line.p));
    text_fini(&line);
}

static void
show_tells_value_and_origin(void **state)
{
    (void)state;
    static const char *const sets[] = {"log.level=debug"};
    char *environment[] = {(char *)"SPANGATE_BATCH__MAX_ITEMS=3", NULL};
    struct fixture fixture =
        load_all("upstream:\n  addresses: [\"oap:11800\"]\n  auth_token: hunter2\n"
                 "  retry: {jitter: 0.25m}\n",
                 environment, sets, 1, &small_machine);
    assert_int_equal(fixture.err, ERR_CONFIG);
    fini(&fixture);
    fixture = load_all("upstream:\n  addresses: [\"oap:11800\"]\n  auth_token: hunter2\n"
                       "integrity: {actions: {segment-empty: observe}}\n"
                       "batch: {max_delay: 90000ms}\n",
                       environment, sets, 1, &small_machine);
    assert_int_equal(fixture.diags.n, 1); /* above 1m */
    fini(&fixture);
    fixture = load_all("upstream:\n  addresses: [\"oap:11800\"]\n  auth_token: hunter2\n"
                       "integrity: {actions: {segment-empty: observe}}\n"
                       "batch: {max_delay: 60000ms}\n",
                       environment, sets, 1, &small_machine);
    assert_clean(&fixture);
    struct text out = TEXT_EMPTY;
    conf_print_show(fixture.conf, false, &out);
    assert_line(out.p, "upstream.addresses", "[\"oap:11800\"]", "spangate.yaml:2");
    assert_line(out.p, "upstream.auth_token", "\"********\"", "spangate.yaml:3");
    assert_line(out.p, "batch.max_items", "3", "SPANGATE_BATCH__MAX_ITEMS");
    assert_line(out.p, "batch.max_delay", "1m", "spangate.yaml:5");
    assert_line(out.p, "log.level", "debug", "--set");
    assert_line(out.p, "limits.memory", "512MiB", "default (auto)");
    assert_line(out.p, "integrity.actions", "{\"segment-empty\": \"observe\"}", "spangate.yaml:4");
    assert_line(out.p, "listen.max_connection_age", "0s", "default");
    assert_null(strstr(out.p, "hunter2"));
    text_clear(&out);
    conf_print_show(fixture.conf, true, &out);
    assert_non_null(strstr(out.p, "\"batch.max_items\": {\"value\": 3, \"origin\": \"env\", "
                                  "\"where\": \"SPANGATE_BATCH__MAX_ITEMS\", \"auto\": false}"));
    assert_non_null(strstr(out.p, "\"limits.memory\": {\"value\": \"512MiB\""));
    assert_null(strstr(out.p, "hunter2"));
    text_fini(&out);
    fini(&fixture);
}

static void
the_example_is_a_clean_configuration(void **state)
{
    (void)state;
    struct text out = TEXT_EMPTY;
    conf_print_example(&out);
    struct fixture fixture = load(out.p);
    assert_clean(&fixture);
    assert_string_equal(fixture.conf->upstream.addresses.items[0], "oap:11800");
    /* It holds every key. */
    struct text show = TEXT_EMPTY;
    conf_print_show(fixture.conf, false, &show);
    assert_null(strstr(show.p, " default"));
    text_fini(&show);
    fini(&fixture);
    text_fini(&out);
}

static void
the_document_has_every_key_and_code(void **state)
{
    (void)state;
    struct text out = TEXT_EMPTY;
    conf_print_markdown(&out);
#define SECTION(path, name, sentence)
#define END(name)
#define OPTION(section, name, type, detail, value, least, most, reload, sentence) \
    assert_non_null(strstr(out.p, "\n| `" #section #name "` | "));
    OPTIONS(SECTION, OPTION, END)
#undef OPTION
#define CODE(number, words, advice) assert_non_null(strstr(out.p, words " | " advice " |\n"));
    OPTION_CODES(CODE)
    text_fini(&out);
}

static void
values_are_written_shortly_and_exactly(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *size, *duration;
    } cases[] = {
        {0, "0B", "0s"},
        {1, "1B", "1ms"},
        {1024, "1KiB", "1024ms"},
        {1000, "1000B", "1s"},
        {UINT64_C(3) << 30, "3GiB", "3221225472ms"},
        {90000, "90000B", "90s"},
        {86400000 * 7ull, "590625KiB", "7d"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text = TEXT_EMPTY;
        uint64_t back;
        conf_add_size(&text, cases[i].value);
        assert_string_equal(text.p, cases[i].size);
        assert_true(conf_parse_size(text.p, &back) && back == cases[i].value);
        text_clear(&text);
        conf_add_duration(&text, cases[i].value);
        assert_string_equal(text.p, cases[i].duration);
        assert_true(conf_parse_duration(text.p, &back) && back == cases[i].value);
        text_fini(&text);
    }
}

static void
values_without_form_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "1",      "s",    "1 parsec", "-1s",
                                      "1.s",   ".5s",    "1e3s", "0x1s",     "1s ",
                                      "1..2s", "1.2.3s", " 1s",  "1.5ms",    "9999999999999999s"};
    uint64_t out;
    double percent;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(conf_parse_duration(bad[i], &out));
    assert_false(conf_parse_size("1MB", &out));
    assert_false(conf_parse_percent("5", &percent));
    assert_true(conf_parse_percent("0.5%", &percent));
    assert_true(percent > 0.49 && percent < 0.51);
    assert_true(conf_parse_size("1.5KiB", &out));
    assert_int_equal(out, 1536);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(show_tells_value_and_origin),
        cmocka_unit_test(the_example_is_a_clean_configuration),
        cmocka_unit_test(the_document_has_every_key_and_code),
        cmocka_unit_test(values_are_written_shortly_and_exactly),
        cmocka_unit_test(values_without_form_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
