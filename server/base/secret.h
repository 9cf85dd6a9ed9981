/* Comparing what a stranger shows with what we keep secret. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* In a time that depends on the lengths alone: neither on where they differ nor on which one it is.
 * Nothing empty is ever equal. */
bool secret_is_one_of(struct bytes shown, const char *const *secrets, uint32_t n);

#endif
