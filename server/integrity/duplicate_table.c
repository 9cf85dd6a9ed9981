/* A set-associative table in memory that the kernel zeroes page by page as it fills. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/duplicate_table.h"

#include <stddef.h>

#include "base/mem.h"

enum { CACHE_LINE = 64 }; /* a set at a multiple of 32 touches two, not three */

struct duplicate_table {
    void *memory;
    struct duplicate_entry (*sets)[DUPLICATE_WAYS]; /* in memory; NULL: nothing put yet */
    uint64_t n_sets;                                /* a power of two; 0: there is no room */
};

struct duplicate_table *
duplicate_table_new(void)
{
    return mem_new(struct duplicate_table);
}

void
duplicate_table_free(struct duplicate_table **table)
{
    if (*table == NULL)
        return;
    mem_free((*table)->memory);
    mem_free(*table);
    *table = NULL;
}

void
duplicate_table_set_size(struct duplicate_table *table, uint64_t max_bytes)
{
    uint64_t n_sets = 0;
    if (max_bytes >= sizeof(*table->sets))
        for (n_sets = 1; 2 * n_sets <= max_bytes / sizeof(*table->sets);)
            n_sets *= 2;
    if (n_sets == table->n_sets)
        return;
    mem_free(table->memory);
    table->memory = NULL;
    table->sets = NULL;
    table->n_sets = n_sets;
}

static struct duplicate_entry *
set_of(const struct duplicate_table *table, uint64_t id_hash)
{
    return table->sets[id_hash & (table->n_sets - 1)];
}

void
duplicate_table_prefetch(const struct duplicate_table *table, uint64_t id_hash)
{
    if (table->sets == NULL)
        return;
    const struct duplicate_entry *set = set_of(table, id_hash);
    __builtin_prefetch(set, 1);
    __builtin_prefetch(&set[DUPLICATE_WAYS - 1], 1);
}

/* Seconds between two arrivals, whichever was first: clocks are set back. */
static uint32_t
distance(uint32_t a, uint32_t b)
{
    uint32_t forth = a - b, back = b - a;
    return forth < back ? forth : back;
}

uint32_t
duplicate_table_find(const struct duplicate_table *table, uint64_t id_hash, uint32_t second,
                     uint32_t window_s, const struct duplicate_entry *found[DUPLICATE_WAYS])
{
    if (table->sets == NULL)
        return 0;
    const struct duplicate_entry *set = set_of(table, id_hash);
    uint32_t n = 0;
    for (int i = 0; i < DUPLICATE_WAYS; i++)
        if (set[i].id_hash == id_hash && distance(second, set[i].second) <= window_s)
            found[n++] = &set[i];
    return n;
}

/* The entry itself where it is there, else a free one, else the oldest. */
static struct duplicate_entry *
place(struct duplicate_entry *set, const struct duplicate_entry *entry)
{
    struct duplicate_entry *oldest = NULL;
    for (int i = 0; i < DUPLICATE_WAYS; i++) {
        if (set[i].id_hash == entry->id_hash && set[i].content_hash == entry->content_hash)
            return &set[i];
        if (oldest == NULL ||
            (oldest->id_hash != 0 &&
             (set[i].id_hash == 0 ||
              distance(entry->second, set[i].second) > distance(entry->second, oldest->second))))
            oldest = &set[i];
    }
    return oldest;
}

static void
take_memory(struct duplicate_table *table)
{
    table->memory = mem_zeroed(table->n_sets * sizeof(*table->sets) + CACHE_LINE);
    uintptr_t at = (uintptr_t)table->memory + CACHE_LINE - 1;
    table->sets = (void *)(at & ~(uintptr_t)(CACHE_LINE - 1));
}

void
duplicate_table_put(struct duplicate_table *table, const struct duplicate_entry *entry)
{
    if (table->n_sets == 0)
        return;
    if (table->sets == NULL)
        take_memory(table);
    struct duplicate_entry *at = place(set_of(table, entry->id_hash), entry);
    bool is_again = at->id_hash == entry->id_hash && at->content_hash == entry->content_hash;
    bool was_forwarded = is_again && (at->owner & OWNER_SET_ASIDE) == 0;
    *at = *entry;
    if (was_forwarded)
        at->owner &= (uint16_t)~OWNER_SET_ASIDE;
}

uint64_t
duplicate_table_n_bytes(const struct duplicate_table *table)
{
    return sizeof(*table) + (table->sets == NULL ? 0 : table->n_sets * sizeof(*table->sets));
}
