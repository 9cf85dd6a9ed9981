/* Answers to repeated questions for dynamic configuration (relay.cds_cache). */
/* SPDX-License-Identifier: Apache-2.0 */
/* The key is the token shown and the request's bytes, which hold service and uuid, so an answer is
 * never given to someone who would not have got it. At most RELAY_CACHE_ENTRIES and
 * RELAY_CACHE_BYTES of a worker; the oldest goes first. Times are the caller's, in us. */
#ifndef FORWARD_RELAY_CACHE_H
#define FORWARD_RELAY_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"

enum {
    RELAY_CACHE_ENTRIES = 4096,
    RELAY_CACHE_BYTES = 2 * 1024 * 1024,
    RELAY_CACHE_ENTRY_BYTES = 64 * 1024, /* a longer key and answer are not kept */
};

struct relay_cache;

struct relay_cache *relay_cache_new(uint64_t keep_us);
void relay_cache_free(struct relay_cache **);
/* False when there is none, or it is too old. *answer is a view, void after the next put. */
bool relay_cache_find(struct relay_cache *, struct bytes token, struct bytes request,
                      uint64_t now_us, struct bytes *answer);
/* Copies; the budget is charged and outlives the cache. */
void relay_cache_put(struct relay_cache *, struct budget *, struct bytes token,
                     struct bytes request, struct bytes answer, uint64_t now_us);

#endif
