/* librdkafka's types, for forward/kafka_*.c only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARD_KAFKA_INT_H
#define FORWARD_KAFKA_INT_H

#include <librdkafka/rdkafka.h>

#include "forward/kafka_setup.h"

enum { KAFKA_WHY_BYTES = 512 };

/* The caller's to destroy unless rd_kafka_new took it; NULL and why when librdkafka refuses a
 * property. is_alone: each record in a request of its own, so that a refusal is its own. brokers:
 * NULL for a trial without network. */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_setup *, const char *brokers, bool is_alone,
                                char why[KAFKA_WHY_BYTES]);

#endif
