/* A set-associative table of hashes: bounded, and no allocation per instance. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instance_table.h"

#include "base/hash.h"
#include "base/mem.h"

struct entry {
    uint64_t hash; /* 0: free */
    uint32_t used; /* the table's clock when it was asked for last */
    uint32_t language;
};

struct instance_table {
    struct entry (*sets)[INSTANCE_TABLE_WAYS]; /* NULL: nothing learned yet */
    uint32_t clock;
};

struct instance_table *
instance_table_new(void)
{
    return mem_new(struct instance_table);
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

/* The names apart: "a", "bc" is not "ab", "c". */
static uint64_t
hash_of(struct bytes service, struct bytes instance)
{
    uint64_t hash = hash_bytes_seeded(instance, hash_bytes(service));
    return hash != 0 ? hash : 1;
}

static struct entry *
find(struct instance_table *table, uint64_t hash)
{
    struct entry *set = table->sets[hash % INSTANCE_TABLE_SETS];
    for (int i = 0; i < INSTANCE_TABLE_WAYS; i++)
        if (set[i].hash == hash)
            return &set[i];
    return NULL;
}

/* A free one, else the one that was not asked for longest. */
static struct entry *
place(struct instance_table *table, uint64_t hash)
{
    struct entry *set = table->sets[hash % INSTANCE_TABLE_SETS], *oldest = &set[0];
    for (int i = 0; i < INSTANCE_TABLE_WAYS; i++) {
        if (set[i].hash == 0)
            return &set[i];
        if (table->clock - set[i].used > table->clock - oldest->used)
            oldest = &set[i];
    }
    return oldest;
}

void
instance_table_learn(struct instance_table *table, struct bytes service, struct bytes instance,
                     enum agent_language language)
{
    uint64_t hash = hash_of(service, instance);
    if (table->sets == NULL)
        table->sets = mem_zeroed(INSTANCE_TABLE_SETS * sizeof(*table->sets));
    struct entry *entry = find(table, hash);
    if (entry == NULL)
        entry = place(table, hash);
    *entry = (struct entry){.hash = hash, .used = ++table->clock, .language = language};
}

enum agent_language
instance_table_find(struct instance_table *table, struct bytes service, struct bytes instance)
{
    struct entry *entry;
    if (table->sets == NULL)
        return LANGUAGE_NONE;
    entry = find(table, hash_of(service, instance));
    if (entry == NULL)
        return LANGUAGE_NONE;
    entry->used = ++table->clock;
    return (enum agent_language)entry->language;
}
