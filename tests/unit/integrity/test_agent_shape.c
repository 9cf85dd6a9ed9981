/* Which segment ids tell their agent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/agent_shape.h"
#include "integrity/decimal.h"
#include "integrity/judge_fixture.h"

static void
go_and_java_are_told_by_version_digit_and_time(void **state)
{
    (void)state;
    assert_int_equal(agent_shape(BYTES("0a1b2c3d4e5f11ee8f000242ac120002.57.40017536000000001")),
                     AGENT_IS_GO);
    assert_int_equal(agent_shape(BYTES("5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.17900000000000003")),
                     AGENT_IS_JAVA);
}

static void
near_misses_stay_unknown(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "",
        "5be1f0c2a3b44d5e8f90a1b2c3d4e5f6",
        "0a1b2c3d4e5f11ee8f000242ac120002.57.17900000000000003", /* a Go id, Java's time */
        "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.40017536000000001",
        "5c1d2e3f4a5b3c6d8e9fa0b1c2d3e4f5.71.17900000000000003",
        "5C1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.17900000000000003",
        "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.1790000000000000x",
        "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5..17900000000000003",
        "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.",
        "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71",
        "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.-5",
        "312345678901234567890123456789012345678",
        PLAIN_ID,
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        assert_int_equal(agent_shape(bytes_str(ids[i])), AGENT_UNKNOWN);
}

static void
a_language_needs_its_shape(void **state)
{
    (void)state;
    static const char go[] = "0a1b2c3d4e5f11ee8f000242ac120002.57.40017536000000001";
    static const char java[] = "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.17900000000000003";
    static const char dotnet[] = "9e107d9d372bb6826bd81d3542a419d6.11.17900000000000007";
    static const struct {
        const char *language, *id;
        enum agent agent;
    } cases[] = {
        {"go", go, AGENT_IS_GO},
        {"go", java, AGENT_UNKNOWN},
        {"go", PLAIN_ID, AGENT_UNKNOWN},
        {"java", java, AGENT_IS_JAVA},
        {"java", dotnet, AGENT_UNKNOWN},
        {"java", go, AGENT_UNKNOWN},
        {"dotnet", dotnet, AGENT_IS_DOTNET},
        {"dotnet", java, AGENT_IS_DOTNET},
        {"dotnet", go, AGENT_UNKNOWN},
        {"dotnet", PLAIN_ID, AGENT_UNKNOWN},
        {"", go, AGENT_UNKNOWN},
        {"", java, AGENT_UNKNOWN},
        {"NodeJS", PLAIN_ID, AGENT_IS_OTHER},
        {"python", go, AGENT_IS_OTHER},
        {"Go", go, AGENT_IS_OTHER},
        {"nodejs", go, AGENT_IS_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        enum agent_language language = agent_language_of(bytes_str(cases[i].language));
        assert_int_equal(agent_identify(language, bytes_str(cases[i].id)), cases[i].agent);
    }
}

static void
languages_are_spelled_as_agents_do(void **state)
{
    (void)state;
    static const char *const words[] = {"go",   "java", "python", "NodeJS", "php",
                                        "rust", "ruby", "dotnet", "lua"};
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(agent_language_of(bytes_str(words[i])), LANGUAGE_GO + i);
        assert_string_equal(agent_language_label(LANGUAGE_GO + i), words[i]);
    }
    assert_int_equal(agent_language_of(BYTES("")), LANGUAGE_NONE);
    assert_int_equal(agent_language_of(BYTES("other")), LANGUAGE_OTHER);
    assert_int_equal(agent_language_of(BYTES("cobol")), LANGUAGE_OTHER);
}

static void
the_time_in_a_go_id(void **state)
{
    (void)state;
    int64_t number;
    assert_true(
        agent_id_number(BYTES("0a1b2c3d4e5f11ee8f000242ac120002.57.40017536000000001"), &number));
    assert_int_equal(agent_go_time_ms(number), now_ms);
    assert_false(agent_id_number(BYTES("0a1b2c3d4e5f11ee8f000242ac120002.57.+1"), &number));
    assert_false(agent_id_number(BYTES("0a1b2c3d4e5f11ee8f000242ac120002.-7.1"), &number));
    assert_false(agent_id_number(BYTES("0a1b2c3d4e5f11ee8f000242ac120002.7.1.1"), &number));
}

static void
decimals_are_java_s_longs(void **state)
{
    (void)state;
    int64_t value;
    assert_true(decimal_parse(BYTES("-9223372036854775808"), &value));
    assert_int_equal(value, INT64_MIN);
    assert_true(decimal_parse(BYTES("+9223372036854775807"), &value));
    assert_int_equal(value, INT64_MAX);
    assert_true(decimal_parse(BYTES("-0"), &value));
    assert_int_equal(value, 0);
    assert_false(decimal_parse(BYTES("9223372036854775808"), &value));
    assert_false(decimal_parse(BYTES(""), &value));
    assert_false(decimal_parse(BYTES("+"), &value));
    assert_false(decimal_parse(BYTES("1_0"), &value));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_and_java_are_told_by_version_digit_and_time),
        cmocka_unit_test(near_misses_stay_unknown),
        cmocka_unit_test(a_language_needs_its_shape),
        cmocka_unit_test(languages_are_spelled_as_agents_do),
        cmocka_unit_test(the_time_in_a_go_id),
        cmocka_unit_test(decimals_are_java_s_longs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
