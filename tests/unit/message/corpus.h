/* Reads the captured messages of tests/corpus. Tests run at the top of the tree. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CORPUS_H
#define TESTS_CORPUS_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"

/* The whole file; free .p with mem_free. */
static inline struct bytes
corpus_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    check(file != NULL);
    size_t n = 0, size = 1 << 20;
    uint8_t *p = mem_alloc(size);
    for (size_t got; (got = fread(p + n, 1, size - n, file)) > 0;) {
        n += got;
        if (n == size)
            p = mem_resize(p, size *= 2);
    }
    fclose(file);
    return bytes_of(p, n);
}

/* Takes the next message off a list of messages behind 4-byte lengths; false at its end. */
static inline bool
corpus_next(struct bytes *list, struct bytes *message)
{
    if (list->n < 4)
        return false;
    size_t n =
        (size_t)list->p[0] << 24 | (size_t)list->p[1] << 16 | (size_t)list->p[2] << 8 | list->p[3];
    check(n <= list->n - 4);
    *message = bytes_of(list->p + 4, n);
    *list = bytes_of(list->p + 4 + n, list->n - 4 - n);
    return true;
}

#endif
