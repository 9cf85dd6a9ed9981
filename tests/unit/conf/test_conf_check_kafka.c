/* The settings of Kafka against what Kafka, librdkafka and OAP's fetcher take. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_fixture.h"

#define KAFKA "upstream: {kind: kafka, addresses: [\"oap:11800\"], kafka: {brokers: [\"k:9092\"]"

/* Stands for librdkafka: "bad" is refused, "own" is not the operator's, two do not go together. */
static enum conf_kafka_fault
check_properties(const struct conf_pairs *properties, bool is_all, struct text *why)
{
    if (is_all) {
        text_add(why, "not together");
        return properties->n == 2 ? CONF_KAFKA_REFUSED : CONF_KAFKA_FINE;
    }
    assert_int_equal(properties->n, 1);
    if (strcmp(properties->items[0].key, "own") == 0)
        return CONF_KAFKA_OWN;
    text_addf(why, "no value %s", properties->items[0].value);
    return strcmp(properties->items[0].value, "bad") == 0 ? CONF_KAFKA_REFUSED : CONF_KAFKA_FINE;
}

static struct fixture
load_with(const char *yaml)
{
    struct fixture fixture = {.conf = NULL};
    struct bytes bytes = bytes_str(yaml);
    struct conf_input input = {.file = FILE_NAME,
                               .yaml = &bytes,
                               .system = &small_machine,
                               .check_kafka = check_properties};
    fixture.err = conf_load(&input, &fixture.diags, &fixture.conf);
    return fixture;
}

static void
assert_told(const char *yaml, uint16_t code, uint32_t col, const char *text)
{
    struct fixture fixture = load_with(yaml);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, code);
    assert_int_equal(fixture.diags.items[0].line, 2);
    assert_int_equal(fixture.diags.items[0].col, col);
    assert_string_equal(fixture.diags.items[0].text, text);
    assert_int_equal(fixture.err, ERR_CONFIG);
    fini(&fixture);
}

static void
a_whole_configuration_is_clean(void **state)
{
    (void)state;
    struct fixture fixture = load_with(KAFKA ",\n"
                                             " namespace: prod, topics: {segments: s.1, jvm: j}, "
                                             "properties: {a: fine}}}\n");
    assert_clean(&fixture);
    assert_string_equal(fixture.conf->upstream.kafka.brokers.items[0], "k:9092");
    assert_string_equal(fixture.conf->upstream.kafka.namespace, "prod");
    assert_int_equal(fixture.conf->upstream.kafka.topics.n, 2);
    fini(&fixture);
}

static void
brokers_are_a_must(void **state)
{
    (void)state;
    struct fixture fixture = load_with("upstream: {kind: kafka, addresses: [\"oap:11800\"]}\n");
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 60);
    assert_int_equal(fixture.err, ERR_CONFIG);
    fini(&fixture);
}

/* A Kafka-only installation starts; what it cannot carry is told. */
static void
without_addresses_some_data_has_no_way(void **state)
{
    (void)state;
    struct fixture fixture =
        load_with("upstream:\n  kind: kafka\n  kafka: {brokers: [\"k:9092\"]}\n");
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 64);
    assert_int_equal(fixture.diags.items[0].severity, CONF_WARNING);
    assert_int_equal(fixture.diags.items[0].line, 2);
    assert_int_equal(fixture.err, ERR_OK);
    fini(&fixture);
}

static void
topics_are_known_and_possible(void **state)
{
    (void)state;
    assert_told(KAFKA ",\n topics: {segmnts: a}}}\n", 63, 11,
                "upstream.kafka.topics: \"segmnts\" is none of segments, metrics, meters, "
                "managements, profilings, logs");
    assert_told(KAFKA ",\n topics: {logs: \"a b\"}}}\n", 63, 18,
                "upstream.kafka.topics: Kafka takes no topic named \"a b\"");
    assert_told(KAFKA ",\n namespace: \"a/b\"}}\n", 63, 14,
                "upstream.kafka.namespace: Kafka takes no topic that begins with \"a/b\"");
}

static void
properties_are_told_where_they_stand(void **state)
{
    (void)state;
    assert_told(KAFKA ",\n properties: {a: bad}}}\n", 61, 15,
                "upstream.kafka.properties: \"a\": no value bad");
    assert_told(KAFKA ",\n properties: {own: b}}}\n", 62, 15,
                "upstream.kafka.properties: spangate sets \"own\" itself");
    assert_told(KAFKA ",\n properties: {a: b, c: d}}}\n", 61, 14,
                "upstream.kafka.properties: not together");
}

static void
a_secret_among_properties_is_never_repeated(void **state)
{
    (void)state;
    struct fixture fixture = load_with(KAFKA ",\n properties: {sasl.password: bad}}}\n");
    struct text out = TEXT_EMPTY;
    conf_diags_print(&fixture.diags, false, &out);
    assert_non_null(strstr(out.p, "C061"));
    assert_null(strstr(out.p, "bad"));
    text_fini(&out);
    fini(&fixture);
    fixture = load_with(KAFKA ",\n properties: {sasl.password: hunter2, ssl.key.password: s3cret, "
                              "sasl.oauthbearer.config: t0ken, ssl.key.location: /a/b}}}\n");
    assert_int_equal(fixture.err, ERR_OK);
    conf_print_show(fixture.conf, false, &out);
    conf_print_show(fixture.conf, true, &out);
    assert_non_null(strstr(out.p, "\"sasl.password\": \"********\""));
    assert_non_null(strstr(out.p, "/a/b"));
    assert_null(strstr(out.p, "hunter2"));
    assert_null(strstr(out.p, "s3cret"));
    assert_null(strstr(out.p, "t0ken"));
    text_fini(&out);
    fini(&fixture);
}

static void
settings_of_kafka_without_kafka_are_told(void **state)
{
    (void)state;
    assert_one("upstream: {addresses: [\"oap:11800\"],\n kafka: {brokers: [\"k:9092\"]}}\n", 65, 2,
               19,
               "upstream.kafka.brokers is set, but upstream.kind is not kafka: nothing is done "
               "with it",
               NULL);
}

/* What has no topic goes there: the same faults as without Kafka. */
static void
addresses_beside_kafka_are_checked(void **state)
{
    (void)state;
    struct fixture fixture = load_with("upstream: {kind: kafka, kafka: {brokers: [\"k:9092\"]},\n"
                                       " addresses: [\"127.0.0.1:11800\"]}\n");
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.items[0].code, 31);
    fini(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_configuration_is_clean),
        cmocka_unit_test(brokers_are_a_must),
        cmocka_unit_test(without_addresses_some_data_has_no_way),
        cmocka_unit_test(topics_are_known_and_possible),
        cmocka_unit_test(properties_are_told_where_they_stand),
        cmocka_unit_test(a_secret_among_properties_is_never_repeated),
        cmocka_unit_test(settings_of_kafka_without_kafka_are_told),
        cmocka_unit_test(addresses_beside_kafka_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
