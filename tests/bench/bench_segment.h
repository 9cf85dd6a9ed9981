/* A healthy segment of three spans and an exact size, as a Java agent would send it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_SEGMENT_H
#define BENCH_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_SEGMENT_MIN = 400,
    BENCH_SEGMENT_MAX = 4096,
    BENCH_COUNTER_DIGITS = 8,
};

struct bench_segment {
    uint8_t bytes[BENCH_SEGMENT_MAX];
    size_t n;
    size_t counter_at; /* offset of the last digits of traceSegmentId */
};

/* A SegmentObject of exactly n_bytes; now_ms becomes its spans' times. False when n_bytes is out of
 * range. */
_Bool bench_segment_build(struct bench_segment *, size_t n_bytes, int64_t now_ms);
/* Writes the counter's last digits over those at the place given. */
void bench_segment_number(uint8_t *digits, uint64_t counter);

#endif
