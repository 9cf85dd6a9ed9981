/* The only place that asks the system for the time; tests set it by hand. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A loop refreshes its thread's reading once per turn, so a turn has one time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Reads the system's clocks into this thread's reading (no effect while set by hand). */
void clock_refresh(void);
/* This thread's reading: microseconds since some start, never backwards. */
uint64_t clock_mono_us(void);
/* This thread's reading: milliseconds since 1970-01-01 UTC. */
int64_t clock_unix_ms(void);
/* Refreshes and gives the monotonic time: for measuring inside one turn. */
uint64_t clock_fresh_us(void);
/* Sets this thread's clock until the thread ends: for tests. */
void clock_set(uint64_t mono_us, int64_t unix_ms);

#endif
