/* The name people give to a record in quarantine: "q-" and its sequence in Crockford's base 32. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Upper case, at least four digits: "q-001A". Read in any case, O as 0, I and L as 1. */
#ifndef STORE_QUARANTINE_ID_H
#define STORE_QUARANTINE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { QUARANTINE_ID_BYTES = 16 }; /* "q-", 13 digits, NUL */

void quarantine_id_fill(uint64_t sequence, char out[QUARANTINE_ID_BYTES]);
/* False: no such name, or a number that no record can have. */
bool quarantine_id_parse(struct bytes, uint64_t *sequence);

#endif
