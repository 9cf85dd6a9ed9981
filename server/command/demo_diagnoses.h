/* What the gate made of the demo's instances: asked as an operator would, by the API. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_DEMO_DIAGNOSES_H
#define COMMAND_DEMO_DIAGNOSES_H

#include <stdint.h>

#include "base/text.h"

/* Waits until the registry has heard of all n_segments, 3 s at most. A line for each diagnosis that
 * holds, with the instances of each service that have it; nothing without an address. */
void demo_diagnoses_add(const char *admin_address, uint64_t n_segments, struct text *out);

#endif
