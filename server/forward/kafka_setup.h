/* What all producers of the process are made from: brokers, topics, librdkafka's properties. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Immutable once made; any thread. librdkafka's types stay in forward/kafka_*.c. */
#ifndef FORWARD_KAFKA_SETUP_H
#define FORWARD_KAFKA_SETUP_H

#include <stdint.h>

#include "base/kafka_topic.h"
#include "base/text.h"
#include "conf/conf.h"

/* upstream.kafka, and what else of the settings bounds a producer. */
struct kafka_settings {
    struct conf_list brokers;
    const char *name_space; /* "": none */
    struct conf_pairs topics, properties;
    uint64_t timeout_us;        /* of a record that cannot be delivered */
    uint32_t max_batches;       /* in flight, of one worker */
    uint32_t batch_items;       /* of one batch at most */
    uint64_t max_message_bytes; /* of one record */
};

struct kafka_setup {
    char *brokers; /* "a:9092,b:9092" */
    char *topics[KAFKA_TOPIC_COUNT];
    struct conf_pair *properties;
    uint32_t n_properties;
    uint64_t timeout_us;
    uint32_t max_batches, batch_items;
    uint64_t max_message_bytes;
};

/* Copies all of it. */
struct kafka_setup *kafka_setup_new(const struct kafka_settings *);
void kafka_setup_free(struct kafka_setup **);

/* For conf_input.check_kafka: offline. */
enum conf_kafka_fault kafka_setup_check(const struct conf_pairs *properties, bool is_all,
                                        struct text *why);

#endif
