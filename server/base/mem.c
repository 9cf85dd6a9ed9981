/* Allocation that aborts instead of failing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *
mem_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    check(p != NULL);
    return p;
}

void *
mem_zeroed(size_t n)
{
    return mem_zeroed_n(1, n);
}

void *
mem_zeroed_n(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    check(p != NULL);
    return p;
}

void *
mem_resize(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    check(q != NULL);
    return q;
}

char *
mem_string_n(const void *p, size_t n)
{
    char *s = mem_alloc(n + 1);
    if (n > 0)
        memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

char *
mem_string(const char *s)
{
    return mem_string_n(s, strlen(s));
}

void
mem_free(void *p)
{
    free(p);
}

size_t
mem_bytes(void *p)
{
    return malloc_usable_size(p);
}
