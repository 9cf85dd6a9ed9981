/* librdkafka's mock cluster, a consumer of what it took, and messages with the fields of keys. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_KAFKA_FIXTURE_H
#define UNIT_KAFKA_FIXTURE_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/kafka_topic.h"
#include "forward/forward_fixture.h"
#include "forward/kafka_setup.h"

/* librdkafka starts its threads by thrd_create, which gcc 12's thread sanitizer does not see: it
 * ends in the first call of theirs that it does. */
#ifdef __SANITIZE_THREAD__
enum { KAFKA_CAN_RUN = 0 };
#else
enum { KAFKA_CAN_RUN = 1 };
#endif

enum { PARTITIONS = 4, TAKEN_MAX = 4096, TAKEN_KEY = 64, TAKEN_VALUE = 256 };

struct cluster {
    rd_kafka_t *host; /* the mock brokers run on its threads */
    rd_kafka_mock_cluster_t *mock;
    const char *brokers[1];
    struct kafka_settings settings;
};

static inline void
cluster_init(struct cluster *cluster)
{
    char why[256];
    *cluster = (struct cluster){0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why)), 0);
    cluster->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(cluster->host);
    cluster->mock = rd_kafka_mock_cluster_new(cluster->host, 1);
    assert_non_null(cluster->mock);
    cluster->brokers[0] = rd_kafka_mock_cluster_bootstraps(cluster->mock);
    cluster->settings = (struct kafka_settings){
        .brokers = {cluster->brokers, 1},
        .name_space = "",
        .timeout_us = 20000000,
        .max_batches = 8,
        .batch_items = 100,
        .max_message_bytes = 1 << 20,
    };
}

static inline void
cluster_fini(struct cluster *cluster)
{
    rd_kafka_mock_cluster_destroy(cluster->mock);
    rd_kafka_destroy(cluster->host);
}

/* The topic must be there before it can be read; producers make it by asking for it, too. */
static inline void
cluster_topic(struct cluster *cluster, const char *topic)
{
    (void)rd_kafka_mock_topic_create(cluster->mock, topic, PARTITIONS, 1);
}

/* The next n requests to produce get these errors; NO_ERROR lets one pass. */
#define CLUSTER_ERRORS(cluster, n, ...) \
    rd_kafka_mock_push_request_errors((cluster)->mock, 0, n, __VA_ARGS__)

struct taken {
    struct taken_record {
        char topic[TAKEN_KEY];
        char key[TAKEN_KEY];
        bool has_key;
        uint8_t value[TAKEN_VALUE];
        size_t n_value;
    } records[TAKEN_MAX];
    uint32_t n;
};

static inline rd_kafka_t *
taken_consumer(const char *brokers, const char *const *topics, size_t n_topics)
{
    char why[256];
    static const char *const settings[][2] = {
        {"group.id", "test"},
        {"auto.offset.reset", "earliest"},
        {"log_level", "0"},
        {"fetch.wait.max.ms", "20"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        assert_int_equal(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why)),
                         0);
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)), 0);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    assert_non_null(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (size_t i = 0; i < n_topics * PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(list, topics[i / PARTITIONS], (int)(i % PARTITIONS))
            ->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(consumer, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    return consumer;
}

static inline void
taken_add(struct taken *taken, const rd_kafka_message_t *message)
{
    assert_true(taken->n < TAKEN_MAX);
    struct taken_record *record = &taken->records[taken->n++];
    *record = (struct taken_record){.has_key = message->key != NULL};
    snprintf(record->topic, sizeof(record->topic), "%s", rd_kafka_topic_name(message->rkt));
    size_t n_key = message->key_len < TAKEN_KEY - 1 ? message->key_len : TAKEN_KEY - 1;
    if (n_key > 0)
        memcpy(record->key, message->key, n_key);
    record->n_value = message->len < TAKEN_VALUE ? message->len : TAKEN_VALUE;
    if (record->n_value > 0)
        memcpy(record->value, message->payload, record->n_value);
}

/* All of the topics, at least n of them; owner frees. */
static inline struct taken *
cluster_read_all(const struct cluster *cluster, const char *const *topics, size_t n_topics,
                 uint32_t n)
{
    struct taken *taken = mem_new(struct taken);
    rd_kafka_t *consumer = taken_consumer(cluster->brokers[0], topics, n_topics);
    uint64_t end_us = clock_fresh_us() + WORLD_WAIT_US;
    bool is_over = false;
    while (!is_over) {
        assert_true(clock_fresh_us() < end_us);
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, taken->n < n ? 1000 : 100);
        is_over = message == NULL && taken->n >= n;
        if (message != NULL && message->err == 0)
            taken_add(taken, message);
        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return taken;
}

static inline struct taken *
cluster_read(const struct cluster *cluster, const char *topic, uint32_t n)
{
    return cluster_read_all(cluster, &topic, 1, n);
}

/* A world that forwards to the cluster; n_backends stand-ins beside it. */
static inline void
cluster_world(struct cluster *cluster, struct world *world, uint32_t n_backends)
{
    struct forward_settings settings = world_settings();
    settings.kafka = &cluster->settings;
    world_init(world, &settings, n_backends);
}

/* A message of string fields (and one number), field after field. */
struct built {
    uint8_t bytes[256];
    size_t n;
};

static inline void
built_string(struct built *built, uint32_t field, const char *text)
{
    size_t n = strlen(text);
    built->bytes[built->n++] = (uint8_t)(field << 3 | 2);
    built->bytes[built->n++] = (uint8_t)n;
    memcpy(built->bytes + built->n, text, n);
    built->n += n;
}

static inline void
built_message(struct built *built, uint32_t field, const struct built *inner)
{
    built->bytes[built->n++] = (uint8_t)(field << 3 | 2);
    built->bytes[built->n++] = (uint8_t)inner->n;
    memcpy(built->bytes + built->n, inner->bytes, inner->n);
    built->n += inner->n;
}

static inline void
built_number(struct built *built, uint32_t field, uint8_t value)
{
    built->bytes[built->n++] = (uint8_t)(field << 3);
    built->bytes[built->n++] = value;
}

static inline void
world_put_built(struct world *world, enum method method, const char *key, const struct built *built)
{
    struct bytes part = bytes_of(built->bytes, built->n);
    struct store_record record = {
        .method = method,
        .reason = RULE_COUNT,
        .key = key != NULL ? bytes_str(key) : BYTES_NONE,
        .parts = &part,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
    };
    world->n_put++;
    assert_int_equal(store_put(world->store, &record), ERR_OK);
}

/* Segments whose ids are "s<first>" and so on. */
static inline void
world_put_segments(struct world *world, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        struct built segment = {.n = 0};
        char id[16];
        snprintf(id, sizeof(id), "s%u", i);
        built_string(&segment, 1, "trace");
        built_string(&segment, 2, id);
        world_put_built(world, METHOD_SEGMENT_COLLECT, NULL, &segment);
    }
}

/* Each of the segments s0 to s<n-1> was taken; the most often one. */
static inline uint32_t
taken_assert_segments(const struct taken *taken, uint32_t n)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        char id[16];
        uint32_t n_times = 0;
        snprintf(id, sizeof(id), "s%u", i);
        for (uint32_t j = 0; j < taken->n; j++)
            n_times += strcmp(taken->records[j].key, id) == 0;
        assert_true(n_times > 0);
        most = n_times > most ? n_times : most;
    }
    return most;
}

#endif
