/* UTF-8 checking at line rate: eight ASCII bytes at a time, libunistring from the first high bit
 * on. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>

#include "base/bytes.h"

/* Well-formed by RFC 3629: no surrogates, no overlong forms, nothing beyond U+10FFFF. NUL is fine.
 */
bool utf8_is_valid(struct bytes);
/* The length of the longest valid prefix. */
size_t utf8_valid_prefix(struct bytes);

#endif
