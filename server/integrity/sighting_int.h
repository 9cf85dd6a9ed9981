/* Filling a hand-over of sightings: for the engine and for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEGRITY_SIGHTING_INT_H
#define INTEGRITY_SIGHTING_INT_H

#include "base/hash.h"
#include "integrity/sighting.h"

/* A new one with its hash set and all else zero; NULL when SIGHTINGS_MAX are there. The pointer is
 * void at the next call: keep the index, sightings_n - 1. */
struct sighting *sightings_add(struct sightings *, uint64_t hash);
struct sighting *sightings_change(struct sightings *, uint32_t i);
/* Copies both names, cut to SIGHTING_NAME_BYTES; is_named from then on. */
void sightings_name(struct sightings *, uint32_t i, struct bytes service, struct bytes instance);
/* A copy, cut alike, that lives as long as the hand-over. */
struct bytes sightings_keep(struct sightings *, struct bytes name);
/* n more findings of a rule; is_hint: of a strong rule where it is only a hint (counted in hints
 * alone). */
void sightings_find(struct sightings *, uint32_t i, enum rule, uint32_t n, bool is_hint);

/* An example of the rule, unless there is one. */
void sightings_exemplify(struct sightings *, enum rule, struct bytes trace_id);

/* As sighting_hash; the service's own hash is its first half. */
static inline uint64_t
sighting_hash_parts(struct bytes service, struct bytes instance, uint64_t *service_hash)
{
    *service_hash = hash_bytes(service);
    /* The names apart: "a", "bc" is not "ab", "c". */
    uint64_t hash = hash_bytes_seeded(instance, *service_hash);
    return hash != 0 ? hash : 1;
}

#endif
