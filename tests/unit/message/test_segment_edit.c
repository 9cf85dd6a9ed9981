/* Edits of segments: what changes, and that nothing else does. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message/corpus.h"
#include "message/segment_edit.h"
#include "message/wire_builder.h"

static const struct segment_limits roomy = {100000, 1000000};

struct fixture {
    struct segment_view view, after;
    struct builder message;
    struct arena *arena;
    struct segment_edit *edit;
};

static int
set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    segment_view_init(&f->view);
    segment_view_init(&f->after);
    f->arena = arena_new(16 << 20);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    segment_view_fini(&f->view);
    segment_view_fini(&f->after);
    builder_fini(&f->message);
    arena_free(&f->arena);
    mem_free(f);
    return 0;
}

static void
begin_raw(struct fixture *f, struct bytes raw)
{
    builder_fini(&f->message);
    put_raw(&f->message, raw);
    assert_int_equal(segment_decode(&f->view, builder_bytes(&f->message), &roomy), ERR_OK);
    f->edit = segment_edit_new(f->arena, &f->view);
}
#define BEGIN(fixture, literal) begin_raw((fixture), BYTES(literal))

static struct bytes
finish(struct fixture *f)
{
    struct bytes out;
    assert_int_equal(segment_edit_apply(f->edit, &out), ERR_OK);
    assert_int_equal(segment_decode(&f->after, out, &roomy), ERR_OK);
    return out;
}

static void
expect_raw(struct bytes got, struct bytes expected)
{
    assert_int_equal(got.n, expected.n);
    if (got.n > 0)
        assert_memory_equal(got.p, expected.p, got.n);
}
#define EXPECT(got, literal) expect_raw((got), BYTES(literal))

static void
no_edit_changes_nothing(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x22\x01s\x1a\x82\x00\x08\x01");
    EXPECT(finish(f), "\x22\x01s\x1a\x82\x00\x08\x01");
}

static void
a_tag_goes_behind_all_fields_of_its_span(void **state)
{
    struct fixture *f = *state;
    /* The unknown field 15 and the overlong length of the other span stay. */
    BEGIN(f, "\x1a\x05\x08\x01\x7a\x01z\x1a\x82\x00\x08\x02\x22\x01s");
    assert_int_equal(segment_edit_add_tag(f->edit, 0, BYTES("k"), BYTES("v1")), ERR_OK);
    EXPECT(finish(f), "\x1a\x0e\x08\x01\x7a\x01z\x62\x07\x0a\x01k\x12\x02v1"
                      "\x1a\x82\x00\x08\x02\x22\x01s");
}

static void
lengths_grow_into_more_bytes(void **state)
{
    struct fixture *f = *state;
    static const char value[200] = {'v'};
    BEGIN(f, "\x1a\x02\x08\x01\x22\x01s");
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            segment_edit_add_tag(f->edit, 0, BYTES("k"), bytes_of(value, sizeof(value))), ERR_OK);
    finish(f);
    assert_int_equal(f->after.n_spans, 1);
    assert_int_equal(f->after.spans[0].id, 1);
    assert_int_equal(f->after.spans[0].n_tags, 100);
    assert_int_equal(f->after.tags[99].value.n, 200);
    assert_int_equal(f->after.service.n, 1);
}

static void
spans_are_cut_out(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x02\x08\x01\x22\x01s\x1a\x00\x1a\x82\x00\x08\x03");
    assert_int_equal(segment_edit_remove_span(f->edit, 1), ERR_OK);
    EXPECT(finish(f), "\x1a\x02\x08\x01\x22\x01s\x1a\x82\x00\x08\x03");
    BEGIN(f, "\x1a\x02\x08\x01\x22\x01s\x1a\x00\x1a\x82\x00\x08\x03");
    for (uint32_t i = 3; i-- > 0;)
        assert_int_equal(segment_edit_remove_span(f->edit, i), ERR_OK);
    EXPECT(finish(f), "\x22\x01s");
}

static void
removal_of_a_span_beats_its_other_edits(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x02\x08\x01\x1a\x04\x62\x00\x08\x02");
    assert_int_equal(segment_edit_add_tag(f->edit, 1, BYTES("k"), BYTES("v")), ERR_OK);
    assert_int_equal(segment_edit_remove_span(f->edit, 1), ERR_OK);
    assert_int_equal(segment_edit_remove_tag(f->edit, 1, 0), ERR_OK);
    EXPECT(finish(f), "\x1a\x02\x08\x01");
}

static void
tags_and_refs_are_cut_out_in_any_order(void **state)
{
    struct fixture *f = *state;
    /* Tags and refs of the second span are mixed; their indices count from the first span's. */
    BEGIN(f, "\x1a\x04\x62\x00\x2a\x00"
             "\x1a\x12\x62\x03\x0a\x01"
             "a\x2a\x02\x20\x01\x62\x80\x00\x2a\x02\x20\x02\x08\x05");
    assert_int_equal(f->view.n_tags, 3);
    assert_int_equal(f->view.n_refs, 3);
    assert_int_equal(segment_edit_remove_tag(f->edit, 1, 2), ERR_OK);
    assert_int_equal(segment_edit_remove_ref(f->edit, 1, 1), ERR_OK);
    EXPECT(finish(f), "\x1a\x04\x62\x00\x2a\x00"
                      "\x1a\x0b\x62\x03\x0a\x01"
                      "a\x2a\x02\x20\x02\x08\x05");
}

static void
a_key_is_renamed_in_place(void **state)
{
    struct fixture *f = *state;
    /* key, value, unknown field 3; then a tag after it. */
    BEGIN(f, "\x1a\x0f\x62\x08\x0a\x01k\x12\x01v\x18\x09\x62\x03\x12\x01w");
    assert_int_equal(segment_edit_rename_tag(f->edit, 0, 0, BYTES("k#2")), ERR_OK);
    EXPECT(finish(f), "\x1a\x11\x62\x0a\x0a\x03k#2\x12\x01v\x18\x09\x62\x03\x12\x01w");
}

static void
of_repeated_keys_the_last_is_renamed(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x0b\x62\x09\x0a\x01"
             "a\x12\x01v\x0a\x01"
             "b");
    assert_int_equal(segment_edit_rename_tag(f->edit, 0, 0, BYTES("c#2")), ERR_OK);
    EXPECT(finish(f), "\x1a\x0d\x62\x0b\x0a\x01"
                      "a\x12\x01v\x0a\x03"
                      "c#2");
}

static void
an_absent_key_is_added(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x05\x62\x03\x12\x01v");
    assert_int_equal(segment_edit_rename_tag(f->edit, 0, 0, BYTES("#2")), ERR_OK);
    EXPECT(finish(f), "\x1a\x09\x62\x07\x12\x01v\x0a\x02#2");
}

static void
analysis_is_skipped(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x04\x70\x00\x08\x01");
    assert_int_equal(segment_edit_skip_analysis(f->edit, 0), ERR_OK);
    EXPECT(finish(f), "\x1a\x06\x70\x00\x08\x01\x70\x01");
    assert_true(f->after.spans[0].skip_analysis);
}

static void
invalid_bytes_become_escapes_at_every_level(void **state)
{
    struct fixture *f = *state;
    /* P22, and a log's value, and an unknown field that is no string to us. */
    BEGIN(f, "\x0a\x02\xc3\x28\x1a\x0e\x6a\x05\x12\x03\x12\x01\xff\x62\x05\x12\x03"
             "a\xe4\xb8\x7a\x01\xff");
    assert_int_equal(f->view.facts, FACT_INVALID_UTF8 | FACT_UNKNOWN_FIELD);
    assert_int_equal(segment_edit_fix_utf8(f->edit), ERR_OK);
    EXPECT(finish(f), "\x0a\x05\\xC3(\x1a\x17\x6a\x08\x12\x06\x12\x04\\xFF\x62\x0b\x12\x09"
                      "a\\xE4\\xB8\x7a\x01\xff");
    assert_int_equal(f->after.facts, FACT_UNKNOWN_FIELD);
}

static void
utf8_is_fixed_after_the_other_edits(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x05\x62\x03\x0a\x01\xff");
    assert_int_equal(segment_edit_fix_utf8(f->edit), ERR_OK);
    assert_int_equal(segment_edit_rename_tag(f->edit, 0, 0, BYTES("\xff#2")), ERR_OK);
    EXPECT(finish(f), "\x1a\x0a\x62\x08\x0a\x06\\xFF#2");
}

static void
a_used_up_arena_is_told(void **state)
{
    struct fixture *f = *state;
    BEGIN(f, "\x1a\x02\x08\x01");
    struct arena *tiny = arena_new(200);
    struct segment_edit *edit = segment_edit_new(tiny, &f->view);
    enum err err = ERR_OK;
    int n = 0;
    for (; n < 100 && err == ERR_OK; n++)
        err = segment_edit_add_tag(edit, 0, BYTES("k"), BYTES("v"));
    assert_int_equal(err, ERR_BUDGET);
    struct bytes out;
    assert_int_equal(segment_edit_apply(edit, &out), ERR_BUDGET);
    arena_reset(tiny);
    assert_non_null(arena_alloc(tiny, 190));
    edit = segment_edit_new(tiny, &f->view);
    assert_int_equal(segment_edit_add_tag(edit, 0, BYTES("k"), BYTES("v")), ERR_BUDGET);
    assert_int_equal(segment_edit_remove_tag(edit, 0, 0), ERR_BUDGET);
    assert_int_equal(segment_edit_fix_utf8(edit), ERR_BUDGET);
    assert_int_equal(segment_edit_apply(edit, &out), ERR_BUDGET);
    arena_free(&tiny);
}

/* What random edits should make of one span of f->view, by fields. */
struct expected_span {
    bool removed, skip;
    uint32_t n_new;
};

struct expected {
    struct expected_span spans[64];
    bool tag_removed[1024], ref_removed[1024], renamed[1024];
};

static void
edit_at_random(struct fixture *f, struct expected *expected)
{
    const struct segment_view *view = &f->view;
    for (int n = rand() % 12; n > 0; n--) {
        uint32_t s = (uint32_t)rand() % view->n_spans;
        const struct span_view *span = &view->spans[s];
        uint32_t tag = span->first_tag + (span->n_tags ? (uint32_t)rand() % span->n_tags : 0);
        uint32_t ref = span->first_ref + (span->n_refs ? (uint32_t)rand() % span->n_refs : 0);
        enum err err = ERR_OK;
        int kind = rand() % 12;
        if (kind < 4) {
            expected->spans[s].n_new++;
            err = segment_edit_add_tag(f->edit, s, BYTES("sw.new"), BYTES("value"));
        } else if (kind < 6) {
            expected->spans[s].skip = true;
            err = segment_edit_skip_analysis(f->edit, s);
        } else if (kind < 7) {
            expected->spans[s].removed = true;
            err = segment_edit_remove_span(f->edit, s);
        } else if (kind < 9 && span->n_tags > 0) {
            expected->tag_removed[tag] = true;
            err = segment_edit_remove_tag(f->edit, s, tag);
        } else if (kind < 11 && span->n_tags > 0) {
            expected->renamed[tag] = true;
            err = segment_edit_rename_tag(f->edit, s, tag, BYTES("renamed#2"));
        } else if (span->n_refs > 0) {
            expected->ref_removed[ref] = true;
            err = segment_edit_remove_ref(f->edit, s, ref);
        }
        assert_int_equal(err, ERR_OK);
    }
}

static void
expect_bytes(struct bytes a, struct bytes b)
{
    assert_int_equal(a.n, b.n);
    if (a.n > 0)
        assert_memory_equal(a.p, b.p, a.n);
}

static void
compare_tags(const struct fixture *f, const struct span_view *old, const struct span_view *new,
             const struct expected *expected, uint32_t n_new)
{
    uint32_t at = new->first_tag;
    for (uint32_t i = old->first_tag; i < old->first_tag + old->n_tags; i++) {
        if (expected->tag_removed[i])
            continue;
        expect_bytes(f->after.tags[at].value, f->view.tags[i].value);
        expect_bytes(f->after.tags[at].key,
                     expected->renamed[i] ? BYTES("renamed#2") : f->view.tags[i].key);
        at++;
    }
    for (; n_new > 0; n_new--, at++)
        expect_bytes(f->after.tags[at].key, BYTES("sw.new"));
    assert_int_equal(at, new->first_tag + new->n_tags);
}

static void
compare_refs(const struct fixture *f, const struct span_view *old, const struct span_view *new,
             const struct expected *expected)
{
    uint32_t at = new->first_ref;
    for (uint32_t i = old->first_ref; i < old->first_ref + old->n_refs; i++)
        if (!expected->ref_removed[i])
            expect_bytes(f->after.refs[at++].raw, f->view.refs[i].raw);
    assert_int_equal(at, new->first_ref + new->n_refs);
}

static void
compare_spans(const struct fixture *f, const struct expected *expected)
{
    uint32_t at = 0;
    for (uint32_t s = 0; s < f->view.n_spans; s++) {
        const struct span_view *old = &f->view.spans[s], *new = &f->after.spans[at];
        if (expected->spans[s].removed)
            continue;
        at++;
        assert_int_equal(new->id, old->id);
        assert_int_equal(new->parent_id, old->parent_id);
        assert_true(new->start_ms == old->start_ms &&new->end_ms == old->end_ms);
        expect_bytes(new->operation, old->operation);
        expect_bytes(new->peer, old->peer);
        assert_int_equal(new->n_logs, old->n_logs);
        assert_int_equal(new->skip_analysis, old->skip_analysis || expected->spans[s].skip);
        compare_tags(f, old, new, expected, expected->spans[s].n_new);
        compare_refs(f, old, new, expected);
    }
    assert_int_equal(at, f->after.n_spans);
    expect_bytes(f->after.segment_id, f->view.segment_id);
    expect_bytes(f->after.trace_id, f->view.trace_id);
    expect_bytes(f->after.service, f->view.service);
    expect_bytes(f->after.instance, f->view.instance);
}

/* decode, edit, decode: the edits and nothing else, on captured segments. */
static void
random_edits_change_what_they_say(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"tests/corpus/go.bin", "tests/corpus/java.bin",
                                        "tests/corpus/node.bin", "tests/corpus/python.bin",
                                        "tests/corpus/go-race-clean.bin"};
    srand(20260301);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct bytes file = corpus_read(paths[i]), list = file, message;
        while (corpus_next(&list, &message))
            for (int round = 0; round < 20; round++) {
                static struct expected expected;
                memset(&expected, 0, sizeof(expected));
                arena_reset(f->arena);
                begin_raw(f, message);
                assert_in_range(f->view.n_spans, 1, 64);
                assert_in_range(f->view.n_tags + f->view.n_refs, 0, 1024);
                edit_at_random(f, &expected);
                finish(f);
                compare_spans(f, &expected);
            }
        mem_free((void *)(uintptr_t)file.p);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_edit_changes_nothing),
        TEST(a_tag_goes_behind_all_fields_of_its_span),
        TEST(lengths_grow_into_more_bytes),
        TEST(spans_are_cut_out),
        TEST(removal_of_a_span_beats_its_other_edits),
        TEST(tags_and_refs_are_cut_out_in_any_order),
        TEST(a_key_is_renamed_in_place),
        TEST(of_repeated_keys_the_last_is_renamed),
        TEST(an_absent_key_is_added),
        TEST(analysis_is_skipped),
        TEST(invalid_bytes_become_escapes_at_every_level),
        TEST(utf8_is_fixed_after_the_other_edits),
        TEST(a_used_up_arena_is_told),
        TEST(random_edits_change_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
