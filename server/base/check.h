/* Assertions that stay on in release, and magic numbers for long-lived objects. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Network input is never a reason to check(): it gets an enum err. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdint.h>

/* Prints file, line and text to standard error and aborts. Any thread. */
_Noreturn void check_failed(const char *file, int line, const char *text);

#define check(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

#ifdef SPANGATE_DEBUG
#define check_slow(cond) check(cond)
#else
#define check_slow(cond) ((void)sizeof((cond) ? 1 : 0))
#endif

/* The object is alive and of its type: put first in every callback that gets it as a void pointer.
 */
#define CHECK_OBJ(object, magic_number) check((object) != NULL && (object)->magic == (magic_number))

#endif
