/* Per-thread cached time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

static _Thread_local struct {
    uint64_t mono_us;
    int64_t unix_ms;
    bool by_hand;
} reading;

void
clock_refresh(void)
{
    if (reading.by_hand)
        return;
    struct timespec mono, wall;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    reading.mono_us = (uint64_t)mono.tv_sec * 1000000u + (uint64_t)mono.tv_nsec / 1000u;
    reading.unix_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
}

uint64_t
clock_mono_us(void)
{
    if (reading.mono_us == 0)
        clock_refresh();
    return reading.mono_us;
}

int64_t
clock_unix_ms(void)
{
    if (reading.mono_us == 0)
        clock_refresh();
    return reading.unix_ms;
}

uint64_t
clock_fresh_us(void)
{
    clock_refresh();
    return reading.mono_us;
}

void
clock_set(uint64_t mono_us, int64_t unix_ms)
{
    reading.mono_us = mono_us;
    reading.unix_ms = unix_ms;
    reading.by_hand = true;
}
