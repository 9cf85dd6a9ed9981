/* Kafka's topics by their words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/kafka_topic.h"

#include <string.h>

enum { NAME_MAX_CHARACTERS = 249 };

const char *
kafka_topic_name(enum kafka_topic topic)
{
    static const char *const names[] = {
#define KAFKA_TOPIC(token, name, word, signal) name,
        KAFKA_TOPICS(KAFKA_TOPIC)
#undef KAFKA_TOPIC
    };
    return names[topic];
}

const char *const *
kafka_topic_words(void)
{
    static const char *const words[] = {
#define KAFKA_TOPIC(token, name, word, signal) word, signal,
        KAFKA_TOPICS(KAFKA_TOPIC)
#undef KAFKA_TOPIC
    };
    return words;
}

enum kafka_topic
kafka_topic_find(const char *word)
{
    const char *const *words = kafka_topic_words();
    for (size_t i = 0; i < KAFKA_TOPIC_WORDS; i++)
        if (strcmp(words[i], word) == 0)
            return (enum kafka_topic)(i / 2);
    return KAFKA_TOPIC_COUNT;
}

bool
kafka_topic_is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return n > 0 && n <= NAME_MAX_CHARACTERS && name[n] == '\0' && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}
