/* uthash behind our own face. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdint.h>

#include "base/hash.h"
#include "base/mem.h"

#define HASH_FUNCTION(key, length, value) \
    ((value) = (unsigned)hash_bytes(bytes_of((key), (length))))
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(pointer, size) mem_free(pointer)
#include <uthash.h>

struct entry {
    UT_hash_handle hh;
    void *value;
    size_t n;
    uint8_t key[];
};

struct map {
    struct entry *head;
};

struct map *
map_new(void)
{
    return mem_new(struct map);
}

void
map_free(struct map **map)
{
    if (*map == NULL)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, (*map)->head, entry, next)
    {
        HASH_DEL((*map)->head, entry);
        mem_free(entry);
    }
    mem_free(*map);
    *map = NULL;
}

static struct entry *
find_entry(const struct map *map, struct bytes key)
{
    struct entry *entry = NULL;
    HASH_FIND(hh, map->head, key.p, key.n, entry);
    return entry;
}

void *
map_find(const struct map *map, struct bytes key)
{
    struct entry *entry = find_entry(map, key);
    return entry != NULL ? entry->value : NULL;
}

void *
map_put(struct map *map, struct bytes key, void *value)
{
    struct entry *entry = find_entry(map, key);
    if (entry != NULL) {
        void *old = entry->value;
        entry->value = value;
        return old;
    }
    entry = mem_zeroed(sizeof(*entry) + key.n);
    entry->value = value;
    entry->n = key.n;
    if (key.n > 0)
        memcpy(entry->key, key.p, key.n);
    HASH_ADD_KEYPTR(hh, map->head, entry->key, entry->n, entry);
    return NULL;
}

void *
map_remove(struct map *map, struct bytes key)
{
    struct entry *entry = find_entry(map, key);
    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    HASH_DEL(map->head, entry);
    mem_free(entry);
    return value;
}

size_t
map_count(const struct map *map)
{
    return HASH_COUNT(map->head);
}

void
map_each(struct map *map, map_each_fn *fn, void *ctx)
{
    struct entry *entry, *next;
    HASH_ITER(hh, map->head, entry, next)
    {
        fn(ctx, bytes_of(entry->key, entry->n), entry->value);
    }
}
