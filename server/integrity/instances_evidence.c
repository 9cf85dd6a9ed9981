/* What an instance was found with, by rule and half window, so that old evidence ages out. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tallies are sparse: they stand in the order of their rules, and a mask says which are there. */
#include "base/mem.h"
#include "integrity/instances_int.h"

enum { FIRST_TALLIES = 2, RESETS_PER_MINUTE = 3, MINUTE_MS = 60 * 1000 };

static size_t
size_of(uint32_t n_tallies)
{
    return sizeof(struct evidence) + n_tallies * sizeof(struct tally);
}

void
instances_watch(struct instances *instances, struct instance *instance)
{
    if ((instance->flags & FLAG_WATCHED) == 0)
        TAILQ_INSERT_TAIL(&instances->watched, instance, watched);
    instance->flags |= FLAG_WATCHED | FLAG_DIRTY;
}

static struct evidence *
evidence_of(struct instances *instances, struct instance *instance)
{
    struct evidence *evidence = instance->evidence;
    if (evidence == NULL) {
        evidence = mem_zeroed(size_of(FIRST_TALLIES));
        evidence->cap_tallies = FIRST_TALLIES;
        evidence->half = instances->half;
        evidence->n_segments_now = evidence->n_segments_before = instance->n_segments;
        instances->n_bytes += mem_bytes(evidence);
        instance->evidence = evidence;
    }
    evidence_turn(instances, instance);
    instances_watch(instances, instance);
    return evidence;
}

void
evidence_free(struct instances *instances, struct instance *instance)
{
    if (instance->evidence == NULL)
        return;
    instances->n_bytes -= mem_bytes(instance->evidence);
    mem_free(instance->evidence);
    instance->evidence = NULL;
}

static uint32_t
place_of(const struct evidence *evidence, enum rule rule)
{
    return (uint32_t)__builtin_popcountll(evidence->rules & ((UINT64_C(1) << rule) - 1));
}

static struct tally *
add_tally(struct instances *instances, struct instance *instance, enum rule rule)
{
    struct evidence *evidence = evidence_of(instances, instance);
    uint32_t at = place_of(evidence, rule);
    if ((evidence->rules >> rule & 1) != 0)
        return &evidence->tallies[at];
    if (evidence->n_tallies == evidence->cap_tallies) {
        instances->n_bytes -= mem_bytes(evidence);
        evidence->cap_tallies *= 2;
        evidence = mem_resize(evidence, size_of(evidence->cap_tallies));
        instances->n_bytes += mem_bytes(evidence);
        instance->evidence = evidence;
    }
    struct tally *tally = &evidence->tallies[at];
    memmove(tally + 1, tally, (evidence->n_tallies - at) * sizeof(*tally));
    *tally = (struct tally){.rule = rule};
    evidence->rules |= UINT64_C(1) << rule;
    evidence->n_tallies++;
    return tally;
}

static uint32_t
add_up(uint32_t a, uint32_t b)
{
    return b < UINT32_MAX - a ? a + b : UINT32_MAX;
}

void
evidence_count(struct instances *instances, struct instance *instance, enum rule rule, uint32_t n,
               uint32_t n_hints)
{
    struct tally *tally = add_tally(instances, instance, rule);
    tally->n += (uint64_t)n + n_hints;
    tally->now = add_up(tally->now, n);
}

void
evidence_add_supersets(struct instances *instances, struct instance *instance, uint32_t n)
{
    struct evidence *evidence = evidence_of(instances, instance);
    evidence->supersets_now = add_up(evidence->supersets_now, n);
}

/* Go's own: other agents reset nothing. A library that refuses text makes one now and then; three a
 * minute are a finding, and then it is counted anew. */
void
evidence_add_resets(struct instances *instances, struct instance *instance, uint32_t n)
{
    if (!instances_is_go(instance) || !instances_is_on(instances))
        return;
    struct evidence *evidence = evidence_of(instances, instance);
    for (uint32_t i = 0; i < n && i < RESETS; i++)
        evidence->resets_ms[evidence->n_resets++ % RESETS] = instances->time_ms;
    uint32_t n_recent = 0;
    for (uint32_t i = 0; i < RESETS; i++)
        n_recent +=
            evidence->resets_ms[i] != 0 && instances->time_ms - evidence->resets_ms[i] < MINUTE_MS;
    if (n_recent < RESETS_PER_MINUTE)
        return;
    memset(evidence->resets_ms, 0, sizeof(evidence->resets_ms));
    evidence->n_resets = 0;
    instances_find(instances, instance, RULE_stream_self_reset, 1);
}

/* Once per half window at most. */
void
evidence_add_orphans(struct instances *instances, struct instance *instance, uint32_t n_segments,
                     uint32_t n_orphans)
{
    if (!instances_is_go(instance) || !instances_is_on(instances))
        return;
    uint32_t half = (uint32_t)(instances->time_ms / ORPHAN_HALF_MS);
    if (half != instance->orphan_half) {
        bool is_next = half == instance->orphan_half + 1;
        instance->n_recent[1] = is_next ? instance->n_recent[0] : 0;
        instance->n_orphans[1] = is_next ? instance->n_orphans[0] : 0;
        instance->n_recent[0] = instance->n_orphans[0] = 0;
        instance->orphan_half = half;
    }
    instance->n_recent[0] = add_up(instance->n_recent[0], n_segments);
    instance->n_orphans[0] = add_up(instance->n_orphans[0], n_orphans);
    uint64_t n_all = (uint64_t)instance->n_recent[0] + instance->n_recent[1];
    uint64_t n_alone = (uint64_t)instance->n_orphans[0] + instance->n_orphans[1];
    if (n_all < ORPHAN_LEAST_SEGMENTS || 100 * n_alone < ORPHAN_LEAST_PERCENT * n_all ||
        instance->orphan_told == half)
        return;
    instance->orphan_told = half;
    evidence_of(instances, instance)->orphan_percent = (uint32_t)(100 * n_alone / n_all);
    instances_find(instances, instance, RULE_go_orphan_root_share, 1);
}

bool
evidence_turn(struct instances *instances, struct instance *instance)
{
    struct evidence *evidence = instance->evidence;
    if (evidence == NULL || evidence->half == instances->half)
        return false;
    bool is_next = instances->half == evidence->half + 1;
    for (uint32_t i = 0; i < evidence->n_tallies; i++) {
        evidence->tallies[i].before = is_next ? evidence->tallies[i].now : 0;
        evidence->tallies[i].now = 0;
    }
    evidence->supersets_before = is_next ? evidence->supersets_now : 0;
    evidence->supersets_now = 0;
    evidence->n_segments_before = is_next ? evidence->n_segments_now : instance->n_segments;
    evidence->n_segments_now = instance->n_segments;
    evidence->half = instances->half;
    return true;
}

uint64_t
evidence_sum(const struct instance *instance, uint64_t rules)
{
    const struct evidence *evidence = instance->evidence;
    uint64_t n = 0;
    if (evidence == NULL)
        return 0;
    for (uint64_t rest = rules & evidence->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        const struct tally *tally = &evidence->tallies[place_of(evidence, rule)];
        n += (uint64_t)tally->now + tally->before;
    }
    return n;
}

uint32_t
evidence_kinds(const struct instance *instance, uint64_t rules)
{
    uint32_t n = 0;
    for (uint64_t rest = rules; rest != 0; rest &= rest - 1)
        n += evidence_sum(instance, rest & -rest) > 0;
    return n;
}

uint64_t
evidence_supersets(const struct instance *instance)
{
    const struct evidence *evidence = instance->evidence;
    return evidence != NULL ? (uint64_t)evidence->supersets_now + evidence->supersets_before : 0;
}

uint64_t
evidence_segments(const struct instance *instance)
{
    const struct evidence *evidence = instance->evidence;
    return evidence != NULL ? instance->n_segments - evidence->n_segments_before : 0;
}

bool
evidence_is_empty(const struct instance *instance)
{
    return evidence_sum(instance, UINT64_MAX) == 0 && evidence_supersets(instance) == 0;
}
