/* The JSON form of messages (proto3 JSON), read into protobuf bytes and written from them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* protocol.md 7.2. Names are the proto names; an enum is a name or a number; int32, int64 and
 * double are numbers or strings; null is absent; unknown members and unknown names of enum values
 * are ignored, as OAP ignores them. Refused: a member given twice, two members of one oneof, values
 * that do not fit their type, strings that are not UTF-8. Documents are at most 2048 levels deep.
 *
 * Not for the data path: the document is a tree on the heap, up to some 30 times its text. Who
 * takes texts from strangers bounds them first. */
#ifndef MESSAGE_MESSAGE_JSON_H
#define MESSAGE_MESSAGE_JSON_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/method.h"
#include "base/text.h"

/* A parsed document: one message, or a list of them. */
struct message_json;

struct message_json_error {
    size_t line, column; /* from 1; 0 when only the path in text tells the place */
    char text[160];      /* "spans[2].tags[0].key: a string is expected"; valid UTF-8, one line */
};

/* ERR_JSON and *error when the text is no JSON object or array. Owner closes it. */
enum err message_json_open(struct bytes json, struct message_json **out,
                           struct message_json_error *error) MUST_CHECK;
void message_json_close(struct message_json **);
bool message_json_is_list(const struct message_json *);
/* 1 for an object. */
size_t message_json_count(const struct message_json *);
/* The message at the index as protobuf bytes in the arena. ERR_JSON and *error when it is no such
 * message, ERR_BUDGET when the arena is used up. */
enum err message_json_read(const struct message_json *, size_t index, enum message_type,
                           struct arena *, struct bytes *out,
                           struct message_json_error *error) MUST_CHECK;

/* Adds the message as one JSON object, members in field number order, absent and default ones left
 * out, int64 as strings; invalid UTF-8 becomes U+FFFD. Nothing is added on ERR_WIRE_*. The arena is
 * for what must be put together (a message field given in parts). */
enum err message_json_write(enum message_type, struct bytes message, struct arena *,
                            struct text *out) MUST_CHECK;

#endif
