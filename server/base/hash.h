/* Seeded 64-bit hashing (XXH3): names come from strangers, so a secret is drawn at start. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/bytes.h"

/* Draws the process's secret from the kernel; call before threads start. Further calls change
 * nothing. */
void hash_init(void);
/* Under the process's secret: for tables in memory. */
uint64_t hash_bytes(struct bytes);
/* Under a given seed: for what is stored or must repeat. */
uint64_t hash_bytes_seeded(struct bytes, uint64_t seed);
enum { HASH_WIDE_BYTES = 16 };
/* 128 bits under the process's secret: stands for bytes too long to be kept and compared. */
void hash_bytes_wide(struct bytes, uint8_t out[HASH_WIDE_BYTES]);

#endif
