/* Rule poison-column: values too long for a database. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

/* n times the three-byte character U+4E2D behind a prefix. */
static const char *
repeated(const char *prefix, int n)
{
    static char text[2048];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", prefix);
    for (int i = 0; i < n; i++, at += 3)
        memcpy(text + at, "\xe4\xb8\xad", 4);
    return text;
}

static void
judge_names(const char *trace_id, const char *service, const char *operation, int32_t type,
            bool is_poison)
{
    segment_build_begin(&fixture.build, trace_id, PLAIN_ID);
    segment_build_span(&fixture.build, &(struct build_span){.id = 1,
                                                            .start = now_ms,
                                                            .end = now_ms,
                                                            .operation = operation,
                                                            .peer = type == SPAN_EXIT ? "db:1" : "",
                                                            .type = type});
    add_span(0, -1);
    segment_build_end(&fixture.build, service, "i", false);
    expect(is_poison ? "poison-column" : "", is_poison ? VERDICT_QUARANTINED : VERDICT_CLEAN);
}

static int
set_up_jdbc(void **state)
{
    set_up(state);
    fixture.settings.storage_jdbc = true;
    integrity_set(fixture.engine, &fixture.settings);
    return 0;
}

static void
trace_ids_are_counted_in_utf16_units(void **state)
{
    (void)state;
    judge_names(repeated("", 150), "s", "/", SPAN_ENTRY, false);
    judge_names(repeated("", 151), "s", "/", SPAN_ENTRY, true);
    char ascii[152];
    memset(ascii, 'a', sizeof(ascii));
    ascii[150] = '\0';
    judge_names(ascii, "s", "/", SPAN_ENTRY, false);
    ascii[150] = 'a';
    ascii[151] = '\0';
    judge_names(ascii, "s", "/", SPAN_ENTRY, true);
    char pairs[76 * 4 + 1] = "";
    for (int i = 0; i < 76; i++)
        memcpy(pairs + 4 * i, "\xf0\x9f\x98\x80", 5);
    judge_names(pairs, "s", "/", SPAN_ENTRY, true);
    pairs[75 * 4] = '\0';
    judge_names(pairs, "s", "/", SPAN_ENTRY, false);
}

static void
a_nul_in_the_trace_id_is_poison(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "", PLAIN_ID);
    segment_build_field(&fixture.build, 1, bytes_of("a\0b", 3));
    add_span(0, -1);
    end();
    expect("poison-column", VERDICT_QUARANTINED);
}

static void
services_are_cut_to_70_units_first(void **state)
{
    (void)state;
    judge_names("t", repeated("", 49), "/", SPAN_ENTRY, false);
    judge_names("t", repeated("", 50), "/", SPAN_ENTRY, true);
    /* 65 letters and 5 characters of three bytes fit; the rest is cut. */
    judge_names("t",
                repeated("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg", 60),
                "/", SPAN_ENTRY, false);
}

static void
endpoint_ids_are_base64(void **state)
{
    (void)state;
    judge_names("t", "s", repeated("", 126), SPAN_ENTRY, false);
    judge_names("t", "s", repeated("", 127), SPAN_ENTRY, true);
    judge_names("t", "s", repeated("", 127), SPAN_EXIT, false);
    /* Cut to 150 units, letters fit whatever their number. */
    char letters[2000];
    memset(letters, 'a', sizeof(letters));
    letters[1999] = '\0';
    judge_names("t", "s", letters, SPAN_ENTRY, false);
}

static void
other_storages_only_count_it(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, repeated("", 151), PLAIN_ID);
    add_span(0, -1);
    end();
    expect("poison-column", VERDICT_OBSERVED);
    use_action(RULE_poison_column, ACTION_QUARANTINE);
    expect("poison-column", VERDICT_QUARANTINED);
    fixture.settings.storage_jdbc = true;
    use_mode(INTEGRITY_OBSERVE);
    expect("poison-column", VERDICT_OBSERVED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trace_ids_are_counted_in_utf16_units, set_up_jdbc,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_nul_in_the_trace_id_is_poison, set_up_jdbc, tear_down),
        cmocka_unit_test_setup_teardown(services_are_cut_to_70_units_first, set_up_jdbc, tear_down),
        cmocka_unit_test_setup_teardown(endpoint_ids_are_base64, set_up_jdbc, tear_down),
        TEST(other_storages_only_count_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
