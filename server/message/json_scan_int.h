/* A cursor over JSON text, for message/ only: one token at a time, nothing allocated. */
/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8259, with two things left to whoever reads the strings: bytes that are no UTF-8, and escaped
 * halves of a surrogate pair. Never reads outside [p, end). */
#ifndef MESSAGE_JSON_SCAN_INT_H
#define MESSAGE_JSON_SCAN_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { JSON_SCAN_DEPTH = 2048 }; /* levels of a value that is passed over */

struct json_cursor {
    const uint8_t *p, *end;
    const char *wrong; /* why the last call gave false; static words */
};

/* The next byte that is no white space, at which the cursor then stands; '\0' at the end. */
uint8_t json_scan_peek(struct json_cursor *);
/* Takes the byte if it comes next. */
bool json_scan_take(struct json_cursor *, uint8_t byte);

/* A string; raw is what stands between the quotes, checked so that json_scan_unescape is safe. */
struct json_string {
    struct bytes raw;
    bool has_escape;
};
bool json_scan_string(struct json_cursor *, struct json_string *out);
/* Writes at most raw.n bytes; an escaped surrogate without its other half becomes U+FFFD. */
size_t json_scan_unescape(struct bytes raw, uint8_t *out);
/* The text of a number. */
bool json_scan_number(struct json_cursor *, struct bytes *out);
/* "true", "false" or "null". */
bool json_scan_word(struct json_cursor *, struct bytes word);
/* Any value, checked and passed over. */
bool json_scan_skip(struct json_cursor *);
/* Finds the end of a value by its brackets and quotes alone: up to the comma or bracket behind it,
 * or the end of the text. What is wrong inside stays inside. False: brackets are missing. */
bool json_scan_extent(struct json_cursor *, struct bytes *out);

#endif
