/* librdkafka's configuration: what every producer needs, then the operator's own properties. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "forward/kafka_int.h"

enum { MAX_MESSAGES = 10 * 1000 * 1000, PROTOCOL_BYTES = 64 * 1024, US_PER_MS = 1000 };

/* Ours: an operator who sets them would take away what the buffer promises, or what we count. */
static const char *const own_properties[] = {
    "bootstrap.servers",
    "metadata.broker.list",
    "acks",
    "request.required.acks",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "delivery.report.only.error",
    "enable.gapless.guarantee",
    "transactional.id",
    "statistics.interval.ms",
    "log.queue",
    "internal.termination.signal",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
};

static bool
is_own(const char *name)
{
    for (size_t i = 0; i < sizeof(own_properties) / sizeof(own_properties[0]); i++)
        if (strcmp(own_properties[i], name) == 0)
            return true;
    return false;
}

static bool
set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why)
{
    return rd_kafka_conf_set(conf, name, value, why, KAFKA_WHY_BYTES) == RD_KAFKA_CONF_OK;
}

static void
set_own(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[KAFKA_WHY_BYTES];
    check(set(conf, name, value, why));
}

static void
set_number(rd_kafka_conf_t *conf, const char *name, uint64_t value, uint64_t least, uint64_t most)
{
    char text[24];
    value = value < least ? least : value > most ? most : value;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    set_own(conf, name, text);
}

/* What an operator may change. The broker alone judges how large a record may be. Java's
 * partitioner: an instance's records lie together, whether its agent writes them or we do. */
static void
set_defaults(rd_kafka_conf_t *conf, const struct kafka_setup *setup)
{
    set_own(conf, "client.id", "spangate");
    set_own(conf, "client.software.name", "spangate");
    set_own(conf, "enable.idempotence", "true");
    set_own(conf, "partitioner", "murmur2_random");
    set_own(conf, "reconnect.backoff.max.ms", "2000");
    set_number(conf, "message.max.bytes", setup->max_message_bytes + PROTOCOL_BYTES, 1000000,
               1000000000);
}

/* The payloads are lent, not copied; the counts bound what librdkafka keeps beside them. */
static void
set_fixed(rd_kafka_conf_t *conf, const struct kafka_setup *setup, bool is_alone)
{
    set_own(conf, "acks", "all");
    set_own(conf, "log.queue", "true");
    set_own(conf, "statistics.interval.ms", "1000");
    set_number(conf, "message.timeout.ms", setup->timeout_us / US_PER_MS, 1000, 3600000);
    set_number(conf, "queue.buffering.max.messages",
               ((uint64_t)setup->max_batches + 1) * setup->batch_items, 1000, MAX_MESSAGES);
    set_own(conf, "queue.buffering.max.kbytes", "2147483647");
    if (is_alone) {
        set_own(conf, "batch.num.messages", "1");
        set_own(conf, "queue.buffering.max.ms", "0");
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
                                       RD_KAFKA_EVENT_STATS);
}

rd_kafka_conf_t *
kafka_conf_new(const struct kafka_setup *setup, const char *brokers, bool is_alone,
               char why[KAFKA_WHY_BYTES])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set_defaults(conf, setup);
    bool fine = true;
    for (uint32_t i = 0; i < setup->n_properties && fine; i++)
        fine = set(conf, setup->properties[i].key, setup->properties[i].value, why);
    if (fine && brokers != NULL)
        fine = set(conf, "bootstrap.servers", brokers, why);
    if (!fine) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    set_fixed(conf, setup, is_alone);
    return conf;
}

/* librdkafka tells what does not go together only when a producer is made; without a broker that
 * touches no network. */
static enum conf_kafka_fault
try_all(const struct kafka_setup *setup, struct text *why)
{
    char text[KAFKA_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = kafka_conf_new(setup, NULL, false, text);
    rd_kafka_t *producer =
        conf != NULL ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text)) : NULL;
    if (producer != NULL) {
        rd_kafka_destroy(producer);
        return CONF_KAFKA_FINE;
    }
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
    text_add_plain(why, bytes_str(text), sizeof(text));
    return CONF_KAFKA_REFUSED;
}

static enum conf_kafka_fault
try_one(const struct conf_pair *property, struct text *why)
{
    char text[KAFKA_WHY_BYTES] = "";
    if (is_own(property->key))
        return CONF_KAFKA_OWN;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool fine = set(conf, property->key, property->value, text);
    rd_kafka_conf_destroy(conf);
    text_add_plain(why, bytes_str(text), sizeof(text));
    return fine ? CONF_KAFKA_FINE : CONF_KAFKA_REFUSED;
}

enum conf_kafka_fault
kafka_setup_check(const struct conf_pairs *properties, bool is_all, struct text *why)
{
    if (!is_all)
        return try_one(&properties->items[0], why);
    struct kafka_setup setup = {
        .properties = (struct conf_pair *)(uintptr_t)properties->items,
        .n_properties = properties->n,
        .timeout_us = UINT64_C(20000000),
        .max_batches = 1,
        .batch_items = 1,
    };
    return try_all(&setup, why);
}
