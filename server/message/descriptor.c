/* From message types to the descriptors that protobuf-c generates from proto/. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/descriptor_int.h"

#include <ctype.h>
#include <string.h>

#include "browser.pb-c.h"
#include "clr.pb-c.h"
#include "event.pb-c.h"
#include "jvm.pb-c.h"
#include "log.pb-c.h"
#include "management.pb-c.h"
#include "meter.pb-c.h"
#include "profile.pb-c.h"
#include "trace.pb-c.h"

#define V3(name) &skywalking__v3__##name##__descriptor

static const ProtobufCMessageDescriptor *const descriptors[MESSAGE_COUNT] = {
    [MESSAGE_SegmentObject] = V3(segment_object),
    [MESSAGE_SegmentCollection] = V3(segment_collection),
    [MESSAGE_SpanAttachedEvent] = V3(span_attached_event),
    [MESSAGE_InstanceProperties] = V3(instance_properties),
    [MESSAGE_InstancePingPkg] = V3(instance_ping_pkg),
    [MESSAGE_JVMMetricCollection] = V3(jvmmetric_collection),
    [MESSAGE_CLRMetricCollection] = V3(clrmetric_collection),
    [MESSAGE_MeterData] = V3(meter_data),
    [MESSAGE_MeterDataCollection] = V3(meter_data_collection),
    [MESSAGE_LogData] = V3(log_data),
    [MESSAGE_Event] = V3(event),
    [MESSAGE_ThreadSnapshot] = V3(thread_snapshot),
    [MESSAGE_BrowserPerfData] = V3(browser_perf_data),
    [MESSAGE_BrowserWebVitalsPerfData] = V3(browser_web_vitals_perf_data),
    [MESSAGE_BrowserResourcePerfData] = V3(browser_resource_perf_data),
    [MESSAGE_BrowserWebInteractionsPerfData] = V3(browser_web_interactions_perf_data),
    [MESSAGE_BrowserErrorLog] = V3(browser_error_log),
};

const ProtobufCMessageDescriptor *
descriptor_of(enum message_type type)
{
    return type < MESSAGE_COUNT ? descriptors[type] : NULL;
}

enum wire_type
descriptor_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        return WIRE_VARINT;
    }
}

const ProtobufCFieldDescriptor *
descriptor_field(const ProtobufCMessageDescriptor *message, const struct wire_field *field)
{
    const ProtobufCFieldDescriptor *known =
        protobuf_c_message_descriptor_get_field(message, field->number);
    if (known == NULL || descriptor_wire_type(known->type) != field->type)
        return NULL;
    return known;
}

/* protobuf-c keeps no word of maps; protoc names the entries of map "ab_cd" in message M
 * "M.AbCdEntry", and refuses another message of that name. */
bool
descriptor_is_map(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    const char *entry = descriptor_submessage(field)->name;
    size_t n = strlen(message->name), length = strlen(entry);
    return length > n + 6 && strncmp(entry, message->name, n) == 0 && entry[n] == '.' &&
           strcmp(entry + length - 5, "Entry") == 0 &&
           tolower((unsigned char)entry[n + 1]) == tolower((unsigned char)field->name[0]);
}
