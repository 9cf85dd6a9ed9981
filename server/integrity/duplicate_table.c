/* A ring of entries in memory that the kernel zeroes page by page, and the sets that lead to them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* A place is tag << pos_bits | position in the ring. A set is in order of use, the last one first,
 * so the place that falls out at its end is the oldest. A place may outlive its entry: another
 * stands there then, whose hash tells. Position 0 is nobody's: a place of 0 is free. */
#include "integrity/duplicate_table.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

enum {
    CACHE_LINE = 64,
    LARGE_PAGE = 2 * 1024 * 1024,
    MAX_ENTRIES = (1 << 24) - 1, /* leaves 8 bits of tag */
    AHEAD = 8,                   /* entries that the ring is brought near before they are written */
};

struct duplicate_set {
    uint32_t places[DUPLICATE_WAYS];
};
_Static_assert(sizeof(struct duplicate_set) == CACHE_LINE, "one line for an id that is new");

/* For the compiler to compare four at once where the processor can. */
typedef uint32_t four_places __attribute__((vector_size(16)));

struct duplicate_table {
    void *memory;
    struct duplicate_set *sets;   /* in memory; NULL: nothing put yet */
    struct duplicate_entry *ring; /* behind them; position 0 is nobody's */
    uint64_t n_sets;              /* a power of two; 0: there is no room */
    uint32_t n_entries, next;     /* positions 1 to n_entries */
    uint32_t pos_bits;
};

struct duplicate_table *
duplicate_table_new(void)
{
    return mem_new(struct duplicate_table);
}

static void
give_memory_back(struct duplicate_table *table)
{
    mem_free(table->memory);
    table->memory = NULL;
    table->sets = NULL;
    table->ring = NULL;
}

void
duplicate_table_free(struct duplicate_table **table)
{
    if (*table == NULL)
        return;
    give_memory_back(*table);
    mem_free(*table);
    *table = NULL;
}

/* The entries that so many sets leave room for, an eighth of the places kept free: sets fill
 * unevenly. */
static uint64_t
entries_beside(uint64_t n_sets, uint64_t max_bytes)
{
    uint64_t set_bytes = n_sets * sizeof(struct duplicate_set);
    uint64_t most = n_sets * DUPLICATE_WAYS / 8 * 7;
    if (most > MAX_ENTRIES)
        most = MAX_ENTRIES;
    uint64_t n =
        set_bytes > max_bytes ? 0 : (max_bytes - set_bytes) / sizeof(struct duplicate_entry);
    n -= n > 0; /* position 0 */
    return n < most ? n : most;
}

void
duplicate_table_set_size(struct duplicate_table *table, uint64_t max_bytes)
{
    uint64_t n_sets = 1;
    while (entries_beside(2 * n_sets, max_bytes) > entries_beside(n_sets, max_bytes))
        n_sets *= 2;
    uint32_t n_entries = (uint32_t)entries_beside(n_sets, max_bytes);
    if (n_entries == 0)
        n_sets = 0;
    if (n_entries == table->n_entries && n_sets == table->n_sets)
        return;
    give_memory_back(table);
    table->n_sets = n_sets;
    table->n_entries = n_entries;
    table->pos_bits = 1;
    while (n_entries >= UINT32_C(1) << table->pos_bits)
        table->pos_bits++;
}

static struct duplicate_set *
set_of(const struct duplicate_table *table, uint64_t id_hash)
{
    return &table->sets[id_hash & (table->n_sets - 1)];
}

/* The hash's other end. */
static uint32_t
tag_of(const struct duplicate_table *table, uint64_t id_hash)
{
    return (uint32_t)(id_hash >> 32) >> table->pos_bits << table->pos_bits;
}

/* A bit for each way whose place has the tag: mostly none. */
static uint32_t
ways_with(const struct duplicate_table *table, const struct duplicate_set *set, uint32_t tag)
{
    const uint32_t mask = ~UINT32_C(0) << table->pos_bits;
    four_places hits = {0};
    for (int i = 0; i < DUPLICATE_WAYS; i += 4) {
        four_places four;
        memcpy(&four, &set->places[i], sizeof(four));
        hits |= (four_places)((four & mask) == tag);
    }
    uint64_t halves[2];
    memcpy(halves, &hits, sizeof(halves));
    if (__builtin_expect((halves[0] | halves[1]) == 0, 1))
        return 0;
    uint32_t ways = 0;
    for (int i = 0; i < DUPLICATE_WAYS; i++)
        ways |= (uint32_t)((set->places[i] & mask) == tag) << i;
    return ways;
}

static struct duplicate_entry *
entry_at(const struct duplicate_table *table, uint32_t place)
{
    return &table->ring[place & ((UINT32_C(1) << table->pos_bits) - 1)];
}

void
duplicate_table_prefetch(const struct duplicate_table *table, uint64_t id_hash)
{
    if (table->sets != NULL)
        __builtin_prefetch(set_of(table, id_hash), 1);
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
    const struct duplicate_set *set = set_of(table, id_hash);
    uint32_t n = 0;
    for (uint32_t ways = ways_with(table, set, tag_of(table, id_hash)); ways != 0;
         ways &= ways - 1) {
        const struct duplicate_entry *entry = entry_at(table, set->places[__builtin_ctz(ways)]);
        if (entry->id_hash == id_hash && distance(second, entry->second) <= window_s)
            found[n++] = entry;
    }
    return n;
}

/* Sets are met at random: on pages of 4 KiB each look would also miss the processor's table of
 * pages. That the kernel has no large one to give changes nothing else. */
static void
take_memory(struct duplicate_table *table)
{
    uint64_t set_bytes = table->n_sets * sizeof(*table->sets);
    uint64_t unit = set_bytes < LARGE_PAGE ? CACHE_LINE : LARGE_PAGE;
    table->memory = mem_zeroed(set_bytes + (table->n_entries + 1) * sizeof(*table->ring) + unit);
    uintptr_t at = ((uintptr_t)table->memory + unit - 1) & ~(uintptr_t)(unit - 1);
    table->sets = (void *)at;
    table->ring = (void *)(at + set_bytes);
    table->next = 1;
    if (unit == LARGE_PAGE)
        (void)madvise(table->sets, set_bytes, MADV_HUGEPAGE);
}

/* Where the next entry goes: over the oldest. */
static uint32_t
take_position(struct duplicate_table *table)
{
    uint32_t position = table->next;
    table->next = position < table->n_entries ? position + 1 : 1;
    if (position + AHEAD <= table->n_entries)
        __builtin_prefetch(&table->ring[position + AHEAD], 1);
    return position;
}

/* The place becomes the set's first; that of the way falls out. */
static void
put_first(struct duplicate_set *set, uint32_t way, uint32_t place)
{
    if (__builtin_expect(way == DUPLICATE_WAYS - 1, 1)) {
        struct duplicate_set before = *set;
        memcpy(&set->places[1], before.places, sizeof(before) - sizeof(before.places[0]));
    } else {
        memmove(&set->places[1], set->places, way * sizeof(set->places[0]));
    }
    set->places[0] = place;
}

static bool
is_same(const struct duplicate_entry *a, const struct duplicate_entry *b)
{
    return a->id_hash == b->id_hash && a->content_hash == b->content_hash;
}

/* In the younger half of the ring it stays where it is: copies without end do not push others out.
 */
static bool
is_young(const struct duplicate_table *table, uint32_t position)
{
    uint32_t age =
        position < table->next ? table->next - position : table->next + table->n_entries - position;
    return age <= table->n_entries / 2;
}

/* The same id and content is there already, by this way. */
static void
put_again(struct duplicate_table *table, struct duplicate_set *set, uint32_t way,
          const struct duplicate_entry *entry)
{
    struct duplicate_entry *before = entry_at(table, set->places[way]);
    uint32_t position = (uint32_t)(before - table->ring);
    bool was_forwarded = (before->owner & OWNER_SET_ASIDE) == 0;
    if (!is_young(table, position))
        position = take_position(table);
    struct duplicate_entry *at = &table->ring[position];
    *at = *entry;
    if (was_forwarded)
        at->owner &= (uint16_t)~OWNER_SET_ASIDE;
    put_first(set, way, tag_of(table, entry->id_hash) | position);
}

void
duplicate_table_put(struct duplicate_table *table, const struct duplicate_entry *entry)
{
    if (table->n_sets == 0)
        return;
    if (table->sets == NULL)
        take_memory(table);
    struct duplicate_set *set = set_of(table, entry->id_hash);
    uint32_t tag = tag_of(table, entry->id_hash);
    for (uint32_t ways = ways_with(table, set, tag); ways != 0; ways &= ways - 1) {
        uint32_t way = (uint32_t)__builtin_ctz(ways);
        if (is_same(entry_at(table, set->places[way]), entry)) {
            put_again(table, set, way, entry);
            return;
        }
    }
    uint32_t position = take_position(table);
    table->ring[position] = *entry;
    put_first(set, DUPLICATE_WAYS - 1, tag | position);
}

uint64_t
duplicate_table_n_bytes(const struct duplicate_table *table)
{
    if (table->sets == NULL)
        return sizeof(*table);
    return sizeof(*table) + table->n_sets * sizeof(*table->sets) +
           (table->n_entries + 1) * sizeof(*table->ring);
}

uint32_t
duplicate_table_n_entries(const struct duplicate_table *table)
{
    return table->n_entries;
}
