/* How long each of many calls waited, and what share waited how long. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "waits.h"

#include <stdlib.h>

#include "base/mem.h"

void
waits_add(struct waits *waits, int64_t ns)
{
    if (waits->n == waits->size) {
        waits->size = waits->size > 0 ? waits->size * 2 : 4096;
        waits->us = mem_resize(waits->us, waits->size * sizeof *waits->us);
    }
    waits->us[waits->n++] = (uint32_t)(ns / 1000);
    waits->is_sorted = false;
}

static int
compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

double
waits_ms(struct waits *waits, double share)
{
    if (waits->n == 0)
        return 0;
    if (!waits->is_sorted)
        qsort(waits->us, waits->n, sizeof *waits->us, compare);
    waits->is_sorted = true;
    return waits->us[(size_t)((double)(waits->n - 1) * share)] / 1e3;
}
