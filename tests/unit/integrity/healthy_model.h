/* Random healthy segments in the shape of each language's agent. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Order, roots, ids, times, tags, references and flags as integrity.md 3 lists them. The seed is
 * fixed, so a failure repeats. */
#ifndef INTEGRITY_HEALTHY_MODEL_H
#define INTEGRITY_HEALTHY_MODEL_H

#include "integrity/judge_fixture.h"

enum { MAX_SPANS = 24, MAX_TAGS = 6, MAX_REFS = 4 };

enum shape { GO, JAVA, PYTHON, NODE, PHP, RUST, RUBY, DOTNET, CPP, LUA, BROWSER, N_SHAPES };

struct model_span {
    struct build_span span;
    const char *keys[MAX_TAGS], *values[MAX_TAGS];
    struct build_ref refs[MAX_REFS];
    uint32_t n_tags, n_refs;
    bool is_blank;
};

struct model {
    enum shape shape;
    const char *trace_id, *segment_id, *service, *instance;
    bool is_limited;
    struct model_span spans[MAX_SPANS + 1];
    uint32_t n_spans;
    int64_t clock_ms;  /* the reporter's, when the root began */
    bool is_hostile;   /* a caller sent text that it should not */
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
                                    "Local/worker thread",
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

/* Browsers and a few machines are off by days; the others' clocks are right. */
static int64_t
make_clock(enum shape shape)
{
    int64_t age_ms = draw(100000);
    if (shape == BROWSER || one_in(200))
        age_ms += ((int64_t)draw(800) - 400) * 86400000;
    return now_ms - age_ms;
}

/* Go's ids hold the milliseconds since 1899-11-30; the root starts microseconds later. */
static const char *
make_go_id(char *text, size_t size, uint32_t process, int64_t at_ms)
{
    snprintf(text, size, "0a1b2c3d4e5f11ee8f00%012x.%u.%lld%04u", process, draw(99999),
             (long long)(at_ms + INT64_C(2211753600000)), 1 + draw(9999));
    return text;
}

/* A trace begins here, or long ago in a pool's goroutine, or wherever the caller says. */
static void
make_go_ids(struct model *model)
{
    static char segment[80], trace[80];
    uint32_t process = draw(UINT32_MAX);
    model->segment_id =
        make_go_id(segment, sizeof(segment), process, model->clock_ms - (one_in(9) ? draw(40) : 0));
    model->trace_id = model->segment_id;
    if (one_in(3))
        model->trace_id =
            make_go_id(trace, sizeof(trace), process, model->clock_ms - draw(90000000));
    else if (one_in(3))
        model->trace_id = "client chose: \xc3\xa4 text";
}

static void
make_ids(struct model *model)
{
    static char java[64], hex[40], decimal[48], dotnet[64];
    snprintf(java, sizeof(java), "5c1d2e3f4a5b4c6d%08x%08x.%u.%lld0003", draw(UINT32_MAX),
             draw(UINT32_MAX), draw(999), (long long)model->clock_ms);
    snprintf(dotnet, sizeof(dotnet), "9e107d9d372bb682%08x%08x.%u.%lld0007", draw(UINT32_MAX),
             draw(UINT32_MAX), draw(99), (long long)model->clock_ms);
    snprintf(hex, sizeof(hex), "%08x%08x%08x%08x", draw(UINT32_MAX), draw(UINT32_MAX),
             draw(UINT32_MAX), draw(UINT32_MAX));
    snprintf(decimal, sizeof(decimal), "31%010u%010u%010u", draw(UINT32_MAX), draw(UINT32_MAX),
             draw(UINT32_MAX));
    const char *const ids[N_SHAPES] = {"",  java,   hex,      hex,      decimal, decimal,
                                       hex, dotnet, PLAIN_ID, PLAIN_ID, PLAIN_ID};
    model->segment_id = ids[model->shape];
    model->trace_id = one_in(2) ? model->segment_id : "client chose: \xc3\xa4 text";
    if (model->shape == GO)
        make_go_ids(model);
}

static void
make_tags(const struct model *model, struct model_span *s)
{
    bool is_unique = s->span.layer == LAYER_CACHE || model->shape == GO;
    s->n_tags = draw(MAX_TAGS - 1);
    uint32_t first = draw(8);
    for (uint32_t i = 0; i < s->n_tags; i++) {
        /* Keys differ on a Cache span and with Go; elsewhere repeats are lawful. */
        s->keys[i] = keys[is_unique || one_in(2) ? (first + i) % 8 : first];
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

/* Times in the reporter's clock. Children may outlive their parents, start before them (a message
 * was in the queue) and, rarely, see the clock set back. */
static void
make_times(const struct model *model, struct build_span *span)
{
    span->start = model->clock_ms;
    if (span->id > 0)
        span->start += (int64_t)draw(5000) - (one_in(20) ? 4000 : 0);
    else if (model->shape == JAVA && one_in(10))
        span->start -= draw(600000);
    span->end = span->start + (one_in(3) ? 0 : draw(60000));
    if (one_in(100))
        span->end -= 3000;
}

static void
make_span(struct model *model, uint32_t at, int32_t id, int32_t parent)
{
    struct model_span *s = &model->spans[at];
    bool is_single = model->shape == DOTNET || model->shape == BROWSER;
    *s = (struct model_span){
        .span = {.id = id,
                 .parent = parent,
                 .operation = PICK(names),
                 .type = is_single || (parent == -1 && one_in(9)) ? SPAN_EXIT
                         : parent == -1 && one_in(9)              ? SPAN_LOCAL
                         : parent == -1                           ? SPAN_ENTRY
                                                                  : (int32_t)draw(3),
                 .layer = (int32_t)draw(8),
                 .component = (int32_t)draw(9001),
                 .peer = PICK(peers),
                 .is_error = one_in(9),
                 .skip_analysis = model->shape != GO && one_in(20)},
    };
    if (model->shape == CPP)
        s->span.component = one_in(2) ? 9000 : 6000;
    make_times(model, &s->span);
    make_tags(model, s);
}

/* What another process sent in its header. */
static struct build_ref
make_far_ref(struct model *model)
{
    static const char *const endpoints[] = {"/cart", "", "GET:/checkout/{id}", "/api/values"};
    static const char *const addresses[] = {"", "h:80", "10.0.0.1:3306", "/api/values"};
    static const char *const traces[] = {"trace-b", "trace-c", "312345678901234567890"};
    bool is_own = (model->shape == PYTHON || model->shape == NODE) && one_in(2);
    struct build_ref ref = {
        .type = REF_CROSS_PROCESS,
        .trace = model->shape == GO || one_in(2) ? model->trace_id : PICK(traces),
        .segment = "1b0c2d3e4f5a11ee8f000242ac120003.7.40017535990000001",
        .span = (int32_t)draw(9),
        .service = is_own ? model->service : "gateway",
        .instance = is_own ? model->instance : "gateway-1@10.0.0.9",
        .endpoint = model->shape == NODE ? "" : PICK(endpoints),
        .address = is_own ? "" : PICK(addresses),
    };
    if (one_in(40)) {
        model->is_hostile = true;
        ref.segment = "";
        ref.span = one_in(2) ? -7 : 0;
    }
    return ref;
}

/* From another thread of the process, or from an Exit of this very segment. */
static struct build_ref
make_near_ref(struct model *model, uint32_t holder)
{
    struct build_ref ref = make_far_ref(model);
    ref.service = model->service;
    ref.instance = model->instance;
    uint32_t other = draw(model->n_spans);
    if (other != holder && one_in(2)) {
        ref.segment = model->segment_id;
        ref.span = model->spans[other].span.id;
    } else if (model->shape != GO && model->shape != NODE) {
        ref.type = REF_CROSS_THREAD;
    }
    return ref;
}

/* On any span; several where messages come in batches. */
static void
make_refs(struct model *model)
{
    for (uint32_t i = 0; i < model->n_spans; i++) {
        struct model_span *s = &model->spans[i];
        s->n_refs = one_in(3) ? draw(MAX_REFS + 1) : 0;
        for (uint32_t k = 0; k < s->n_refs; k++)
            s->refs[k] = one_in(3) ? make_near_ref(model, i) : make_far_ref(model);
    }
}

/* A scanner's decoded path, a header with escapes. */
static void
make_hostile_text(struct model *model)
{
    struct model_span *s = &model->spans[draw(model->n_spans)];
    model->is_hostile = true;
    if (one_in(3))
        s->span.operation = "/%00\x01 odd\nname";
    else if (s->n_tags > 0 && s->keys[0][0] != 'x' && s->keys[0][0] != 't') /* none of OAP's own */
        s->values[0] = "\x1b[1m";
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
make_healthy_of(struct model *model, enum shape shape)
{
    *model = (struct model){.shape = shape,
                            .clock_ms = make_clock(shape),
                            .service = names[2 + draw(6)],
                            .instance = one_in(2) ? "worker-host" : "abc@10.0.0.1"};
    make_ids(model);
    model->n_spans = shape == DOTNET || shape == BROWSER ? 1 : 1 + draw(MAX_SPANS);
    model->is_limited = (shape == JAVA || shape == PYTHON) && one_in(5);
    make_spans(model);
    order_spans(model);
    make_refs(model);
    if (one_in(10))
        make_hostile_text(model);
}

static void
make_healthy(struct model *model)
{
    make_healthy_of(model, (enum shape)draw(N_SHAPES));
}

static void
encode(const struct model *model)
{
    segment_build_begin(&fixture.build, model->trace_id, model->segment_id);
    for (uint32_t i = 0; i < model->n_spans; i++) {
        const struct model_span *s = &model->spans[i];
        if (s->is_blank) {
            segment_build_field(&fixture.build, 3, BYTES_NONE);
            continue;
        }
        segment_build_span_open(&fixture.build, &s->span);
        for (uint32_t k = 0; k < s->n_refs; k++)
            segment_build_ref(&fixture.build, &s->refs[k]);
        for (uint32_t k = 0; k < s->n_tags; k++)
            segment_build_tag(&fixture.build, s->keys[k], s->values[k]);
        if (one_in(6))
            segment_build_log(&fixture.build, now_ms, "event", "");
        segment_build_close(&fixture.build);
    }
    segment_build_end(&fixture.build, model->service, model->instance, model->is_limited);
    segment_build_raw(&fixture.build, model->tail);
    static const enum agent agents[N_SHAPES] = {
        [GO] = AGENT_IS_GO,        [JAVA] = AGENT_IS_JAVA,  [DOTNET] = AGENT_IS_DOTNET,
        [PYTHON] = AGENT_IS_OTHER, [NODE] = AGENT_IS_OTHER, [RUBY] = AGENT_IS_OTHER};
    fixture.agent = agents[model->shape];
}

#endif
