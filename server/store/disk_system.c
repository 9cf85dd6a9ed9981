/* The spool's disk calls as the kernel does them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every call but fdatasync goes on after a signal (EINTR), transfers after a short one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/disk.h"

enum {
    VECTORS = 64, /* of one system call; IOV_MAX is 1024 */
    LOCK_HEAD_BYTES = 32,
    LOCK_READ_BYTES = 64,
};

static enum err
from_result(int result)
{
    return result < 0 ? err_from_errno(errno) : ERR_OK;
}

static enum err
system_open(void *ctx, const char *path, enum disk_how how, int *file)
{
    (void)ctx;
    static const int flags[] = {
        [DISK_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [DISK_UPDATE] = O_RDWR | O_CREAT,
        [DISK_LOOK] = O_RDONLY,
    };
    int descriptor;
    do
        descriptor = open(path, flags[how] | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0)
        return err_from_errno(errno);
    *file = descriptor;
    return ERR_OK;
}

static void
system_close(void *ctx, int file)
{
    (void)ctx;
    (void)close(file); /* what had to be kept was synced before; EINTR closes too */
}

/* Copies the vectors without their first skip bytes; returns how many there are, at most VECTORS.
 */
static int
skip_bytes(const struct iovec *from, int n, size_t skip, struct iovec out[VECTORS])
{
    int n_out = 0;
    for (int i = 0; i < n && n_out < VECTORS; i++) {
        if (skip >= from[i].iov_len) {
            skip -= from[i].iov_len;
            continue;
        }
        out[n_out].iov_base = (uint8_t *)from[i].iov_base + skip;
        out[n_out++].iov_len = from[i].iov_len - skip;
        skip = 0;
    }
    return n_out;
}

static enum err
system_write(void *ctx, int file, const struct iovec *vectors, int n, uint64_t offset,
             size_t *n_written)
{
    (void)ctx;
    /* vectors[first] begins behind n_before bytes of the whole. */
    int first = 0;
    size_t n_before = 0;
    *n_written = 0;
    for (;;) {
        while (first < n && *n_written - n_before >= vectors[first].iov_len)
            n_before += vectors[first++].iov_len;
        if (first == n)
            return ERR_OK;
        struct iovec rest[VECTORS];
        int n_rest = skip_bytes(vectors + first, n - first, *n_written - n_before, rest);
        ssize_t n_now = pwritev(file, rest, n_rest, (off_t)(offset + *n_written));
        if (n_now < 0 && errno != EINTR)
            return err_from_errno(errno);
        if (n_now == 0)
            return ERR_IO; /* never seen on a regular file; else an endless loop */
        *n_written += n_now > 0 ? (size_t)n_now : 0;
    }
}

static enum err
system_read(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read)
{
    (void)ctx;
    *n_read = 0;
    while (*n_read < n) {
        ssize_t n_now =
            pread(file, (uint8_t *)out + *n_read, n - *n_read, (off_t)(offset + *n_read));
        if (n_now < 0 && errno != EINTR)
            return err_from_errno(errno);
        if (n_now == 0)
            break;
        *n_read += n_now > 0 ? (size_t)n_now : 0;
    }
    return ERR_OK;
}

/* Not tried again after an error, a signal included: the kernel may then report success for lost
 * pages. */
static enum err
system_sync(void *ctx, int file)
{
    (void)ctx;
    return from_result(fdatasync(file));
}

static enum err
system_truncate(void *ctx, int file, uint64_t n)
{
    (void)ctx;
    int result;
    do
        result = ftruncate(file, (off_t)n);
    while (result < 0 && errno == EINTR);
    return from_result(result);
}

static enum err
system_size(void *ctx, int file, uint64_t *n)
{
    (void)ctx;
    struct stat stat;
    if (fstat(file, &stat) < 0)
        return err_from_errno(errno);
    *n = (uint64_t)stat.st_size;
    return ERR_OK;
}

/* Never makes a file smaller. */
static enum err
enlarge(void *ctx, int file, uint64_t n)
{
    uint64_t size;
    enum err err = system_size(ctx, file, &size);
    return err != ERR_OK || size >= n ? err : system_truncate(ctx, file, n);
}

static enum err
system_reserve(void *ctx, int file, uint64_t n)
{
    int result;
    if (n == 0)
        return ERR_OK;
    do
        result = fallocate(file, 0, 0, (off_t)n);
    while (result < 0 && errno == EINTR);
    if (result < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
        return enlarge(ctx, file, n);
    return from_result(result);
}

/* The decimal number at p that a newline ends; 0: there is none. */
static int
number_of_line(const uint8_t *p, size_t n)
{
    int64_t value = 0;
    for (size_t i = 0; i < n && value <= INT32_MAX; i++) {
        if (p[i] == '\n')
            return (int)value;
        if (p[i] < '0' || p[i] > '9')
            return 0;
        value = value * 10 + (p[i] - '0');
    }
    return 0;
}

/* A lock file: magic, uuid, their checksum, then the holder's pid as a line of text. */
static int
read_holder(void *ctx, int file)
{
    uint8_t text[LOCK_READ_BYTES];
    size_t n;
    if (system_read(ctx, file, text, sizeof(text), 0, &n) != ERR_OK || n <= LOCK_HEAD_BYTES)
        return 0;
    return number_of_line(text + LOCK_HEAD_BYTES, n - LOCK_HEAD_BYTES);
}

static enum err
system_lock(void *ctx, int file, int *holder)
{
    int result;
    *holder = 0;
    do
        result = flock(file, LOCK_EX | LOCK_NB);
    while (result < 0 && errno == EINTR);
    if (result < 0 && errno == EWOULDBLOCK) {
        *holder = read_holder(ctx, file);
        return ERR_LOCKED;
    }
    return from_result(result);
}

static enum err
system_remove(void *ctx, const char *path)
{
    (void)ctx;
    return from_result(unlink(path));
}

static enum err
system_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return from_result(rename(from, to));
}

static bool
is_directory(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

static enum err
system_make_directory(void *ctx, const char *path)
{
    (void)ctx;
    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    int error_number = errno;
    if (error_number == EEXIST)
        return is_directory(path) ? ERR_OK : ERR_NOT_DIRECTORY;
    return err_from_errno(error_number);
}

static enum err
system_sync_directory(void *ctx, const char *path)
{
    (void)ctx;
    int result, directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return err_from_errno(errno);
    do
        result = fsync(directory);
    while (result < 0 && errno == EINTR);
    enum err err = from_result(result);
    (void)close(directory);
    return err;
}

static enum err
system_list(void *ctx, const char *path, disk_list_fn *each, void *list_ctx)
{
    (void)ctx;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return err_from_errno(errno);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(list_ctx, entry->d_name);
    }
    enum err err = err_from_errno(errno);
    (void)closedir(directory);
    return err;
}

static enum err
system_free_bytes(void *ctx, const char *path, uint64_t *n)
{
    (void)ctx;
    struct statvfs found;
    int result;
    do
        result = statvfs(path, &found);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return err_from_errno(errno);
    *n = (uint64_t)found.f_bavail * found.f_frsize;
    return ERR_OK;
}

const struct disk disk_system = {
    .open = system_open,
    .close = system_close,
    .write = system_write,
    .read = system_read,
    .sync = system_sync,
    .reserve = system_reserve,
    .truncate = system_truncate,
    .size = system_size,
    .lock = system_lock,
    .remove = system_remove,
    .rename = system_rename,
    .make_directory = system_make_directory,
    .sync_directory = system_sync_directory,
    .list = system_list,
    .free_bytes = system_free_bytes,
};
