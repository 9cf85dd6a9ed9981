/* The engine: settings, counting, and the walk over a segment that asks every rule. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rules are called by expanding the table, not through pointers, so that the link step can inline
 * them: a clean segment of three spans costs about as much as a few cache lines. */
#include "integrity/integrity.h"

#include <fnmatch.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "integrity/integrity_int.h"
#include "integrity/rule_list.h"
#include "message/message.h"

enum {
    SAMPLE = 64,
    PARTS_PER_SPAN = 4, /* tags and refs a segment of max_spans may have on average */
    MIN_PARTS = 65536,  /* a low max_spans counts spans, not the tags of an ordinary segment */
    KEEP_FLAGGED = 1024,
    MAX_SERVICE_NAME = 512, /* more of a name is not compared with integrity.services */
};

/* What OAP cannot take ends a whole call, everybody's messages in it: no mode lets that pass. */
static const uint64_t in_every_mode = RULE_BIT(proto_undecodable) |
                                      RULE_BIT(string_invalid_utf8_identity) |
                                      RULE_BIT(string_invalid_utf8) | RULE_BIT(event_layer_empty);

void
integrity_settings_default(struct integrity_settings *settings)
{
    *settings = (struct integrity_settings){.mode = INTEGRITY_ENFORCE, .max_spans = 100000};
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        settings->actions[i] = rule_row((enum rule)i)->action;
}

static void
set_actions(struct integrity *integrity, enum integrity_mode mode)
{
    const struct integrity_settings *settings = &integrity->settings;
    enum rule_action *actions = integrity->actions[mode];
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        bool is_held = mode == INTEGRITY_ENFORCE || (in_every_mode >> i & 1) != 0;
        actions[i] = is_held ? settings->actions[i] : ACTION_OBSERVE;
    }
    /* Other storages take the columns and ids; only a database loses the batch over them. */
    if (mode == INTEGRITY_ENFORCE && settings->storage_jdbc) {
        actions[RULE_poison_column] = ACTION_QUARANTINE;
        actions[RULE_poison_id_again] = ACTION_QUARANTINE;
        actions[RULE_segment_duplicate_identical] = ACTION_DROP;
    }
}

void
integrity_set(struct integrity *integrity, const struct integrity_settings *settings)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    integrity->settings = *settings;
    for (uint32_t mode = 0; mode < INTEGRITY_N_MODES; mode++)
        set_actions(integrity, (enum integrity_mode)mode);
    integrity_state_set(integrity);
}

struct integrity *
integrity_new(const struct integrity_settings *settings, struct metrics *metrics)
{
    struct integrity *integrity = mem_new(struct integrity);
    integrity->magic = INTEGRITY_MAGIC;
    integrity->metrics = metrics;
    integrity->arena = arena_new(0);
    integrity->cap_flagged = KEEP_FLAGGED;
    integrity->flagged = mem_new_n(struct flagged_span, KEEP_FLAGGED);
    segment_view_init(&integrity->view);
    span_index_init(&integrity->spans);
    key_index_init(&integrity->keys);
    key_index_init(&integrity->copies);
    integrity_state_new(integrity);
    integrity_set(integrity, settings);
    return integrity;
}

void
integrity_free(struct integrity **integrity)
{
    if (*integrity == NULL)
        return;
    CHECK_OBJ(*integrity, INTEGRITY_MAGIC);
    arena_free(&(*integrity)->arena);
    segment_view_fini(&(*integrity)->view);
    span_index_fini(&(*integrity)->spans);
    key_index_fini(&(*integrity)->keys);
    key_index_fini(&(*integrity)->copies);
    integrity_state_free(*integrity);
    mem_free((*integrity)->flagged);
    (*integrity)->magic = 0;
    mem_free(*integrity);
    *integrity = NULL;
}

void
integrity_begin(struct integrity *integrity, struct bytes message, struct judgement *out)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    if (arena_used_bytes(integrity->arena) > 0)
        arena_reset(integrity->arena);
    key_index_relax(&integrity->keys);
    key_index_relax(&integrity->copies);
    if (integrity->cap_flagged > KEEP_FLAGGED) {
        integrity->cap_flagged = KEEP_FLAGGED;
        integrity->flagged =
            mem_resize(integrity->flagged, sizeof(*integrity->flagged) * KEEP_FLAGGED);
    }
    integrity->n_flagged = 0;
    integrity->instance_hash = 0;
    integrity->mode = integrity->settings.mode;
    out->verdict = VERDICT_CLEAN;
    out->payload = message;
    out->edited = false;
    out->reason = RULE_COUNT;
    out->rules = 0;
    out->hints = 0;
    memset(out->n_counts, 0, sizeof(out->n_counts));
    out->findings = integrity->findings;
    out->n_findings = 0;
    out->segment = NULL;
    out->agent = AGENT_UNKNOWN;
    out->is_superset = false;
    out->id_hash = 0;
    out->content_hash = 0;
}

void
integrity_find(struct integrity *integrity, enum rule rule, uint32_t span, struct judgement *out)
{
    out->rules |= UINT64_C(1) << rule;
    out->n_counts[rule]++;
    if (out->n_findings < MAX_FINDINGS)
        integrity->findings[out->n_findings++] = (struct finding){.rule = rule, .span = span};
}

enum rule_class
integrity_class(enum rule rule, enum agent agent)
{
    const struct rule_row *row = rule_row(rule);
    bool is_known = agent == AGENT_IS_GO || (agent == AGENT_IS_JAVA && row->agent != AGENT_GO) ||
                    (agent == AGENT_IS_DOTNET && row->agent == AGENT_GO_JAVA_DOTNET);
    return row->rule_class == CLASS_STRONG && !is_known ? CLASS_HINT : row->rule_class;
}

enum rule_class
integrity_found_class(const struct judgement *judgement, enum rule rule, enum agent agent)
{
    bool is_hint = (judgement->hints >> rule & 1) != 0;
    return is_hint ? CLASS_HINT : integrity_class(rule, agent);
}

uint32_t
integrity_metric_index(const struct judgement *judgement, enum rule rule)
{
    return (judgement->hints >> rule & 1) != 0 ? (uint32_t)RULE_COUNT + rule : rule;
}

enum rule_action
integrity_action(const struct integrity *integrity, enum rule rule)
{
    if (rule_row(rule)->rule_class == CLASS_STRONG &&
        integrity_class(rule, integrity->agent) == CLASS_HINT)
        return ACTION_OBSERVE;
    return integrity->actions[integrity->mode][rule];
}

enum rule_action
integrity_strongest(const struct integrity *integrity, uint64_t rules, enum rule *reason)
{
    enum rule_action strongest = ACTION_OBSERVE;
    *reason = RULE_COUNT;
    for (; rules != 0; rules &= rules - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rules);
        enum rule_action action = integrity_action(integrity, rule);
        if (action > strongest || *reason == RULE_COUNT) {
            strongest = action;
            *reason = rule;
        }
    }
    return strongest;
}

void
integrity_count(struct integrity *integrity, const struct judgement *judgement)
{
    if (integrity->metrics == NULL)
        return;
    for (uint64_t rest = judgement->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        metric_add(integrity->metrics, METRIC_FINDINGS, integrity_metric_index(judgement, rule),
                   judgement->n_counts[rule]);
    }
}

void
integrity_note(struct integrity *integrity, enum rule rule)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    if (integrity->metrics != NULL)
        metric_add(integrity->metrics, METRIC_FINDINGS, rule, 1);
}

void
integrity_reject(struct judgement *out, enum rule_action action, enum rule reason,
                 struct bytes message)
{
    out->verdict = action == ACTION_DROP ? VERDICT_DROPPED : VERDICT_QUARANTINED;
    out->reason = reason;
    out->payload = message;
    out->edited = false;
}

uint64_t
integrity_clock_start(struct integrity *integrity)
{
    if (integrity->metrics == NULL || integrity->n_judged++ % SAMPLE != 0)
        return 0;
    return clock_fresh_us();
}

void
integrity_clock_stop(struct integrity *integrity, uint64_t start_us)
{
    if (start_us != 0)
        metric_observe_us(integrity->metrics, METRIC_CHECK_DURATION, 0,
                          clock_fresh_us() - start_us);
}

/* Asks every SEGMENT row but segment-empty, which ended the questions already. */
static uint64_t
ask_segment_rules(const struct rule_context *context)
{
    uint64_t found = 0;
#define ASK_STREAM(token)
#define ASK_MESSAGE(token)
#define ASK_STORED(token)
#define ASK_STATE(token)
#define ASK_SPAN(token)
#define ASK_SEGMENT(token)                              \
    if (__builtin_expect(rule_##token(context), false)) \
        found |= RULE_BIT(token);
#define RULE(token, name, class, scope, action, allowed, agent, text) ASK_##scope(token)
    RULES(RULE)
#undef RULE
#undef ASK_SEGMENT
#undef ASK_SPAN
    return found;
}

/* Asks every SPAN row about one span. */
static inline uint64_t
ask_span_rules(const struct rule_context *context, uint32_t span)
{
    uint64_t found = 0;
#define ASK_SEGMENT(token)
#define ASK_SPAN(token)                                       \
    if (__builtin_expect(rule_##token(context, span), false)) \
        found |= RULE_BIT(token);
#define RULE(token, name, class, scope, action, allowed, agent, text) ASK_##scope(token)
    RULES(RULE)
#undef RULE
#undef ASK_SPAN
#undef ASK_SEGMENT
#undef ASK_STATE
#undef ASK_STORED
#undef ASK_MESSAGE
#undef ASK_STREAM
    return found;
}

static void
find_all(struct integrity *integrity, uint64_t rules, uint32_t span, struct judgement *out)
{
    for (; rules != 0; rules &= rules - 1)
        integrity_find(integrity, (enum rule)__builtin_ctzll(rules), span, out);
}

static void
flag_span(struct integrity *integrity, uint32_t span, uint64_t rules, struct judgement *out)
{
    if (integrity->n_flagged == integrity->cap_flagged) {
        integrity->cap_flagged *= 2;
        integrity->flagged =
            mem_resize(integrity->flagged, sizeof(*integrity->flagged) * integrity->cap_flagged);
    }
    integrity->flagged[integrity->n_flagged++] =
        (struct flagged_span){.span = span, .rules = rules};
    find_all(integrity, rules, span, out);
}

/* Fills in the context and asks all rules; gives the findings of scope SEGMENT. */
static uint64_t
ask_rules(struct integrity *integrity, int64_t arrival_ms, struct rule_context *context,
          struct judgement *out)
{
    const struct segment_view *view = &integrity->view;
    span_index_build(&integrity->spans, view);
    *context = (struct rule_context){
        .segment = view,
        .arrival_ms = arrival_ms,
        .agent = integrity->agent,
        .same_id_before = integrity->spans.same_id_before,
        .parent_index = integrity->spans.parent_index,
        .first_zero = integrity->spans.first_zero,
        .n_zero = integrity->spans.n_zero,
        .n_roots = integrity->spans.n_roots,
        .ids = &integrity->spans,
        .keys = &integrity->keys,
    };
    uint64_t of_segment = ask_segment_rules(context);
    if (of_segment != 0)
        find_all(integrity, of_segment, SPAN_NONE, out);
    for (uint32_t i = 0; i < view->n_spans; i++) {
        uint64_t of_span = ask_span_rules(context, i);
        if (of_span != 0)
            flag_span(integrity, i, of_span, out);
    }
    return of_segment;
}

static enum err
decode(struct integrity *integrity, struct bytes message)
{
    uint64_t max_parts = (uint64_t)PARTS_PER_SPAN * integrity->settings.max_spans;
    if (max_parts < MIN_PARTS)
        max_parts = MIN_PARTS;
    struct segment_limits limits = {
        .max_spans = integrity->settings.max_spans,
        .max_parts = max_parts < UINT32_MAX ? (uint32_t)max_parts : UINT32_MAX,
    };
    return segment_decode(&integrity->view, message, &limits);
}

/* R1, where it is asked for: from here on the repaired bytes are what is looked at. False when
 * they cannot be had. */
static bool
fix_utf8(struct integrity *integrity, struct bytes message, struct judgement *out)
{
    uint64_t bad = FACT_INVALID_UTF8 | FACT_INVALID_UTF8_IDENTITY;
    struct bytes fixed;
    if (integrity_action(integrity, RULE_string_invalid_utf8) != ACTION_REPAIR ||
        (integrity->view.facts & FACT_INVALID_UTF8_IDENTITY) != 0)
        return true;
    /* Each bad byte becomes four, and lengths may take a byte more on each level. */
    size_t room = 8 * message.n;
    arena_set_limit(integrity->arena, room < MAX_EDITED_BYTES ? room : MAX_EDITED_BYTES);
    if (message_repair(MESSAGE_SegmentObject, message, false, integrity->arena, &fixed) != ERR_OK ||
        decode(integrity, fixed) != ERR_OK || (integrity->view.facts & bad) != 0)
        return false;
    out->payload = fixed;
    out->edited = true;
    return true;
}

/* What the walk itself found. False when the questions end here. */
static bool
ask_facts(struct integrity *integrity, struct bytes message, struct judgement *out)
{
    uint32_t facts = integrity->view.facts;
    bool is_off = integrity->mode == INTEGRITY_OFF;
    if ((facts & FACT_UNKNOWN_FIELD) != 0 && !is_off)
        integrity_find(integrity, RULE_proto_unknown_field, SPAN_NONE, out);
    if ((facts & FACT_INVALID_UTF8_IDENTITY) != 0)
        integrity_find(integrity, RULE_string_invalid_utf8_identity, SPAN_NONE, out);
    if ((facts & FACT_INVALID_UTF8) != 0) {
        integrity_find(integrity, RULE_string_invalid_utf8, SPAN_NONE, out);
        if (!fix_utf8(integrity, message, out)) {
            integrity_reject(out, ACTION_QUARANTINE, RULE_string_invalid_utf8, message);
            return false;
        }
    }
    if ((facts & FACT_LIMIT) != 0 && !is_off)
        integrity_find(integrity, RULE_span_limit, SPAN_NONE, out);
    return (facts & FACT_LIMIT) == 0 && !is_off;
}

/* True when the segment has no spans and the findings stop at that. */
static bool
ask_empty(struct integrity *integrity, struct judgement *out)
{
    struct rule_context context = {.segment = &integrity->view};
    if (integrity->mode == INTEGRITY_OFF || !rule_segment_empty(&context) ||
        (integrity->view.facts & FACT_LIMIT) != 0)
        return false;
    integrity_find(integrity, RULE_segment_empty, SPAN_NONE, out);
    return integrity_action(integrity, RULE_segment_empty) == ACTION_DROP;
}

/* Turns the findings into a verdict. */
static void
settle(struct integrity *integrity, const struct rule_context *context, uint64_t of_segment,
       struct bytes message, struct judgement *out)
{
    enum rule reason;
    enum rule_action strongest = integrity_strongest(integrity, out->rules, &reason);
    /* A copy is dropped whatever else is wrong with it: the first one was forwarded or set aside.
     */
    enum rule copy = RULE_segment_duplicate_identical;
    if ((out->rules >> copy & 1) != 0 && integrity_action(integrity, copy) == ACTION_DROP) {
        strongest = ACTION_DROP;
        reason = copy;
    }
    if (strongest >= ACTION_DROP) {
        integrity_reject(out, strongest, reason, message);
        return;
    }
    out->verdict = out->rules == 0 ? VERDICT_CLEAN
                   : out->edited   ? VERDICT_REPAIRED
                                   : VERDICT_OBSERVED;
    if (strongest > ACTION_OBSERVE && context != NULL)
        integrity_edit(integrity, context, of_segment, out);
    /* A failed repair: what was fit to forward is not, so the bytes as they came are kept. */
    if (out->verdict == VERDICT_QUARANTINED)
        out->payload = message;
}

/* The mode of this segment's service. */
static void
find_mode(struct integrity *integrity)
{
    char name[MAX_SERVICE_NAME];
    struct bytes service = integrity->view.service;
    size_t n = service.n < sizeof(name) - 1 ? service.n : sizeof(name) - 1;
    if (n > 0)
        memcpy(name, service.p, n);
    name[n] = '\0';
    for (uint32_t i = 0; i < integrity->settings.n_services; i++) {
        if (fnmatch(integrity->settings.services[i].match, name, 0) == 0) {
            integrity->mode = integrity->settings.services[i].mode;
            return;
        }
    }
}

/* Who reports: what its instance said of itself, and the shape of the id. */
static void
identify(struct integrity *integrity)
{
    integrity_know(integrity);
    enum agent_language language =
        integrity->known == NULL ? LANGUAGE_NONE : (enum agent_language)integrity->known->language;
    integrity->agent = agent_identify(language, integrity->view.segment_id);
}

static void
judge(struct integrity *integrity, struct bytes message, int64_t arrival_ms, struct judgement *out)
{
    struct rule_context context;
    integrity_state_early(integrity, message);
    if (decode(integrity, message) != ERR_OK) {
        integrity_find(integrity, RULE_proto_undecodable, SPAN_NONE, out);
        settle(integrity, NULL, 0, message, out);
        return;
    }
    out->segment = &integrity->view;
    if (integrity->settings.n_services > 0)
        find_mode(integrity);
    if (ask_empty(integrity, out)) {
        settle(integrity, NULL, 0, message, out);
        return;
    }
    if (integrity->view.facts != 0 || integrity->mode == INTEGRITY_OFF) {
        bool goes_on = ask_facts(integrity, message, out);
        if (!goes_on) {
            if (out->verdict != VERDICT_QUARANTINED)
                settle(integrity, NULL, 0, message, out);
            return;
        }
    }
    if (integrity->view.n_spans == 0) {
        settle(integrity, NULL, 0, message, out);
        return;
    }
    integrity_state_begin(integrity, out);
    if (integrity->agent == AGENT_UNKNOWN)
        identify(integrity);
    uint64_t of_segment = ask_rules(integrity, arrival_ms, &context, out);
    if (out->id_hash != 0)
        integrity_ask_state(integrity, message, out);
    if (out->rules != 0)
        settle(integrity, &context, of_segment, message, out);
}

/* Clocks may be wrong by years; only a start that was never set is proof, where agents set it. */
static bool
lacks_start(const struct segment_view *view)
{
    for (uint32_t i = 0; i < view->n_spans; i++)
        if (view->spans[i].start_ms <= 0 && view->spans[i].raw.n > 0)
            return true;
    return false;
}

static void
tell_hints(const struct integrity *integrity, struct judgement *out)
{
    for (uint64_t rest = out->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        if (rule_row(rule)->rule_class == CLASS_STRONG &&
            integrity_class(rule, integrity->agent) == CLASS_HINT)
            out->hints |= UINT64_C(1) << rule;
    }
    if ((out->rules & RULE_BIT(span_start_implausible)) != 0 && !lacks_start(&integrity->view))
        out->hints |= RULE_BIT(span_start_implausible);
}

void
integrity_judge_segment(struct integrity *integrity, struct bytes message, int64_t arrival_ms,
                        enum agent agent, struct judgement *out)
{
    uint64_t start_us = integrity_clock_start(integrity);
    integrity_begin(integrity, message, out);
    integrity->agent = agent;
    integrity->arrival_s = (uint32_t)(arrival_ms / 1000);
    judge(integrity, message, arrival_ms, out);
    out->agent = integrity->agent;
    if (out->rules != 0)
        tell_hints(integrity, out);
    if (integrity->metrics != NULL) {
        metric_add(integrity->metrics, METRIC_SEGMENTS, out->verdict, 1);
        metric_add(integrity->metrics, METRIC_SPANS, 0,
                   out->segment == NULL ? 0 : out->segment->n_spans);
        integrity_count(integrity, out);
        integrity_clock_stop(integrity, start_us);
    }
}

void
integrity_judge_again(struct integrity *integrity, struct bytes message, int64_t arrival_ms,
                      enum agent agent, struct judgement *out)
{
    CHECK_OBJ(integrity, INTEGRITY_MAGIC);
    struct metrics *metrics = integrity->metrics;
    uint32_t window_s = integrity->settings.window_s;
    integrity->metrics = NULL;
    integrity->settings.window_s = 0;
    integrity_judge_segment(integrity, message, arrival_ms, agent, out);
    integrity->metrics = metrics;
    integrity->settings.window_s = window_s;
}

const char *
verdict_label(enum verdict verdict)
{
    static const char *const labels[] = {"clean",    "observed",    "tagged",
                                         "repaired", "quarantined", "dropped"};
    return labels[verdict];
}
