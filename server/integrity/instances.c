/* The registry: sightings are merged into records, and once a second its windows turn. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instances.h"

#include "base/check.h"
#include "base/mem.h"
#include "integrity/instances_int.h"

/* The registry's clock does not begin at 0, which stands for "never". */
static const int64_t first_ms = 3600 * 1000;

struct instances *
instances_new(const struct instances_settings *settings)
{
    struct instances *instances = mem_new(struct instances);
    instances->magic = INSTANCES_MAGIC;
    instances->settings = *settings;
    instances->time_ms = first_ms;
    instances->half = (uint32_t)(first_ms / EVIDENCE_HALF_MS);
    TAILQ_INIT(&instances->list);
    TAILQ_INIT(&instances->watched);
    instances->churn = churn_new();
    instances->names = service_names_new();
    instances->steps = clock_steps_new();
    series_init(&instances->series);
    return instances;
}

void
instances_free(struct instances **instances)
{
    if (*instances == NULL)
        return;
    CHECK_OBJ(*instances, INSTANCES_MAGIC);
    struct instance *instance;
    while ((instance = TAILQ_FIRST(&(*instances)->list)) != NULL)
        instances_destroy(*instances, instance);
    hash_index_fini(&(*instances)->index);
    series_fini(&(*instances)->series);
    churn_free(&(*instances)->churn);
    service_names_free(&(*instances)->names);
    clock_steps_free(&(*instances)->steps);
    (*instances)->magic = 0;
    mem_free(*instances);
    *instances = NULL;
}

void
instances_set_window(struct instances *instances, int64_t window_ms)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    instances->settings.window_ms = window_ms;
}

void
instances_set_storage(struct instances *instances, bool is_jdbc)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    instances->settings.storage_jdbc = is_jdbc;
}

bool
instances_is_on(const struct instances *instances)
{
    return instances->settings.window_ms > 0;
}

bool
instances_is_go(const struct instance *instance)
{
    return instance->language == LANGUAGE_GO;
}

uint32_t
instances_n(const struct instances *instances)
{
    return instances->n;
}

uint64_t
instances_n_bytes(const struct instances *instances)
{
    return sizeof(*instances) + instances->n_bytes + hash_index_n_bytes(&instances->index) +
           churn_n_bytes(instances->churn) + service_names_n_bytes(instances->names) +
           clock_steps_n_bytes(instances->steps) +
           (uint64_t)instances->series.n * sizeof(struct series);
}

/* A wall clock that is set back makes the registry's own stand still for once, no more. */
static void
set_time(struct instances *instances, int64_t now_ms)
{
    if (instances->unix_ms != 0 && now_ms > instances->unix_ms)
        instances->time_ms += now_ms - instances->unix_ms;
    instances->unix_ms = now_ms;
}

void
instances_find(struct instances *instances, struct instance *instance, enum rule rule, uint32_t n)
{
    if (instances->settings.metrics != NULL)
        metric_add(instances->settings.metrics, METRIC_FINDINGS, rule, n);
    evidence_count(instances, instance, rule, n, 0);
    series_count(instances, instance, 0, n, 0);
}

static void
learn_language(struct instances *instances, struct instance *instance, enum agent_language language)
{
    if (language == LANGUAGE_NONE || language == (enum agent_language)instance->language)
        return;
    bool is_conflict = instance->language != LANGUAGE_NONE;
    instance->language = (uint8_t)language;
    if (instances->settings.on_language != NULL)
        instances->settings.on_language(instances->settings.ctx, instance->hash, language);
    if (is_conflict && instances_is_on(instances))
        instances_find(instances, instance, RULE_language_conflict, 1);
}

/* Spans that end before they start, perhaps all over a host. */
static void
note_clock(struct instances *instances, struct instance *instance, uint32_t n_spans)
{
    struct clock_step step;
    struct evidence *evidence = instance->evidence;
    int64_t silent_since_ms =
        evidence->clock_ms != 0 ? evidence->clock_ms : instance->first_seen_ms;
    struct bytes hostname = instance_hostname(instance);
    evidence->clock_ms = instances->time_ms;
    if (hostname.n == 0 || !instances_is_on(instances))
        return;
    clock_steps_note(instances->steps, hostname, instance->hash, n_spans, silent_since_ms,
                     instances->time_ms);
    if (!clock_steps_look(instances->steps, hostname, instances->time_ms, &step))
        return;
    for (uint32_t i = 0; i < step.n_witnesses; i++) {
        struct instance *witness = hash_index_find(&instances->index, step.witnesses[i]);
        if (witness != NULL)
            witness->flags |= FLAG_DIRTY;
    }
}

static uint64_t
take_findings(struct instances *instances, struct instance *instance, const struct sighting *s)
{
    uint64_t n_all = 0;
    bool has_any = s->findings != NULL || s->hints != NULL;
    for (uint32_t i = 0; has_any && i < RULE_COUNT; i++) {
        uint32_t n = s->findings != NULL ? s->findings[i] : 0;
        uint32_t n_hints = s->hints != NULL ? s->hints[i] : 0;
        if (n == 0 && n_hints == 0)
            continue;
        n_all += (uint64_t)n + n_hints;
        if (instance == NULL)
            continue;
        evidence_count(instances, instance, (enum rule)i, n, n_hints);
        if (i == RULE_span_end_before_start && n > 0)
            note_clock(instances, instance, n);
    }
    return n_all;
}

/* What only names and messages tell. */
static void
take_named(struct instances *instances, struct instance *instance, const struct sighting *s)
{
    instance->last_seen_unix_ms = instances->unix_ms;
    TAILQ_REMOVE(&instances->list, instance, link);
    TAILQ_INSERT_HEAD(&instances->list, instance, link);
    if (s->hostname.n > 0)
        instances_set_hostname(instances, instance, s->hostname);
    if (s->is_go)
        instance->flags |= FLAG_GO;
    if (instances_is_on(instances))
        service_names_see(instances->names, s->service, s->n_segments,
                          s->n_properties + s->n_keepalives > 0, s->is_in_foreign_stream, s->hash,
                          instances->time_ms);
}

static void
take_known(struct instances *instances, struct instance *instance, const struct sighting *s)
{
    if (s->is_named)
        take_named(instances, instance, s);
    learn_language(instances, instance, s->language);
    uint64_t n_findings = take_findings(instances, instance, s);
    instance->n_segments += s->n_segments;
    instance->n_spans += s->n_spans;
    instance->n_bad += s->n_bad;
    series_count(instances, instance, s->n_segments, n_findings, s->n_bad);
    if (s->n_supersets > 0)
        evidence_add_supersets(instances, instance, s->n_supersets);
    if (s->n_self_resets > 0)
        evidence_add_resets(instances, instance, s->n_self_resets);
    if (s->n_segments > 0)
        evidence_add_orphans(instances, instance, s->n_segments, s->n_orphan_roots);
    instances_note_life(instances, instance, s);
}

static void
take_one(struct instances *instances, const struct sighting *s)
{
    struct instance *instance = hash_index_find(&instances->index, s->hash);
    if (instance == NULL && s->is_named)
        instance = instances_add(instances, s);
    if (instance != NULL)
        take_known(instances, instance, s);
    else
        series_count_fold(instances, s->n_segments, take_findings(instances, NULL, s), s->n_bad);
}

/* Names as long as they may be, findings and diagnoses of every kind: those not seen longest make
 * room. Gives next, or who follows it among the watched where next had to leave. */
static struct instance *
hold_limit(struct instances *instances, struct instance *next)
{
    uint64_t most = (uint64_t)INSTANCE_BYTES * instances->settings.max_instances + SPARE_BYTES;
    while (instances->n > 1 && instances->n_bytes + hash_index_n_bytes(&instances->index) > most) {
        struct instance *oldest = TAILQ_LAST(&instances->list, instance_list);
        if (oldest == next)
            next = TAILQ_NEXT(next, watched);
        instances_evict(instances, oldest);
    }
    return next;
}

static void
keep_exemplars(struct instances *instances, const struct sightings *sightings, int64_t now_ms)
{
    for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
        struct bytes trace_id = sightings_exemplar(sightings, rule);
        if (trace_id.n == 0)
            continue;
        memcpy(instances->exemplars[rule].trace_id, trace_id.p, trace_id.n);
        instances->exemplars[rule].n = (uint8_t)trace_id.n;
        instances->exemplars[rule].at_ms = now_ms;
    }
}

void
instances_take(struct instances *instances, const struct sightings *sightings, int64_t now_ms)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    set_time(instances, now_ms);
    for (uint32_t i = 0; i < sightings_n(sightings); i++) {
        take_one(instances, sightings_at(sightings, i));
        hold_limit(instances, NULL);
    }
    keep_exemplars(instances, sightings, now_ms);
}

bool
instances_exemplar(const struct instances *instances, enum rule rule, struct bytes *trace_id,
                   int64_t *at_ms)
{
    const struct exemplar *exemplar = &instances->exemplars[rule];
    *trace_id = bytes_of(exemplar->trace_id, exemplar->n);
    *at_ms = exemplar->at_ms;
    return exemplar->n > 0;
}

static void
on_near_name(void *ctx, uint64_t hash)
{
    struct instances *instances = ctx;
    struct instance *instance = hash_index_find(&instances->index, hash);
    if (instance != NULL)
        instances_find(instances, instance, RULE_near_known_service, 1);
}

/* The words of what holds, while the half window they speak of is still there. */
static void
keep_words(struct instances *instances)
{
    struct instance *instance;
    TAILQ_FOREACH(instance, &instances->watched, watched)
    {
        instances_retell(instances, instance);
    }
}

static void
tick_one(struct instances *instances, struct instance *instance)
{
    bool was_turned = evidence_turn(instances, instance);
    bool is_dirty = (instance->flags & FLAG_DIRTY) != 0;
    if (!instances_is_on(instances))
        instances_close_case(instances, instance);
    else if (was_turned || is_dirty || instances_is_timed(instance))
        instances_diagnose(instances, instance);
    instance->flags &= (uint8_t)~FLAG_DIRTY;
    if (instance->case_file == NULL && evidence_is_empty(instance)) {
        TAILQ_REMOVE(&instances->watched, instance, watched);
        instance->flags &= (uint8_t)~FLAG_WATCHED;
    }
}

void
instances_tick(struct instances *instances, int64_t now_ms)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    set_time(instances, now_ms);
    if (instances_is_on(instances))
        service_names_judge(instances->names, instances->time_ms, on_near_name, instances);
    uint32_t half = (uint32_t)(instances->time_ms / EVIDENCE_HALF_MS);
    if (half != instances->half)
        keep_words(instances);
    instances->half = half;
    struct instance *instance = TAILQ_FIRST(&instances->watched), *next;
    for (; instance != NULL; instance = next) {
        next = TAILQ_NEXT(instance, watched);
        tick_one(instances, instance);
        next = hold_limit(instances, next);
    }
    series_tick(instances);
}

void
instances_show(struct instances *instances, struct instance *instance, struct instance_info *out)
{
    const struct evidence *evidence = instance->evidence;
    struct case_file *file = instance->case_file;
    *out = (struct instance_info){
        .service = instance_service(instance),
        .instance = instance_name(instance),
        .hostname = instance_hostname(instance),
        .language = (enum agent_language)instance->language,
        .n_connections = instance->n_connections,
        .n_segments = instance->n_segments,
        .n_spans = instance->n_spans,
        .n_bad = instance->n_bad,
        .first_seen_ms = instance->first_seen_unix_ms,
        .last_seen_ms = instance->last_seen_unix_ms,
    };
    if (evidence != NULL && evidence->n_tallies > 0) {
        memset(instances->shown_findings, 0, sizeof(instances->shown_findings));
        for (uint32_t i = 0; i < evidence->n_tallies; i++)
            instances->shown_findings[evidence->tallies[i].rule] = evidence->tallies[i].n;
        out->findings = instances->shown_findings;
    }
    if (file == NULL || file->open == 0)
        return;
    out->diagnoses = file->open;
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++) {
        bool is_open = (file->open >> i & 1) != 0;
        instances->shown_since_ms[i] = is_open ? file->of[i]->since_ms : 0;
        instances->shown_evidence[i] = is_open ? &file->of[i]->evidence : NULL;
    }
    out->since_ms = instances->shown_since_ms;
    out->evidence = instances->shown_evidence;
}

void
instances_each(struct instances *instances, instances_fn *fn, void *ctx)
{
    CHECK_OBJ(instances, INSTANCES_MAGIC);
    struct instance *instance;
    TAILQ_FOREACH(instance, &instances->list, link)
    {
        struct instance_info info;
        instances_retell(instances, instance);
        instances_show(instances, instance, &info);
        if (!fn(ctx, &info))
            return;
    }
}
