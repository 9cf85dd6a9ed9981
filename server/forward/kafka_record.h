/* What a record is to OAP's Kafka fetcher: its topic and its key. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 8. Pure. The value of a Kafka record is the stored message as it is: one
 * SegmentObject, LogData, ThreadSnapshot, JVMMetricCollection, MeterDataCollection,
 * InstanceProperties or InstancePingPkg. */
#ifndef FORWARD_KAFKA_RECORD_H
#define FORWARD_KAFKA_RECORD_H

#include "base/bytes.h"
#include "base/kafka_topic.h"
#include "base/method.h"

enum { KAFKA_KEY_MAX = 512 }; /* a longer one is cut: it only chooses the partition */

/* KAFKA_TOPIC_COUNT: OAP reads no topic of this method. */
enum kafka_topic kafka_record_topic(enum method);

/* The record's key, into out where it has to be put together; BYTES_NONE: any partition will do.
 * Never none for KAFKA_MANAGEMENTS: OAP fails on a record without a key there. lane_key: a log's
 * service. The message was walked. */
struct bytes kafka_record_key(enum method, struct bytes lane_key, struct bytes message,
                              char out[KAFKA_KEY_MAX]);

#endif
