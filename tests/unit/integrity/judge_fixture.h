/* An engine, a builder and a decoder of what comes out, fresh for every test. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEGRITY_JUDGE_FIXTURE_H
#define INTEGRITY_JUDGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "integrity/integrity.h"
#include "message/segment.h"
#include "support/segment_build.h"

#define GO_ID "0123456789ab1def0123456789abcdef.42.40017535999800001"
#define JAVA_ID "0123456789ab4def0123456789abcdef.42.17000000000000001"
#define PLAIN_ID "0b0ce06a-9b0c-4a0c-8f0e-1f2e3d4c5b6a"

static struct {
    struct integrity_settings settings;
    struct integrity *engine;
    struct segment_build build;
    struct judgement judgement;
    enum agent agent;
    struct segment_view out; /* the payload, decoded */
    struct text found;
} fixture;

static const int64_t now_ms = INT64_C(1790000000000);

static inline int
set_up(void **state)
{
    (void)state;
    integrity_settings_default(&fixture.settings);
    fixture.engine = integrity_new(&fixture.settings, NULL);
    fixture.agent = AGENT_UNKNOWN;
    segment_view_init(&fixture.out);
    return 0;
}

static inline int
tear_down(void **state)
{
    (void)state;
    integrity_free(&fixture.engine);
    segment_build_fini(&fixture.build);
    segment_view_fini(&fixture.out);
    text_fini(&fixture.found);
    return 0;
}

static inline void
use_mode(enum integrity_mode mode)
{
    fixture.settings.mode = mode;
    integrity_set(fixture.engine, &fixture.settings);
}

static inline void
use_action(enum rule rule, enum rule_action action)
{
    fixture.settings.actions[rule] = action;
    integrity_set(fixture.engine, &fixture.settings);
}

/* The findings as "rule,rule*2", rules in table order, with their numbers where above one. */
static inline const char *
found(void)
{
    text_clear(&fixture.found);
    text_add(&fixture.found, "");
    for (uint32_t rule = 0; rule < RULE_COUNT; rule++) {
        uint32_t n = fixture.judgement.n_counts[rule];
        assert_int_equal(n > 0, fixture.judgement.rules >> rule & 1);
        if (n == 0)
            continue;
        text_addf(&fixture.found, "%s%s", fixture.found.n > 0 ? "," : "",
                  rule_row((enum rule)rule)->name);
        if (n > 1)
            text_addf(&fixture.found, "*%u", n);
    }
    return fixture.found.n > 0 ? fixture.found.p : "";
}

static inline void
judge_bytes(struct bytes message)
{
    integrity_judge_segment(fixture.engine, message, now_ms, fixture.agent, &fixture.judgement);
}

/* Judges what was built and holds it to these findings and this verdict. */
static inline void
expect(const char *findings, enum verdict verdict)
{
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_string_equal(found(), findings);
    assert_string_equal(verdict_label(fixture.judgement.verdict), verdict_label(verdict));
}

static inline bool
is_payload_unchanged(void)
{
    struct bytes in = segment_build_bytes(&fixture.build);
    return !fixture.judgement.edited && bytes_equal(fixture.judgement.payload, in);
}

/* Decodes what goes on; the judgement stays valid. */
static inline const struct segment_view *
decode_payload(void)
{
    struct segment_limits limits = {.max_spans = 200000, .max_parts = 2000000};
    assert_int_equal(segment_decode(&fixture.out, fixture.judgement.payload, &limits), ERR_OK);
    return &fixture.out;
}

/* Value of the span's tag in the payload; NULL bytes when it has none. */
static inline struct bytes
tag_of(const struct segment_view *view, uint32_t span, const char *key)
{
    const struct span_view *s = &view->spans[span];
    for (uint32_t i = s->first_tag; i < s->first_tag + s->n_tags; i++)
        if (bytes_equal(view->tags[i].key, bytes_str(key)))
            return view->tags[i].value;
    return BYTES_NONE;
}

static inline void
assert_bytes(struct bytes got, const char *wanted)
{
    char *text = mem_string_n(got.p, got.n);
    assert_string_equal(text, wanted);
    mem_free(text);
}

static inline void
assert_tagged(uint32_t span, const char *rules)
{
    assert_bytes(tag_of(decode_payload(), span, "sw.proxy.integrity"), rules);
}

/* Builders of the usual shapes. */
static inline void
begin(void)
{
    segment_build_begin(&fixture.build, "trace-1", PLAIN_ID);
}

/* The span's start lies on the time in GO_ID. */
static inline void
begin_go(void)
{
    fixture.agent = AGENT_IS_GO;
    segment_build_begin(&fixture.build, GO_ID, GO_ID);
}

static inline void
end(void)
{
    segment_build_end(&fixture.build, "checkout", "checkout-1@10.0.0.1", false);
}

static inline void
open_span(int32_t id, int32_t parent, int32_t type, int32_t layer)
{
    segment_build_span_open(&fixture.build,
                            &(struct build_span){.id = id,
                                                 .parent = parent,
                                                 .start = now_ms - 20,
                                                 .end = now_ms - 10,
                                                 .operation = "/checkout",
                                                 .peer = type == SPAN_EXIT ? "db:5432" : "",
                                                 .type = type,
                                                 .layer = layer,
                                                 .component = 5004});
}

static inline void
close_span(void)
{
    segment_build_close(&fixture.build);
}

static inline void
add_tag(const char *key, const char *value)
{
    segment_build_tag(&fixture.build, key, value);
}

static inline void
add_span(int32_t id, int32_t parent)
{
    open_span(id, parent, parent == -1 ? SPAN_ENTRY : SPAN_LOCAL, LAYER_UNKNOWN);
    close_span();
}

/* A second judgement of what went on finds nothing to change. */
static inline void
assert_stable(void)
{
    struct bytes payload = fixture.judgement.payload;
    uint8_t *copy = mem_alloc(payload.n + 1);
    memcpy(copy, payload.p, payload.n);
    judge_bytes(bytes_of(copy, payload.n));
    assert_false(fixture.judgement.edited);
    mem_free(copy);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
