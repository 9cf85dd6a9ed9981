/* Small fixed allocations: they abort when memory is out, so ordinary code has no such path. */
/* SPDX-License-Identifier: Apache-2.0 */
/* What grows with network input is charged to a budget (base/budget.h) before it is allocated. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* A zeroed object of the type; never NULL; free with mem_free. */
#define mem_new(type) ((type *)mem_zeroed(sizeof(type)))
/* A zeroed array of n objects of the type. */
#define mem_new_n(type, n) ((type *)mem_zeroed_n((n), sizeof(type)))

void *mem_zeroed(size_t n);
void *mem_zeroed_n(size_t n, size_t size);
void *mem_alloc(size_t n);
void *mem_resize(void *p, size_t n);
char *mem_string(const char *s);
/* A NUL-terminated copy of n bytes. */
char *mem_string_n(const void *p, size_t n);
void mem_free(void *p);
/* What an allocation really takes; p is not NULL. */
size_t mem_bytes(void *p);

#endif
