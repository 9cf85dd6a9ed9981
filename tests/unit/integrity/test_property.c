/* Random healthy segments in each agent's shape are never accused; one fault more is always found.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "integrity/healthy_model.h"

/* SPANGATE_EXAMPLES=1000000 in the environment makes it as many. */
enum { N_HEALTHY = 30000, N_SICK = 20000 };

static uint32_t
n_healthy(void)
{
    const char *n = getenv("SPANGATE_EXAMPLES");
    return n == NULL ? N_HEALTHY : (uint32_t)strtoul(n, NULL, 10);
}

/* Hints only; strangers' bytes only where strangers wrote. */
static bool
is_allowed(enum rule rule, const struct model *model)
{
    enum rule_class class_found = integrity_found_class(&fixture.judgement, rule, fixture.agent);
    return class_found == CLASS_HINT || (class_found == CLASS_EXTERNAL && model->is_hostile);
}

static void
assert_not_accused(uint32_t i, const struct model *model)
{
    for (uint32_t rule = 0; rule < RULE_COUNT; rule++)
        if ((fixture.judgement.rules >> rule & 1) != 0 && !is_allowed((enum rule)rule, model))
            fail_msg("segment %u of shape %d: %s", i, model->shape, found());
    assert_true(fixture.judgement.verdict <= VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
healthy_segments_are_never_accused(void **state)
{
    (void)state;
    seed = 42;
    uint32_t n_by_shape[N_SHAPES] = {0}, n = n_healthy();
    uint64_t n_clean = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct model model;
        make_healthy(&model);
        encode(&model);
        judge_bytes(segment_build_bytes(&fixture.build));
        assert_not_accused(i, &model);
        n_clean += fixture.judgement.verdict == VERDICT_CLEAN;
        n_by_shape[model.shape]++;
    }
    for (uint32_t shape = 0; shape < N_SHAPES; shape++)
        assert_true(n_by_shape[shape] > n / N_SHAPES / 2);
    assert_true(n_clean > n / 20);
}

static struct model_span *
any_span(struct model *model)
{
    return &model->spans[draw(model->n_spans)];
}

static void
put_tag(struct model_span *s, const char *key, const char *value)
{
    uint32_t at = s->n_tags < MAX_TAGS ? s->n_tags++ : MAX_TAGS - 1;
    s->keys[at] = key;
    s->values[at] = value;
}

/* Adds a copy of a span right behind the list, in a place of its own. */
static struct model_span *
copy_span(struct model *model, const struct model_span *s)
{
    model->spans[model->n_spans] = *s;
    return &model->spans[model->n_spans++];
}

enum fault {
    ORPHAN,
    SELF_PARENT,
    DUPLICATE,
    NEGATIVE,
    NO_ZERO,
    BLANK,
    ODD_ID,
    BAD_TEXT,
    BAD_NAME,
    BAD_WIRE,
    CACHE_REPEAT,
    LOGIC,
    LATENCY,
    EMPTY,
    NO_END,
    BLANK_TAG,
    LOOP,
    FOREIGN_THREAD,
    GO_REPEAT,
    GO_TRACE,
    GO_TIME,
    GO_ROOTS,
    GO_ORDER,
    N_FAULTS
};

/* What only needs one span with another content. */
static enum rule
hurt_content(struct model *model, enum fault fault)
{
    struct model_span *s = any_span(model);
    if (fault == CACHE_REPEAT) {
        s->span.layer = LAYER_CACHE;
        s->n_tags = 0;
        put_tag(s, "k", "1");
        put_tag(s, "k", one_in(2) ? "1" : "2");
        return RULE_poison_cache_tag_repeat;
    }
    if (fault == LOGIC) {
        s->span.type = SPAN_LOCAL;
        put_tag(s, "x-le", "{");
        return RULE_poison_logic_endpoint;
    }
    if (fault == LATENCY) {
        s->span.layer = LAYER_MQ;
        s->span.type = SPAN_ENTRY;
        put_tag(s, "transmission.latency", "soon");
        return RULE_poison_transmission_latency;
    }
    s->span.operation = "\xff";
    return RULE_string_invalid_utf8;
}

static struct build_ref *
put_ref(struct model_span *s)
{
    uint32_t at = s->n_refs < MAX_REFS ? s->n_refs++ : MAX_REFS - 1;
    s->refs[at] = (struct build_ref){REF_CROSS_PROCESS, "t", "p", 1, "s", "i", "/", "h:80"};
    return &s->refs[at];
}

/* What a reference may be torn into. */
static enum rule
hurt_ref(struct model *model, enum fault fault)
{
    struct model_span *s = any_span(model);
    struct build_ref *ref = put_ref(s);
    if (fault == GO_TRACE)
        return RULE_ref_trace_mismatch_go;
    ref->trace = model->trace_id;
    if (fault == FOREIGN_THREAD) {
        ref->type = REF_CROSS_THREAD;
        ref->service = model->service;
        return RULE_ref_crossthread_foreign;
    }
    ref->segment = model->segment_id;
    ref->span = one_in(2) || model->is_limited ? s->span.id : 555;
    return RULE_ref_self_loop;
}

static struct model_span *
root_of(struct model *model)
{
    uint32_t i = 0;
    while (model->spans[i].span.parent != -1)
        i++;
    return &model->spans[i];
}

/* What is proof for Go only. */
static enum rule
hurt_go(struct model *model, enum fault fault)
{
    if (fault == GO_REPEAT) {
        struct model_span *s = any_span(model);
        s->n_tags = 0;
        put_tag(s, "k", "1");
        put_tag(s, "k", "2");
        return RULE_tag_key_repeated_go;
    }
    if (fault == GO_TIME) {
        struct model_span *root = root_of(model);
        root->span.start += (one_in(2) ? 1 : -1) * (int64_t)(120000 + draw(UINT32_MAX));
        root->span.end = root->span.start + 1;
        return RULE_id_time_incoherent;
    }
    struct model_span *s = copy_span(model, root_of(model));
    s->span.id = 999;
    s->span.parent = fault == GO_ORDER ? 0 : -1;
    return fault == GO_ORDER ? RULE_root_not_last : RULE_segment_multi_root;
}

/* What concerns the whole message. */
static enum rule
hurt_message(struct model *model, enum fault fault)
{
    if (fault == ODD_ID) {
        model->segment_id = one_in(2) ? "" : "a b";
        return RULE_segment_id_malformed;
    }
    if (fault == BAD_NAME) {
        model->service = "\xc3(";
        return RULE_string_invalid_utf8_identity;
    }
    if (fault == BAD_WIRE) {
        model->tail = BYTES("\x1a\x05\x08");
        return RULE_proto_undecodable;
    }
    model->n_spans = 0;
    return RULE_segment_empty;
}

/* Does one harm and tells which rule must see it. */
static enum rule
hurt(struct model *model, enum fault fault)
{
    switch (fault) {
    case ORPHAN:
        model->is_limited = false;
        any_span(model)->span.parent = 700;
        return RULE_span_parent_missing;
    case SELF_PARENT: {
        struct model_span *s = any_span(model);
        s->span.parent = s->span.id;
        return RULE_span_parent_not_earlier;
    }
    case DUPLICATE: {
        struct model_span *s = copy_span(model, any_span(model));
        if (one_in(2))
            s->span.component = 12345;
        return RULE_span_id_duplicate;
    }
    case NEGATIVE:
        copy_span(model, any_span(model))->span.id = -1 - (int32_t)draw(INT32_MAX);
        return RULE_span_id_negative;
    case NO_ZERO:
        for (uint32_t i = 0; i < model->n_spans; i++)
            model->spans[i].span.id++;
        return RULE_span_zero_missing;
    case BLANK:
        copy_span(model, any_span(model))->is_blank = true;
        return RULE_span_blank;
    case NO_END:
        any_span(model)->span.end = one_in(2) ? 0 : INT64_C(-6795364578871);
        return RULE_span_end_unset;
    case BLANK_TAG:
        put_tag(any_span(model), "", "");
        return RULE_tag_blank;
    case LOOP:
    case FOREIGN_THREAD:
    case GO_TRACE:
        return hurt_ref(model, fault);
    case GO_REPEAT:
    case GO_TIME:
    case GO_ROOTS:
    case GO_ORDER:
        return hurt_go(model, fault);
    case CACHE_REPEAT:
    case LOGIC:
    case LATENCY:
    case BAD_TEXT:
        return hurt_content(model, fault);
    case ODD_ID:
    case BAD_NAME:
    case BAD_WIRE:
    case EMPTY:
    case N_FAULTS:
    default:
        return hurt_message(model, fault);
    }
}

/* What went on is what came in, but for a removed copy, and judging it again changes nothing. */
static void
assert_loss_free(const struct model *model)
{
    const struct segment_view *out = decode_payload();
    assert_true(out->n_spans == model->n_spans || out->n_spans + 1 == model->n_spans);
    for (uint32_t i = 0, k = 0; i < out->n_spans; i++, k++) {
        while (k + 1 < model->n_spans && out->spans[i].id != model->spans[k].span.id)
            k++;
        assert_int_equal(out->spans[i].start_ms,
                         model->spans[k].is_blank ? 0 : model->spans[k].span.start);
    }
    assert_stable();
}

static void
one_fault_is_always_found(void **state)
{
    (void)state;
    seed = 4711;
    for (int i = 0; i < N_SICK; i++) {
        struct model model;
        enum fault fault = (enum fault)(i % N_FAULTS);
        make_healthy_of(&model, fault >= GO_REPEAT ? GO : (enum shape)draw(N_SHAPES));
        enum rule rule = hurt(&model, fault);
        encode(&model);
        judge_bytes(segment_build_bytes(&fixture.build));
        if ((fixture.judgement.rules >> rule & 1) == 0)
            fail_msg("segment %d, fault %d: found only %s", i, fault, found());
        if (fixture.judgement.verdict < VERDICT_TAGGED)
            fail_msg("segment %d, fault %d: only counted: %s", i, fault, found());
        if (fixture.judgement.verdict <= VERDICT_REPAIRED)
            assert_loss_free(&model);
        else
            assert_true(is_payload_unchanged());
    }
}

/* Whatever the bytes, the engine survives, and what it lets pass it can read again. */
static void
random_damage_is_survived(void **state)
{
    (void)state;
    seed = 99;
    for (int i = 0; i < N_SICK; i++) {
        struct model model;
        make_healthy(&model);
        encode(&model);
        for (uint32_t n = 1 + draw(4); n > 0; n--)
            fixture.build.p[draw((uint32_t)fixture.build.n)] = (uint8_t)draw(256);
        if (one_in(4))
            fixture.build.n -= draw((uint32_t)fixture.build.n);
        judge_bytes(segment_build_bytes(&fixture.build));
        if (fixture.judgement.verdict <= VERDICT_REPAIRED)
            assert_stable();
        else
            assert_true(is_payload_unchanged());
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(healthy_segments_are_never_accused),
        TEST(one_fault_is_always_found),
        TEST(random_damage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
