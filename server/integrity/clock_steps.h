/* Hosts on which several instances at once report spans that end before they start. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 4, D6. A step of a host's clock is a burst over its instances; agents that
 * do it all the time (a Java plugin that sets the start anew) are no witnesses. Bounded: the host
 * not touched longest leaves. Times are milliseconds of a clock that never goes back. One thread.
 */
#ifndef INTEGRITY_CLOCK_STEPS_H
#define INTEGRITY_CLOCK_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    CLOCK_STEPS_HOSTS = 1024,
    CLOCK_STEPS_WITNESSES = 8, /* per host */
    CLOCK_STEPS_LEAST_WITNESSES = 2,
    CLOCK_STEPS_LEAST_SPANS = 10, /* of all witnesses together */
    CLOCK_STEPS_LEAST_EACH = 3,
    CLOCK_STEPS_BURST_MS = 5 * 60 * 1000,
    /* Without such spans before a burst counts as one; so long it also has an effect. */
    CLOCK_STEPS_QUIET_MS = 10 * 60 * 1000,
    CLOCK_STEPS_HOLD_MS = 15 * 60 * 1000,
};

struct clock_steps;

struct clock_steps *clock_steps_new(void);
void clock_steps_free(struct clock_steps **);
uint64_t clock_steps_n_bytes(const struct clock_steps *);

/* n_spans more end before they start. silent_since_ms: when its last such span came before these,
 * else since when the instance is known. */
void clock_steps_note(struct clock_steps *, struct bytes hostname, uint64_t instance,
                      uint32_t n_spans, int64_t silent_since_ms, int64_t now_ms);

struct clock_step {
    uint64_t witnesses[CLOCK_STEPS_WITNESSES];
    uint32_t n_witnesses, n_spans;
};
/* True while the host's clock was set a short time ago; out may be NULL. */
bool clock_steps_look(struct clock_steps *, struct bytes hostname, int64_t now_ms,
                      struct clock_step *out);

#endif
