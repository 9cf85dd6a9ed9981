/* Chunked bump allocator. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { ARENA_CHUNK_BYTES = 64 * 1024, ARENA_ALIGN = 16 };

struct chunk {
    struct chunk *next;
    size_t size;
    alignas(ARENA_ALIGN) uint8_t data[];
};

struct arena {
    struct chunk *chunks; /* the newest first; the last one is kept over a reset */
    size_t at;            /* in the newest chunk */
    size_t used;
    size_t limit;
};

static struct chunk *
new_chunk(size_t size)
{
    struct chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->size = size;
    }
    return chunk;
}

struct arena *
arena_new(size_t limit_bytes)
{
    struct arena *arena = mem_new(struct arena);
    arena->limit = limit_bytes;
    arena->chunks = new_chunk(ARENA_CHUNK_BYTES);
    check(arena->chunks != NULL);
    return arena;
}

void
arena_free(struct arena **arena)
{
    if (*arena == NULL)
        return;
    arena_reset(*arena);
    mem_free((*arena)->chunks);
    mem_free(*arena);
    *arena = NULL;
}

void *
arena_alloc(struct arena *arena, size_t n)
{
    if (n > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (n > arena->limit - arena->used)
        return NULL;
    if (n > arena->chunks->size - arena->at) {
        struct chunk *chunk = new_chunk(n > ARENA_CHUNK_BYTES ? n : ARENA_CHUNK_BYTES);
        if (chunk == NULL)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->at = 0;
    }
    void *p = arena->chunks->data + arena->at;
    arena->at += n;
    arena->used += n;
    return p;
}

void *
arena_zeroed(struct arena *arena, size_t n)
{
    void *p = arena_alloc(arena, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void
arena_reset(struct arena *arena)
{
    while (arena->chunks->next != NULL) {
        struct chunk *next = arena->chunks->next;
        mem_free(arena->chunks);
        arena->chunks = next;
    }
    arena->at = 0;
    arena->used = 0;
}

void
arena_set_limit(struct arena *arena, size_t limit_bytes)
{
    check(limit_bytes >= arena->used);
    arena->limit = limit_bytes;
}

size_t
arena_used_bytes(const struct arena *arena)
{
    return arena->used;
}
