/* Reads a signed 64-bit decimal as Java's Long.parseLong does. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEGRITY_DECIMAL_H
#define INTEGRITY_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* One sign, then ASCII digits to the end. False when it is none or does not fit. */
bool decimal_parse(struct bytes text, int64_t *out);

#endif
