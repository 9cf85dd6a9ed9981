/* Opens a spool: directory, lock, uuid, names. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing inside the directory may prevent a start. */
#include "store/spool_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

enum {
    LOCK_UUID_AT = 8,
    LOCK_SUM_AT = 24,
    LOCK_PID_AT = SPOOL_LOCK_HEAD_BYTES,
    LOCK_BYTES = 64,
    MIB = 1024 * 1024,
    FILE_MAX_BYTES = 64 * MIB,
};
static const char lock_magic[] = "SPGLOCK1";

static enum err
failed(struct text *why, const char *what, const char *path, enum err err)
{
    text_addf(why, "cannot %s %s: %s", what, path, err_words(err));
    return err;
}

/* Directories */

static void
parent_of(const char *path, char out[SPOOL_PATH_BYTES])
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0) {
        memcpy(out, ".", 2);
        return;
    }
    memcpy(out, path, n);
    out[n] = '\0';
}

/* Missing parents first; each new name is made durable in its parent. */
static enum err
make_directories(const struct disk *disk, const char *path)
{
    char parent[SPOOL_PATH_BYTES];
    parent_of(path, parent);
    enum err err = disk->make_directory(disk->ctx, path);
    if (err == ERR_NOT_FOUND && strcmp(parent, path) != 0) {
        err = make_directories(disk, parent);
        if (err == ERR_OK)
            err = disk->make_directory(disk->ctx, path);
    }
    if (err)
        return err;
    err = disk->sync_directory(disk->ctx, parent);
    return err == ERR_PERMISSION ? ERR_OK : err; /* a parent we may pass but not read */
}

/* Lock and uuid */

bool
spool_open_uuid(const uint8_t *p, size_t n, uint8_t uuid[SPOOL_UUID_BYTES])
{
    uint64_t sum;
    if (n < LOCK_PID_AT || memcmp(p, lock_magic, LOCK_UUID_AT) != 0)
        return false;
    memcpy(&sum, p + LOCK_SUM_AT, sizeof(sum));
    if (sum != hash_bytes_seeded(bytes_of(p, LOCK_SUM_AT), 0))
        return false;
    memcpy(uuid, p + LOCK_UUID_AT, SPOOL_UUID_BYTES);
    return true;
}

static enum err
write_lock(struct spool *s)
{
    uint8_t p[LOCK_BYTES] = {0};
    memcpy(p, lock_magic, LOCK_UUID_AT);
    memcpy(p + LOCK_UUID_AT, s->uuid, SPOOL_UUID_BYTES);
    uint64_t sum = hash_bytes_seeded(bytes_of(p, LOCK_SUM_AT), 0);
    memcpy(p + LOCK_SUM_AT, &sum, sizeof(sum));
    struct text pid = TEXT_EMPTY;
    text_addf(&pid, "%ld\n", (long)getpid());
    memcpy(p + LOCK_PID_AT, pid.p, pid.n);
    struct iovec v = {p, LOCK_PID_AT + pid.n};
    text_fini(&pid);
    size_t n_written;
    enum err err = s->disk->write(s->disk->ctx, s->lock_file, &v, 1, 0, &n_written);
    if (!err)
        err = s->disk->truncate(s->disk->ctx, s->lock_file, v.iov_len);
    if (!err)
        err = s->disk->sync(s->disk->ctx, s->lock_file);
    return err;
}

static enum err
take_lock(struct spool *s, struct text *why)
{
    char path[SPOOL_PATH_BYTES];
    int holder = 0;
    spool_files_path(s, "LOCK", path);
    enum err err = s->disk->open(s->disk->ctx, path, DISK_UPDATE, &s->lock_file);
    if (err) {
        s->lock_file = SPOOL_NO_FILE;
        return failed(why, "open", path, err);
    }
    err = s->disk->lock(s->disk->ctx, s->lock_file, &holder);
    if (err == ERR_LOCKED) {
        text_addf(why, "%s is in use by process %d", s->path, holder);
        return err;
    }
    return err ? failed(why, "lock", path, err) : ERR_OK;
}

/* The names in the directory */

struct found {
    uint64_t base;
    uint32_t suffix;
};
struct names {
    struct spool *spool;
    struct found *files;
    size_t n, size;
};

static void
on_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    struct found f;
    if (!spool_name_look(name, &f.base, &f.suffix) || f.base >= SPOOL_SEQUENCE_END) {
        if (spool_name_is_corrupt(name))
            names->spool->n_corrupt_bytes += spool_files_size_of(names->spool, name);
        return;
    }
    if (names->n == names->size) {
        names->size = names->size ? 2 * names->size : 64;
        names->files = mem_resize(names->files, names->size * sizeof(*names->files));
    }
    names->files[names->n++] = f;
}

static int
by_base(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->base != y->base)
        return x->base < y->base ? -1 : 1;
    return x->suffix < y->suffix ? -1 : x->suffix > y->suffix;
}

static enum err
list_files(struct spool *s)
{
    struct names names = {.spool = s};
    enum err err = s->disk->list(s->disk->ctx, s->path, on_name, &names);
    if (!err) {
        if (names.n)
            qsort(names.files, names.n, sizeof(*names.files), by_base);
        for (size_t i = 0; i < names.n; i++)
            spool_files_add(s, names.files[i].base, names.files[i].suffix);
    }
    mem_free(names.files);
    return err;
}

static bool
uuid_of_files(struct spool *s)
{
    struct spool_file *f;
    TAILQ_FOREACH_REVERSE(f, &s->files, spool_file_list, link)
    {
        uint8_t p[SPOOL_FILE_HEAD_BYTES];
        struct spool_file_head head;
        size_t n_read = 0;
        if (spool_files_open(s, f))
            continue;
        enum err err = s->disk->read(s->disk->ctx, f->file, p, sizeof(p), 0, &n_read);
        spool_files_close(s, f);
        if (!err && n_read == sizeof(p) && spool_file_head_look(p, &head) == ERR_OK) {
            memcpy(s->uuid, head.uuid, SPOOL_UUID_BYTES);
            return true;
        }
    }
    return false;
}

/* From LOCK, else from the newest file, else a new one. */
static enum err
settle_uuid(struct spool *s, bool *is_new)
{
    uint8_t p[LOCK_PID_AT];
    size_t n_read = 0;
    if (s->disk->read(s->disk->ctx, s->lock_file, p, sizeof(p), 0, &n_read)) {
        s->counts.n_errors++;
        n_read = 0;
    }
    *is_new = !spool_open_uuid(p, n_read, s->uuid) && !uuid_of_files(s);
    if (*is_new && getrandom(s->uuid, SPOOL_UUID_BYTES, 0) != SPOOL_UUID_BYTES)
        return ERR_SYSTEM;
    s->seed = spool_seed(s->uuid);
    return ERR_OK;
}

/* A uuid that is known already stands elsewhere too: a full disk is no reason not to start. */
static enum err
settle_lock(struct spool *s)
{
    bool is_new = false;
    enum err err = settle_uuid(s, &is_new);
    if (err)
        return err;
    err = write_lock(s);
    if (err)
        s->counts.n_errors++;
    return is_new ? err : ERR_OK;
}

/* The whole */

static void
settle_file_bytes(struct spool_settings *settings)
{
    if (settings->file_bytes)
        return;
    uint64_t n = settings->max_bytes ? settings->max_bytes / 16 : FILE_MAX_BYTES;
    n = n > FILE_MAX_BYTES ? FILE_MAX_BYTES : n;
    settings->file_bytes = n < MIB ? MIB : n;
}

static struct spool *
new_spool(const struct spool_settings *settings, const struct disk *disk)
{
    struct spool *s = mem_new(struct spool);
    s->magic = SPOOL_MAGIC;
    s->settings = *settings;
    memcpy(s->path, settings->path, strlen(settings->path) + 1);
    s->settings.path = s->path;
    settle_file_bytes(&s->settings);
    s->disk = disk;
    s->lock_file = s->cursor_file = s->removed_file = SPOOL_NO_FILE;
    s->cursor = mem_new(struct spool_cursor);
    TAILQ_INIT(&s->files);
    STAILQ_INIT(&s->pending);
    STAILQ_INIT(&s->written);
    return s;
}

static void
abandon(struct spool *s)
{
    spool_files_free_all(s);
    spool_removed_close(s);
    if (s->cursor_file != SPOOL_NO_FILE)
        s->disk->close(s->disk->ctx, s->cursor_file);
    if (s->lock_file != SPOOL_NO_FILE)
        s->disk->close(s->disk->ctx, s->lock_file);
    mem_free(s->cursor);
    mem_free(s);
}

static enum err
start(struct spool *s, int64_t now_ms, struct text *why)
{
    enum err err = make_directories(s->disk, s->path);
    if (err)
        return failed(why, "make the directory", s->path, err);
    err = take_lock(s, why);
    if (err)
        return err;
    err = list_files(s);
    if (err)
        return failed(why, "list", s->path, err);
    err = settle_lock(s);
    if (err)
        return failed(why, "settle the lock of", s->path, err);
    spool_recover(s, now_ms);
    spool_removed_load(s);
    err = s->disk->sync_directory(s->disk->ctx, s->path);
    return err ? failed(why, "sync", s->path, err) : ERR_OK;
}

enum err
spool_open(const struct spool_settings *settings, const struct disk *disk, int64_t now_ms,
           struct text *why, struct spool **out)
{
    *out = NULL;
    if (strlen(settings->path) > SPOOL_PATH_BYTES / 2) {
        text_addf(why, "the path of the spool is too long");
        return ERR_SYSTEM;
    }
    struct spool *s = new_spool(settings, disk);
    enum err err = start(s, now_ms, why);
    if (err)
        abandon(s);
    else
        *out = s;
    return err;
}
