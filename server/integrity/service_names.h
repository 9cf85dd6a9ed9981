/* The names of services seen, and rare ones that look cut from a known one or run on behind it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 2, near-known-service. Bounded: the name not seen longest leaves. Times are
 * milliseconds of a clock that never goes back. One thread. */
#ifndef INTEGRITY_SERVICE_NAMES_H
#define INTEGRITY_SERVICE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    SERVICE_NAMES = 4096,
    SERVICE_NAMES_SUSPECTS = 64,        /* at a time; further ones are not asked about */
    SERVICE_NAMES_KNOWN_SEGMENTS = 100, /* or one management call */
    SERVICE_NAMES_RARE_SEGMENTS = 3,
    SERVICE_NAMES_WAIT_MS = 60 * 1000, /* until a new name counts as rare */
};

struct service_names;

struct service_names *service_names_new(void);
void service_names_free(struct service_names **);
uint64_t service_names_n_bytes(const struct service_names *);

/* n_segments more; is_managed: its agent spoke of itself. is_foreign: the first of these segments
 * came in another service's stream; instance is asked about when the name is new. */
void service_names_see(struct service_names *, struct bytes service, uint32_t n_segments,
                       bool is_managed, bool is_foreign, uint64_t instance, int64_t now_ms);
/* Those whose wait is over: fn for each that stayed rare and is near a known name. */
typedef void service_names_fn(void *ctx, uint64_t instance);
void service_names_judge(struct service_names *, int64_t now_ms, service_names_fn *, void *ctx);

#endif
