/* A set-associative table of hashes: bounded, and no allocation per instance. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instance_table.h"

#include "base/mem.h"

struct instance_table {
    struct instance_entry (*sets)[INSTANCE_TABLE_WAYS]; /* NULL: nothing known yet */
    uint32_t n_sets;
    uint32_t clock;
};

struct instance_table *
instance_table_new(void)
{
    struct instance_table *table = mem_new(struct instance_table);
    table->n_sets = INSTANCE_TABLE_MIN / INSTANCE_TABLE_WAYS;
    return table;
}

void
instance_table_free(struct instance_table **table)
{
    if (*table == NULL)
        return;
    mem_free((*table)->sets);
    mem_free(*table);
    *table = NULL;
}

void
instance_table_set_size(struct instance_table *table, uint64_t max_bytes)
{
    uint32_t n = INSTANCE_TABLE_MIN;
    while (n < INSTANCE_TABLE_MAX && 2 * n * sizeof(struct instance_entry) <= max_bytes)
        n *= 2;
    if (n / INSTANCE_TABLE_WAYS == table->n_sets)
        return;
    mem_free(table->sets);
    table->sets = NULL;
    table->n_sets = n / INSTANCE_TABLE_WAYS;
}

static struct instance_entry *
find(struct instance_table *table, uint64_t hash)
{
    if (table->sets == NULL)
        return NULL;
    struct instance_entry *set = table->sets[hash & (table->n_sets - 1)];
    for (int i = 0; i < INSTANCE_TABLE_WAYS; i++)
        if (set[i].hash == hash)
            return &set[i];
    return NULL;
}

struct instance_entry *
instance_table_find(struct instance_table *table, uint64_t hash)
{
    struct instance_entry *entry = find(table, hash);
    if (entry != NULL)
        entry->used = ++table->clock;
    return entry;
}

/* A free one, else hearsay, else the one that was not asked for longest. */
static struct instance_entry *
place(struct instance_table *table, uint64_t hash)
{
    if (table->sets == NULL)
        table->sets = mem_zeroed(table->n_sets * sizeof(*table->sets));
    struct instance_entry *set = table->sets[hash & (table->n_sets - 1)], *oldest = &set[0];
    for (int i = 0; i < INSTANCE_TABLE_WAYS; i++) {
        if (set[i].hash == 0)
            return &set[i];
        bool is_older = table->clock - set[i].used > table->clock - oldest->used;
        if (set[i].is_hearsay != oldest->is_hearsay ? set[i].is_hearsay : is_older)
            oldest = &set[i];
    }
    return oldest;
}

struct instance_entry *
instance_table_put(struct instance_table *table, uint64_t hash)
{
    struct instance_entry *entry = find(table, hash);
    if (entry == NULL) {
        entry = place(table, hash);
        *entry = (struct instance_entry){.hash = hash};
    }
    entry->is_hearsay = false;
    entry->used = ++table->clock;
    return entry;
}

void
instance_table_hear(struct instance_table *table, uint64_t hash, enum agent_language language)
{
    struct instance_entry *entry = find(table, hash);
    if (entry == NULL) {
        entry = place(table, hash);
        if (entry->hash != 0 && !entry->is_hearsay)
            return;
        *entry = (struct instance_entry){.hash = hash, .used = table->clock, .is_hearsay = true};
    }
    entry->language = (uint8_t)language;
}

uint64_t
instance_table_n_bytes(const struct instance_table *table)
{
    return sizeof(*table) + (table->sets == NULL ? 0 : table->n_sets * sizeof(*table->sets));
}
