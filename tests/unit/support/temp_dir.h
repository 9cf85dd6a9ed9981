/* A directory of a test's own, and its removal with all that is in it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_TEMP_DIR_H
#define SUPPORT_TEMP_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { TEMP_DIR_BYTES = 64, TEMP_DIR_OPEN = 16 };

static inline int
temp_dir_make(char out[TEMP_DIR_BYTES])
{
    snprintf(out, TEMP_DIR_BYTES, "%s", "/tmp/spangate-test-XXXXXX");
    return mkdtemp(out) == NULL;
}

static inline int
temp_dir_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline int
temp_dir_remove(const char *path)
{
    return nftw(path, temp_dir_remove_one, TEMP_DIR_OPEN, FTW_DEPTH | FTW_PHYS);
}

#endif
