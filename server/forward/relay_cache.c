/* A bounded table of answers, all of the same lifetime, so the oldest expires first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/relay_cache.h"

#include <sys/queue.h>

#include "base/map.h"
#include "base/mem.h"

/* Key and answer stand behind it. */
struct entry {
    TAILQ_ENTRY(entry) link;
    struct budget *budget;
    uint64_t until_us;
    struct bytes key, answer;
};

struct relay_cache {
    uint64_t keep_us, n_bytes;
    struct map *map;
    TAILQ_HEAD(, entry) entries;
};

struct relay_cache *
relay_cache_new(uint64_t keep_us)
{
    struct relay_cache *cache = mem_new(struct relay_cache);
    cache->keep_us = keep_us;
    cache->map = map_new();
    TAILQ_INIT(&cache->entries);
    return cache;
}

static size_t
entry_bytes(const struct entry *entry)
{
    return sizeof(*entry) + 2 * entry->key.n + entry->answer.n; /* the map has the key too */
}

static void
drop(struct relay_cache *cache, struct entry *entry)
{
    cache->n_bytes -= entry_bytes(entry);
    budget_give(entry->budget, entry_bytes(entry));
    (void)map_remove(cache->map, entry->key);
    TAILQ_REMOVE(&cache->entries, entry, link);
    mem_free(entry);
}

void
relay_cache_free(struct relay_cache **cache)
{
    if (*cache == NULL)
        return;
    while (!TAILQ_EMPTY(&(*cache)->entries))
        drop(*cache, TAILQ_FIRST(&(*cache)->entries));
    map_free(&(*cache)->map);
    mem_free(*cache);
    *cache = NULL;
}

/* Length of the token, token, request; the caller frees it. */
static struct bytes
make_key(struct bytes token, struct bytes request)
{
    uint8_t *p = mem_alloc(sizeof(token.n) + token.n + request.n);
    memcpy(p, &token.n, sizeof(token.n));
    if (token.n > 0)
        memcpy(p + sizeof(token.n), token.p, token.n);
    if (request.n > 0)
        memcpy(p + sizeof(token.n) + token.n, request.p, request.n);
    return bytes_of(p, sizeof(token.n) + token.n + request.n);
}

static void
free_key(struct bytes key)
{
    union {
        const uint8_t *in;
        void *out;
    } p = {.in = key.p};
    mem_free(p.out);
}

bool
relay_cache_find(struct relay_cache *cache, struct bytes token, struct bytes request,
                 uint64_t now_us, struct bytes *answer)
{
    struct bytes key = make_key(token, request);
    struct entry *entry = map_find(cache->map, key);
    free_key(key);
    if (entry == NULL || entry->until_us <= now_us)
        return false;
    *answer = entry->answer;
    return true;
}

static struct entry *
entry_new(struct budget *budget, struct bytes key, struct bytes answer)
{
    struct entry *entry = mem_alloc(sizeof(*entry) + key.n + answer.n);
    uint8_t *p = (uint8_t *)(entry + 1);
    memcpy(p, key.p, key.n);
    if (answer.n > 0)
        memcpy(p + key.n, answer.p, answer.n);
    *entry = (struct entry){
        .budget = budget, .key = bytes_of(p, key.n), .answer = bytes_of(p + key.n, answer.n)};
    return entry;
}

void
relay_cache_put(struct relay_cache *cache, struct budget *budget, struct bytes token,
                struct bytes request, struct bytes answer, uint64_t now_us)
{
    if (token.n + request.n + answer.n > RELAY_CACHE_ENTRY_BYTES)
        return;
    struct bytes key = make_key(token, request);
    struct entry *old = map_find(cache->map, key);
    if (old != NULL)
        drop(cache, old);
    struct entry *entry = entry_new(budget, key, answer);
    free_key(key);
    entry->until_us = now_us + cache->keep_us;
    while (!TAILQ_EMPTY(&cache->entries) &&
           (TAILQ_FIRST(&cache->entries)->until_us <= now_us ||
            cache->n_bytes + entry_bytes(entry) > RELAY_CACHE_BYTES ||
            map_count(cache->map) >= RELAY_CACHE_ENTRIES))
        drop(cache, TAILQ_FIRST(&cache->entries));
    cache->n_bytes += entry_bytes(entry);
    budget_take_always(budget, entry_bytes(entry));
    (void)map_put(cache->map, entry->key, entry);
    TAILQ_INSERT_TAIL(&cache->entries, entry, link);
}
