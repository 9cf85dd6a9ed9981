/* Between hash.c and hash_avx2.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HASH_INT_H
#define BASE_HASH_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Whether hash_avx2 may be called on this processor. */
bool hash_avx2_is_there(void);
/* The same value as hash_bytes: 32 bytes at a time. */
uint64_t hash_avx2(struct bytes, const void *secret, size_t n_secret);

#endif
