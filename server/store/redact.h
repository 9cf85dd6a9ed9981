/* Overwrites the values of chosen tags before a message is kept. */
/* SPDX-License-Identifier: Apache-2.0 */
/* By the bytes that a KeyStringValuePair has on the wire (0A length key 12 length value), wherever
 * they stand, so that messages nobody can decode are covered too, and those cut off. Lengths stay
 * as they are: each byte of the value becomes '*'. Pairs with the value first, which no encoder
 * writes, are not found. */
#ifndef STORE_REDACT_H
#define STORE_REDACT_H

#include <stddef.h>
#include <stdint.h>

struct redact;

/* NULL when there is no key. The keys are copied. */
struct redact *redact_new(const char *const *keys, uint32_t n);
void redact_free(struct redact **);
/* Linear in n. Returns how many values were overwritten. */
uint32_t redact_apply(const struct redact *, uint8_t *p, size_t n);

#endif
