/* Topics' names, and what librdkafka says of an operator's properties, without any network. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/kafka_fixture.h"

static enum conf_kafka_fault
ask(const char *key, const char *value, struct text *why)
{
    const struct conf_pair pair = {key, value};
    text_clear(why);
    return kafka_setup_check(&(struct conf_pairs){&pair, 1}, false, why);
}

static void
properties_are_checked_one_by_one(void **state)
{
    (void)state;
    struct text why = TEXT_EMPTY;
    assert_int_equal(ask("compression.type", "zstd", &why), CONF_KAFKA_FINE);
    assert_int_equal(ask("sasl.password", "x", &why), CONF_KAFKA_FINE);
    assert_int_equal(ask("compression.type", "rar", &why), CONF_KAFKA_REFUSED);
    assert_non_null(strstr(why.p, "rar"));
    assert_int_equal(ask("no.such.property", "1", &why), CONF_KAFKA_REFUSED);
    assert_non_null(strstr(why.p, "no.such.property"));
    assert_int_equal(ask("linger.ms", "-4", &why), CONF_KAFKA_REFUSED);
    assert_int_equal(ask("acks", "1", &why), CONF_KAFKA_OWN);
    assert_int_equal(ask("bootstrap.servers", "a:1", &why), CONF_KAFKA_OWN);
    assert_int_equal(ask("transactional.id", "a", &why), CONF_KAFKA_OWN);
    text_fini(&why);
}

static void
properties_are_checked_together(void **state)
{
    (void)state;
    static const struct conf_pair fine[] = {{"security.protocol", "SASL_PLAINTEXT"},
                                            {"sasl.mechanism", "PLAIN"},
                                            {"sasl.username", "u"},
                                            {"sasl.password", "p"}};
    static const struct conf_pair no_file[] = {{"security.protocol", "SSL"},
                                               {"ssl.ca.location", "/no/such/file"}};
    static const struct conf_pair unsafe[] = {{"enable.idempotence", "true"},
                                              {"max.in.flight", "6"}};
    struct text why = TEXT_EMPTY;
    assert_int_equal(kafka_setup_check(&(struct conf_pairs){fine, 4}, true, &why), CONF_KAFKA_FINE);
    assert_int_equal(kafka_setup_check(&(struct conf_pairs){fine, 2}, true, &why),
                     CONF_KAFKA_REFUSED);
    assert_true(why.n > 0);
    assert_int_equal(kafka_setup_check(&(struct conf_pairs){no_file, 2}, true, &why),
                     CONF_KAFKA_REFUSED);
    assert_int_equal(kafka_setup_check(&(struct conf_pairs){unsafe, 2}, true, &why),
                     CONF_KAFKA_REFUSED);
    text_fini(&why);
}

static void
topics_have_a_namespace_and_other_names(void **state)
{
    (void)state;
    static const char *const brokers[] = {"a:1", "b:2"};
    static const struct conf_pair topics[] = {{"segments", "mine"}, {"jvm", "vm"}};
    struct kafka_settings settings = {
        .brokers = {brokers, 2}, .name_space = "", .topics = {topics, 2}};
    struct kafka_setup *setup = kafka_setup_new(&settings);
    assert_string_equal(setup->brokers, "a:1,b:2");
    assert_string_equal(setup->topics[KAFKA_SEGMENTS], "mine");
    assert_string_equal(setup->topics[KAFKA_METRICS], "vm");
    assert_string_equal(setup->topics[KAFKA_LOGS], "skywalking-logs");
    kafka_setup_free(&setup);
    settings.name_space = "ns";
    setup = kafka_setup_new(&settings);
    assert_string_equal(setup->topics[KAFKA_SEGMENTS], "ns-mine");
    assert_string_equal(setup->topics[KAFKA_METERS], "ns-skywalking-meters");
    assert_string_equal(setup->topics[KAFKA_MANAGEMENTS], "ns-skywalking-managements");
    assert_string_equal(setup->topics[KAFKA_PROFILINGS], "ns-skywalking-profilings");
    kafka_setup_free(&setup);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_are_checked_one_by_one),
        cmocka_unit_test(properties_are_checked_together),
        cmocka_unit_test(topics_have_a_namespace_and_other_names),
    };
    return KAFKA_CAN_RUN ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
