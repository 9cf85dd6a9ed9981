/* From evidence to diagnoses: which begin to hold, which go on, which end. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 4. One event is no diagnosis: each begins at the counts below and holds as
 * long as any of its evidence lies within the window (15 to 30 minutes), so that none flaps. */
#include "base/hash.h"
#include "base/mem.h"
#include "integrity/instances_int.h"

enum {
    RACE_KINDS = 2,           /* of damage; one is enough beside a peer that looks torn */
    RACE_FINDINGS = 3,        /* of all kinds together */
    RACE_LIFE_SEGMENTS = 8,   /* a -race build dies at its first requests ... */
    RACE_LIFE_KEEPALIVES = 8, /* ... or within minutes without any */
    ORPHAN_FINDINGS = 2,      /* in two half windows of five minutes */
    /* A request that lost its calls is still a segment of its own; where there are none, the
     * program only has background jobs. */
    ORPHAN_MOST_PERCENT = 95,
    REENTRY_FINDINGS = 3,
    EXTERNAL_FINDINGS = 20,   /* odd browsers and scanners are everywhere ... */
    EXTERNAL_SEGMENTS = 1000, /* ... and meet busy services often: one in so many is no matter */
    CLASH_FINDINGS = 3,
    POISON_FINDINGS = 3,
};

#define CLASH (RULE_MASK(language_conflict) | RULE_MASK(identity_flip))

/* Of the signature of D1; beside them tear-suspect. */
static const uint64_t race_damage = RULE_MASK(proto_undecodable) | RULE_MASK(tag_blank) |
                                    RULE_MASK(tag_key_repeated_go) | RULE_MASK(span_id_duplicate) |
                                    RULE_MASK(span_parent_missing) | RULE_MASK(span_end_unset) |
                                    RULE_MASK(id_time_incoherent);

#define RULE(token, name, class, scope, action, allowed, agent, text) \
    | (uint64_t)(CLASS_##class == CLASS_PROOF || CLASS_##class == CLASS_STRONG) << RULE_##token
static const uint64_t corruption = UINT64_C(0) RULES(RULE); /* what no healthy agent does */
#undef RULE
#define RULE(token, name, class, scope, action, allowed, agent, text) \
    | (uint64_t)(CLASS_##class == CLASS_POISON) << RULE_##token
static const uint64_t poison = UINT64_C(0) RULES(RULE);
#undef RULE
#define RULE(token, name, class, scope, action, allowed, agent, text) \
    | (uint64_t)(CLASS_##class == CLASS_EXTERNAL) << RULE_##token
static const uint64_t external = UINT64_C(0) RULES(RULE);
#undef RULE

/* What is lawful but for OAP; names too long and ids again harm a database only. */
static uint64_t
poison_mask(const struct instances *instances)
{
    if (instances->settings.storage_jdbc)
        return poison;
    return poison & ~(RULE_MASK(poison_column) | RULE_MASK(poison_id_again));
}

uint64_t
instances_signs(const struct instances *instances, enum diagnosis diagnosis)
{
    switch (diagnosis) {
    case DIAGNOSIS_memory_race:
        return race_damage | RULE_MASK(tear_suspect);
    case DIAGNOSIS_race_build_loop:
    case DIAGNOSIS_crash_loop:
        return RULE_MASK(instance_churn);
    case DIAGNOSIS_context_lost:
        return RULE_MASK(go_orphan_root_share);
    case DIAGNOSIS_unsendable_text:
        return RULE_MASK(stream_self_reset);
    case DIAGNOSIS_clock_step:
        return RULE_MASK(span_end_before_start);
    case DIAGNOSIS_reentry:
        return RULE_MASK(span_id_duplicate) | RULE_MASK(segment_id_reused);
    case DIAGNOSIS_broken_caller:
        return external;
    case DIAGNOSIS_name_clash:
        return CLASH | RULE_MASK(go_impossible_flag);
    case DIAGNOSIS_backend_poison:
        return poison_mask(instances);
    case DIAGNOSIS_COUNT:
        break;
    }
    return 0;
}

static bool
is_open(const struct instance *instance, enum diagnosis diagnosis)
{
    return instance->case_file != NULL && (instance->case_file->open >> diagnosis & 1) != 0;
}

static bool
is_corrupt(const struct instance *instance)
{
    return evidence_sum(instance, corruption) > 0;
}

static bool
is_clock_stepped(struct instances *instances, const struct instance *instance)
{
    return clock_steps_look(instances->steps, instance_hostname(instance), instances->time_ms,
                            NULL);
}

static bool
is_race(const struct instance *instance)
{
    uint64_t damage = race_damage;
    if (evidence_sum(instance, RULE_MASK(span_end_before_start)) > 0)
        damage &= ~RULE_MASK(id_time_incoherent); /* a clock that was set does both */
    uint32_t n_kinds = evidence_kinds(instance, damage);
    uint64_t n_torn = evidence_sum(instance, RULE_MASK(tear_suspect));
    uint64_t n_all = evidence_sum(instance, damage) + n_torn;
    return instances_is_go(instance) && (instance->flags & FLAG_GO) != 0 &&
           n_kinds + (n_torn > 0) >= RACE_KINDS && n_kinds > 0 && n_all >= RACE_FINDINGS;
}

static bool
has_loop(const struct instance *instance)
{
    return is_open(instance, DIAGNOSIS_race_build_loop) || is_open(instance, DIAGNOSIS_crash_loop);
}

/* At the newest life of the program alone. */
static bool
is_loop(struct instances *instances, const struct instance *instance, bool is_race_build)
{
    struct churn_story story;
    uint64_t key = instance->life.key;
    const struct instance *holder =
        hash_index_find(&instances->index, churn_holder(instances->churn, key));
    if (evidence_sum(instance, RULE_MASK(instance_churn)) == 0 || has_loop(instance) ||
        (holder != NULL && has_loop(holder)) ||
        !churn_look(instances->churn, key, instances->time_ms, &story) ||
        story.n_lives < CHURN_LEAST_LIVES)
        return false;
    bool looks_built = instances_is_go(instance) && story.most_segments <= RACE_LIFE_SEGMENTS &&
                       story.most_keepalives <= RACE_LIFE_KEEPALIVES;
    return looks_built == is_race_build;
}

static bool
has_lost_context(const struct instance *instance)
{
    return instances_is_go(instance) &&
           evidence_sum(instance, RULE_MASK(go_orphan_root_share)) >= ORPHAN_FINDINGS &&
           instance->evidence->orphan_percent <= ORPHAN_MOST_PERCENT && !is_corrupt(instance);
}

static bool
is_reentry(const struct instance *instance)
{
    bool may = instance->language == LANGUAGE_PYTHON || instance->language == LANGUAGE_NODE ||
               instance->language == LANGUAGE_RUBY;
    return may &&
           evidence_sum(instance, RULE_MASK(span_id_duplicate)) + evidence_supersets(instance) >=
               REENTRY_FINDINGS;
}

/* A flag that Go never sets, in an id like Go's: of another agent under the same name, or of a Go
 * agent newer than this table. It counts where something else speaks for two programs. */
static bool
is_clash(const struct instance *instance)
{
    uint64_t n = evidence_sum(instance, CLASH);
    if (n > 0 || (instance->language != LANGUAGE_NONE && !instances_is_go(instance)))
        n += evidence_sum(instance, RULE_MASK(go_impossible_flag));
    return n >= CLASH_FINDINGS;
}

static bool
begins(struct instances *instances, const struct instance *instance, enum diagnosis diagnosis)
{
    uint64_t n = evidence_sum(instance, instances_signs(instances, diagnosis));
    if (n == 0 && diagnosis != DIAGNOSIS_reentry)
        return false;
    switch (diagnosis) {
    case DIAGNOSIS_memory_race:
        return is_race(instance);
    case DIAGNOSIS_race_build_loop:
        return is_loop(instances, instance, true);
    case DIAGNOSIS_crash_loop:
        return is_loop(instances, instance, false);
    case DIAGNOSIS_context_lost:
        return has_lost_context(instance);
    case DIAGNOSIS_unsendable_text: /* three resets within a minute already */
        return evidence_sum(instance, race_damage) == 0;
    case DIAGNOSIS_clock_step:
        return n >= CLOCK_STEPS_LEAST_EACH && is_clock_stepped(instances, instance);
    case DIAGNOSIS_reentry:
        return is_reentry(instance);
    case DIAGNOSIS_broken_caller:
        return n >= EXTERNAL_FINDINGS && n * EXTERNAL_SEGMENTS >= evidence_segments(instance) &&
               !is_corrupt(instance) && evidence_sum(instance, poison_mask(instances)) == 0;
    case DIAGNOSIS_name_clash:
        return is_clash(instance);
    case DIAGNOSIS_backend_poison:
        return n >= POISON_FINDINGS;
    case DIAGNOSIS_COUNT:
        break;
    }
    return false;
}

static bool
goes_on(struct instances *instances, const struct instance *instance, enum diagnosis diagnosis)
{
    struct churn_story story;
    uint64_t n = evidence_sum(instance, instances_signs(instances, diagnosis));
    switch (diagnosis) {
    case DIAGNOSIS_race_build_loop:
    case DIAGNOSIS_crash_loop:
        return churn_look(instances->churn, instance->life.key, instances->time_ms, &story);
    case DIAGNOSIS_context_lost:
    case DIAGNOSIS_broken_caller:
        return n > 0 && !is_corrupt(instance);
    case DIAGNOSIS_unsendable_text:
        return n > 0 && !is_open(instance, DIAGNOSIS_memory_race);
    case DIAGNOSIS_clock_step:
        return is_clock_stepped(instances, instance);
    case DIAGNOSIS_reentry:
        return evidence_sum(instance, RULE_MASK(span_id_duplicate)) + evidence_supersets(instance) >
               0;
    case DIAGNOSIS_memory_race:
    case DIAGNOSIS_name_clash:
    case DIAGNOSIS_backend_poison:
        return n > 0;
    case DIAGNOSIS_COUNT:
        break;
    }
    return false;
}

bool
instances_is_timed(const struct instance *instance)
{
    return has_loop(instance) || is_open(instance, DIAGNOSIS_clock_step);
}

static bool
is_loop_diagnosis(enum diagnosis diagnosis)
{
    return diagnosis == DIAGNOSIS_race_build_loop || diagnosis == DIAGNOSIS_crash_loop;
}

static void
tell(struct instances *instances, struct instance *instance, enum diagnosis diagnosis, bool holds,
     const struct open_diagnosis *open)
{
    struct instance_info info;
    if (instances->settings.on_diagnosis == NULL)
        return;
    instances_show(instances, instance, &info);
    instances->settings.on_diagnosis(instances->settings.ctx, &info, diagnosis, holds,
                                     open->since_ms, &open->evidence, open->id);
}

/* Nobody needs to guess it, but no two may be alike: the process's secret seed is in it. */
static void
draw_id(struct instances *instances, const struct instance *instance, uint8_t id[16])
{
    struct {
        uint64_t instance, n_onsets;
        int64_t unix_ms;
    } parts = {instance->hash, ++instances->n_onsets, instances->unix_ms};
    hash_bytes_wide(bytes_of(&parts, sizeof(parts)), id);
}

static struct case_file *
case_file_of(struct instances *instances, struct instance *instance)
{
    if (instance->case_file == NULL) {
        instance->case_file = mem_new(struct case_file);
        instances->n_bytes += mem_bytes(instance->case_file);
    }
    return instance->case_file;
}

static void
set_evidence(struct instances *instances, const struct instance *instance, enum diagnosis diagnosis,
             struct open_diagnosis *open)
{
    struct text words = TEXT_EMPTY;
    instances_tell(instances, instance, diagnosis, &words);
    if (words.n == 0) {
        text_fini(&words);
        return; /* what was there last says more */
    }
    instances->n_bytes += words.size;
    instances->n_bytes -= open->evidence.size;
    text_fini(&open->evidence);
    open->evidence = words;
}

void
instances_retell(struct instances *instances, struct instance *instance)
{
    struct case_file *file = instance->case_file;
    for (uint32_t rest = file != NULL ? file->open : 0; rest != 0; rest &= rest - 1) {
        enum diagnosis diagnosis = (enum diagnosis)__builtin_ctz(rest);
        set_evidence(instances, instance, diagnosis, file->of[diagnosis]);
    }
}

static void
start(struct instances *instances, struct instance *instance, enum diagnosis diagnosis)
{
    struct case_file *file = case_file_of(instances, instance);
    struct open_diagnosis *open = mem_new(struct open_diagnosis);
    instances->n_bytes += mem_bytes(open);
    open->since_ms = instances->unix_ms;
    draw_id(instances, instance, open->id);
    set_evidence(instances, instance, diagnosis, open);
    file->of[diagnosis] = open;
    file->open |= UINT32_C(1) << diagnosis;
    if (is_loop_diagnosis(diagnosis))
        churn_set_holder(instances->churn, instance->life.key, instance->hash);
    tell(instances, instance, diagnosis, true, open);
}

static void
free_open(struct instances *instances, struct open_diagnosis *open)
{
    instances->n_bytes -= open->evidence.size + mem_bytes(open);
    text_fini(&open->evidence);
    mem_free(open);
}

static void
close_file(struct instances *instances, struct instance *instance)
{
    struct case_file *file = instance->case_file;
    if (file == NULL || file->open != 0)
        return;
    instances->n_bytes -= mem_bytes(file);
    mem_free(file);
    instance->case_file = NULL;
}

static void
stop(struct instances *instances, struct instance *instance, enum diagnosis diagnosis)
{
    struct case_file *file = instance->case_file;
    struct open_diagnosis *open = file->of[diagnosis];
    file->of[diagnosis] = NULL;
    file->open &= ~(UINT32_C(1) << diagnosis);
    if (is_loop_diagnosis(diagnosis) &&
        churn_holder(instances->churn, instance->life.key) == instance->hash)
        churn_set_holder(instances->churn, instance->life.key, 0);
    tell(instances, instance, diagnosis, false, open);
    free_open(instances, open);
    close_file(instances, instance);
}

void
instances_diagnose(struct instances *instances, struct instance *instance)
{
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++) {
        enum diagnosis diagnosis = (enum diagnosis)i;
        if (!is_open(instance, diagnosis)) {
            if (begins(instances, instance, diagnosis))
                start(instances, instance, diagnosis);
        } else if (!goes_on(instances, instance, diagnosis)) {
            stop(instances, instance, diagnosis);
        }
    }
}

void
instances_close_case(struct instances *instances, struct instance *instance)
{
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++)
        if (is_open(instance, (enum diagnosis)i))
            stop(instances, instance, (enum diagnosis)i);
}

void
instances_move_loop(struct instances *instances, struct instance *from, struct instance *to)
{
    for (uint32_t i = DIAGNOSIS_race_build_loop; i <= DIAGNOSIS_crash_loop; i++) {
        if (!is_open(from, (enum diagnosis)i) || is_open(to, (enum diagnosis)i))
            continue;
        struct case_file *file = case_file_of(instances, to);
        file->of[i] = from->case_file->of[i];
        file->open |= UINT32_C(1) << i;
        from->case_file->of[i] = NULL;
        from->case_file->open &= ~(UINT32_C(1) << i);
        close_file(instances, from);
        churn_set_holder(instances->churn, to->life.key, to->hash);
        instances_watch(instances, to);
    }
}

void
instances_free_case(struct instances *instances, struct instance *instance)
{
    struct case_file *file = instance->case_file;
    if (file == NULL)
        return;
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++)
        if (file->of[i] != NULL)
            free_open(instances, file->of[i]);
    file->open = 0;
    close_file(instances, instance);
}
