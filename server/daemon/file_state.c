/* How a file looks from outside: whether it was changed or replaced since the last look. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/file_state.h"

#include <stddef.h>
#include <sys/stat.h>

void
file_state_look(const char *file, struct file_state *out)
{
    struct stat status;
    *out = (struct file_state){0};
    if (file == NULL || file[0] == '\0' || stat(file, &status) != 0)
        return;
    *out = (struct file_state){
        .device = status.st_dev,
        .inode = status.st_ino,
        .n_bytes = (uint64_t)status.st_size,
        .changed_s = status.st_ctim.tv_sec,
        .changed_ns = status.st_ctim.tv_nsec,
    };
}

bool
file_state_is_same(const struct file_state *a, const struct file_state *b)
{
    return a->device == b->device && a->inode == b->inode && a->n_bytes == b->n_bytes &&
           a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}
