/* The generated descriptors behind enum message_type, for message/ only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESSAGE_DESCRIPTOR_INT_H
#define MESSAGE_DESCRIPTOR_INT_H

#include <protobuf-c/protobuf-c.h>

#include "base/method.h"
#include "message/wire_int.h"

/* NULL for MESSAGE_OPAQUE. */
const ProtobufCMessageDescriptor *descriptor_of(enum message_type type);
/* The field of that number and wire type; NULL when the message has none. */
const ProtobufCFieldDescriptor *descriptor_field(const ProtobufCMessageDescriptor *message,
                                                 const struct wire_field *field);
/* The wire type a field of the type has (no message here packs repeated scalars). */
enum wire_type descriptor_wire_type(ProtobufCType type);
/* True for a map: a repeated field whose messages are the entries protoc makes up for it. */
bool descriptor_is_map(const ProtobufCMessageDescriptor *message,
                       const ProtobufCFieldDescriptor *field);
static inline const ProtobufCMessageDescriptor *
descriptor_submessage(const ProtobufCFieldDescriptor *field)
{
    return field->descriptor;
}

#endif
