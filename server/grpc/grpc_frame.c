/* The deframer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_frame.h"

#include "base/check.h"
#include "base/mem.h"
#include "grpc/grpc.h"

void
grpc_frame_pool_init(struct grpc_frame_pool *pool, struct budget *budget)
{
    *pool = (struct grpc_frame_pool){.budget = budget};
}

void
grpc_frame_pool_fini(struct grpc_frame_pool *pool)
{
    while (pool->n_spares > 0)
        mem_free(pool->spares[--pool->n_spares]);
}

static void
release(struct grpc_frame *frame, struct grpc_frame_pool *pool)
{
    if (frame->buffer == NULL)
        return;
    budget_give(pool->budget, frame->size);
    if (frame->size == FRAME_BUFFER_BYTES && pool->n_spares < FRAME_SPARES)
        pool->spares[pool->n_spares++] = frame->buffer;
    else
        mem_free(frame->buffer);
    frame->buffer = NULL;
    frame->size = 0;
}

/* Room for n bytes in all, at most doubling, never beyond what will be kept. */
static void
grow(struct grpc_frame *frame, struct grpc_frame_pool *pool, uint32_t n)
{
    if (n <= frame->size)
        return;
    if (frame->size == 0 && n <= FRAME_BUFFER_BYTES && pool->n_spares > 0) {
        frame->buffer = pool->spares[--pool->n_spares];
        frame->size = FRAME_BUFFER_BYTES;
        budget_take_always(pool->budget, frame->size);
        return;
    }
    uint64_t size = frame->size ? (uint64_t)frame->size * 2 : FRAME_BUFFER_BYTES;
    uint32_t most = frame->state == FRAME_SKIP ? FRAME_SKIP_KEEP : frame->length;
    if (size > most && most >= FRAME_BUFFER_BYTES)
        size = most;
    if (size < n)
        size = n;
    budget_take_always(pool->budget, size - frame->size);
    frame->buffer = mem_resize(frame->buffer, size);
    frame->size = (uint32_t)size;
}

static void
keep(struct grpc_frame *frame, struct grpc_frame_pool *pool, const uint8_t *p, uint32_t n)
{
    if (n == 0)
        return;
    grow(frame, pool, frame->have + n);
    memcpy(frame->buffer + frame->have, p, n);
}

/* False when the prefix is not whole yet. */
static bool
read_prefix(struct grpc_frame *frame, struct bytes *in)
{
    if (__builtin_expect(frame->n_prefix == 0 && in->n >= GRPC_PREFIX_BYTES, 1)) {
        memcpy(frame->prefix, in->p, GRPC_PREFIX_BYTES);
        frame->n_prefix = GRPC_PREFIX_BYTES;
        *in = bytes_of(in->p + GRPC_PREFIX_BYTES, in->n - GRPC_PREFIX_BYTES);
        return true;
    }
    size_t want = (size_t)GRPC_PREFIX_BYTES - frame->n_prefix;
    size_t n = in->n < want ? in->n : want;
    memcpy(frame->prefix + frame->n_prefix, in->p, n);
    frame->n_prefix += (uint8_t)n;
    *in = bytes_of(in->p + n, in->n - n);
    return frame->n_prefix == GRPC_PREFIX_BYTES;
}

static enum grpc_frame_event
give(struct grpc_frame *frame, struct grpc_message *out, struct bytes body, bool is_lent)
{
    frame->state = FRAME_WHOLE;
    *out = (struct grpc_message){.body = body,
                                 .length = frame->length,
                                 .is_compressed = frame->prefix[0] == 1,
                                 .is_lent = is_lent};
    return FRAME_MESSAGE;
}

static enum grpc_frame_event
read_body(struct grpc_frame *frame, struct grpc_frame_pool *pool, struct bytes *in,
          struct grpc_message *out)
{
    uint32_t left = frame->length - frame->have;
    if (frame->have == 0 && in->n >= left) {
        struct bytes body = bytes_of(in->p, left);
        *in = bytes_of(in->p + left, in->n - left);
        return give(frame, out, body, true);
    }
    uint32_t n = in->n < left ? (uint32_t)in->n : left;
    keep(frame, pool, in->p, n);
    frame->have += n;
    *in = bytes_of(in->p + n, in->n - n);
    if (frame->have < frame->length)
        return FRAME_MORE;
    return give(frame, out, bytes_of(frame->buffer, frame->length), false);
}

static enum grpc_frame_event
skip_body(struct grpc_frame *frame, struct grpc_frame_pool *pool, struct bytes *in,
          struct grpc_message *out)
{
    uint32_t left = frame->length - frame->have;
    uint32_t n = in->n < left ? (uint32_t)in->n : left;
    if (frame->have < FRAME_SKIP_KEEP) {
        uint32_t room = FRAME_SKIP_KEEP - frame->have;
        keep(frame, pool, in->p, n < room ? n : room);
    }
    frame->have += n;
    *in = bytes_of(in->p + n, in->n - n);
    if (frame->have < frame->length)
        return FRAME_MORE;
    uint32_t kept = frame->length < FRAME_SKIP_KEEP ? frame->length : FRAME_SKIP_KEEP;
    (void)give(frame, out, bytes_of(frame->buffer, kept), false);
    return FRAME_SKIPPED;
}

enum grpc_frame_event
grpc_frame_next(struct grpc_frame *frame, struct grpc_frame_pool *pool, struct bytes *in,
                uint32_t limit, struct grpc_message *out)
{
    if (frame->state == FRAME_WHOLE)
        return give(frame, out, bytes_of(frame->buffer, frame->length), false);
    if (frame->state == FRAME_PREFIX) {
        if (in->n == 0 || !read_prefix(frame, in))
            return FRAME_MORE;
        if (frame->prefix[0] > 1)
            return FRAME_BAD;
        frame->length = (uint32_t)frame->prefix[1] << 24 | (uint32_t)frame->prefix[2] << 16 |
                        (uint32_t)frame->prefix[3] << 8 | frame->prefix[4];
        frame->state = frame->length > limit ? FRAME_SKIP : FRAME_BODY;
    }
    if (frame->state == FRAME_SKIP)
        return skip_body(frame, pool, in, out);
    return read_body(frame, pool, in, out);
}

void
grpc_frame_done(struct grpc_frame *frame, struct grpc_frame_pool *pool)
{
    check_slow(frame->state == FRAME_WHOLE);
    release(frame, pool);
    frame->state = FRAME_PREFIX;
    frame->n_prefix = 0;
    frame->have = 0;
    frame->length = 0;
}

void
grpc_frame_reset(struct grpc_frame *frame, struct grpc_frame_pool *pool)
{
    frame->state = FRAME_WHOLE;
    grpc_frame_done(frame, pool);
}
