/* JSON from the network as messages: bounded, in one pass, without a tree. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The form is that of message_json.h, and both give the same messages; this one is for the data
 * path. It takes memory for one message at a time, at most twice the size of its text. In strings
 * it keeps bytes that are no UTF-8 as they came, for integrity/ to judge as on any other way in; an
 * escaped half of a surrogate pair, which JavaScript cuts out of long texts, becomes U+FFFD. */
#ifndef MESSAGE_JSON_CONVERT_H
#define MESSAGE_JSON_CONVERT_H

#include "message/message_json.h"

/* A document: one element, or a list of them. Embedded; lends from the text. */
struct json_list {
    const uint8_t *p, *end;
    bool is_list; /* the text begins with a bracket */
    uint32_t n;   /* elements; 1 of no list */
    uint32_t next;
};

/* Finds the elements by brackets and quotes alone. ERR_JSON and *error when that fails, so that
 * nobody can tell which elements there are; what is wrong inside of one is for json_convert. */
enum err json_list_open(struct bytes text, struct json_list *out,
                        struct message_json_error *error) MUST_CHECK;
/* False after the last one. */
bool json_list_next(struct json_list *, struct bytes *element);

/* The element as protobuf bytes in the arena. ERR_JSON and *error when it is no such message,
 * ERR_BUDGET when the arena is too small. */
enum err json_convert(enum message_type, struct bytes element, struct arena *, struct bytes *out,
                      struct message_json_error *error) MUST_CHECK;
/* What json_convert takes from the arena for an element of that size. */
size_t json_convert_bytes(size_t n);

#endif
