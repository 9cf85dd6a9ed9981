/* A ring of bytes with a memory of what was sent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_queue.h"

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_BYTES = 512, IDLE_BYTES = 4096 /* kept while empty */ };

void
grpc_queue_init(struct grpc_queue *queue, struct budget *budget, bool keeps)
{
    *queue = (struct grpc_queue){.budget = budget, .keeps = keeps};
}

static void
free_memory(struct grpc_queue *queue)
{
    budget_give(queue->budget, queue->size);
    mem_free(queue->p);
    queue->p = NULL;
    queue->size = 0;
}

void
grpc_queue_fini(struct grpc_queue *queue)
{
    free_memory(queue);
    queue->base = queue->at = queue->end;
}

/* The part of [from, from + n) that lies in one piece. */
static size_t
piece(const struct grpc_queue *queue, uint64_t from, size_t n)
{
    size_t left = queue->size - (size_t)(from & (queue->size - 1));
    return n < left ? n : left;
}

static uint8_t *
place(const struct grpc_queue *queue, uint64_t position)
{
    return queue->p + (position & (queue->size - 1));
}

static void
copy_in(struct grpc_queue *queue, uint64_t to, struct bytes in)
{
    while (in.n > 0) {
        size_t n = piece(queue, to, in.n);
        memcpy(place(queue, to), in.p, n);
        to += n;
        in = bytes_of(in.p + n, in.n - n);
    }
}

static void
grow(struct grpc_queue *queue, size_t n)
{
    size_t size = queue->size != 0 ? queue->size : FIRST_BYTES;
    while (size < n)
        size *= 2;
    budget_take_always(queue->budget, size);
    struct grpc_queue bigger = *queue;
    bigger.p = mem_alloc(size);
    bigger.size = size;
    for (uint64_t at = queue->base; at < queue->end;) {
        size_t part = piece(queue, at, (size_t)(queue->end - at));
        copy_in(&bigger, at, bytes_of(place(queue, at), part));
        at += part;
    }
    free_memory(queue);
    queue->p = bigger.p;
    queue->size = size;
}

void
grpc_queue_put(struct grpc_queue *queue, struct bytes in)
{
    if (in.n == 0)
        return;
    size_t held = (size_t)(queue->end - queue->base);
    if (held + in.n > queue->size)
        grow(queue, held + in.n);
    copy_in(queue, queue->end, in);
    queue->end += in.n;
}

size_t
grpc_queue_n(const struct grpc_queue *queue)
{
    return (size_t)(queue->end - queue->at);
}

static void
forget_sent(struct grpc_queue *queue)
{
    queue->base = queue->at;
    if (queue->base == queue->end && queue->size > IDLE_BYTES)
        free_memory(queue);
}

void
grpc_queue_give(struct grpc_queue *queue, size_t n, struct h2_gather *gather)
{
    check(n <= grpc_queue_n(queue));
    while (n > 0) {
        size_t part = piece(queue, queue->at, n);
        h2_gather_copy(gather, place(queue, queue->at), part);
        queue->at += part;
        n -= part;
    }
    if (!queue->keeps)
        forget_sent(queue);
}

void
grpc_queue_rewind(struct grpc_queue *queue)
{
    check(queue->keeps);
    queue->at = queue->base;
}

void
grpc_queue_let_go(struct grpc_queue *queue)
{
    queue->keeps = false;
    forget_sent(queue);
}

struct bytes
grpc_queue_view(const struct grpc_queue *queue)
{
    /* Nothing was ever dropped, so nothing wraps. */
    check(queue->keeps && queue->base == 0);
    return bytes_of(queue->p, (size_t)queue->end);
}
