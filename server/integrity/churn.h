/* Lives of one program on one host: whether it starts, dies abruptly and starts again. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 2, instance-churn. A key is a service on a host; its lives lie strictly one
 * after another, else they are forgotten: a rolling deployment overlaps, a pool of processes does
 * so all the time. An orderly end or a life of ten minutes forgets what was before. Times are
 * milliseconds of a clock that never goes back. One thread; bounded: the key not touched longest
 * leaves. */
#ifndef INTEGRITY_CHURN_H
#define INTEGRITY_CHURN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    CHURN_KEYS = 8192,
    CHURN_LIVES = 8, /* per key; the oldest leaves */
    CHURN_LEAST_LIVES = 4,
    CHURN_WINDOW_MS = 30 * 60 * 1000,
    CHURN_LONG_LIFE_MS = 10 * 60 * 1000,
    /* Two workers see the end of one life and the start of the next, each at its turn. */
    CHURN_SLACK_MS = 100,
    /* They report once a second each: so late an end may be heard of. */
    CHURN_LATE_MS = 2500,
};

struct churn;

struct churn *churn_new(void);
void churn_free(struct churn **);
uint64_t churn_n_bytes(const struct churn *);

/* Never 0. */
uint64_t churn_key(struct bytes service, struct bytes hostname, struct bytes ipv4);

/* What an instance holds of its life; all zeros: none. Void when the key has left: then ends and
 * the like do nothing. */
struct churn_ticket {
    uint64_t key;
    uint32_t generation;
};

/* at_ms: when it happened, as far as that is known; ends may be heard of after later starts. */
struct churn_ticket churn_begin(struct churn *, uint64_t key, uint64_t instance, int64_t at_ms);
/* The connection was lost and the same process is back. */
void churn_resume(struct churn *, struct churn_ticket, uint64_t instance, int64_t now_ms);
/* The instance is forgotten while it lives: nothing is known of its end. */
void churn_forget(struct churn *, struct churn_ticket, int64_t now_ms);

struct churn_end {
    bool is_abrupt;
    uint32_t n_segments, n_keepalives; /* in this life */
};
/* True when this life is the fourth or a later one of a loop: the finding instance-churn. */
bool churn_finish(struct churn *, struct churn_ticket, uint64_t instance, const struct churn_end *,
                  int64_t at_ms);

/* The lives that ended within the window. */
struct churn_story {
    uint32_t n_lives;
    int64_t span_ms; /* from the first one's start to the last one's end */
    int64_t longest_ms;
    uint32_t least_segments, most_segments, most_keepalives;
};
/* False when the key has left or the loop is over: the last life has lasted, or fewer than two
 * lives began within the window. */
bool churn_look(struct churn *, uint64_t key, int64_t now_ms, struct churn_story *out);

/* Whom the diagnosis of the loop stands at, so that it can go with the newest life; 0: nobody. */
uint64_t churn_holder(struct churn *, uint64_t key);
void churn_set_holder(struct churn *, uint64_t key, uint64_t instance);

#endif
