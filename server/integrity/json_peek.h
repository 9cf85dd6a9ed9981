/* A strict, bounded look at one JSON object's own members, without building it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8259, but control characters may stand in strings, as OAP's reader takes them. For small
 * objects inside tags; nothing is copied or allocated. */
#ifndef INTEGRITY_JSON_PEEK_H
#define INTEGRITY_JSON_PEEK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum json_kind {
    JSON_ABSENT,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_OBJECT,
    JSON_ARRAY,
};

/* Nesting beyond this is taken for no JSON. */
enum { JSON_PEEK_DEPTH = 256 };

struct json_member {
    struct bytes name;   /* what to look for */
    enum json_kind kind; /* of the last member of that name */
    struct bytes value;  /* its text; of a string what stands between the quotes, escapes as is */
};

/* True when the text is exactly one JSON object, white space around it allowed. Fills in the n
 * members that are asked for; names with escapes are compared as they stand. */
bool json_peek_object(struct bytes text, struct json_member *members, uint32_t n);

#endif
