/* Copies of the simulated disk, and what a power cut or a flipped bit makes of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "support/sim_disk_int.h"

struct sim_disk *
sim_disk_clone(const struct sim_disk *from)
{
    struct sim_disk *d = sim_disk_new();
    for (int i = 0; i < from->n_names; i++) {
        if (from->names[i].now == NOWHERE)
            continue;
        struct name *name = sim_find_name(d, from->names[i].path, true);
        name->now = name->durable = sim_new_node(d);
        struct node *node = d->nodes[name->now];
        sim_image_copy(&node->now, &from->nodes[from->names[i].now]->now);
        sim_image_copy(&node->durable, &node->now);
    }
    return d;
}

static void
copy_node(struct node *to, const struct node *from)
{
    sim_image_copy(&to->now, &from->now);
    sim_image_copy(&to->durable, &from->durable);
    for (const struct change *c = from->first; c; c = c->next)
        sim_add_change(to, c->is_size, c->offset, c->p, c->is_size ? 0 : c->n);
}

struct sim_disk *
sim_disk_fork(const struct sim_disk *from)
{
    struct sim_disk *d = sim_disk_new();
    int *moved = mem_new_n(int, MAX_NODES);
    for (int i = 0; i < from->n_nodes; i++)
        moved[i] = NOWHERE;
    for (int i = 0; i < from->n_names; i++) {
        const struct name *name = &from->names[i];
        int nodes[] = {name->now, name->durable};
        if (name->now == NOWHERE && name->durable == NOWHERE)
            continue;
        for (int j = 0; j < 2; j++)
            if (nodes[j] != NOWHERE && moved[nodes[j]] == NOWHERE) {
                moved[nodes[j]] = sim_new_node(d);
                copy_node(d->nodes[moved[nodes[j]]], from->nodes[nodes[j]]);
            }
        struct name *copy = sim_find_name(d, name->path, true);
        copy->now = name->now == NOWHERE ? NOWHERE : moved[name->now];
        copy->durable = name->durable == NOWHERE ? NOWHERE : moved[name->durable];
    }
    mem_free(moved);
    d->tally = from->tally;
    d->max_bytes = from->max_bytes;
    return d;
}

struct sim_tally
sim_disk_tally(const struct sim_disk *d)
{
    return d->tally;
}

/* Kept, lost, or each sector for itself. */
static void
survive(struct image *image, const struct change *c, uint64_t *random, struct sim_tally *tally)
{
    uint64_t how = sim_random(random) % 4;
    tally->n_lost += how == 0;
    if (how == 0)
        return;
    if (c->is_size) {
        sim_image_size(image, c->offset);
        return;
    }
    if (how == 1) {
        sim_image_put(image, c->offset, c->p, c->n);
        return;
    }
    uint64_t sector = how == 2 ? 512 : 4096;
    tally->n_torn_512 += how == 2 && c->n > 512;
    tally->n_torn_4096 += how == 3 && c->n > 4096;
    for (uint64_t at = 0, part; at < c->n; at += part) {
        part = sector - (c->offset + at) % sector;
        part = part < c->n - at ? part : c->n - at;
        if (sim_random(random) % 2)
            sim_image_put(image, c->offset + at, c->p + at, part);
    }
}

static void
crash_node(struct node *node, uint64_t *random, struct sim_tally *tally)
{
    size_t n = 0;
    for (struct change *c = node->first; c; c = c->next)
        n++;
    struct change **order = mem_new_n(struct change *, n + 1);
    n = 0;
    for (struct change *c = node->first; c; c = c->next) {
        size_t at = (size_t)(sim_random(random) % (n + 1));
        tally->n_reordered += at < n;
        order[n++] = order[at];
        order[at] = c;
    }
    for (size_t i = 0; i < n; i++)
        survive(&node->durable, order[i], random, tally);
    mem_free(order);
    sim_forget_changes(node);
    sim_image_copy(&node->now, &node->durable);
}

static bool
is_renamed(const struct sim_disk *d, int node)
{
    for (int i = 0; i < d->n_names; i++)
        if (d->names[i].now == node)
            return true;
    return false;
}

void
sim_disk_crash(struct sim_disk *d, uint64_t seed)
{
    uint64_t random = seed;
    for (int i = 0; i < d->n_nodes; i++)
        crash_node(d->nodes[i], &random, &d->tally);
    for (int i = 0; i < d->n_names; i++) {
        struct name *name = &d->names[i];
        bool is_kept = sim_random(&random) % 2;
        /* a rename takes place at once: not without the new name */
        if (name->durable != name->now && (!is_kept || is_renamed(d, name->durable))) {
            d->tally.n_names_lost++;
            name->now = name->durable;
        }
        name->durable = name->now;
    }
    sim_disk_kill(d);
}

bool
sim_disk_flip(struct sim_disk *d, uint64_t seed)
{
    uint64_t total = 0;
    for (int i = 0; i < d->n_names; i++)
        total += d->names[i].now == NOWHERE ? 0 : d->nodes[d->names[i].now]->now.n;
    if (total == 0)
        return false;
    uint64_t at = sim_random(&seed) % total;
    for (int i = 0; i < d->n_names; i++) {
        if (d->names[i].now == NOWHERE)
            continue;
        struct node *node = d->nodes[d->names[i].now];
        if (at < node->now.n) {
            node->now.p[at] ^= (uint8_t)(1u << sim_random(&seed) % 8);
            sim_image_copy(&node->durable, &node->now);
            return true;
        }
        at -= node->now.n;
    }
    return false;
}
