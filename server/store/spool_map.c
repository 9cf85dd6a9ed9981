/* Which records a spool holds at a moment, and in which files: for readers on other threads. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/spool_map.h"

#include "base/mem.h"
#include "store/spool_int.h"

enum { WORD_BITS = 64 };

static void
fill_file(struct spool_map_file *out, const struct spool_file *f)
{
    uint64_t n_words = (f->n + WORD_BITS - 1) / WORD_BITS;
    *out = (struct spool_map_file){
        .base = f->base,
        .suffix = f->suffix,
        .n = f->n,
        .seed = f->seed,
        .end = f->end,
        .newest_ms = f->newest_ms,
        .held = mem_new_n(uint64_t, n_words > 0 ? n_words : 1),
    };
    for (uint64_t i = 0; i < n_words; i++)
        out->held[i] = ~(f->leased[i] | f->done[i]);
    if (f->n % WORD_BITS != 0)
        out->held[n_words - 1] &= (UINT64_C(1) << (f->n % WORD_BITS)) - 1;
    /* Not read to its end: where its records end is not known. */
    if (f->is_unread)
        out->end = f->size;
}

struct spool_map *
spool_map_new(const struct spool *s)
{
    struct spool_map *map = mem_new(struct spool_map);
    const struct spool_file *f;
    map->files = mem_new_n(struct spool_map_file, s->n_files > 0 ? s->n_files : 1);
    map->n_held = s->n_cold;
    map->n_bytes = spool_n_bytes(s);
    TAILQ_FOREACH(f, &s->files, link)
    {
        if (f->n > f->n_done + f->n_leased)
            fill_file(&map->files[map->n_files++], f);
    }
    return map;
}

void
spool_map_free(struct spool_map **map)
{
    if (*map == NULL)
        return;
    for (uint32_t i = 0; i < (*map)->n_files; i++)
        mem_free((*map)->files[i].held);
    mem_free((*map)->files);
    mem_free(*map);
    *map = NULL;
}

const struct spool_map_file *
spool_map_find(const struct spool_map *map, uint64_t sequence)
{
    uint32_t low = 0, high = map->n_files; /* files below low begin at or before it */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->files[middle].base <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct spool_map_file *f = &map->files[low - 1];
    return sequence - f->base < f->n ? f : NULL;
}

bool
spool_map_holds(const struct spool_map_file *f, uint64_t sequence)
{
    uint64_t i = sequence - f->base;
    return (f->held[i / WORD_BITS] >> (i % WORD_BITS) & 1) != 0;
}
