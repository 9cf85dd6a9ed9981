/* Which slot of the backend metrics belongs to which address, for all workers of the process. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every thread. The mutex is taken when something changes, never per call: when a backend comes,
 * goes, connects, breaks, and once a second for its last success. Gauges are summed over the
 * workers, so what must not be a sum (up, last success) is handed out here as differences. */
#ifndef FORWARD_BACKEND_NAMES_H
#define FORWARD_BACKEND_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend_names;

struct backend_names *backend_names_new(void);
void backend_names_free(struct backend_names **);
/* The slot of a name, one more user of it. Where a gone backend's slot is used again, *stale_s is
 * what its last-success gauge still shows, to be subtracted. The last slot is "other": more
 * backends than slots share it. */
uint32_t backend_names_take(struct backend_names *, const char *name, uint64_t *stale_s);
void backend_names_give(struct backend_names *, uint32_t slot);
/* A worker's connection came up or broke: how the up gauge changes (-1, 0, 1). */
int backend_names_set_up(struct backend_names *, uint32_t slot, bool is_up);
/* Seconds by which the last-success gauge rises. */
uint64_t backend_names_success(struct backend_names *, uint32_t slot, uint64_t unix_s);
/* Whether the operator wants no calls on it; asked anew by every backend of that name. False:
 * nothing of that name stands there. */
bool backend_names_set_disabled(struct backend_names *, const char *name, bool is_disabled);
bool backend_names_is_disabled(struct backend_names *, uint32_t slot);
/* False when nothing stands there, or went more than 10 minutes ago. */
bool backend_names_find(struct backend_names *, uint32_t slot, char *out, size_t size);

#endif
