/* A whole file, or standard input, into memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/input_file.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum { READ_BYTES = 1 << 16 };

enum command_exit
input_file_exit(int error_number)
{
    if (error_number == ENOENT || error_number == ENOTDIR || error_number == EISDIR)
        return COMMAND_NO_INPUT;
    return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION : COMMAND_IO;
}

int
input_file_read(const char *name, struct bytes *content)
{
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(name, "rb");
    size_t n = 0, size = READ_BYTES;
    *content = BYTES_NONE;
    if (file == NULL)
        return errno;
    uint8_t *p = mem_alloc(size);
    for (size_t got; (got = fread(p + n, 1, size - n, file)) > 0;) {
        n += got;
        if (n == size)
            p = mem_resize(p, size *= 2);
    }
    int error_number = ferror(file) ? errno : 0;
    if (!is_stdin)
        fclose(file);
    *content = bytes_of(p, n);
    return error_number;
}

void
input_file_free(struct bytes *content)
{
    mem_free((void *)(uintptr_t)content->p);
    *content = BYTES_NONE;
}
