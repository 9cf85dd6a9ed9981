/* The face of integrity/: runs the rules over a message and gives a verdict. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One struct integrity per worker (or offline command); its thread only. Nothing here knows
 * sockets, calls or the store. The verdict's bytes lie in the message or in the engine's arena:
 * they are void at the next judgement. Source: integrity.md 0 (classes, actions), 1 (rules), 1.6
 * (repairs). */
#ifndef INTEGRITY_INTEGRITY_H
#define INTEGRITY_INTEGRITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/method.h"
#include "base/metric.h"
#include "base/rule_table.h"
#include "integrity/agent_shape.h"
#include "integrity/rule.h"
#include "integrity/sighting.h"
#include "message/segment.h"

enum integrity_mode { INTEGRITY_OFF, INTEGRITY_OBSERVE, INTEGRITY_ENFORCE, INTEGRITY_N_MODES };

/* In the order of metric dimension VERDICT. */
enum verdict {
    VERDICT_CLEAN,
    VERDICT_OBSERVED,
    VERDICT_TAGGED,
    VERDICT_REPAIRED,
    VERDICT_QUARANTINED,
    VERDICT_DROPPED,
};
const char *verdict_label(enum verdict);

/* How sure a finding is: a STRONG rule is only a hint where its agent was not identified. */
enum rule_class integrity_class(enum rule, enum agent);

/* From the sections integrity and upstream of the configuration. */
struct integrity_settings {
    enum integrity_mode mode;
    enum rule_action actions[RULE_COUNT]; /* per rule: default or what integrity.actions says */
    uint32_t max_spans;
    bool storage_jdbc; /* upstream.storage: jdbc */
    /* Other modes for the segments of services whose name matches (fnmatch); the first counts.
     * Outlives the engine. */
    const struct integrity_service {
        const char *match;
        enum integrity_mode mode;
    } * services;
    uint32_t n_services;
    uint32_t window_s;     /* of the rules with memory; 0: off */
    uint64_t window_bytes; /* memory for them in this worker */
};
/* window_s is 0. mode enforce, every rule's default, max_spans 100000. */
void integrity_settings_default(struct integrity_settings *);

struct integrity;

/* metrics may be NULL (offline). The settings are copied. */
struct integrity *integrity_new(const struct integrity_settings *, struct metrics *);
void integrity_free(struct integrity **);
/* Between two messages: a reload. */
void integrity_set(struct integrity *, const struct integrity_settings *);

struct finding {
    enum rule rule;
    uint32_t span; /* index in list order; SPAN_NONE for the whole message */
};

struct judgement {
    enum verdict verdict;
    struct bytes payload; /* what to forward or to set aside: the message itself unless edited */
    bool edited;          /* tagged or repaired */
    enum rule reason;     /* for quarantined and dropped: the rule that decided; else RULE_COUNT */
    uint32_t
        n_counts[RULE_COUNT]; /* findings per rule, all of them; cleared and set only where found */
    uint64_t rules;           /* bit per rule that was found */
    uint64_t hints;           /* those of class STRONG that are only hints here */
    const struct finding *findings; /* the first 256, in span order */
    uint32_t n_findings;
    const struct segment_view *segment; /* NULL when undecodable or no segment; after repair R1 the
                                           view of the repaired bytes */
    enum agent agent;                   /* whose segment it was judged as */
    bool is_superset; /* segment-id-reused: all spans of the earlier one are in it */
    /* For integrity_accept; 0: not asked. */
    uint64_t id_hash, content_hash;
};

/* As integrity_class, for what was found in this message, which was judged for that agent. */
enum rule_class integrity_found_class(const struct judgement *, enum rule, enum agent);
/* Where METRIC_FINDINGS counts them: hints apart from what is sure. */
uint32_t integrity_metric_index(const struct judgement *, enum rule);

/* One SegmentObject; arrival_ms is 0 where it is not known. AGENT_UNKNOWN: told from the properties
 * its instance reported here and the shape of its id. Counts segments_total, spans_total and
 * findings. */
void integrity_judge_segment(struct integrity *, struct bytes message, int64_t arrival_ms,
                             enum agent, struct judgement *out);
/* As integrity_judge_segment for a segment that was judged before (from quarantine): the memory of
 * ids is not asked, or it would be its own copy, and nothing is counted. Not to be accepted. */
void integrity_judge_again(struct integrity *, struct bytes message, int64_t arrival_ms, enum agent,
                           struct judgement *out);
/* Any other stored message (the language in InstanceProperties is kept at once): decodable, UTF-8,
 * U+0000 in logs, an event's layer. service_known: a log's service stands in this message or
 * earlier on its stream. Counts findings. */
void integrity_judge_stored(struct integrity *, enum message_type, struct bytes message,
                            bool service_known, struct judgement *out);
/* For findings of the deframer (scope STREAM) and of streams: counts, gives nothing. */
void integrity_note(struct integrity *, enum rule);

/* Memory over messages. Judging remembers nothing, for a message that finds no room is judged
 * again; what was taken is accepted once, before the next judgement. */

/* What is known of one stream (one call): whose messages it carries. Embedded in the caller's
 * state; all zeros at first. */
struct integrity_stream {
    uint64_t identities[4]; /* sighting_hash; the first is the stream's own */
    uint32_t n_segments[4];
    uint64_t service_hash; /* of the stream's own */
    uint32_t n_since;      /* own segments since the odd one */
    uint8_t n_identities;
    bool has_odd;  /* the last new identity came once so far, in an established stream */
    bool is_mixed; /* a second identity came again: an aggregator */
};
/* type: of the message that was judged (MESSAGE_SegmentObject for a segment); message: its bytes as
 * they came. stream may be NULL. */
void integrity_accept(struct integrity *, struct integrity_stream *, enum message_type,
                      struct bytes message, const struct judgement *);

/* The instance a stream belongs to, as integrity_accept learned it; 0: not known. */
uint64_t integrity_stream_instance(const struct integrity_stream *);
/* Facts about an instance that only its connection tells. Ignored where it is not known here. */
enum instance_fact {
    INSTANCE_CONNECTED,
    INSTANCE_DISCONNECTED,
    INSTANCE_ENDED_ABRUPTLY,
    INSTANCE_RESET_ITSELF,
};
void integrity_note_instance(struct integrity *, uint64_t instance, enum instance_fact);

/* What was seen since the last call, for the registry; NULL: nothing. Ownership passes. Ask once a
 * second, and when integrity_is_full says so. */
struct sightings *integrity_take_sightings(struct integrity *);
bool integrity_is_full(const struct integrity *);
/* What another worker heard an instance say of itself. */
void integrity_learn_language(struct integrity *, uint64_t instance, enum agent_language);
/* Memory of the rules with memory. */
uint64_t integrity_state_bytes(const struct integrity *);

#endif
