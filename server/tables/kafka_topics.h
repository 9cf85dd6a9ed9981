/* The topics of OAP's Kafka fetcher. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 8. Words only.
 *
 * KAFKA_TOPIC(token, name, word, signal): OAP's own name, and what upstream.kafka.topics may call
 * it: the part behind "skywalking-", or the signal that goes there. */
#ifndef TABLES_KAFKA_TOPICS_H
#define TABLES_KAFKA_TOPICS_H

/* clang-format off */
#define KAFKA_TOPICS(KAFKA_TOPIC) \
    KAFKA_TOPIC(SEGMENTS,    "skywalking-segments",    "segments",    "tracing") \
    KAFKA_TOPIC(METRICS,     "skywalking-metrics",     "metrics",     "jvm") \
    KAFKA_TOPIC(METERS,      "skywalking-meters",      "meters",      "meter") \
    KAFKA_TOPIC(MANAGEMENTS, "skywalking-managements", "managements", "management") \
    KAFKA_TOPIC(PROFILINGS,  "skywalking-profilings",  "profilings",  "profile") \
    KAFKA_TOPIC(LOGS,        "skywalking-logs",        "logs",        "log")
/* clang-format on */

#endif
