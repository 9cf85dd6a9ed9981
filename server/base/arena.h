/* Memory for the life of one message: allocate by bumping, forget all at once. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread. Pointers into it are void after arena_reset. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena;

/* limit_bytes caps what may be handed out between two resets. */
struct arena *arena_new(size_t limit_bytes);
void arena_free(struct arena **);
/* 16-byte aligned; NULL when the limit would be passed (never aborts: the sizes come from
 * strangers). */
void *arena_alloc(struct arena *, size_t n);
/* As arena_alloc, zeroed. */
void *arena_zeroed(struct arena *, size_t n);
/* Forgets everything; keeps one chunk of at most 64 KiB for the next message. */
void arena_reset(struct arena *);
/* Raises or lowers the cap until further notice. */
void arena_set_limit(struct arena *, size_t limit_bytes);
/* Handed out since the last reset. */
size_t arena_used_bytes(const struct arena *);

#endif
