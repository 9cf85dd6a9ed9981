/* Random healthy segments in each agent's shape are never accused; one fault more is always found.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: integrity.md 3. The seed is fixed, so a failure repeats. */
#include "integrity/judge_fixture.h"

enum { MAX_SPANS = 24, MAX_TAGS = 6, N_HEALTHY = 30000, N_SICK = 20000 };

enum shape { GO, JAVA, PYTHON, NODE, PHP, RUST, RUBY, DOTNET, CPP, LUA, BROWSER, N_SHAPES };

struct model_span {
    struct build_span span;
    const char *keys[MAX_TAGS], *values[MAX_TAGS];
    uint32_t n_tags, n_refs;
    bool is_blank;
};

struct model {
    enum shape shape;
    const char *trace_id, *segment_id, *service, *instance;
    bool is_limited;
    struct model_span spans[MAX_SPANS + 1];
    uint32_t n_spans;
    struct bytes tail; /* broken bytes behind all */
};

static uint64_t seed;

static uint32_t
draw(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % n;
}

static bool
one_in(uint32_t n)
{
    return draw(n) == 0;
}

#define PICK(words) (words)[draw((uint32_t)(sizeof(words) / sizeof(*(words))))]

static const char *const names[] = {"/",
                                    "",
                                    "GET:/checkout/{id}",
                                    "mysql/SELECT",
                                    "\xe6\x94\xaf\xe4\xbb\x98",
                                    "/%00\x01 odd\nname",
                                    "\xf0\x9f\x98\x80",
                                    "Kafka/topic/Consumer"};
static const char *const peers[] = {"", "h:80", "10.0.0.1:3306", "[::1]:6379",
                                    "kafka:9092;k2:9092"};
static const char *const keys[] = {"http.method", "url",       "db.statement", "cache.op",
                                   "mq.topic",    "cache.key", "status_code",  "k\xc3\xa4"};
static const char *const values[] = {"",    "GET", "select 1\nfrom x", "500", "\xe4\xb8\xad",
                                     "{}}", "x"};
static const char *const logic[] = {"{\"logic-span\":true}", "{}",
                                    "{\"name\":\"/a\",\"latency\":12,\"status\":true}"};
static const char *const latencies[] = {"0", "12", "-3", "1790000000000"};

static void
make_ids(struct model *model)
{
    static char go[64], java[64], hex[40], decimal[48], dotnet[64];
    snprintf(go, sizeof(go), "0a1b2c3d4e5f11ee%08x%08x.%u.4001753600%u0001", draw(UINT32_MAX),
             draw(UINT32_MAX), draw(99999), 100 + draw(900));
    snprintf(java, sizeof(java), "5c1d2e3f4a5b4c6d%08x%08x.%u.1790000000%u0003", draw(UINT32_MAX),
             draw(UINT32_MAX), draw(999), 100 + draw(900));
    snprintf(dotnet, sizeof(dotnet), "9e107d9d372bb682%08x%08x.%u.1790000000%u0007",
             draw(UINT32_MAX), draw(UINT32_MAX), draw(99), 100 + draw(900));
    snprintf(hex, sizeof(hex), "%08x%08x%08x%08x", draw(UINT32_MAX), draw(UINT32_MAX),
             draw(UINT32_MAX), draw(UINT32_MAX));
    snprintf(decimal, sizeof(decimal), "31%010u%010u%010u", draw(UINT32_MAX), draw(UINT32_MAX),
             draw(UINT32_MAX));
    const char *const ids[N_SHAPES] = {go,  java,   hex,      hex,      decimal, decimal,
                                       hex, dotnet, PLAIN_ID, PLAIN_ID, PLAIN_ID};
    model->segment_id = ids[model->shape];
    model->trace_id = one_in(2) ? model->segment_id : "client chose: \xc3\xa4 text";
}

static void
make_tags(struct model_span *s)
{
    s->n_tags = draw(MAX_TAGS - 1);
    uint32_t first = draw(8);
    for (uint32_t i = 0; i < s->n_tags; i++) {
        /* Neighbours differ; only on a Cache span must they, elsewhere repeats are lawful. */
        s->keys[i] = keys[s->span.layer == LAYER_CACHE || one_in(2) ? (first + i) % 8 : first];
        s->values[i] = PICK(values);
    }
    if (s->span.layer == LAYER_MQ && one_in(2)) {
        s->keys[s->n_tags] = "transmission.latency";
        s->values[s->n_tags++] = s->span.type == SPAN_EXIT && one_in(3) ? "" : PICK(latencies);
    } else if (s->span.type != SPAN_EXIT && one_in(4)) {
        s->keys[s->n_tags] = "x-le";
        s->values[s->n_tags++] = PICK(logic);
    }
}

static void
make_span(struct model *model, uint32_t at, int32_t id, int32_t parent)
{
    struct model_span *s = &model->spans[at];
    bool is_single = model->shape == DOTNET;
    *s = (struct model_span){
        .span = {.id = id,
                 .parent = parent,
                 .start = now_ms - draw(100000),
                 .end = now_ms - draw(100000),
                 .operation = PICK(names),
                 .type = is_single      ? SPAN_EXIT
                         : parent == -1 ? SPAN_ENTRY
                                        : (int32_t)draw(3),
                 .layer = (int32_t)draw(8),
                 .component = (int32_t)draw(9001),
                 .peer = PICK(peers),
                 .is_error = one_in(9),
                 .skip_analysis = one_in(20)},
        .n_refs = one_in(3) ? draw(4) : 0,
    };
    make_tags(s);
}

static void
swap_spans(struct model *model, uint32_t a, uint32_t b)
{
    struct model_span keep = model->spans[a];
    model->spans[a] = model->spans[b];
    model->spans[b] = keep;
}

/* Children are made after their parents; then the list gets the order of the agent. */
static void
order_spans(struct model *model)
{
    bool is_root_last = model->shape == GO || model->shape == JAVA || model->shape == RUBY;
    bool is_root_first = model->shape == CPP || (model->shape == NODE && one_in(2));
    for (uint32_t i = model->n_spans; i > 2; i--)
        swap_spans(model, 1 + draw(i - 1), i - 1);
    if (is_root_last)
        swap_spans(model, 0, model->n_spans - 1);
    else if (!is_root_first)
        swap_spans(model, 0, draw(model->n_spans));
}

/* Ids rise from parent to child; some agents leave gaps, some may make a second root. */
static void
make_spans(struct model *model)
{
    bool has_gaps = model->shape == GO || model->shape == NODE;
    bool may_have_roots = model->shape == RUST || model->shape == PHP || model->shape == LUA;
    int32_t id = 0;
    for (uint32_t i = 0; i < model->n_spans; i++) {
        bool is_root = i == 0 || (may_have_roots && one_in(6));
        make_span(model, i, id, is_root ? -1 : model->spans[draw(i)].span.id);
        id += 1 + (has_gaps && one_in(5) ? (int32_t)draw(3) : 0);
    }
}

static void
make_healthy(struct model *model)
{
    *model = (struct model){.shape = (enum shape)draw(N_SHAPES),
                            .service = names[2 + draw(6)],
                            .instance = one_in(2) ? "worker-host" : "abc@10.0.0.1"};
    make_ids(model);
    model->n_spans = model->shape == DOTNET || model->shape == BROWSER ? 1 : 1 + draw(MAX_SPANS);
    model->is_limited = (model->shape == JAVA || model->shape == PYTHON) && one_in(5);
    make_spans(model);
    order_spans(model);
}

static void
encode(const struct model *model)
{
    static const struct build_ref ref = {1, "another trace", "s", 2, "s", "i", "", ""};
    segment_build_begin(&fixture.build, model->trace_id, model->segment_id);
    for (uint32_t i = 0; i < model->n_spans; i++) {
        const struct model_span *s = &model->spans[i];
        if (s->is_blank) {
            segment_build_field(&fixture.build, 3, BYTES_NONE);
            continue;
        }
        segment_build_span_open(&fixture.build, &s->span);
        for (uint32_t k = 0; k < s->n_refs; k++)
            segment_build_ref(&fixture.build, &ref);
        for (uint32_t k = 0; k < s->n_tags; k++)
            segment_build_tag(&fixture.build, s->keys[k], s->values[k]);
        if (one_in(6))
            segment_build_log(&fixture.build, now_ms, "event", "");
        segment_build_close(&fixture.build);
    }
    segment_build_end(&fixture.build, model->service, model->instance, model->is_limited);
    segment_build_raw(&fixture.build, model->tail);
    static const enum agent agents[N_SHAPES] = {[GO] = AGENT_IS_GO,
                                                [JAVA] = AGENT_IS_JAVA,
                                                [DOTNET] = AGENT_IS_DOTNET,
                                                [PYTHON] = AGENT_IS_OTHER};
    fixture.agent = agents[model->shape];
}

static void
healthy_segments_are_never_accused(void **state)
{
    (void)state;
    seed = 42;
    uint32_t n_by_shape[N_SHAPES] = {0};
    for (int i = 0; i < N_HEALTHY; i++) {
        struct model model;
        make_healthy(&model);
        encode(&model);
        judge_bytes(segment_build_bytes(&fixture.build));
        for (uint32_t rule = 0; rule < RULE_COUNT; rule++)
            if ((fixture.judgement.rules >> rule & 1) != 0 &&
                integrity_class((enum rule)rule, fixture.agent) != CLASS_HINT)
                fail_msg("segment %d of shape %d: %s", i, model.shape, found());
        assert_true(fixture.judgement.verdict <= VERDICT_OBSERVED);
        assert_true(is_payload_unchanged());
        n_by_shape[model.shape]++;
    }
    for (uint32_t shape = 0; shape < N_SHAPES; shape++)
        assert_true(n_by_shape[shape] > N_HEALTHY / N_SHAPES / 2);
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
        make_healthy(&model);
        enum fault fault = (enum fault)(i % N_FAULTS);
        enum rule rule = hurt(&model, fault);
        encode(&model);
        judge_bytes(segment_build_bytes(&fixture.build));
        if ((fixture.judgement.rules >> rule & 1) == 0)
            fail_msg("segment %d, fault %d: found only %s", i, fault, found());
        assert_true(fixture.judgement.verdict >= VERDICT_TAGGED);
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
