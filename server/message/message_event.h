/* Writes an Event: what the gate itself has to tell OAP. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 4.4. Any thread; nothing is kept. */
#ifndef MESSAGE_MESSAGE_EVENT_H
#define MESSAGE_MESSAGE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"

enum {
    MESSAGE_EVENT_PARAMETERS = 8,    /* at most */
    MESSAGE_EVENT_NAME_BYTES = 256,  /* of service and instance are sent */
    MESSAGE_EVENT_TEXT_BYTES = 2048, /* of the message and each value */
    MESSAGE_EVENT_UUID_BYTES = 37,   /* with the final NUL */
};

struct message_event_parameter {
    const char *key;
    struct bytes value;
};

struct message_event {
    const char *uuid; /* the same for start and end */
    struct bytes service, instance;
    const char *name;
    bool is_error;
    struct bytes message;
    int64_t start_ms, end_ms; /* Unix; end 0: it lasts */
    const char *layer;        /* "GENERAL"; OAP ends the stream over an empty one */
    struct message_event_parameter parameters[MESSAGE_EVENT_PARAMETERS];
    uint32_t n_parameters;
};

/* Adds the message's bytes. Whatever the texts hold, it is valid UTF-8 without control characters:
 * others become \xHH. */
void message_event_write(const struct message_event *, struct text *out);
/* "f81d4fae-7dec-41d0-a765-00a0c91e6bf6" of 16 random bytes: a UUID of version 4. */
void message_event_uuid(const uint8_t id[16], char out[MESSAGE_EVENT_UUID_BYTES]);

#endif
