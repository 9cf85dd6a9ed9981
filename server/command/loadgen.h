/* An open-loop load generator: segments at a rate, whatever the answers do. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in a thread of its own. Latency is measured from the time a call was due, not from when it
 * could be sent, so a stall of the server shows (no coordinated omission). */
#ifndef COMMAND_LOADGEN_H
#define COMMAND_LOADGEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rule_table.h"
#include "base/text.h"

struct loadgen;

struct loadgen_settings {
    const char *address; /* numeric host:port */
    uint64_t rate;       /* segments per second; 0: flat out, 8 calls in flight a connection */
    uint32_t connections;
    uint32_t instances;            /* spread over four services, one per language */
    uint32_t spans_min, spans_max; /* per segment */
    uint32_t per_call;             /* segments a call */
    uint64_t duration_us;
    uint64_t seed;
    double corrupt[RULE_COUNT]; /* 0..1 of the segments get this damage */
};
void loadgen_settings_default(struct loadgen_settings *);

struct loadgen_result {
    uint64_t n_sent, n_acknowledged, n_failed; /* segments */
    uint64_t n_other;                          /* properties and keep-alives acknowledged */
    uint64_t n_unsent;                         /* due, but never sent: no connection or no room */
    uint64_t injected[RULE_COUNT];             /* among the acknowledged ones */
    uint64_t elapsed_us;
    uint64_t p50_us, p90_us, p99_us, max_us; /* of calls, from due to OK */
    char last_error[160];
};

/* ERR_NAME for an address that is not numeric host:port. */
enum err loadgen_start(const struct loadgen_settings *, struct loadgen **out) MUST_CHECK;
/* Ends the load early. Any thread. */
void loadgen_cancel(struct loadgen *);
/* Waits until the duration is over and the last answers are in (at most 10 s more), and frees. */
void loadgen_finish(struct loadgen **, struct loadgen_result *out);
/* True once the load is over and loadgen_finish will not block. Any thread. */
bool loadgen_is_over(struct loadgen *);

#endif
