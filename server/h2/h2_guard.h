/* Looks at every frame header before nghttp2 does, and keeps a connection's glitch budget. */
/* SPDX-License-Identifier: Apache-2.0 */
/* nghttp2 tells nothing about frames it ignores, and lets floods of them through; so the nine bytes
 * of every frame are read here first (RFC 9113 4.1; grpc-and-durability.md 4). Server side. */
#ifndef H2_H2_GUARD_H
#define H2_H2_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "h2/h2.h"

enum {
    GUARD_BUDGET = 10000,       /* glitches at once ... */
    GUARD_PER_SECOND = 330,     /* ... and forgiven per second */
    GUARD_CALM_PERCENT = 75,    /* of the budget: GOAWAY(ENHANCE_YOUR_CALM) */
    GUARD_WEIGHT_RESET = 10,    /* a stream reset before one message, or reset by us */
    GUARD_WEIGHT_EMPTY = 1,     /* a frame that does nothing */
    GUARD_PINGS = 100,          /* PING and SETTINGS at once, and one more per second ... */
    GUARD_STREAMS = 1024,       /* whose past is remembered, back from the highest */
    GUARD_FREE_BYTES = 1 << 20, /* overhead without a payload that is no reason to part */
};

enum h2_guard_state {
    GUARD_FINE,
    GUARD_CALM,  /* tell it to calm down, once */
    GUARD_FLOOD, /* close */
};

struct h2_guard {
    uint8_t header[9]; /* of the frame whose header is split */
    uint8_t n_header;
    uint8_t n_preface; /* bytes of the client preface still to come */
    uint8_t n_seen;    /* header bytes of a suspect that come again */
    bool in_headers;   /* inside a header block: HEADERS without its END_HEADERS yet */
    bool frame_ends_headers, frame_is_headers;
    bool was_calmed;
    bool frame_is_priority; /* and its first four bytes are not all read */
    uint8_t n_dependency;   /* of them */
    uint32_t dependency, frame_id;
    uint32_t frame_left; /* payload bytes of the current frame still to come */
    uint32_t highest_id; /* of the streams the peer opened */
    uint32_t n_glitches; /* as of glitch_us */
    uint64_t glitch_us;
    uint64_t ping_us;
    uint32_t n_pings;
    uint64_t n_streams, n_data_sent, n_window_updates;
    uint64_t total_bytes, payload_bytes;
    uint64_t n_frames[11]; /* by type; the last: unknown types */
    /* Of the last GUARD_STREAMS odd ids: opened by the peer; ended by it (END_STREAM, RST_STREAM).
     */
    uint64_t opened[GUARD_STREAMS / 64], ended[GUARD_STREAMS / 64];
};

void h2_guard_init(struct h2_guard *);
enum h2_suspicion {
    SUSPECT_NONE,
    SUSPECT_STATE,      /* against the rules of stream states if nghttp2 does not know the stream:
                         * then the connection ends with code */
    SUSPECT_STREAM,     /* a stream error with code, if the stream is open */
    SUSPECT_CONNECTION, /* a connection error with code */
};
struct h2_suspect {
    enum h2_suspicion kind;
    uint32_t stream_id;
    enum h2_code code;
};
/* Reads frame headers. The result is how many bytes may go to nghttp2: all of them and no suspect,
 * or what stands before one: HEADERS on a lower id that was skipped (RFC 9113 5.1.1), HEADERS or
 * DATA on a stream that the peer had ended (5.1), PRIORITY on stream 0 (6.3); or up to and into a
 * PRIORITY that makes a stream depend on itself (RFC 7540 5.3.1; nghttp2 does not read PRIORITY
 * once we say that we do not). If the connection does not end over it, call again with the bytes
 * from there on. */
size_t h2_guard_scan(struct h2_guard *, struct bytes in, struct h2_suspect *);
void h2_guard_add(struct h2_guard *, uint32_t weight);
/* CALM is told once. */
enum h2_guard_state h2_guard_state(struct h2_guard *);

#endif
