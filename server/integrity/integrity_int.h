/* What the engine's files share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEGRITY_INTEGRITY_INT_H
#define INTEGRITY_INTEGRITY_INT_H

#include "base/arena.h"
#include "integrity/duplicate_table.h"
#include "integrity/instance_table.h"
#include "integrity/integrity.h"
#include "integrity/key_index.h"
#include "integrity/peer_table.h"
#include "integrity/span_index.h"

enum {
    MAX_FINDINGS = 256,
    /* What OAP takes in one message; an edit never makes a message that it refuses. */
    MAX_EDITED_BYTES = 52428800,
};

#define RULE_BIT(token) (UINT64_C(1) << RULE_##token)

/* A span with findings; once edits are planned, with the rules to tag. */
struct flagged_span {
    uint32_t span;
    uint64_t rules;
};

struct integrity {
    uint32_t magic;
    struct integrity_settings settings;
    enum rule_action actions[INTEGRITY_N_MODES][RULE_COUNT]; /* with storage taken into account */
    enum integrity_mode mode;                                /* for the message at hand */
    struct metrics *metrics;                                 /* NULL offline */
    struct arena *arena; /* edited bytes of the message at hand */
    struct segment_view view;
    struct span_index spans;
    struct key_index keys, copies;
    struct instance_table *instances;
    struct flagged_span *flagged;
    uint32_t n_flagged, cap_flagged;
    uint32_t n_judged; /* for the sample of CHECK_DURATION */
    enum agent agent;  /* of the message at hand */
    struct finding findings[MAX_FINDINGS];
    /* Memory over messages. */
    struct duplicate_table *duplicates;
    struct peer_table *peers;
    struct sightings *sightings; /* of this hand-over; NULL: none yet */
    uint32_t batch;              /* the hand-over's number */
    uint64_t max_sighting_bytes; /* more makes it full */
    uint32_t arrival_s;          /* of the last segment, Unix */
    struct bytes early_id;       /* where the id of the segment at hand seems to be */
    uint64_t early_hash;
    /* Who sent the segment at hand. */
    uint64_t service_hash, instance_hash; /* instance_hash 0: not asked yet */
    struct instance_entry *known;         /* NULL: not in the table */
};

enum { INTEGRITY_MAGIC = 0x1D7E6121 };

/* Puts out into the state before any question; the arena is empty then. */
void integrity_begin(struct integrity *, struct bytes message, struct judgement *out);
/* Notes one finding. */
void integrity_find(struct integrity *, enum rule, uint32_t span, struct judgement *out);
/* The strongest action among the findings, and the first rule that asks for it. */
enum rule_action integrity_strongest(const struct integrity *, uint64_t rules, enum rule *reason);
/* The action for one rule, for the agent at hand. */
enum rule_action integrity_action(const struct integrity *, enum rule);
/* What InstanceProperties say of the instance; BYTES_NONE: nothing. */
struct instance_properties {
    struct bytes language, hostname, ipv4;
};
void integrity_read_properties(struct bytes message, struct instance_properties *out);
/* The language is kept. */
void integrity_learn(struct integrity *, struct bytes message);

/* integrity_state.c: what lies in the tables, asked while judging; nothing is put there. */
void integrity_state_new(struct integrity *);
void integrity_state_free(struct integrity *);
/* By the settings' window. */
void integrity_state_set(struct integrity *);
/* Fills in who sent the segment in view, once per message. */
void integrity_know(struct integrity *);
/* Before decoding, which takes longer than memory: the set of the id is brought near. */
void integrity_state_early(struct integrity *, struct bytes message);
/* After decoding: the id is hashed. */
void integrity_state_begin(struct integrity *, struct judgement *out);
/* After the rules on one message: is this a copy, or an id used again? */
void integrity_ask_state(struct integrity *, struct bytes message, struct judgement *out);
uint64_t integrity_content_hash(struct bytes message); /* never 0 */
uint16_t integrity_sum_spans(const struct segment_view *);
/* Adds the findings to the metrics. */
void integrity_count(struct integrity *, const struct judgement *);
/* Sets the message aside or drops it: the bytes as they came. */
void integrity_reject(struct judgement *, enum rule_action, enum rule reason, struct bytes message);
/* Starts and ends the measurement of one message in 64. */
uint64_t integrity_clock_start(struct integrity *);
void integrity_clock_stop(struct integrity *, uint64_t start_us);

/* Tags and repairs what the findings ask for, over out->segment; sets verdict, payload, edited.
 * Where a repair fails the message is set aside, where only tags fail it goes on as it is. */
void integrity_edit(struct integrity *, const struct rule_context *, uint64_t segment_rules,
                    struct judgement *out);

#endif
