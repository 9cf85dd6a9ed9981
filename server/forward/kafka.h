/* Kafka as the backend of a worker: which batches it takes, and what its reports mean for them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's thread. A batch's records are handed to the producer one by one, their payloads
 * lent; the batch ends when every record is reported: those delivered are acknowledged, the others
 * are cut off it and go again. A refused record goes once more in a request of its own, since a
 * broker refuses a request whole; refused there, it is set aside as soon as its topic took anything
 * meanwhile. In flight at most max_batches (weights as backend.h), of one topic half of that: a
 * topic that is not there does not stop the others. */
#ifndef FORWARD_KAFKA_H
#define FORWARD_KAFKA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/method.h"
#include "base/metric.h"

struct forward;
struct kafka;
struct sending;

/* Wakes forward when a broker connects, breaks, or room is free. */
struct kafka *kafka_new(struct forward *);
/* Ends the producers; reports that come in time are heard. Batches still out are FLYING. */
void kafka_close(struct kafka *);
/* After kafka_close, and after kafka_cancel of what was still out. */
void kafka_free(struct kafka **);

/* OAP's fetcher reads a topic of this method. */
bool kafka_takes(enum method);
/* Some broker is connected. */
bool kafka_is_up(const struct kafka *);
/* A batch of this method can be handed over now. */
bool kafka_has_room(const struct kafka *, enum method);
/* It had no room: when to ask again. */
uint64_t kafka_ask_again_us(const struct kafka *, enum method);
/* The brokers have no such topic for us: records need not wait in memory. */
bool kafka_lacks_topic(const struct kafka *, enum method);
/* Hands the batch over: FLYING until it is reported. Where the producer takes none of it, the
 * sending waits or is gone already. */
void kafka_start(struct kafka *, struct sending *);
/* Forgets the sending. After kafka_close. */
void kafka_cancel(struct sending *);

#endif
