/* What the registry's files share: the record of an instance, its evidence and its diagnoses. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Times inside are milliseconds of the registry's own clock, which follows the times it is given
 * but never goes back; only what is shown (first and last seen, since) is Unix time. */
#ifndef INTEGRITY_INSTANCES_INT_H
#define INTEGRITY_INSTANCES_INT_H

#include <sys/queue.h>

#include "integrity/churn.h"
#include "integrity/clock_steps.h"
#include "integrity/hash_index.h"
#include "integrity/instances.h"
#include "integrity/service_names.h"

#define INSTANCES_MAGIC 0x49525453u
/* A set of rules, by token. */
#define RULE_MASK(token) (UINT64_C(1) << RULE_##token)

enum {
    /* Evidence is kept for this half window and the one before: 15 to 30 minutes. */
    EVIDENCE_HALF_MS = 15 * 60 * 1000,
    ORPHAN_HALF_MS = 5 * 60 * 1000,
    ORPHAN_LEAST_SEGMENTS = 50,
    ORPHAN_LEAST_PERCENT = 40,
    RESETS = 8, /* kept; three within a minute are a finding */
    SERIES_IDLE_MS = 10 * 60 * 1000,
    /* Memory of all records: so much per instance on average, and a little. With what has bounds of
     * its own (lives, service names, hosts) it stays below 30 MiB for 65,536. */
    INSTANCE_BYTES = 400,
    SPARE_BYTES = 64 * 1024,
};

/* Findings of one rule. */
struct tally {
    uint64_t n;           /* ever, hints of strong rules included */
    uint32_t now, before; /* sure ones, by half window */
    enum rule rule;
};

/* Of an instance that was found with something; by far most never are. */
struct evidence {
    uint64_t rules; /* bit per tally: they stand in order of rules */
    uint32_t half;  /* number of the half window that "now" counts */
    uint32_t supersets_now, supersets_before;
    /* The instance's segments when this half window began, and when the one before did. */
    uint64_t n_segments_now, n_segments_before;
    uint32_t orphan_percent; /* at the last finding */
    int64_t clock_ms;        /* when the last span ended before its start */
    int64_t resets_ms[RESETS];
    uint32_t n_resets;
    uint32_t n_tallies, cap_tallies;
    struct tally tallies[];
};

struct open_diagnosis {
    int64_t since_ms;
    struct text evidence; /* as of the last change of a half window, or of being shown */
    uint8_t id[16];
};

/* Of an instance with a diagnosis that holds. */
struct case_file {
    uint32_t open;                              /* bit per diagnosis */
    struct open_diagnosis *of[DIAGNOSIS_COUNT]; /* NULL where it does not hold */
};

/* A life goes from the first connection to the end of the last one. */
enum life_state {
    LIFE_NONE,
    LIFE_LASTS,
    LIFE_LOST,     /* ended abruptly: the process is dead, or only its connection */
    LIFE_RETURNED, /* connected again, and nothing told yet whether as a new process */
};

enum {
    FLAG_GO = 1,      /* a segment was identified as the Go agent's */
    FLAG_WATCHED = 2, /* on the list of those with evidence */
    FLAG_DIRTY = 4,   /* the evidence changed since it was looked at */
    FLAG_FOLDED = 8,  /* counted among those that found no series */
};

struct instance {
    uint64_t hash;
    TAILQ_ENTRY(instance) link;    /* seen last first */
    TAILQ_ENTRY(instance) watched; /* with evidence */
    uint8_t *names;                /* service, instance, hostname */
    struct evidence *evidence;     /* NULL: none */
    struct case_file *case_file;   /* NULL: no diagnosis holds */
    struct series *series;         /* NULL: counted in the fold */
    uint64_t n_segments, n_spans, n_bad;
    int64_t first_seen_unix_ms, last_seen_unix_ms;
    int64_t first_seen_ms;
    int64_t reborn_ms;      /* when it connected beside itself and told its properties; 0: never */
    int64_t series_lost_ms; /* 0: never had one, or long ago */
    struct churn_ticket life;
    uint32_t n_life_segments, n_life_keepalives;
    uint32_t n_connections;
    uint32_t orphan_half, orphan_told;  /* numbers of half windows */
    uint32_t n_recent[2], n_orphans[2]; /* segments; this half window, the one before */
    uint16_t n_service, n_instance, n_hostname;
    uint8_t language, life_state, flags;
};

TAILQ_HEAD(instance_list, instance);

/* A place among the metrics. */
struct series {
    TAILQ_ENTRY(series) link;  /* free; or without a bad segment, seen last first; or with */
    struct instance *instance; /* NULL: free */
    bool is_bad;               /* on the list of those with a bad segment */
    int64_t seen_ms;
    uint64_t n_segments, n_findings, n_bad;
};

TAILQ_HEAD(series_list, series);

struct series_set {
    struct series *all;
    uint32_t n;
    struct series_list free, healthy, bad;
    uint64_t n_segments, n_findings, n_bad; /* of the fold */
    uint64_t n_folded;
    int64_t left_ms; /* when one with a series left the registry last; 0: never */
};

/* Of a rule: the trace seen last. */
struct exemplar {
    uint8_t trace_id[EXEMPLAR_BYTES], n;
    int64_t at_ms;
};

struct instances {
    uint32_t magic;
    struct instances_settings settings;
    struct hash_index index;
    struct instance_list list, watched;
    uint32_t n;
    uint64_t n_bytes;         /* of records, names, evidence and case files */
    int64_t unix_ms, time_ms; /* the last time given; the registry's own clock */
    uint32_t half;
    uint64_t n_onsets;
    struct churn *churn;
    struct service_names *names;
    struct clock_steps *steps;
    struct series_set series;
    struct exemplar exemplars[RULE_COUNT];
    /* What instance_info shows, until the next call. */
    uint64_t shown_findings[RULE_COUNT];
    int64_t shown_since_ms[DIAGNOSIS_COUNT];
    struct text *shown_evidence[DIAGNOSIS_COUNT];
};

/* instances.c */
static inline struct bytes
instance_service(const struct instance *instance)
{
    return bytes_of(instance->names, instance->n_service);
}

static inline struct bytes
instance_name(const struct instance *instance)
{
    return bytes_of(instance->names + instance->n_service, instance->n_instance);
}

static inline struct bytes
instance_hostname(const struct instance *instance)
{
    return bytes_of(instance->names + instance->n_service + instance->n_instance,
                    instance->n_hostname);
}

bool instances_is_on(const struct instances *);
bool instances_is_go(const struct instance *);
/* n more findings of a STATE rule, which only the registry can see: counted everywhere. */
void instances_find(struct instances *, struct instance *, enum rule, uint32_t n);
void instances_show(struct instances *, struct instance *, struct instance_info *out);

/* instances_record.c: records come and go. */
struct instance *instances_add(struct instances *, const struct sighting *);
void instances_evict(struct instances *, struct instance *);
void instances_set_hostname(struct instances *, struct instance *, struct bytes hostname);
/* Frees the memory without a word to anybody. */
void instances_destroy(struct instances *, struct instance *);

/* instances_evidence.c: what was found, by half windows. */
void evidence_count(struct instances *, struct instance *, enum rule, uint32_t n, uint32_t n_hints);
void evidence_add_supersets(struct instances *, struct instance *, uint32_t n);
void evidence_add_resets(struct instances *, struct instance *, uint32_t n);
void evidence_add_orphans(struct instances *, struct instance *, uint32_t n_segments,
                          uint32_t n_orphans);
/* Moves to the registry's present half window; false: it was there. */
bool evidence_turn(struct instances *, struct instance *);
/* Over both half windows. */
uint64_t evidence_sum(const struct instance *, uint64_t rules);
uint32_t evidence_kinds(const struct instance *, uint64_t rules);
uint64_t evidence_supersets(const struct instance *);
uint64_t evidence_segments(const struct instance *);
bool evidence_is_empty(const struct instance *);
void evidence_free(struct instances *, struct instance *);
/* The next tick looks at it. */
void instances_watch(struct instances *, struct instance *);

/* instances_life.c */
void instances_note_life(struct instances *, struct instance *, const struct sighting *);
/* It leaves the registry. */
void instances_forget_life(struct instances *, struct instance *);

/* instances_diagnose.c */
/* Asks for all diagnoses of one instance; onsets and ends are told. */
void instances_diagnose(struct instances *, struct instance *);
/* Ends those that hold. */
void instances_close_case(struct instances *, struct instance *);
/* A new life of the same program: the loop's diagnosis goes with it. */
void instances_move_loop(struct instances *, struct instance *from, struct instance *to);
void instances_free_case(struct instances *, struct instance *);

/* True when a diagnosis holds that ends by time, not by its own evidence. */
bool instances_is_timed(const struct instance *);
/* The words of all that hold, as the evidence is now. */
void instances_retell(struct instances *, struct instance *);
/* The rules that speak for a diagnosis. */
uint64_t instances_signs(const struct instances *, enum diagnosis);

/* instances_words.c: the evidence, in words; nothing when there is none left. */
void instances_tell(struct instances *, const struct instance *, enum diagnosis, struct text *out);

/* instances_series.c */
void series_init(struct series_set *);
void series_fini(struct series_set *);
/* The instance was seen with so much. */
void series_count(struct instances *, struct instance *, uint32_t n_segments, uint64_t n_findings,
                  uint32_t n_bad);
/* What no record stands for. */
void series_count_fold(struct instances *, uint32_t n_segments, uint64_t n_findings,
                       uint32_t n_bad);
void series_leave(struct instances *, struct instance *);
void series_tick(struct instances *);

#endif
