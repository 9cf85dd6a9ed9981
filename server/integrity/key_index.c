/* Open addressing, at most half full. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/key_index.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { KEEP_SLOTS = 1024 };

static void
set_size(struct key_index *index, uint32_t n_slots)
{
    mem_free(index->slots);
    index->slots = mem_new_n(struct key_slot, n_slots);
    index->n_slots = n_slots;
    index->epoch = 0;
}

void
key_index_init(struct key_index *index)
{
    *index = (struct key_index){0};
    set_size(index, KEEP_SLOTS);
}

void
key_index_fini(struct key_index *index)
{
    mem_free(index->slots);
    *index = (struct key_index){0};
}

void
key_index_begin(struct key_index *index, uint32_t n_keys)
{
    uint32_t n_slots = index->n_slots;
    while (n_slots / 2 < n_keys)
        n_slots *= 2;
    if (n_slots != index->n_slots)
        set_size(index, n_slots);
    if (index->epoch == UINT32_MAX) {
        memset(index->slots, 0, sizeof(*index->slots) * index->n_slots);
        index->epoch = 0;
    }
    index->epoch++;
}

static bool
is_key(const struct key_slot *slot, struct bytes key)
{
    return bytes_equal(bytes_of(slot->key, slot->n_key), key);
}

uint32_t *
key_index_put(struct key_index *index, struct bytes key, uint32_t number, bool *was_there)
{
    uint32_t mask = index->n_slots - 1;
    uint32_t at = (uint32_t)hash_bytes(key) & mask;
    while (index->slots[at].epoch == index->epoch && !is_key(&index->slots[at], key))
        at = (at + 1) & mask;
    struct key_slot *slot = &index->slots[at];
    *was_there = slot->epoch == index->epoch;
    if (!*was_there)
        *slot = (struct key_slot){key.p, (uint32_t)key.n, index->epoch, number};
    return &slot->number;
}

void
key_index_relax(struct key_index *index)
{
    if (index->n_slots > KEEP_SLOTS)
        set_size(index, KEEP_SLOTS);
}
