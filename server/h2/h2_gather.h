/* What one flush sends: small pieces copied into scratch, big ones lent, as one iovec array. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One per hub, reused by every link of a thread. Lent bytes must stay until the flush is over. */
#ifndef H2_H2_GATHER_H
#define H2_H2_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bytes.h"

enum {
    GATHER_IOVS = 1024, /* IOV_MAX */
    GATHER_SCRATCH = 128 * 1024,
    GATHER_BYTES = 256 * 1024, /* a gather stops growing here */
    GATHER_LEND_MIN = 256,     /* below this a copy is cheaper than an iovec */
};

struct h2_gather {
    int n;
    size_t n_bytes;
    size_t n_scratch;
    struct iovec iov[GATHER_IOVS];
    uint8_t scratch[GATHER_SCRATCH];
};

void h2_gather_reset(struct h2_gather *);
/* Room for one more frame of at most H2_FRAME_BYTES in pieces of any size. */
bool h2_gather_has_room(const struct h2_gather *);
/* Copies; n is at most what h2_gather_has_room promised. */
void h2_gather_copy(struct h2_gather *, const void *p, size_t n);
/* Lends when it is worth it, else copies. */
void h2_gather_lend(struct h2_gather *, const void *p, size_t n);

#endif
