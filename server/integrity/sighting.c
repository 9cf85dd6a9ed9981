/* A hand-over of sightings: an array that doubles, and an arena for names and counts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/sighting.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/mem.h"
#include "integrity/sighting_int.h"

enum { FIRST_CAP = 16 };

/* Names of SIGHTINGS_MAX instances and their counts fit in. */
static const size_t arena_limit_bytes = 16 * 1024 * 1024;

struct sightings {
    struct sighting *items;
    uint32_t n, cap;
    struct arena *arena;
    struct bytes exemplars[RULE_COUNT]; /* trace ids, in the arena */
};

struct sightings *
sightings_new(void)
{
    struct sightings *sightings = mem_new(struct sightings);
    sightings->arena = arena_new(arena_limit_bytes);
    return sightings;
}

void
sightings_free(struct sightings **sightings)
{
    if (*sightings == NULL)
        return;
    arena_free(&(*sightings)->arena);
    mem_free((*sightings)->items);
    mem_free(*sightings);
    *sightings = NULL;
}

uint32_t
sightings_n(const struct sightings *sightings)
{
    return sightings->n;
}

const struct sighting *
sightings_at(const struct sightings *sightings, uint32_t i)
{
    check(i < sightings->n);
    return &sightings->items[i];
}

uint64_t
sightings_n_bytes(const struct sightings *sightings)
{
    return sizeof(*sightings) + sightings->cap * sizeof(*sightings->items) +
           arena_used_bytes(sightings->arena);
}

struct sighting *
sightings_add(struct sightings *sightings, uint64_t hash)
{
    if (sightings->n == SIGHTINGS_MAX)
        return NULL;
    if (sightings->n == sightings->cap) {
        sightings->cap = sightings->cap == 0 ? FIRST_CAP : 2 * sightings->cap;
        sightings->items = mem_resize(sightings->items, sightings->cap * sizeof(*sightings->items));
    }
    struct sighting *sighting = &sightings->items[sightings->n++];
    *sighting = (struct sighting){.hash = hash};
    return sighting;
}

struct sighting *
sightings_change(struct sightings *sightings, uint32_t i)
{
    check(i < sightings->n);
    return &sightings->items[i];
}

struct bytes
sightings_keep(struct sightings *sightings, struct bytes name)
{
    size_t n = name.n;
    if (n > SIGHTING_NAME_BYTES) /* not in the middle of a character */
        for (n = SIGHTING_NAME_BYTES; n > 0 && (name.p[n] & 0xC0) == 0x80;)
            n--;
    uint8_t *p = n > 0 ? arena_alloc(sightings->arena, n) : NULL;
    if (p == NULL)
        return BYTES_NONE;
    memcpy(p, name.p, n);
    return bytes_of(p, n);
}

void
sightings_name(struct sightings *sightings, uint32_t i, struct bytes service, struct bytes instance)
{
    struct sighting *sighting = sightings_change(sightings, i);
    sighting->service = sightings_keep(sightings, service);
    sighting->instance = sightings_keep(sightings, instance);
    sighting->is_named = true;
}

void
sightings_find(struct sightings *sightings, uint32_t i, enum rule rule, uint32_t n, bool is_hint)
{
    struct sighting *sighting = sightings_change(sightings, i);
    const uint32_t **counts = is_hint ? &sighting->hints : &sighting->findings;
    if (*counts == NULL)
        *counts = arena_zeroed(sightings->arena, RULE_COUNT * sizeof(**counts));
    if (*counts != NULL) /* const for those who read: the memory is the arena's */
        ((uint32_t *)(uintptr_t)*counts)[rule] += n;
}

void
sightings_exemplify(struct sightings *sightings, enum rule rule, struct bytes trace_id)
{
    if (sightings->exemplars[rule].n == 0 && trace_id.n <= EXEMPLAR_BYTES)
        sightings->exemplars[rule] = sightings_keep(sightings, trace_id);
}

struct bytes
sightings_exemplar(const struct sightings *sightings, enum rule rule)
{
    return sightings->exemplars[rule];
}

uint64_t
sighting_hash(struct bytes service, struct bytes instance)
{
    uint64_t service_hash;
    return sighting_hash_parts(service, instance, &service_hash);
}
