/* The framing of calls, written in place. */
/* SPDX-License-Identifier: Apache-2.0 */
/*   collect, and every other method:     collectInSync:
 *   +---+-------+---------+ per record   +---+-------+ once, then per record
 * +----+------+---------+ | 0 | n (4) | payload |              | 0 | sum(4)| |0x0A|varint| payload
 * |
 *   +---+-------+---------+              +---+-------+ +----+------+---------+ 0x0A: field 1,
 * length-delimited: repeated SegmentObject segments. */
#include "forward/upstream.h"

#include "base/check.h"
#include "grpc/grpc.h"

enum { TAG_SEGMENTS = 0x0A, VARINT_MAX = 5 };
_Static_assert(GRPC_PREFIX_BYTES + 1 + VARINT_MAX <= STORE_HEADROOM, "framing fits the headroom");

static uint32_t
varint_bytes(uint32_t n)
{
    uint32_t bytes = 1;
    while (n >= 0x80) {
        n >>= 7;
        bytes++;
    }
    return bytes;
}

/* Tag and length in front of the payload; where they begin. */
static uint8_t *
put_field(uint8_t *payload, uint32_t n)
{
    uint8_t *at = payload - varint_bytes(n) - 1, *start = at;
    *at++ = TAG_SEGMENTS;
    while (n >= 0x80) {
        *at++ = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    *at = (uint8_t)n;
    return start;
}

static uint64_t
frame_collection(struct store_batch *batch, struct bytes *slices)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        uint8_t *start = put_field(batch->items[i].payload, batch->items[i].n);
        size_t n = (size_t)(batch->items[i].payload - start) + batch->items[i].n;
        slices[i] = bytes_of(start, n);
        sum += n;
    }
    check(sum <= UINT32_MAX);
    uint8_t *first = batch->items[0].payload - (slices[0].n - batch->items[0].n);
    grpc_put_prefix(first - GRPC_PREFIX_BYTES, (uint32_t)sum);
    slices[0] = bytes_of(first - GRPC_PREFIX_BYTES, slices[0].n + GRPC_PREFIX_BYTES);
    return sum + GRPC_PREFIX_BYTES;
}

uint64_t
upstream_frame(struct store_batch *batch, enum method wire, struct bytes *slices)
{
    check(batch->n > 0);
    if (wire == METHOD_SEGMENT_COLLECT_SYNC && batch->method == METHOD_SEGMENT_COLLECT)
        return frame_collection(batch, slices);
    for (uint32_t i = 0; i < batch->n; i++) {
        uint8_t *start = batch->items[i].payload - GRPC_PREFIX_BYTES;
        grpc_put_prefix(start, batch->items[i].n);
        slices[i] = bytes_of(start, batch->items[i].n + (size_t)GRPC_PREFIX_BYTES);
    }
    return batch->n_bytes + (uint64_t)batch->n * GRPC_PREFIX_BYTES;
}
