/* Every call to the disk that the spool makes, as one table, so that tests can stand in for it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two implementations: disk_system (the kernel), and the one of the tests that records operations,
 * fails chosen calls and enumerates crash states. Paths are whole paths. The spool's thread only.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

enum disk_how {
    DISK_CREATE, /* must not exist; read and write, mode 0600 */
    DISK_UPDATE, /* exists or is made; read and write, mode 0600 */
    DISK_LOOK,   /* exists; read only */
};

typedef void disk_list_fn(void *ctx, const char *name);

/* Errors: ERR_NO_SPACE (ENOSPC, EDQUOT), ERR_IO (EIO), ERR_PERMISSION, ERR_LOCKED, ERR_NOT_FOUND,
 * ERR_NOT_DIRECTORY, ERR_SYSTEM. */
struct disk {
    void *ctx;
    enum err (*open)(void *ctx, const char *path, enum disk_how, int *file);
    void (*close)(void *ctx, int file);
    /* Less than asked for only with an error: then *n_written says how much. */
    enum err (*write)(void *ctx, int file, const struct iovec *, int n, uint64_t offset,
                      size_t *n_written);
    /* Less than asked for at the end of the file. */
    enum err (*read)(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read);
    enum err (*sync)(void *ctx, int file); /* fdatasync */
    /* Space is reserved up to n bytes and the size becomes n, never less than it was; where the
     * file system cannot reserve, only the size changes. */
    enum err (*reserve)(void *ctx, int file, uint64_t n);
    enum err (*truncate)(void *ctx, int file, uint64_t n);
    enum err (*size)(void *ctx, int file, uint64_t *n);
    /* ERR_LOCKED: another process holds it, *holder is its pid (a line of text
     * behind the file's first 32 bytes) or 0. Held until close. */
    enum err (*lock)(void *ctx, int file, int *holder);
    enum err (*remove)(void *ctx, const char *path);
    enum err (*rename)(void *ctx, const char *from, const char *to);
    enum err (*make_directory)(void *ctx, const char *path); /* one level, 0700; may exist */
    enum err (*sync_directory)(void *ctx, const char *path);
    enum err (*list)(void *ctx, const char *path, disk_list_fn *, void *list_ctx);
    enum err (*free_bytes)(void *ctx, const char *path, uint64_t *n); /* for the unprivileged */
};

extern const struct disk disk_system;

#endif
