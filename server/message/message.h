/* The face of message/: what agents' messages say, and whether their bytes are sound. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread (a worker, or an offline command). Decoders are pure: bytes in, view or error out; no
 * clock, no log, no allocation outside the arena or the view handed in. Segments have a
 * hand-written walker (message/segment.h); every other stored message gets the generic walk below
 * over the descriptors of proto/ (protobuf-c generates them into build/gen/). */
#ifndef MESSAGE_MESSAGE_H
#define MESSAGE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/method.h"

/* What the generic walk found; see integrity.md 1.6, last paragraphs. */
struct message_facts {
    bool unknown_field;
    bool invalid_utf8; /* in any string */
    bool nul;          /* U+0000 in any string */
};

enum { MESSAGE_MAX_DEPTH = 64 };

/* Walks the wire bytes of one message of the type, nested ones included. ERR_WIRE_* when the bytes
 * are no such message. MESSAGE_OPAQUE: top level of the wire format only. Linear, no allocation. */
enum err message_walk(enum message_type, struct bytes message,
                      struct message_facts *out) MUST_CHECK;

/* R1 and the NUL repair: a copy in the arena in which each invalid UTF-8 byte b of every string
 * became
 * "\xHH" and, when fix_nul, each U+0000 became "\x00". All other bytes stay. */
enum err message_repair(enum message_type, struct bytes message, bool fix_nul, struct arena *,
                        struct bytes *out) MUST_CHECK;

/* The last occurrence of a top-level string field, BYTES_NONE when absent. The message was walked.
 */
struct bytes message_string_field(struct bytes message, uint32_t field);
/* True when a top-level varint field is present and not 0; value in *out. */
bool message_varint_field(struct bytes message, uint32_t field, uint64_t *out);

/* Calls each for every occurrence of a top-level length-delimited field; stops at the first error
 * of the frame itself. */
typedef void message_each_fn(void *ctx, struct bytes payload);
enum err message_each_field(struct bytes message, uint32_t field, message_each_fn *,
                            void *ctx) MUST_CHECK;
/* Splits a SegmentCollection: calls each for every segment's bytes. */
enum err message_each_segment(struct bytes collection, message_each_fn *, void *ctx) MUST_CHECK;

/* Wire writing, for who completes or frames records. Each gives the number of bytes written. */
enum { WIRE_VARINT_MAX = 10 };
size_t wire_put_varint(uint8_t *out, uint64_t value);
/* Tag of a length-delimited field and its length; at most 2 * WIRE_VARINT_MAX bytes. */
size_t wire_put_length(uint8_t *out, uint32_t field, uint64_t length);

#endif
