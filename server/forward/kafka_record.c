/* Topics and keys. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/kafka_record.h"

#include <stdio.h>
#include <string.h>

#include "message/message.h"

/* Fields of SkyWalking's messages that make keys. */
enum {
    SEGMENT_ID = 2,
    JVM_INSTANCE = 3,
    METERS_DATA = 1,
    METER_INSTANCE = 4,
    MANAGEMENT_SERVICE = 1,
    MANAGEMENT_INSTANCE = 2,
    SNAPSHOT_TASK = 1,
    SNAPSHOT_SEQUENCE = 4,
    LOG_SERVICE = 2,
};

/* OAP takes what stands under such a key for InstanceProperties, all else for a ping. */
static const char REGISTER[] = "register-";

enum kafka_topic
kafka_record_topic(enum method method)
{
    static const uint8_t topics[METHOD_COUNT] = {
        [METHOD_SEGMENT_COLLECT] = KAFKA_SEGMENTS + 1,
        [METHOD_JVM_METRICS] = KAFKA_METRICS + 1,
        [METHOD_METER_COLLECT_BATCH] = KAFKA_METERS + 1,
        [METHOD_INSTANCE_PROPERTIES] = KAFKA_MANAGEMENTS + 1,
        [METHOD_KEEP_ALIVE] = KAFKA_MANAGEMENTS + 1,
        [METHOD_PROFILE_SNAPSHOT] = KAFKA_PROFILINGS + 1,
        [METHOD_LOG_COLLECT] = KAFKA_LOGS + 1,
    };
    return topics[method] != 0 ? (enum kafka_topic)(topics[method] - 1) : KAFKA_TOPIC_COUNT;
}

static struct bytes
cut(struct bytes text, size_t max)
{
    return bytes_of(text.p, text.n < max ? text.n : max);
}

static struct bytes
prefixed(const char *prefix, struct bytes text, char *out)
{
    size_t n = strlen(prefix);
    text = cut(text, KAFKA_KEY_MAX - n);
    memcpy(out, prefix, n);
    if (text.n > 0)
        memcpy(out + n, text.p, text.n);
    return bytes_of(out, n + text.n);
}

/* Never none, and never what looks like the other kind. */
static struct bytes
management_key(bool is_properties, struct bytes message, char *out)
{
    struct bytes instance = message_string_field(message, MANAGEMENT_INSTANCE);
    if (is_properties)
        return prefixed(REGISTER, instance, out);
    if (instance.n == 0)
        return prefixed("-", message_string_field(message, MANAGEMENT_SERVICE), out);
    size_t n = sizeof(REGISTER) - 1;
    if (instance.n >= n && memcmp(instance.p, REGISTER, n) == 0)
        return prefixed("-", instance, out);
    return cut(instance, KAFKA_KEY_MAX);
}

static void
take_instance(void *ctx, struct bytes meter)
{
    struct bytes *instance = ctx;
    if (instance->n == 0)
        *instance = message_string_field(meter, METER_INSTANCE);
}

/* Of the first element that has one: OAP takes the first, and later ones for all. */
static struct bytes
meters_key(struct bytes message)
{
    struct bytes instance = BYTES_NONE;
    enum err err = message_each_field(message, METERS_DATA, take_instance, &instance);
    (void)err; /* what was found before a fault will do */
    return instance;
}

static struct bytes
snapshot_key(struct bytes message, char *out)
{
    struct bytes task = cut(message_string_field(message, SNAPSHOT_TASK), KAFKA_KEY_MAX / 2);
    uint64_t sequence = 0;
    (void)message_varint_field(message, SNAPSHOT_SEQUENCE, &sequence);
    if (task.n > 0)
        memcpy(out, task.p, task.n);
    int n = snprintf(out + task.n, KAFKA_KEY_MAX / 2, "%d", (int)(int32_t)sequence);
    return bytes_of(out, task.n + (size_t)n);
}

struct bytes
kafka_record_key(enum method method, struct bytes lane_key, struct bytes message,
                 char out[KAFKA_KEY_MAX])
{
    struct bytes key = BYTES_NONE;
    if (method == METHOD_INSTANCE_PROPERTIES || method == METHOD_KEEP_ALIVE)
        return management_key(method == METHOD_INSTANCE_PROPERTIES, message, out);
    if (method == METHOD_PROFILE_SNAPSHOT)
        return snapshot_key(message, out);
    if (method == METHOD_SEGMENT_COLLECT)
        key = message_string_field(message, SEGMENT_ID);
    else if (method == METHOD_JVM_METRICS)
        key = message_string_field(message, JVM_INSTANCE);
    else if (method == METHOD_METER_COLLECT_BATCH)
        key = meters_key(message);
    else if (method == METHOD_LOG_COLLECT)
        key = lane_key.n > 0 ? lane_key : message_string_field(message, LOG_SERVICE);
    return key.n > 0 ? cut(key, KAFKA_KEY_MAX) : BYTES_NONE;
}
