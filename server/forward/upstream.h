/* How a batch becomes the bytes of one call. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARD_UPSTREAM_H
#define FORWARD_UPSTREAM_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/method.h"
#include "store/store.h"

/* Writes the framing into the headroom in front of each payload and fills one slice per record.
 * wire is the method of the call: SEGMENT_COLLECT_SYNC for a batch of segments makes one
 * SegmentCollection of them, else each record is a message of its own. slices holds batch->n.
 * Repeatable: a batch may go out by another method later. The bytes of the call's DATA. */
uint64_t upstream_frame(struct store_batch *, enum method wire, struct bytes *slices);

#endif
