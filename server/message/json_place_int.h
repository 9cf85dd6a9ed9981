/* Where in a JSON document something is wrong, in words; for message/ only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESSAGE_JSON_PLACE_INT_H
#define MESSAGE_JSON_PLACE_INT_H

#include "message/message_json.h"

/* Where a reader is, for the error's text; on the stack of its recursion. */
struct json_place {
    const struct json_place *parent;
    const char *name; /* NULL: index counts */
    size_t index;
};

/* line and column: 0 when only the words tell the place. */
void json_place_say(struct message_json_error *, size_t line, size_t column, struct bytes words);
/* "spans[2].tags[0].key: a string is expected". place may be NULL. Gives ERR_JSON. */
enum err json_place_refuse(struct message_json_error *, const struct json_place *place,
                           const char *expected) MUST_CHECK;

#endif
