/* How long each of many calls waited, and what share waited how long. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WAITS_H
#define WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every single one is kept: percentiles are exact. Zeroed is empty. */
struct waits {
    uint32_t *us;
    size_t n, size;
    bool is_sorted;
};

void waits_add(struct waits *, int64_t ns);
/* The wait that this share of all did not exceed; 0 when there is none. */
double waits_ms(struct waits *, double share);

#endif
