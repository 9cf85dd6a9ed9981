/* One connection of the driver: pre-encoded frames out, answers in. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRIVER_LINK_H
#define DRIVER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "waits.h"

/* What all connections share: the shape of the load, the call's body, and the counts. */
struct load {
    uint16_t port; /* on 127.0.0.1 */
    uint32_t n_links, n_slots, n_per_call;
    size_t n_segment_bytes;
    uint32_t n_frame_bytes; /* 0 = one DATA frame a message */

    const uint8_t *body; /* n_per_call framed messages */
    size_t n_body, n_message, counter_at;

    uint64_t counter;                          /* the last segment number given */
    uint64_t n_acknowledged, n_failed, n_late; /* segments, segments, turns */
    uint64_t n_answers;
    int64_t sum_call_ns, max_call_ns;
    struct waits waits; /* of each call, from its last byte written to its answer */
};

struct link;

/* Builds the body; false when the shape is impossible. */
bool load_prepare(struct load *);
/* Connects and queues the preface; NULL when refused. Lives as long as the process. */
struct link *link_new(struct load *);
int link_fd(const struct link *);
/* The server's SETTINGS are in. */
bool link_is_ready(const struct link *);
/* Starts a call and releases its first n messages; false when no slot or stream is free. */
bool link_begin(struct link *, uint32_t n);
/* Releases n more messages of the newest call; false when it is complete. */
bool link_release(struct link *, uint32_t n);
/* Half closes the newest call with what it has. */
void link_finish(struct link *);
/* Frames what the windows allow and writes what the socket takes. */
void link_flush(struct link *);
/* Reads, flushes; false when the connection is lost. */
bool link_turn(struct link *);

#endif
