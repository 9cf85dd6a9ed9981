/* What one worker saw of its instances within a second: the mail from workers to the registry. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Filled by the engine of one worker, then handed over whole: the receiver frees it. Counts are
 * since the worker's last hand-over. Source: integrity.md 2 (per-instance facts). */
#ifndef INTEGRITY_SIGHTING_H
#define INTEGRITY_SIGHTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/rule_table.h"
#include "integrity/agent_shape.h"

enum {
    SIGHTING_NAME_BYTES = 256, /* of a name is kept; the hash is of all of it */
    EXEMPLAR_BYTES = 100, /* a longer trace id is no exemplar: OpenMetrics allows 128 characters */
    SIGHTINGS_MAX = 8192, /* instances in one hand-over; then the next one begins at once */
};

struct sighting {
    uint64_t hash; /* sighting_hash of the whole names */
    /* False: only facts of its connections or late findings came, the names are BYTES_NONE; who
     * knows the hash counts them, who does not leaves them. */
    bool is_named;
    struct bytes service, instance;
    /* From InstanceProperties, where they came in this time; else BYTES_NONE. */
    struct bytes hostname, ipv4;
    enum agent_language language; /* LANGUAGE_NONE: no properties came */
    bool is_go;                   /* a segment was identified as the Go agent's */
    /* Its first segment (of this hand-over) came in a stream in which another service was
     * established, and which is no aggregator's. */
    bool is_in_foreign_stream;
    uint32_t n_segments, n_spans;
    uint32_t n_bad;    /* segments with a finding of class proof, strong or poison; undecodable
                          ones included */
    uint32_t n_others; /* messages besides segments, undecodable ones on its streams included */
    uint32_t n_properties, n_keepalives;
    uint32_t n_orphan_roots; /* one span, Exit, no reference */
    uint32_t n_supersets;    /* segment-id-reused with all old spans in the new segment */
    uint32_t n_self_resets;  /* collect reset by the client and opened anew within 2 s */
    /* Connections on which this instance was met. abrupt: the peer went inside a call and
     * without GOAWAY, or did not answer any more; never by us. */
    uint32_t n_connected, n_disconnected, n_abrupt;
    /* Unix time of the first of these connections and of the last of these ends; 0: none.
     * Hand-overs of several workers cross: only these tell what came first. */
    int64_t connected_ms, disconnected_ms;
    const uint32_t *findings; /* [RULE_COUNT]; NULL: none */
    const uint32_t *hints;    /* [RULE_COUNT], those of strong rules that were hints; NULL: none */
};

struct sightings; /* one hand-over */

struct sightings *sightings_new(void);
void sightings_free(struct sightings **);
uint32_t sightings_n(const struct sightings *);
const struct sighting *sightings_at(const struct sightings *, uint32_t i);
uint64_t sightings_n_bytes(const struct sightings *); /* memory it takes */
/* The trace of one segment with this finding, hints left out; BYTES_NONE: none of the kind. */
struct bytes sightings_exemplar(const struct sightings *, enum rule);

/* Of a service and an instance, under the process's seed; never 0. */
uint64_t sighting_hash(struct bytes service, struct bytes instance);

#endif
