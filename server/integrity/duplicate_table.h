/* Which segments came within the window: what a copy or a segment id used again is known by. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 2.1. Per worker. Entries stand in a ring in order of arrival, the newest
 * over the oldest; sets of 16 places say where in the ring the entries of an id may be. A place
 * holds no more than some bits of the id's hash, so an id that is new costs one cache line of a
 * table a sixth of the whole; an entry is believed only after its own hash. A full table misses
 * copies but never takes another segment for one. No filter that may err. */
#ifndef INTEGRITY_DUPLICATE_TABLE_H
#define INTEGRITY_DUPLICATE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { DUPLICATE_WAYS = 16 };

struct duplicate_entry {
    uint64_t id_hash;      /* of the segment id, under the process's seed; 0: free */
    uint64_t content_hash; /* of the whole message as it came, under the same */
    uint32_t second;       /* of its arrival, Unix */
    uint16_t owner;        /* duplicate_owner of its instance, and OWNER_SET_ASIDE */
    uint16_t spans;        /* a sum over its spans, whatever their order */
};
_Static_assert(sizeof(struct duplicate_entry) == 24, "integrity.md 2.1");

enum { OWNER_SET_ASIDE = 1 }; /* it was quarantined, so no storage has it */

static inline uint16_t
duplicate_owner(uint64_t instance_hash)
{
    return (uint16_t)(instance_hash >> 48 & ~(uint64_t)OWNER_SET_ASIDE);
}

struct duplicate_table;

struct duplicate_table *duplicate_table_new(void);
void duplicate_table_free(struct duplicate_table **);
/* The most entries that fit with their places, below 2^24; none in less than 112 bytes. Memory is
 * taken with the first entry. Another size forgets all. */
void duplicate_table_set_size(struct duplicate_table *, uint64_t max_bytes);

/* Brings the set of an id near, for a look-up soon. */
void duplicate_table_prefetch(const struct duplicate_table *, uint64_t id_hash);
/* Those with this id that came within window_s of the second, the last one first. Void at the next
 * put. */
uint32_t duplicate_table_find(const struct duplicate_table *, uint64_t id_hash, uint32_t second,
                              uint32_t window_s,
                              const struct duplicate_entry *found[DUPLICATE_WAYS]);
/* The same id and content again only makes the entry young; it stays set aside only where both
 * were. */
void duplicate_table_put(struct duplicate_table *, const struct duplicate_entry *);
uint64_t duplicate_table_n_bytes(const struct duplicate_table *);
/* How many segments it can tell from others. */
uint32_t duplicate_table_n_entries(const struct duplicate_table *);

#endif
