/* Live segments for somebody who looks on: filter, rate, and the way from the workers to a reader.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* One struct tap per onlooker. Each worker offers what it judged; what the filter matches and the
 * rate lets pass is copied into the worker's own ring, from which one reader takes it:
 *
 *   worker 0 --verdict, filter, rate, copy--> ring 0 --\
 *   worker 1 --verdict, filter, rate, copy--> ring 1 ----> reader, the oldest first
 *
 * The filter comes before the rate, or a rare thing would never be found. Nobody waits for anybody:
 * a ring is written by its worker and read by the reader, two positions tell how far each is, and
 * what finds no room is counted and passed over. The memory of a ring is charged to its worker's
 * budget while it is open. Source: product.md 2 (tap), 5. */
#ifndef INTEGRITY_TAP_H
#define INTEGRITY_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/rule_table.h"
#include "integrity/filter.h"
#include "integrity/integrity.h"

enum {
    TAP_MOST = 4,                       /* taps at once */
    TAP_RING_BYTES = 1024 * 1024,       /* of each tap and worker */
    TAP_SEGMENT_MAX_BYTES = 256 * 1024, /* a larger segment is not copied */
    TAP_MAX_RATE = 10000,
};

struct tap;

struct tap_settings {
    struct filter *filter; /* NULL: all; owned by the tap from tap_new on */
    uint32_t verdicts;     /* bit per enum verdict; 0: all */
    uint32_t rate;         /* segments a second, all workers together, and so many at once after a
                              pause; 1 to TAP_MAX_RATE */
    uint32_t n_rings;      /* workers */
};

/* No ring is open yet. */
struct tap *tap_new(const struct tap_settings *);
/* Every ring was closed, or was never opened. */
void tap_free(struct tap **);

/* The ring's own worker, which offers nothing before and nothing after. open: false when the budget
 * has no room, or agents would be held up for it; then the reader finds tap_is_refused and the ring
 * stays empty. */
bool tap_open(struct tap *, uint32_t ring, struct budget *);
/* The reader does not look any more. */
void tap_close(struct tap *, uint32_t ring, struct budget *);
/* A segment that was judged and taken, with its bytes as they came. Bounded as filter_matches. */
void tap_offer(struct tap *, uint32_t ring, struct bytes message, const struct judgement *);

/* The reader's thread, from here on. */
struct tap_item {
    int64_t received_ms;
    enum verdict verdict;
    enum rule rule;       /* that decided, else the one found most; RULE_COUNT: none */
    uint64_t rules;       /* bit per rule that was found */
    struct bytes payload; /* the segment; in the ring, until tap_take */
};
/* The item that came first; false: there is none at the moment. */
bool tap_peek(struct tap *, struct tap_item *out);
/* Gives the place of the item that was peeked at back. */
void tap_take(struct tap *);
bool tap_is_refused(const struct tap *);
/* Every worker offers now. */
bool tap_is_open(const struct tap *);

/* Since the tap began: matched is the sum of those that follow and of what was copied. */
struct tap_counts {
    uint64_t n_seen;      /* segments judged */
    uint64_t n_matched;   /* by verdict and filter */
    uint64_t n_over_rate; /* passed over for the rate, */
    uint64_t n_no_room;   /* for a reader that is slow, */
    uint64_t n_too_large; /* or for its size */
};
void tap_counts(const struct tap *, struct tap_counts *out);

#endif
