/* The topics of OAP's Kafka fetcher as typed rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_KAFKA_TOPIC_H
#define BASE_KAFKA_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "tables/kafka_topics.h"

enum kafka_topic {
#define KAFKA_TOPIC(token, name, word, signal) KAFKA_##token,
    KAFKA_TOPICS(KAFKA_TOPIC)
#undef KAFKA_TOPIC
        KAFKA_TOPIC_COUNT /* also: none */
};
enum { KAFKA_TOPIC_WORDS = 2 * KAFKA_TOPIC_COUNT };

/* OAP's own name, "skywalking-segments". */
const char *kafka_topic_name(enum kafka_topic);
/* By one of the words of upstream.kafka.topics; KAFKA_TOPIC_COUNT: none of them. */
enum kafka_topic kafka_topic_find(const char *word);
/* KAFKA_TOPIC_WORDS of them. */
const char *const *kafka_topic_words(void);
/* Kafka takes it: 1 to 249 letters, digits, dots, underscores and minus signs, not "." or "..". */
bool kafka_topic_is_name(const char *name);

#endif
