/* A disk in memory that forgets, tears and reorders what was not synced, and fails chosen calls. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "support/sim_disk_int.h"

uint64_t
sim_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void
sim_image_size(struct image *image, uint64_t n)
{
    if (n > image->size) {
        image->size = n > 2 * image->size ? n : 2 * image->size;
        image->p = mem_resize(image->p, image->size);
    }
    if (n > image->n)
        memset(image->p + image->n, 0, n - image->n);
    image->n = n;
}

void
sim_image_put(struct image *image, uint64_t offset, const uint8_t *p, uint64_t n)
{
    if (offset + n > image->n)
        sim_image_size(image, offset + n);
    if (n)
        memcpy(image->p + offset, p, n);
}

void
sim_image_copy(struct image *to, const struct image *from)
{
    sim_image_size(to, 0);
    sim_image_put(to, 0, from->p, from->n);
}

void
sim_forget_changes(struct node *node)
{
    while (node->first) {
        struct change *c = node->first;
        node->first = c->next;
        mem_free(c->p);
        mem_free(c);
    }
    node->last = &node->first;
}

void
sim_add_change(struct node *node, bool is_size, uint64_t offset, const uint8_t *p, uint64_t n)
{
    struct change *c = mem_new(struct change);
    *c = (struct change){.is_size = is_size, .offset = offset, .n = n};
    if (n) {
        c->p = mem_alloc(n);
        memcpy(c->p, p, n);
    }
    *node->last = c;
    node->last = &c->next;
}

int
sim_new_node(struct sim_disk *d)
{
    check(d->n_nodes < MAX_NODES);
    struct node *node = mem_new(struct node);
    node->last = &node->first;
    d->nodes[d->n_nodes] = node;
    return d->n_nodes++;
}

struct name *
sim_find_name(struct sim_disk *d, const char *path, bool is_made)
{
    for (int i = 0; i < d->n_names; i++)
        if (strcmp(d->names[i].path, path) == 0)
            return &d->names[i];
    if (!is_made)
        return NULL;
    check(d->n_names < MAX_NODES && strlen(path) < PATH_BYTES);
    struct name *name = &d->names[d->n_names++];
    memcpy(name->path, path, strlen(path) + 1);
    name->now = name->durable = NOWHERE;
    return name;
}

static bool
is_in(const char *path, const char *directory)
{
    size_t n = strlen(directory);
    return strncmp(path, directory, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static bool
fails(struct sim_disk *d)
{
    uint64_t call = d->n_calls++;
    return d->n_fail && call >= d->fail_at && call - d->fail_at < d->n_fail;
}

static void
note(struct sim_disk *d, const char *what, const char *path)
{
    if (d->is_recording)
        text_addf(&d->history, "%s %s\n", what, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
}

static void
note_node(struct sim_disk *d, const char *what, int node)
{
    for (int i = 0; d->is_recording && i < d->n_names; i++)
        if (d->names[i].now == node)
            note(d, what, d->names[i].path);
}

static uint64_t
n_used(const struct sim_disk *d)
{
    uint64_t n = 0;
    for (int i = 0; i < d->n_names; i++)
        n += d->names[i].now == NOWHERE ? 0 : d->nodes[d->names[i].now]->now.n;
    return n;
}

static bool
has_room(const struct sim_disk *d, const struct node *node, uint64_t size)
{
    return d->max_bytes == UINT64_MAX || size <= node->now.n ||
           size - node->now.n + n_used(d) <= d->max_bytes;
}

static struct node *
node_of(struct sim_disk *d, int file)
{
    check(file >= 0 && file < MAX_OPEN && d->open[file] != NOWHERE);
    return d->nodes[d->open[file]];
}

static enum err
do_open(void *ctx, const char *path, enum disk_how how, int *file)
{
    struct sim_disk *d = ctx;
    if (fails(d))
        return d->fail_err;
    struct name *name = sim_find_name(d, path, how != DISK_LOOK);
    if (!name || (how == DISK_LOOK && name->now == NOWHERE))
        return ERR_NOT_FOUND;
    if (how == DISK_CREATE && name->now != NOWHERE)
        return ERR_SYSTEM;
    if (name->now == NOWHERE)
        name->now = sim_new_node(d);
    for (int i = 0; i < MAX_OPEN; i++)
        if (d->open[i] == NOWHERE) {
            d->open[i] = name->now;
            *file = i;
            return ERR_OK;
        }
    check(!"a free descriptor");
    return ERR_SYSTEM;
}

static void
do_close(void *ctx, int file)
{
    struct sim_disk *d = ctx;
    (void)node_of(d, file);
    d->open[file] = NOWHERE;
    d->is_locked[file] = false;
}

static enum err
do_write(void *ctx, int file, const struct iovec *v, int n, uint64_t offset, size_t *n_written)
{
    struct sim_disk *d = ctx;
    struct node *node = node_of(d, file);
    bool is_failing = fails(d);
    uint64_t total = 0;
    *n_written = 0;
    for (int i = 0; i < n; i++)
        total += v[i].iov_len;
    note_node(d, "write", d->open[file]);
    if (!is_failing && !has_room(d, node, offset + total))
        return ERR_NO_SPACE;
    uint64_t left = !is_failing ? total : d->is_short ? total / 2 : 0;
    for (int i = 0; i < n && left; i++) {
        uint64_t part = v[i].iov_len < left ? v[i].iov_len : left;
        sim_image_put(&node->now, offset, v[i].iov_base, part);
        sim_add_change(node, false, offset, v[i].iov_base, part);
        offset += part;
        left -= part;
        *n_written += part;
    }
    return is_failing ? d->fail_err : ERR_OK;
}

static enum err
do_read(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read)
{
    struct sim_disk *d = ctx;
    struct image *image = &node_of(d, file)->now;
    *n_read = 0;
    if (fails(d))
        return d->fail_err;
    if (node_of(d, file)->is_spoiled)
        return ERR_IO;
    if (offset >= image->n)
        return ERR_OK;
    *n_read = n < image->n - offset ? n : (size_t)(image->n - offset);
    memcpy(out, image->p + offset, *n_read);
    return ERR_OK;
}

static enum err
do_sync(void *ctx, int file)
{
    struct sim_disk *d = ctx;
    struct node *node = node_of(d, file);
    bool is_failing = fails(d);
    note_node(d, is_failing ? "fail-sync" : "sync", d->open[file]);
    for (struct change *c = node->first; c && !is_failing; c = c->next) {
        if (c->is_size)
            sim_image_size(&node->durable, c->offset);
        else
            sim_image_put(&node->durable, c->offset, c->p, c->n);
    }
    sim_forget_changes(node);
    return is_failing ? d->fail_err : ERR_OK;
}

static enum err
do_truncate(void *ctx, int file, uint64_t n)
{
    struct sim_disk *d = ctx;
    struct node *node = node_of(d, file);
    if (fails(d))
        return d->fail_err;
    if (!has_room(d, node, n))
        return ERR_NO_SPACE;
    sim_image_size(&node->now, n);
    sim_add_change(node, true, n, NULL, 0);
    return ERR_OK;
}

static enum err
do_size(void *ctx, int file, uint64_t *n)
{
    struct sim_disk *d = ctx;
    *n = node_of(d, file)->now.n;
    return fails(d) ? d->fail_err : ERR_OK;
}

static enum err
do_lock(void *ctx, int file, int *holder)
{
    struct sim_disk *d = ctx;
    if (fails(d))
        return d->fail_err;
    for (int i = 0; i < MAX_OPEN; i++)
        if (d->is_locked[i] && d->open[i] == d->open[file]) {
            *holder = 1;
            return ERR_LOCKED;
        }
    d->is_locked[file] = true;
    return ERR_OK;
}

static enum err
do_remove(void *ctx, const char *path)
{
    struct sim_disk *d = ctx;
    if (fails(d))
        return d->fail_err;
    struct name *name = sim_find_name(d, path, false);
    if (!name || name->now == NOWHERE)
        return ERR_NOT_FOUND;
    note(d, "remove", path);
    name->now = NOWHERE;
    return ERR_OK;
}

static enum err
do_rename(void *ctx, const char *from, const char *to)
{
    struct sim_disk *d = ctx;
    if (fails(d))
        return d->fail_err;
    struct name *name = sim_find_name(d, from, false);
    if (!name || name->now == NOWHERE)
        return ERR_NOT_FOUND;
    note(d, "rename", from);
    sim_find_name(d, to, true)->now = name->now;
    name->now = NOWHERE;
    return ERR_OK;
}

static enum err
do_make_directory(void *ctx, const char *path)
{
    struct sim_disk *d = ctx;
    (void)path;
    return fails(d) ? d->fail_err : ERR_OK;
}

static enum err
do_sync_directory(void *ctx, const char *path)
{
    struct sim_disk *d = ctx;
    if (fails(d))
        return d->fail_err;
    note(d, "sync-directory", path);
    for (int i = 0; i < d->n_names; i++)
        if (is_in(d->names[i].path, path))
            d->names[i].durable = d->names[i].now;
    return ERR_OK;
}

static enum err
do_list(void *ctx, const char *path, disk_list_fn *fn, void *list_ctx)
{
    struct sim_disk *d = ctx;
    if (fails(d))
        return d->fail_err;
    for (int i = 0; i < d->n_names; i++)
        if (d->names[i].now != NOWHERE && is_in(d->names[i].path, path))
            fn(list_ctx, d->names[i].path + strlen(path) + 1);
    return ERR_OK;
}

static enum err
do_free_bytes(void *ctx, const char *path, uint64_t *n)
{
    struct sim_disk *d = ctx;
    (void)path;
    uint64_t n_all = d->max_bytes == UINT64_MAX ? UINT64_C(1) << 40 : d->max_bytes,
             used = n_used(d);
    *n = used < n_all ? n_all - used : 0;
    return fails(d) ? d->fail_err : ERR_OK;
}

struct sim_disk *
sim_disk_new(void)
{
    struct sim_disk *d = mem_new(struct sim_disk);
    d->face = (struct disk){
        .ctx = d,
        .open = do_open,
        .close = do_close,
        .write = do_write,
        .read = do_read,
        .sync = do_sync,
        .reserve = do_truncate,
        .truncate = do_truncate,
        .size = do_size,
        .lock = do_lock,
        .remove = do_remove,
        .rename = do_rename,
        .make_directory = do_make_directory,
        .sync_directory = do_sync_directory,
        .list = do_list,
        .free_bytes = do_free_bytes,
    };
    d->max_bytes = UINT64_MAX;
    sim_disk_kill(d);
    return d;
}

void
sim_disk_free(struct sim_disk **disk)
{
    struct sim_disk *d = *disk;
    for (int i = 0; d && i < d->n_nodes; i++) {
        sim_forget_changes(d->nodes[i]);
        mem_free(d->nodes[i]->now.p);
        mem_free(d->nodes[i]->durable.p);
        mem_free(d->nodes[i]);
    }
    if (d)
        text_fini(&d->history);
    mem_free(d);
    *disk = NULL;
}

void
sim_disk_limit(struct sim_disk *d, uint64_t n_bytes)
{
    d->max_bytes = n_bytes;
}

const char *
sim_disk_name(const struct sim_disk *d, uint32_t i)
{
    for (int at = 0; at < d->n_names; at++)
        if (d->names[at].now != NOWHERE && i-- == 0)
            return d->names[at].path;
    return NULL;
}

uint8_t *
sim_disk_bytes(struct sim_disk *d, const char *path, uint64_t *n)
{
    struct name *name = sim_find_name(d, path, false);
    if (!name || name->now == NOWHERE)
        return NULL;
    struct image *image = &d->nodes[name->now]->now;
    *n = image->n;
    return image->p;
}

void
sim_disk_put(struct sim_disk *d, const char *path, const void *p, uint64_t n)
{
    struct name *name = sim_find_name(d, path, true);
    name->now = name->durable = sim_new_node(d);
    struct node *node = d->nodes[name->now];
    sim_image_put(&node->now, 0, p, n);
    sim_image_copy(&node->durable, &node->now);
}

void
sim_disk_spoil(struct sim_disk *d, const char *path)
{
    struct name *name = sim_find_name(d, path, false);
    check(name && name->now != NOWHERE);
    d->nodes[name->now]->is_spoiled = true;
}

void
sim_disk_record(struct sim_disk *d, bool is_on)
{
    d->is_recording = is_on;
    text_clear(&d->history);
}

const char *
sim_disk_history(const struct sim_disk *d)
{
    return d->history.n ? d->history.p : "";
}

const struct disk *
sim_disk_face(const struct sim_disk *d)
{
    return &d->face;
}

uint64_t
sim_disk_calls(const struct sim_disk *d)
{
    return d->n_calls;
}

void
sim_disk_fail(struct sim_disk *d, uint64_t at, uint64_t n, enum err err, bool is_short)
{
    d->fail_at = at;
    d->n_fail = n;
    d->fail_err = err;
    d->is_short = is_short;
}

void
sim_disk_heal(struct sim_disk *d)
{
    d->n_fail = 0;
    for (int i = 0; i < d->n_nodes; i++)
        d->nodes[i]->is_spoiled = false;
}

void
sim_disk_kill(struct sim_disk *d)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        d->open[i] = NOWHERE;
        d->is_locked[i] = false;
    }
}

uint32_t
sim_disk_n_names(const struct sim_disk *d)
{
    uint32_t n = 0;
    for (int i = 0; i < d->n_names; i++)
        n += d->names[i].now != NOWHERE;
    return n;
}
