/* When a backend fails so often that it is better left alone for a while. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Due: five failures in a row, or more than 85 % of at least 50 calls failed within 10 s. Out for
 * 30 s, longer each time, at most 300 s. A call that began while it was out and went well ends it:
 * such calls exist only when there was no better choice. Times are the caller's, in us. */
#ifndef FORWARD_OUTLIER_H
#define FORWARD_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

enum { OUTLIER_BUCKETS = 10 };

/* All zero: no call yet. */
struct outlier {
    uint32_t n_calls[OUTLIER_BUCKETS], n_failed[OUTLIER_BUCKETS]; /* of one second each */
    uint64_t last_s;                                              /* the youngest bucket */
    uint32_t n_in_a_row;
    uint32_t n_ejections; /* since it went well for a whole window */
    uint64_t since_us, until_us;
};

void outlier_on_ok(struct outlier *, uint64_t started_us, uint64_t now_us);
void outlier_on_failure(struct outlier *, uint64_t now_us);
/* It should go out, and is not. */
bool outlier_is_due(struct outlier *, uint64_t now_us);
void outlier_eject(struct outlier *, uint64_t now_us);
bool outlier_is_out(const struct outlier *, uint64_t now_us);

#endif
