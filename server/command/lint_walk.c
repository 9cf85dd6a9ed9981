/* Walks a directory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lint_walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/method.h"
#include "base/text.h"

enum { MAX_DEPTH = 32 };

static int
is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* name ends in "Service.method.bin", and before it is nothing or "anything." */
static bool
is_named_after(const char *name, const struct method_row *row)
{
    const char *slash = strrchr(row->path, '/');
    const char *service = slash;
    while (service > row->path && service[-1] != '.' && service[-1] != '/')
        service--;
    struct text wanted = TEXT_EMPTY;
    text_addf(&wanted, "%.*s.%s.bin", (int)(slash - service), service, slash + 1);
    size_t n = strlen(name);
    bool is = n >= wanted.n && strcmp(name + n - wanted.n, wanted.p) == 0 &&
              (n == wanted.n || name[n - wanted.n - 1] == '.');
    text_fini(&wanted);
    return is;
}

/* A file of a method that carries no single segments. */
static bool
is_other_method(const char *name)
{
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        const struct method_row *row = method_row(i);
        if (row != NULL && row->message != MESSAGE_SegmentObject && is_named_after(name, row))
            return true;
    }
    return false;
}

static int walk_directory(const struct lint_walk *, const char *path, unsigned depth);

static int
walk_entry(const struct lint_walk *walk, const char *path, const char *name, unsigned depth)
{
    struct stat info;
    int error_number = 0;
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return depth < MAX_DEPTH ? walk_directory(walk, path, depth + 1) : ELOOP;
    if (stat(path, &info) != 0)
        error_number = errno;
    else if (S_ISREG(info.st_mode) && is_other_method(name))
        walk->on_skipped(walk->ctx, path);
    else if (S_ISREG(info.st_mode))
        walk->on_file(walk->ctx, path);
    return error_number == ENOENT ? 0 : error_number; /* a dangling link */
}

static int
walk_directory(const struct lint_walk *walk, const char *path, unsigned depth)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_shown, alphasort);
    if (n < 0)
        return errno;
    int first_error = 0;
    size_t length = strlen(path);
    const char *between = length > 0 && path[length - 1] == '/' ? "" : "/";
    for (int i = 0; i < n; i++) {
        struct text inner = TEXT_EMPTY;
        text_addf(&inner, "%s%s%s", path, between, entries[i]->d_name);
        int error_number = walk_entry(walk, inner.p, entries[i]->d_name, depth);
        first_error = first_error != 0 ? first_error : error_number;
        text_fini(&inner);
        free(entries[i]);
    }
    free(entries);
    return first_error;
}

int
lint_walk_path(const struct lint_walk *walk, const char *path)
{
    struct stat info;
    if (strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return walk_directory(walk, path, 0);
    walk->on_file(walk->ctx, path);
    return 0;
}
