/* Gathering output into iovecs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "h2/h2_gather.h"

#include "base/check.h"
#include "h2/h2.h"

/* A frame of 16 KiB lent in pieces of GATHER_LEND_MIN with copied ones between, and its header. */
enum { FRAME_IOVS = 2 * (H2_FRAME_BYTES / GATHER_LEND_MIN) + 2 };
enum { FRAME_SCRATCH = 2 * (H2_FRAME_BYTES + 16) };

void
h2_gather_reset(struct h2_gather *gather)
{
    gather->n = 0;
    gather->n_bytes = 0;
    gather->n_scratch = 0;
}

bool
h2_gather_has_room(const struct h2_gather *gather)
{
    return gather->n_bytes < GATHER_BYTES && gather->n + FRAME_IOVS <= GATHER_IOVS &&
           gather->n_scratch + FRAME_SCRATCH <= GATHER_SCRATCH;
}

static void
add(struct h2_gather *gather, void *p, size_t n)
{
    gather->n_bytes += n;
    if (gather->n > 0) {
        struct iovec *last = &gather->iov[gather->n - 1];
        if ((uint8_t *)last->iov_base + last->iov_len == (uint8_t *)p) {
            last->iov_len += n;
            return;
        }
    }
    check(gather->n < GATHER_IOVS);
    gather->iov[gather->n++] = (struct iovec){.iov_base = p, .iov_len = n};
}

void
h2_gather_copy(struct h2_gather *gather, const void *p, size_t n)
{
    if (n == 0)
        return;
    check(gather->n_scratch + n <= GATHER_SCRATCH);
    uint8_t *to = gather->scratch + gather->n_scratch;
    memcpy(to, p, n);
    gather->n_scratch += n;
    add(gather, to, n);
}

void
h2_gather_lend(struct h2_gather *gather, const void *p, size_t n)
{
    if (n < GATHER_LEND_MIN) {
        h2_gather_copy(gather, p, n);
        return;
    }
    /* iovec has no const; sendmsg only reads. */
    union {
        const void *in;
        void *out;
    } lent = {.in = p};
    add(gather, lent.out, n);
}
