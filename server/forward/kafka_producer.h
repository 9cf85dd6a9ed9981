/* One librdkafka producer on a worker's loop. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's thread. librdkafka's own threads touch nothing of ours but the payloads lent to it;
 * what they have to say waits in its queue, which wakes the loop through a descriptor. Nothing here
 * waits but free. After an error that ends an idempotent producer, every record is reported as not
 * delivered, and a new producer is made. */
#ifndef FORWARD_KAFKA_PRODUCER_H
#define FORWARD_KAFKA_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "forward/kafka_setup.h"
#include "net/loop.h"

/* What became of a record. */
enum kafka_outcome {
    KAFKA_UNDECIDED,
    KAFKA_DELIVERED, /* all in-sync replicas have it */
    KAFKA_LATER,     /* never its own fault: no broker, no leader, timeout, no room */
    KAFKA_NO_TOPIC,  /* the topic is not there, or not for us */
    KAFKA_REFUSED,   /* perhaps its own fault, or that of one that travelled with it */
    KAFKA_N_OUTCOMES
};

struct kafka_report {
    void *record; /* of the put */
    enum kafka_outcome outcome;
    int status;      /* of gRPC, for the metric: OK, DEADLINE_EXCEEDED, NOT_FOUND ... */
    const char *why; /* librdkafka's name of the error */
};

struct kafka_producer_settings {
    struct loop *loop;
    const struct kafka_setup *setup; /* outlives it */
    bool is_alone;                   /* each record in a request of its own */
    void *ctx;
    /* Late, once for every put that was taken. The payload is ours again. */
    void (*on_report)(void *ctx, const struct kafka_report *);
    /* Late, when is_up changed. */
    void (*on_state)(void *ctx);
};

struct kafka_producer;
struct kafka_producer *kafka_producer_new(const struct kafka_producer_settings *);
/* Gives the reports that come soon, at most about a second of them, then ends librdkafka's threads:
 * what was not reported then may or may not have been delivered, and its payload is free. Threads
 * that hold no payload are waited for two seconds: a name server may be silent for longer. */
void kafka_producer_free(struct kafka_producer **);

/* Some broker is connected. */
bool kafka_producer_is_up(const struct kafka_producer *);

struct kafka_put {
    enum kafka_topic topic;
    struct bytes key;     /* copied; BYTES_NONE: none */
    struct bytes payload; /* lent until the report */
    void *record;         /* for the report */
};
/* KAFKA_UNDECIDED: taken, a report follows. Else what became of it at once, and *report says so. */
enum kafka_outcome kafka_producer_put(struct kafka_producer *, const struct kafka_put *,
                                      struct kafka_report *report);

#endif
