/* A hash table from bytes to pointers, over uthash with the seeded hash. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread. Keys are copied; values belong to the caller. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct map;

struct map *map_new(void);
void map_free(struct map **);
/* NULL when absent. */
void *map_find(const struct map *, struct bytes key);
/* Adds or replaces; gives the value that was there before, or NULL. value is not NULL. */
void *map_put(struct map *, struct bytes key, void *value);
/* Gives the removed value, or NULL. */
void *map_remove(struct map *, struct bytes key);
size_t map_count(const struct map *);

typedef void map_each_fn(void *ctx, struct bytes key, void *value);
/* In order of insertion. The called function may remove the entry it was given. */
void map_each(struct map *, map_each_fn *, void *ctx);

#endif
