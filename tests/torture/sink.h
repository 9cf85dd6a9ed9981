/* A backend of a test program: takes numbered messages and answers, stalls, fails or is away. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_SINK_H
#define TORTURE_SINK_H

#include <sys/queue.h>

#include "ids.h"
#include "peer.h"

enum sink_mode {
    SINK_ANSWERS,
    SINK_STALLS, /* takes all, answers nothing until the mode changes */
    SINK_FAILS,  /* half of the calls: UNAVAILABLE, RESOURCE_EXHAUSTED or RST_STREAM */
    SINK_AWAY,   /* connections reset, new ones refused */
    N_SINK_MODES
};

struct sink_call;
struct sink_link;

/* Messages delivered at one time. */
struct delivery {
    int64_t at_us;
    uint32_t n;
};

struct sink {
    struct loop *loop;
    struct ids *ids;
    enum sink_mode mode;
    uint16_t port;
    uint64_t random;
    struct watch *listener;
    LIST_HEAD(, sink_link) links;
    struct delivery *deliveries; /* since sink_forget */
    size_t n_deliveries, deliveries_capacity;
    uint64_t n_calls, n_failed;
};

void sink_open(struct sink *, struct loop *, struct ids *, uint64_t seed);
void sink_close(struct sink *);
void sink_set(struct sink *, enum sink_mode);
/* Messages delivered since that moment. */
uint64_t sink_delivered_since(const struct sink *, int64_t us);
void sink_forget(struct sink *);

#endif
