/* A registry of instances with something in it, for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_REGISTRY_H
#define ADMIN_REGISTRY_H

#include "base/hash.h"
#include "integrity/instances.h"
#include "integrity/sighting_int.h"

static inline struct instances *
registry_new(void)
{
    hash_init();
    const struct instances_settings settings = {.max_instances = 1000, .window_ms = 300 * 1000};
    return instances_new(&settings);
}

/* One sighting; n findings of span-parent-missing. */
static inline void
registry_see(struct instances *instances, struct bytes service, struct bytes instance,
             enum agent_language language, uint32_t n_segments, uint32_t n_bad, int64_t now_ms)
{
    struct sightings *sightings = sightings_new();
    struct sighting *one = sightings_add(sightings, sighting_hash(service, instance));
    one->language = language;
    one->n_segments = n_segments;
    one->n_spans = 4 * n_segments;
    one->n_bad = n_bad;
    one->n_properties = 1;
    one->n_connected = 1;
    sightings_name(sightings, 0, service, instance);
    if (n_bad > 0) {
        sightings_find(sightings, 0, RULE_span_parent_missing, n_bad, false);
        sightings_exemplify(sightings, RULE_span_parent_missing, BYTES("trace\"1"));
    }
    instances_take(instances, sightings, now_ms);
    sightings_free(&sightings);
}

#endif
