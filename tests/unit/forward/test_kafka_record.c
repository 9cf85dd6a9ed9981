/* The key of each kind of record, also of one whose field is missing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/kafka_fixture.h"
#include "forward/kafka_record.h"

static const char *
key_of(enum method method, const char *lane_key, const struct built *built)
{
    static char text[KAFKA_KEY_MAX + 1];
    char out[KAFKA_KEY_MAX];
    struct bytes key = kafka_record_key(method, lane_key != NULL ? bytes_str(lane_key) : BYTES_NONE,
                                        bytes_of(built->bytes, built->n), out);
    if (key.p == NULL)
        return "none";
    memcpy(text, key.p, key.n);
    text[key.n] = '\0';
    return text;
}

static struct built
two(uint32_t first, const char *first_text, uint32_t second, const char *second_text)
{
    struct built built = {.n = 0};
    if (first_text != NULL)
        built_string(&built, first, first_text);
    if (second_text != NULL)
        built_string(&built, second, second_text);
    return built;
}

static void
methods_have_topics(void **state)
{
    (void)state;
    uint32_t n = 0;
    for (unsigned i = 1; i < METHOD_COUNT; i++)
        n += kafka_record_topic((enum method)i) != KAFKA_TOPIC_COUNT;
    assert_int_equal(n, 7);
    assert_int_equal(kafka_record_topic(METHOD_SEGMENT_COLLECT), KAFKA_SEGMENTS);
    assert_int_equal(kafka_record_topic(METHOD_JVM_METRICS), KAFKA_METRICS);
    assert_int_equal(kafka_record_topic(METHOD_METER_COLLECT_BATCH), KAFKA_METERS);
    assert_int_equal(kafka_record_topic(METHOD_KEEP_ALIVE), KAFKA_MANAGEMENTS);
    assert_int_equal(kafka_record_topic(METHOD_INSTANCE_PROPERTIES), KAFKA_MANAGEMENTS);
    assert_int_equal(kafka_record_topic(METHOD_PROFILE_SNAPSHOT), KAFKA_PROFILINGS);
    assert_int_equal(kafka_record_topic(METHOD_LOG_COLLECT), KAFKA_LOGS);
    assert_int_equal(kafka_record_topic(METHOD_EVENT_COLLECT), KAFKA_TOPIC_COUNT);
    assert_int_equal(kafka_topic_find("jvm"), KAFKA_METRICS);
    assert_int_equal(kafka_topic_find("logs"), KAFKA_LOGS);
    assert_int_equal(kafka_topic_find("events"), KAFKA_TOPIC_COUNT);
    assert_false(kafka_topic_is_name(""));
    assert_false(kafka_topic_is_name(".."));
    assert_true(kafka_topic_is_name("a_b-c.D9"));
}

static void
segments_and_metrics(void **state)
{
    (void)state;
    struct built built = two(1, "trace", 2, "segment");
    assert_string_equal(key_of(METHOD_SEGMENT_COLLECT, NULL, &built), "segment");
    built = two(1, "trace", 2, NULL);
    assert_string_equal(key_of(METHOD_SEGMENT_COLLECT, NULL, &built), "none");
    built = two(2, "service", 3, "instance");
    assert_string_equal(key_of(METHOD_JVM_METRICS, NULL, &built), "instance");
    built = two(2, "service", 3, NULL);
    assert_string_equal(key_of(METHOD_JVM_METRICS, NULL, &built), "none");
}

static void
meters_are_named_by_their_first_identity(void **state)
{
    (void)state;
    struct built first = two(3, NULL, 4, NULL), second = two(3, "s", 4, "i"), built = {.n = 0};
    built_message(&built, 1, &second);
    built_message(&built, 1, &first);
    assert_string_equal(key_of(METHOD_METER_COLLECT_BATCH, NULL, &built), "i");
    built.n = 0;
    built_message(&built, 1, &first);
    built_message(&built, 1, &second);
    assert_string_equal(key_of(METHOD_METER_COLLECT_BATCH, NULL, &built), "i");
    built.n = 0;
    assert_string_equal(key_of(METHOD_METER_COLLECT_BATCH, NULL, &built), "none");
}

/* OAP fails on a record without a key here, and tells the kinds apart by the prefix alone. */
static void
managements_always_have_a_key(void **state)
{
    (void)state;
    struct built built = two(1, "service", 2, "instance");
    assert_string_equal(key_of(METHOD_INSTANCE_PROPERTIES, NULL, &built), "register-instance");
    assert_string_equal(key_of(METHOD_KEEP_ALIVE, NULL, &built), "instance");
    built = two(1, "service", 2, NULL);
    assert_string_equal(key_of(METHOD_INSTANCE_PROPERTIES, NULL, &built), "register-");
    assert_string_equal(key_of(METHOD_KEEP_ALIVE, NULL, &built), "-service");
    built.n = 0;
    assert_string_equal(key_of(METHOD_INSTANCE_PROPERTIES, NULL, &built), "register-");
    assert_string_equal(key_of(METHOD_KEEP_ALIVE, NULL, &built), "-");
    built = two(1, "service", 2, "register-me");
    assert_string_equal(key_of(METHOD_KEEP_ALIVE, NULL, &built), "-register-me");
    assert_string_equal(key_of(METHOD_INSTANCE_PROPERTIES, NULL, &built), "register-register-me");
}

static void
snapshots_and_logs(void **state)
{
    (void)state;
    struct built built = two(1, "task", 2, "segment");
    assert_string_equal(key_of(METHOD_PROFILE_SNAPSHOT, NULL, &built), "task0");
    built_number(&built, 4, 7);
    assert_string_equal(key_of(METHOD_PROFILE_SNAPSHOT, NULL, &built), "task7");
    built.n = 0;
    assert_string_equal(key_of(METHOD_PROFILE_SNAPSHOT, NULL, &built), "0");
    built = two(2, "service", 3, "instance");
    assert_string_equal(key_of(METHOD_LOG_COLLECT, NULL, &built), "service");
    assert_string_equal(key_of(METHOD_LOG_COLLECT, "lane", &built), "lane");
    built.n = 0;
    assert_string_equal(key_of(METHOD_LOG_COLLECT, NULL, &built), "none");
}

static void
long_keys_are_cut(void **state)
{
    (void)state;
    static uint8_t message[2000];
    size_t n = 0;
    message[n++] = 2 << 3 | 2;
    message[n++] = 0x80 | (1500 & 0x7f);
    message[n++] = 1500 >> 7;
    memset(message + n, 'x', 1500);
    n += 1500;
    char out[KAFKA_KEY_MAX];
    struct bytes whole = bytes_of(message, n);
    static const enum method methods[] = {METHOD_SEGMENT_COLLECT, METHOD_KEEP_ALIVE,
                                          METHOD_INSTANCE_PROPERTIES, METHOD_LOG_COLLECT};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(kafka_record_key(methods[i], BYTES_NONE, whole, out).n, KAFKA_KEY_MAX);
    message[0] = 1 << 3 | 2;
    assert_int_equal(kafka_record_key(METHOD_PROFILE_SNAPSHOT, BYTES_NONE, whole, out).n,
                     KAFKA_KEY_MAX / 2 + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_have_topics),
        cmocka_unit_test(segments_and_metrics),
        cmocka_unit_test(meters_are_named_by_their_first_identity),
        cmocka_unit_test(managements_always_have_a_key),
        cmocka_unit_test(snapshots_and_logs),
        cmocka_unit_test(long_keys_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
