/* A set of byte strings with a number each, for finding repeats in linear time. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Reused for one list after the other: slots carry the number of the list that wrote them. Keys are
 * borrowed. Hashes are seeded, since the keys come from strangers. One thread. */
#ifndef INTEGRITY_KEY_INDEX_H
#define INTEGRITY_KEY_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct key_slot {
    const uint8_t *key;
    uint32_t n_key; /* messages are far below 4 GiB */
    uint32_t epoch, number;
};

struct key_index {
    struct key_slot *slots;
    uint32_t n_slots; /* a power of two */
    uint32_t epoch;
};

void key_index_init(struct key_index *);
void key_index_fini(struct key_index *);
/* Forgets everything; room for n_keys. */
void key_index_begin(struct key_index *, uint32_t n_keys);
/* The key's number, which may be changed until the next begin. A new key gets the given one;
 * *was_there says which. */
uint32_t *key_index_put(struct key_index *, struct bytes key, uint32_t number, bool *was_there);
/* Gives a giant's memory back; between two messages. */
void key_index_relax(struct key_index *);

#endif
