/* A stand-in OAP: takes what an OAP takes, stores and answers it, and fails on request. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in a thread of its own, so that "serve --sink" and "demo" measure the real data path. */
#ifndef COMMAND_STANDIN_H
#define COMMAND_STANDIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/method.h"
#include "base/text.h"

struct standin;

struct standin_settings {
    const char *listen; /* "127.0.0.1:0" */
    const char
        *store_dir; /* DIR/Service.method.bin, 4-byte big-endian lengths; NULL: nothing is stored */
    uint32_t keep;  /* newest segments kept in memory for the queries */
    uint64_t latency_us; /* before each answer */
    double fail_ratio;   /* 0..1 of the calls get fail_status and are not stored */
    int fail_status;     /* enum grpc_status */
    bool stall;          /* takes everything, answers nothing */
    uint64_t until;      /* stops by itself after that many items; 0: never */
};

struct standin_counts {
    uint64_t n_calls, n_failed;
    uint64_t
        n_items[METHOD_COUNT]; /* a SegmentCollection counts its segments under SEGMENT_COLLECT */
    uint64_t n_bytes;
};

/* Binds and starts; *why tells an error in words. */
enum err standin_start(const struct standin_settings *, struct text *why,
                       struct standin **out) MUST_CHECK;
/* Stops, joins and frees; everything stored is on its way to the files. */
void standin_stop(struct standin **);
/* "127.0.0.1:41234"; valid while it runs. */
const char *standin_address(const struct standin *);
/* Any thread. */
void standin_counts(struct standin *, struct standin_counts *out);
/* It stopped by itself (until). Any thread. */
bool standin_is_over(struct standin *);
/* Blocks until it stopped by itself. */
void standin_wait(struct standin *);
/* The newest segments as a JSON array, newest first; trace_id NULL: all. Any thread. */
void standin_query(struct standin *, uint32_t limit, const char *trace_id, struct text *out);

#endif
