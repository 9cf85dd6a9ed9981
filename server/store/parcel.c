/* Parcels: made, filled with runs, freed when what they carried has found an owner. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parcel.h"

#include <stddef.h>

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_RUNS = 64 };

struct parcel *
parcel_new(void)
{
    struct parcel *parcel = mem_new(struct parcel);
    STAILQ_INIT(&parcel->slices);
    STAILQ_INIT(&parcel->reads);
    return parcel;
}

void
parcel_free(struct parcel **parcel)
{
    if (*parcel == NULL)
        return;
    check(STAILQ_EMPTY(&(*parcel)->slices) && STAILQ_EMPTY(&(*parcel)->reads));
    mem_free((*parcel)->runs);
    mem_free(*parcel);
    *parcel = NULL;
}

static bool
is_continued(const struct parcel *parcel, uint64_t first, uint32_t n, enum run_end end)
{
    if (parcel->n_runs == 0)
        return false;
    const struct parcel_run *last = &parcel->runs[parcel->n_runs - 1];
    return last->end == end && last->first + last->n == first && n <= UINT32_MAX - last->n;
}

static void
grow(struct parcel *parcel)
{
    check(parcel->runs_size <= UINT32_MAX / 2);
    parcel->runs_size = parcel->runs_size == 0 ? FIRST_RUNS : parcel->runs_size * 2;
    parcel->runs = mem_resize(parcel->runs, parcel->runs_size * sizeof(parcel->runs[0]));
}

void
parcel_add_run(struct parcel *parcel, uint64_t first, uint32_t n, enum run_end end)
{
    if (n == 0)
        return;
    if (is_continued(parcel, first, n, end)) {
        parcel->runs[parcel->n_runs - 1].n += n;
        return;
    }
    if (parcel->n_runs == parcel->runs_size)
        grow(parcel);
    parcel->runs[parcel->n_runs++] = (struct parcel_run){first, n, end};
}

bool
parcel_is_empty(const struct parcel *parcel)
{
    return STAILQ_EMPTY(&parcel->slices) && STAILQ_EMPTY(&parcel->reads) && parcel->n_runs == 0 &&
           !parcel->has_cold;
}
