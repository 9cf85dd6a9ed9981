/* Linear probing; a removal moves what follows back, so that no marks are left behind. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/hash_index.h"

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_SLOTS = 64 };

void
hash_index_fini(struct hash_index *index)
{
    mem_free(index->slots);
    *index = (struct hash_index){0};
}

uint64_t
hash_index_n_bytes(const struct hash_index *index)
{
    return index->n_slots * sizeof(*index->slots);
}

/* The slot that has the hash, or the free one where it belongs. */
static uint32_t
seek(const struct hash_index *index, uint64_t hash)
{
    uint32_t mask = index->n_slots - 1, i = (uint32_t)hash & mask;
    while (index->slots[i].hash != 0 && index->slots[i].hash != hash)
        i = (i + 1) & mask;
    return i;
}

void *
hash_index_find(const struct hash_index *index, uint64_t hash)
{
    return index->n_slots == 0 ? NULL : index->slots[seek(index, hash)].value;
}

static void
grow(struct hash_index *index)
{
    struct hash_index larger = {.n_slots = index->n_slots > 0 ? 2 * index->n_slots : FIRST_SLOTS,
                                .n = index->n};
    larger.slots = mem_new_n(struct hash_slot, larger.n_slots);
    for (uint32_t i = 0; i < index->n_slots; i++)
        if (index->slots[i].hash != 0)
            larger.slots[seek(&larger, index->slots[i].hash)] = index->slots[i];
    mem_free(index->slots);
    *index = larger;
}

void
hash_index_add(struct hash_index *index, uint64_t hash, void *value)
{
    check(hash != 0 && value != NULL);
    if (4 * ((uint64_t)index->n + 1) > 3 * (uint64_t)index->n_slots)
        grow(index);
    uint32_t i = seek(index, hash);
    check(index->slots[i].hash == 0);
    index->slots[i] = (struct hash_slot){hash, value};
    index->n++;
}

void
hash_index_remove(struct hash_index *index, uint64_t hash)
{
    if (index->n_slots == 0)
        return;
    uint32_t mask = index->n_slots - 1, hole = seek(index, hash);
    if (index->slots[hole].hash == 0)
        return;
    for (uint32_t i = (hole + 1) & mask; index->slots[i].hash != 0; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)index->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* the hole lies before its home: it cannot move there */
        index->slots[hole] = index->slots[i];
        hole = i;
    }
    index->slots[hole] = (struct hash_slot){0, NULL};
    index->n--;
}
