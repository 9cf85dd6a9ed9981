/* Captured messages in a file, in any form that tools write: told apart and taken one by one. */
/* SPDX-License-Identifier: Apache-2.0 */
/* For offline commands. The forms:
 *   FIXED       each message behind its length as 4 bytes, big endian
 *   VARINT      each message behind its length as a varint
 *   BARE        one message and nothing else
 *   JSON        one message as a JSON object, or a list of them
 *   JSON_LINES  one JSON object (or list) a line; blank lines are passed over */
#ifndef MESSAGE_MESSAGE_FILE_H
#define MESSAGE_MESSAGE_FILE_H

#include "message/message_json.h"

enum message_file_form {
    MESSAGE_FILE_FIXED,
    MESSAGE_FILE_VARINT,
    MESSAGE_FILE_BARE,
    MESSAGE_FILE_JSON,
    MESSAGE_FILE_JSON_LINES,
};

struct message_file;

struct message_file_item {
    enum err err;         /* ERR_OK, or why there is no message: see message_file_next */
    struct bytes message; /* in the file's bytes, or from JSON in the arena */
    size_t index;         /* from 0, failed items counted too */
    size_t offset;        /* of the message in the file; of the line; 0 in a JSON document */
    size_t line;          /* from 1 with JSON lines, else 0 */
    struct message_json_error error; /* with ERR_JSON */
};

/* Finds out what form the content has, which must outlive the file. An empty content holds no
 * message. ERR_FORMAT when it is none of the forms; ERR_JSON and *error when it begins as JSON but
 * is not. */
enum err message_file_open(struct bytes content, enum message_type, struct message_file **out,
                           struct message_json_error *error) MUST_CHECK;
void message_file_close(struct message_file **);
enum message_file_form message_file_form(const struct message_file *);
/* "length-delimited (4 bytes)": for people. */
const char *message_file_form_words(enum message_file_form);
/* The next message; false at the end. A message that cannot be had is an item too, and the ones
 * behind it come nevertheless: ERR_JSON (no such message), ERR_WIRE_LENGTH (the file ends within
 * it: message is what there is of it), ERR_BUDGET (the arena is used up). The caller resets the
 * arena between items. Whether a message's bytes are sound is not asked here. */
bool message_file_next(struct message_file *, struct arena *, struct message_file_item *out);

#endif
